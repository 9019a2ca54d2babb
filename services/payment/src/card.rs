//! Cards: the number and the code, which nothing can print, and what may be shown.
//!
//! [`Number`], [`Code`] and [`Card`] have no `Debug`, no `Display` and no serialisation, so that no log, span, error or
//! table can have one by mistake; they are wiped when they are dropped. Their bytes leave this service sealed, or to the
//! processor.

mod brand;

use mesh::Violations;
use zeroize::Zeroizing;

pub(crate) use brand::Brand;

/// The most characters of a number as it is typed, and of the name on a card.
const TYPED_MAX: usize = 40;
const HOLDER_MAX: usize = 100;
/// How long after this year a card can expire.
const YEARS_MAX: u32 = 20;

/// A card number: 12 to 19 digits with a right check digit.
pub(crate) struct Number(Zeroizing<String>);

/// A security code: 3 or 4 digits.
pub(crate) struct Code(Zeroizing<String>);

/// A card as its holder has it.
pub(crate) struct Card {
    pub(crate) number: Number,
    pub(crate) code: Code,
    pub(crate) holder: Zeroizing<String>,
    pub(crate) expiry: Expiry,
}

/// A card as it was typed: nothing of it is known to be right.
pub(crate) struct Typed {
    pub(crate) number: Zeroizing<String>,
    pub(crate) code: Zeroizing<String>,
    pub(crate) holder: Zeroizing<String>,
    pub(crate) expiry_month: i32,
    pub(crate) expiry_year: i32,
}

/// The month to whose end a card is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub(crate) year: u32,
    pub(crate) month: u32,
}

/// What of a card may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) brand: Brand,
    pub(crate) last_four: String,
    pub(crate) expiry: Expiry,
}

impl Number {
    /// Reads a number as people type it, with spaces and hyphens.
    pub(crate) fn parse(typed: &str) -> Result<Self, &'static str> {
        if typed.chars().count() > TYPED_MAX {
            return Err("must be at most 40 characters");
        }
        // As long as it can get, so that no copy is left behind where it grew.
        let mut digits = Zeroizing::new(String::with_capacity(TYPED_MAX));
        for character in typed.chars() {
            match character {
                ' ' | '-' => {}
                '0'..='9' => digits.push(character),
                _ => return Err("must be digits, with spaces or hyphens between them"),
            }
        }
        if !(12..=19).contains(&digits.len()) {
            return Err("must be 12 to 19 digits");
        }
        if luhn(&digits) { Ok(Self(digits)) } else { Err("must be a card number: its check digit is wrong") }
    }

    /// Its digits, for the processor and for the seal.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn brand(&self) -> Brand {
        Brand::of(&self.0)
    }

    pub(crate) fn last_four(&self) -> &str {
        &self.0[self.0.len() - 4..]
    }
}

impl Code {
    /// Reads a code of so many digits.
    pub(crate) fn parse(typed: Zeroizing<String>, digits: usize) -> Option<Self> {
        let right = typed.len() == digits && typed.bytes().all(|byte| byte.is_ascii_digit());
        right.then_some(Self(typed))
    }

    /// Its digits, for the processor and for the seal.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl Expiry {
    /// Whether a card is over in this month, wherever on earth.
    ///
    /// A month ends last at UTC-12: the caller asks for the month that it is there.
    pub(crate) fn is_over(self, (year, month): (u32, u32)) -> bool {
        (self.year, self.month) < (year, month)
    }
}

impl Card {
    /// What may be shown of it.
    pub(crate) fn summary(&self) -> Summary {
        let (brand, last_four) = (self.number.brand(), self.number.last_four().to_owned());
        Summary { brand, last_four, expiry: self.expiry }
    }
}

impl Typed {
    /// Checks everything that can be known without the issuer, in this month at the world's last place; all that is wrong is
    /// noted, by the field's name within `parent`, and never repeated.
    pub(crate) fn check(self, parent: &str, now: (u32, u32), violations: &mut Violations) -> Option<Card> {
        let mut found = Violations::default();
        let number = Number::parse(&self.number).map_err(|why| found.add("number", why)).ok();
        let digits = number.as_ref().map(|number| number.brand().code_digits());
        // Of an unreadable number nobody knows the brand, so any code that there can be is right.
        let digits = digits.unwrap_or(if self.code.len() == 4 { 4 } else { 3 });
        let code = Code::parse(self.code, digits);
        if code.is_none() {
            found.add("security_code", format!("must be {digits} digits"));
        }
        let expiry = expiry((self.expiry_year, self.expiry_month), now, &mut found);
        if self.holder.chars().count() > HOLDER_MAX || self.holder.chars().any(char::is_control) {
            found.add("holder_name", format!("must be at most {HOLDER_MAX} characters, and no control characters"));
        }
        let found = if parent.is_empty() { found } else { found.within(parent) };
        for violation in found.as_slice() {
            violations.add(violation.field.clone(), violation.description.clone());
        }
        found.check().ok()?;
        Some(Card { number: number?, code: code?, holder: self.holder, expiry: expiry? })
    }
}

