//! Numbers as people write them: thousands separators, decimal commas, digits of several scripts.
//!
//! `1.234` is twelve hundred in one file and a little more than one in another. Which it is, the rest of the column says:
//! whatever can only be read one way is read so, and decides what the others mean.

/// What separates the fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Point,
    Comma,
}

/// Why there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    Missing,
    Negative,
    Malformed,
    TooLarge,
}

/// A number in a cell, as it is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// ASCII digits with `.` and `,` between them.
    digits: String,
    /// Whether thousands were separated by something else, so that what is left separates the fraction.
    grouped: bool,
    negative: bool,
    /// What stands before it and after it.
    pub(super) around: String,
}

/// A number of fractions of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) minor: i64,
    /// Whether something below the fraction was not nothing.
    pub(super) rounded: bool,
}

impl Written {
    /// The first number of a cell.
    pub(super) fn find(cell: &str) -> Result<Self, Error> {
        let mut chars: Vec<char> = cell.chars().map(plain).collect();
        let Some(mut start) = chars.iter().position(char::is_ascii_digit) else { return Err(Error::Missing) };
        // `12€99`: the sign of the currency in the place of the point.
        if let [.., whole, '€', tens, ones] = chars[..]
            && [whole, tens, ones].iter().all(char::is_ascii_digit)
        {
            let at = chars.len() - 3;
            chars.splice(at..=at, ['.']);
            chars.push('€');
        }
        if start > 0
            && matches!(chars[start - 1], '.' | ',')
            && !chars[..start - 1].last().is_some_and(|c| c.is_alphabetic())
        {
            start -= 1;
        }
        let before: String = chars[..start].iter().collect();
        let (digits, grouped, end) = digits(&chars, start);
        let exponent = matches!(chars.get(end), Some('e' | 'E'))
            && chars[end + 1..].iter().find(|c| !matches!(c, '+' | '-')).is_some_and(char::is_ascii_digit);
        if exponent {
            return Err(Error::Malformed);
        }
        let after: String = chars[end..].iter().collect();
        let negative = before.trim_start().starts_with(['-', '\u{2212}', '(']) || before.ends_with(['-', '\u{2212}']);
        Ok(Self { digits, grouped, negative, around: format!("{before} {after}") })
    }

    /// What separates its fraction, where it can only be read one way.
    pub(super) fn style(&self) -> Option<Style> {
        let (last, after) = self.last_separator()?;
        let style = if last == '.' { Style::Point } else { Style::Comma };
        let other = if last == '.' { Style::Comma } else { Style::Point };
        let (both, times) =
            (self.digits.contains(['.']) && self.digits.contains([',']), self.digits.matches(last).count());
        match () {
            () if times > 1 => Some(other),
            () if both || self.grouped || after != 3 => Some(style),
            () => {
                let before = self.digits.len() - after - 1;
                let whole = &self.digits[..before];
                (before > 3 || before == 0 || whole == "0").then_some(style)
            }
        }
    }

    /// The number in fractions of which `exponent` digits make a unit, rounded half up.
    pub(super) fn amount(&self, column: Option<Style>, exponent: u32) -> Result<Amount, Error> {
        if self.negative && self.digits.contains(|c: char| matches!(c, '1'..='9')) {
            return Err(Error::Negative);
        }
        let fraction = match (self.style().or(column), self.last_separator()) {
            (_, None) => None,
            (Some(style), Some((last, after))) => ((style == Style::Point) == (last == '.')).then_some(after),
            // Nothing tells: three digits are a fraction only where a currency has that many.
            (None, Some((_, after))) => (exponent == 3).then_some(after),
        };
        let (whole, fraction) = match fraction {
            Some(after) => (&self.digits[..self.digits.len() - after - 1], &self.digits[self.digits.len() - after..]),
            None => (&self.digits[..], ""),
        };
        let whole = ungroup(whole)?;
        let kept = exponent as usize;
        let mut minor: i64 = 0;
        let digits = whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(kept));
        for digit in digits {
            let next = minor.checked_mul(10).and_then(|tens| tens.checked_add(i64::from(digit - b'0')));
            minor = next.ok_or(Error::TooLarge)?;
        }
        let dropped = fraction.as_bytes().get(kept..).unwrap_or_default();
        let up = dropped.first().is_some_and(|digit| *digit >= b'5');
        let rounded = dropped.iter().any(|digit| *digit != b'0');
        Ok(Amount { minor: minor.checked_add(i64::from(up)).ok_or(Error::TooLarge)?, rounded })
    }

    fn last_separator(&self) -> Option<(char, usize)> {
        let at = self.digits.rfind(['.', ','])?;
        Some((char::from(self.digits.as_bytes()[at]), self.digits.len() - at - 1))
    }
}

