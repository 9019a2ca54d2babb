//! Prices as people write them.

use contracts::google::r#type::Money;

const NANOS_PER_UNIT: i32 = 1_000_000_000;

/// An amount with its symbol, its thousands apart, and the digits that its currency has. `None` where it is no amount
/// of money: such a price is better not shown than shown wrong.
pub(super) fn written(money: &Money) -> Option<String> {
    let Money { currency_code: code, units, nanos } = money;
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    let signs_agree = (*units >= 0 && *nanos >= 0) || (*units <= 0 && *nanos <= 0);
    if !is_code || !signs_agree || nanos.unsigned_abs() >= NANOS_PER_UNIT.unsigned_abs() {
        return None;
    }
    let sign = if *units < 0 || *nanos < 0 { "\u{2212}" } else { "" };
    let whole = grouped(units.unsigned_abs());
    // All nine digits, of which the currency shows the first; the contract allows no others.
    let nine = format!("{:09}", nanos.unsigned_abs());
    let fraction = match exponent_of(code) {
        0 => String::new(),
        digits => format!(".{}", &nine[..digits]),
    };
    Some(match symbol_of(code) {
        Some(symbol) => format!("{sign}{symbol}{whole}{fraction}"),
        None => format!("{sign}{code}\u{a0}{whole}{fraction}"),
    })
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Digits below the unit (ISO 4217, list one).
fn exponent_of(code: &str) -> usize {
    match code {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// Symbols that mean one currency to whoever reads English; the others are named by their code.
fn symbol_of(code: &str) -> Option<&'static str> {
    Some(match code {
        "EUR" => "€",
        "GBP" => "£",
        "ILS" => "₪",
        "INR" => "₹",
        "JPY" => "¥",
        "KRW" => "₩",
        "TRY" => "₺",
        "UAH" => "₴",
        "USD" => "$",
        "VND" => "₫",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(code: &str, units: i64, nanos: i32) -> Money {
        Money { currency_code: code.into(), units, nanos }
    }

    #[test]
    fn a_price_has_the_digits_of_its_currency() {
        for (price, expected) in [
            (money("USD", 1_234_567, 890_000_000), "$1,234,567.89"),
            (money("EUR", 12, 0), "€12.00"),
            (money("JPY", 1_500, 0), "¥1,500"),
            (money("KWD", 3, 250_000_000), "KWD\u{a0}3.250"),
            (money("IDR", 99_000, 0), "IDR\u{a0}99,000.00"),
            (money("CLF", 0, 100_000), "CLF\u{a0}0.0001"),
            (money("USD", 0, -50_000_000), "\u{2212}$0.05"),
            (money("USD", i64::MIN, 0), "\u{2212}$9,223,372,036,854,775,808.00"),
        ] {
            assert_eq!(written(&price).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_no_money_is_not_written() {
        for price in [
            money("", 1, 0),
            money("usd", 1, 0),
            money("<b>", 1, 0),
            money("USD", 1, -1),
            money("USD", 0, NANOS_PER_UNIT),
            money("USD", 0, i32::MIN),
        ] {
            assert_eq!(written(&price), None, "{price:?}");
        }
    }
}