fn expiry((year, month): (i32, i32), now: (u32, u32), found: &mut Violations) -> Option<Expiry> {
    let month = u32::try_from(month).ok().filter(|month| (1..=12).contains(month));
    if month.is_none() {
        found.add("expiry_month", "must be 1 to 12");
    }
    let (first, last) = (now.0, now.0 + YEARS_MAX);
    let year = u32::try_from(year).ok().filter(|year| (first..=last).contains(year));
    if year.is_none() {
        found.add("expiry_year", format!("must be {first} to {last}"));
    }
    let expiry = Expiry { year: year?, month: month? };
    if expiry.is_over(now) {
        found.add("expiry_month", "must not be over: the card has expired");
        return None;
    }
    Some(expiry)
}

/// The check digit of ISO/IEC 7812-1, annex B.
fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match place % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: (u32, u32) = (2026, 11);

    fn typed(number: &str, code: &str, month: i32, year: i32) -> Typed {
        Typed {
            number: number.to_owned().into(),
            code: code.to_owned().into(),
            holder: String::new().into(),
            expiry_month: month,
            expiry_year: year,
        }
    }

    fn wrong(typed: Typed) -> Vec<String> {
        let mut violations = Violations::default();
        assert_eq!(typed.check("card", NOW, &mut violations).is_none(), violations.first().is_some());
        violations.as_slice().iter().map(|violation| violation.field.clone()).collect()
    }

    /// Chosen by the compiler where a type implements the trait too, which makes the call ambiguous: it does not compile.
    trait Unprintable<Witness> {
        fn proven() {}
    }
    impl<T: ?Sized> Unprintable<()> for T {}
    struct Debugged;
    impl<T: ?Sized + std::fmt::Debug> Unprintable<Debugged> for T {}
    struct Displayed;
    impl<T: ?Sized + std::fmt::Display> Unprintable<Displayed> for T {}

    #[test]
    fn a_number_a_code_and_a_card_cannot_be_printed() {
        let proofs: [fn(); 4] = [
            <Number as Unprintable<_>>::proven,
            <Code as Unprintable<_>>::proven,
            <Card as Unprintable<_>>::proven,
            <Typed as Unprintable<_>>::proven,
        ];
        proofs.iter().for_each(|proof| proof());
    }

    #[test]
    fn a_card_is_read_as_people_type_it() {
        let mut violations = Violations::default();
        let card = typed("4242 4242-4242 4242", "123", 11, 2026).check("card", NOW, &mut violations).unwrap();
        assert_eq!(card.number.expose(), "4242424242424242");
        let summary = card.summary();
        assert_eq!((summary.brand, &*summary.last_four), (Brand::Visa, "4242"));
    }

    #[test]
    fn everything_wrong_with_a_card_is_named_at_once_and_never_repeated() {
        let holder = "x".repeat(101);
        let card = Typed { holder: holder.into(), ..typed("4242424242424241", "12a", 13, 2025) };
        let mut violations = Violations::default();
        assert!(card.check("card", NOW, &mut violations).is_none());
        let fields: Vec<_> = violations.as_slice().iter().map(|violation| violation.field.as_str()).collect();
        let all = ["card.number", "card.security_code", "card.expiry_month", "card.expiry_year", "card.holder_name"];
        assert_eq!(fields, all);
        let said = format!("{violations:?}");
        assert!(!said.contains("4242") && !said.contains("12a") && !said.contains("xx"), "{said}");
    }

    #[test]
    fn a_card_is_good_to_the_end_of_its_month_and_for_twenty_years() {
        assert!(wrong(typed("4242424242424242", "123", 11, 2026)).is_empty());
        assert_eq!(wrong(typed("4242424242424242", "123", 10, 2026)), ["card.expiry_month"]);
        assert!(wrong(typed("4242424242424242", "123", 12, 2046)).is_empty());
        assert_eq!(wrong(typed("4242424242424242", "123", 1, 2047)), ["card.expiry_year"]);
        assert_eq!(wrong(typed("4242424242424242", "123", i32::MIN, i32::MAX)).len(), 2);
    }

    #[test]
    fn a_code_has_the_length_that_its_brand_has() {
        assert!(wrong(typed("378282246310005", "1234", 1, 2030)).is_empty());
        assert_eq!(wrong(typed("378282246310005", "123", 1, 2030)), ["card.security_code"]);
        assert_eq!(wrong(typed("4242424242424242", "1234", 1, 2030)), ["card.security_code"]);
        assert_eq!(wrong(typed("4242424242424242", "１２３", 1, 2030)), ["card.security_code"]);
    }

    proptest! {
        #[test]
        fn one_wrong_digit_is_always_found(digits in "[0-9]{11,18}", at in 0..12_usize, more in 1..10_u8) {
            let check = (0..10).find(|check| luhn(&format!("{digits}{check}"))).unwrap();
            let right = format!("{digits}{check}");
            prop_assert!(Number::parse(&right).is_ok());
            let mut wrong = right.into_bytes();
            let at = at % wrong.len();
            wrong[at] = b'0' + (wrong[at] - b'0' + more) % 10;
            prop_assert!(Number::parse(std::str::from_utf8(&wrong).unwrap()).is_err());
        }

        #[test]
        fn no_text_panics(number in ".{0,60}", code in ".{0,6}", month: i32, year: i32) {
            let mut violations = Violations::default();
            let _read = typed(&number, &code, month, year).check("card", NOW, &mut violations).is_some();
        }
    }
}
