//! Where languages put the symbol of a currency, and which symbols they have: CLDR's standard patterns.
//!
//! Varieties are here only where they differ from their language. A symbol is short where one reads it as one currency;
//! dollars and crowns are so at home alone, and every other currency goes by its code.

use super::Language;

/// Where the symbol stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `€12.00`
    Before,
    /// `€ 12,00`
    BeforeApart,
    /// `12,00 €`
    After,
}

/// The first is what others fall back to.
#[rustfmt::skip]
pub(super) static LANGUAGES: &[Language] = &[
    before("en"), before("en-AU"), before("en-CA"), before("en-GB"), before("en-HK"), before("en-IN"), before("en-NZ"),
    before("en-SG"), apart("en-ZA"),
    before("ja"), before("zh"), before("zh-HK"), before("zh-TW"), before("ko"), before("th"), before("hi"), before("tr"),
    before("es-MX"), before("ms"), before("fil"),
    apart("de-AT"), apart("de-CH"), apart("de-LI"), apart("nl"), apart("pt"), apart("id"), apart("es-AR"), apart("es-CO"),
    after("de"), after("fr"), after("fr-CH"), after("es"), after("it"), apart("it-CH"), after("pt-PT"), after("ru"), after("uk"), after("pl"),
    after("cs"), after("sk"), after("sv"), after("nb"), after("no"), after("da"), after("fi"), after("hu"), after("ro"), after("bg"),
    after("el"), after("hr"), after("sl"), after("sr"), after("lt"), after("lv"), after("et"), after("vi"), after("ca"),
    after("he"),
];

/// Symbols that mean one currency everywhere.
#[rustfmt::skip]
const EVERYWHERE: [(&str, &str); 10] = [
    ("EUR", "€"), ("GBP", "£"), ("ILS", "₪"), ("INR", "₹"), ("JPY", "¥"), ("KRW", "₩"), ("PHP", "₱"), ("TRY", "₺"),
    ("UAH", "₴"), ("VND", "₫"),
];

/// Symbols with their country, so that dollars cannot be taken for each other.
#[rustfmt::skip]
const ABROAD: [(&str, &str); 9] = [
    ("AUD", "A$"), ("BRL", "R$"), ("CAD", "CA$"), ("CNY", "CN¥"), ("HKD", "HK$"), ("MXN", "MX$"), ("NZD", "NZ$"),
    ("TWD", "NT$"), ("USD", "US$"),
];

/// Symbols where the currency is at home, by the tag of the language.
#[rustfmt::skip]
const AT_HOME: [(&str, &str, &str); 23] = [
    ("en", "USD", "$"), ("en-AU", "AUD", "$"), ("en-CA", "CAD", "$"), ("en-NZ", "NZD", "$"), ("en-ZA", "ZAR", "R"),
    ("en-SG", "SGD", "$"), ("es-MX", "MXN", "$"), ("es-AR", "ARS", "$"), ("es-CO", "COP", "$"),
    ("zh", "CNY", "¥"), ("zh-TW", "TWD", "$"), ("zh", "JPY", "JP¥"), ("pl", "PLN", "zł"), ("cs", "CZK", "Kč"),
    ("sv", "SEK", "kr"), ("nb", "NOK", "kr"), ("no", "NOK", "kr"), ("da", "DKK", "kr."), ("hu", "HUF", "Ft"), ("ru", "RUB", "₽"),
    ("id", "IDR", "Rp"), ("ms", "MYR", "RM"), ("th", "THB", "฿"),
];

/// How a language writes a currency.
pub(super) fn symbol<'a>(code: &'a str, tag: &str) -> &'a str {
    let at_home =
        AT_HOME.iter().find(|(language, of, _)| (*language, *of) == (tag, code)).map(|(_, _, symbol)| *symbol);
    let listed = |list: &'static [(&str, &str)]| list.iter().find(|(of, _)| *of == code).map(|(_, symbol)| *symbol);
    at_home.or_else(|| listed(&EVERYWHERE)).or_else(|| listed(&ABROAD)).unwrap_or(code)
}

const fn before(tag: &'static str) -> Language {
    Language { tag, place: Place::Before }
}

const fn apart(tag: &'static str) -> Language {
    Language { tag, place: Place::BeforeApart }
}

const fn after(tag: &'static str) -> Language {
    Language { tag, place: Place::After }
}