/// What separates the fractions of a column; the majority of those that can only be read one way.
pub(super) fn style<'a>(cells: impl Iterator<Item = &'a str>) -> Option<Style> {
    let (mut points, mut commas) = (0_u32, 0_u32);
    for written in cells.filter_map(|cell| Written::find(cell).ok()) {
        match written.style() {
            Some(Style::Point) => points += 1,
            Some(Style::Comma) => commas += 1,
            None => {}
        }
    }
    match points.cmp(&commas) {
        std::cmp::Ordering::Greater => Some(Style::Point),
        std::cmp::Ordering::Less => Some(Style::Comma),
        std::cmp::Ordering::Equal => None,
    }
}

/// The number from `start` on, whether spaces or apostrophes grouped it, and where it ends.
fn digits(chars: &[char], start: usize) -> (String, bool, usize) {
    let (mut digits, mut grouped, mut at) = (String::new(), false, start);
    let is_digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
    while let Some(c) = chars.get(at) {
        match c {
            '0'..='9' => digits.push(*c),
            '.' | ',' if is_digit(at + 1) => digits.push(*c),
            // Exactly three digits have to follow: other numbers follow other numbers.
            ' ' | '\'' if (1..=3).all(|next| is_digit(at + next)) && !is_digit(at + 4) => grouped = true,
            _ => break,
        }
        at += 1;
    }
    (digits, grouped, at)
}

/// Takes the separators out of whole units, where they stand between groups of three (or, in India, of two).
fn ungroup(whole: &str) -> Result<String, Error> {
    let mut groups = whole.split(['.', ',']);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let valid = rest.iter().enumerate().all(|(index, group)| {
        let last = index + 1 == rest.len();
        group.len() == 3 || group.len() == 2 && !last
    });
    let separators = whole.contains('.') && whole.contains(',');
    if !valid || separators || (!rest.is_empty() && !(1..=3).contains(&first.len())) {
        return Err(Error::Malformed);
    }
    Ok([&[first], &rest[..]].concat().concat())
}

/// The ASCII form of a digit or of what separates digits.
fn plain(c: char) -> char {
    let digit = |zero: u32| char::from_digit((c as u32).wrapping_sub(zero), 10);
    match c {
        '\u{ff10}'..='\u{ff19}' => digit(0xff10).unwrap_or(c),
        '\u{660}'..='\u{669}' => digit(0x660).unwrap_or(c),
        '\u{6f0}'..='\u{6f9}' => digit(0x6f0).unwrap_or(c),
        '\u{966}'..='\u{96f}' => digit(0x966).unwrap_or(c),
        '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{2007}' => ' ',
        '\u{2019}' | '\u{2018}' | '\u{b4}' | '`' => '\'',
        '\u{66b}' | '\u{ff0e}' => '.',
        '\u{66c}' | '\u{ff0c}' => ',',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(cell: &str, column: Option<Style>) -> Result<i64, Error> {
        Written::find(cell)?.amount(column, 2).map(|amount| amount.minor)
    }

    #[test]
    fn what_can_only_be_read_one_way_is_read_so_in_any_column() {
        let expected = [
            ("1.234,56 €", 123_456),
            ("US$ 1,299.00", 129_900),
            ("¥1200", 120_000),
            ("12 990 ₽", 1_299_000),
            ("CHF 1'299.95", 129_995),
            ("1.234.567", 123_456_700),
            ("1,23,456.50", 12_345_650),
            ("12€99", 1_299),
            (".99", 99),
            ("0.125", 13),
            ("19.9900", 1_999),
            ("12,5", 1_250),
            ("1299,-", 129_900),
            ("Rs. 499", 49_900),
            ("10.00 - 20.00", 1_000),
            ("10–20 €", 1_000),
            ("from 5 to 9", 500),
            ("１２００円", 120_000),
            ("1 299,95", 129_995),
            ("-0.00", 0),
            ("0", 0),
        ];
        for (cell, minor) in expected {
            for column in [None, Some(Style::Point), Some(Style::Comma)] {
                assert_eq!(cents(cell, column), Ok(minor), "{cell} in a column of {column:?}");
            }
        }
    }

    #[test]
    fn the_column_decides_what_could_be_read_two_ways() {
        assert_eq!(style(["1.234", "12,50"].into_iter()), Some(Style::Comma));
        assert_eq!(style(["1,234", "12.50"].into_iter()), Some(Style::Point));
        assert_eq!((cents("1.234", Some(Style::Comma)), cents("1.234", Some(Style::Point))), (Ok(123_400), Ok(123)));
        assert_eq!((cents("1,234", Some(Style::Comma)), cents("1,234", Some(Style::Point))), (Ok(123), Ok(123_400)));
        assert_eq!(cents("1.234", None), Ok(123_400));
        let dinars = Written::find("1.234").unwrap().amount(None, 3).unwrap();
        assert_eq!(dinars, Amount { minor: 1_234, rounded: false });
    }

    #[test]
    fn a_fraction_below_the_coin_is_rounded_and_said() {
        let rounded = |cell: &str| Written::find(cell).unwrap().amount(Some(Style::Point), 2).unwrap();
        assert_eq!(rounded("12.98999999"), Amount { minor: 1_299, rounded: true });
        assert_eq!(rounded("12.9900000"), Amount { minor: 1_299, rounded: false });
        assert_eq!(Written::find("99.5").unwrap().amount(None, 0).unwrap(), Amount { minor: 100, rounded: true });
    }

    #[test]
    fn what_is_no_price_says_why() {
        assert_eq!(cents("free", None), Err(Error::Missing));
        assert_eq!(cents("-5.00", None), Err(Error::Negative));
        assert_eq!(cents("$-5", None), Err(Error::Negative));
        assert_eq!(cents("(5.00)", None), Err(Error::Negative));
        assert_eq!(cents("1.2E+3", None), Err(Error::Malformed));
        assert_eq!(cents("1.2.3", None), Err(Error::Malformed));
        assert_eq!(cents("192.168.1.1", None), Err(Error::Malformed));
        assert_eq!(cents("99999999999999999999", None), Err(Error::TooLarge));
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(cell in ".{0,40}", exponent in 0_u32..5) {
            if let Ok(written) = Written::find(&cell) {
                let _any = written.amount(None, exponent).is_ok();
                let _any = written.amount(written.style(), exponent).is_ok();
            }
        }

        #[test]
        fn a_price_is_the_same_in_both_styles(whole in 0_i64..1_000_000_000, cents_ in 0_i64..100) {
            let digits = whole.to_string();
            let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap()).collect();
            for (thousands, point) in [(",", "."), (".", ","), ("'", "."), (" ", ","), ("\u{202f}", ",")] {
                let written = format!("{}{point}{cents_:02}", groups.join(thousands));
                proptest::prop_assert_eq!(cents(&written, None), Ok(whole * 100 + cents_), "{}", written);
            }
        }
    }
}
