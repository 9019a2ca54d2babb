//! Currencies as people write them: a code, a sign, a word; in a cell of their own, beside a price, or in a header.
//!
//! A sign may stand for several currencies. Then the one that the file or the caller prefers is taken if it is one of them.

use rpc::money::Currency;

/// Signs and words, and the currencies they stand for: the most likely first, none where that would be a guess.
///
/// Letters are compared as whole words without dots; longer signs come before those they contain.
const SIGNS: [(&str, &[&str]); 73] = [
    ("us$", &["USD"]),
    ("$us", &["USD"]),
    ("ca$", &["CAD"]),
    ("au$", &["AUD"]),
    ("nz$", &["NZD"]),
    ("hk$", &["HKD"]),
    ("nt$", &["TWD"]),
    ("sg$", &["SGD"]),
    ("mx$", &["MXN"]),
    ("r$", &["BRL"]),
    ("c$", &["CAD"]),
    ("a$", &["AUD"]),
    ("s$", &["SGD"]),
    ("$", &["USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN", "TWD", "ARS", "CLP", "COP", "UYU"]),
    ("€", &["EUR"]),
    ("£", &["GBP", "EGP", "SHP", "GIP", "FKP", "SYP", "LBP"]),
    ("cn¥", &["CNY"]),
    ("¥", &["JPY", "CNY"]),
    ("\u{ffe5}", &["JPY", "CNY"]),
    ("円", &["JPY"]),
    ("元", &["CNY"]),
    ("₽", &["RUB"]),
    ("₴", &["UAH"]),
    ("₹", &["INR"]),
    ("₨", &["INR", "PKR", "LKR", "NPR", "MUR"]),
    ("₩", &["KRW"]),
    ("원", &["KRW"]),
    ("₺", &["TRY"]),
    ("₫", &["VND"]),
    ("฿", &["THB"]),
    ("₪", &["ILS"]),
    ("₦", &["NGN"]),
    ("₱", &["PHP"]),
    ("₸", &["KZT"]),
    ("₡", &["CRC"]),
    ("₲", &["PYG"]),
    ("₼", &["AZN"]),
    ("₾", &["GEL"]),
    ("৳", &["BDT"]),
    ("₵", &["GHS"]),
    ("₮", &["MNT"]),
    ("s/", &["PEN"]),
    ("руб", &["RUB", "BYN"]),
    ("р", &["RUB", "BYN"]),
    ("рубль", &["RUB"]),
    ("рублей", &["RUB"]),
    ("грн", &["UAH"]),
    ("тг", &["KZT"]),
    ("тенге", &["KZT"]),
    ("дин", &["RSD"]),
    ("zl", &["PLN"]),
    ("zł", &["PLN"]),
    ("kč", &["CZK"]),
    ("kc", &["CZK"]),
    ("ft", &["HUF"]),
    ("lei", &["RON", "MDL"]),
    ("kr", &["SEK", "NOK", "DKK", "ISK"]),
    ("tl", &["TRY"]),
    ("rs", &["INR", "PKR", "LKR", "NPR", "MUR"]),
    ("rp", &["IDR"]),
    ("rm", &["MYR"]),
    ("rmb", &["CNY"]),
    ("fr", &["CHF"]),
    ("sfr", &["CHF"]),
    ("km", &["BAM"]),
    ("đ", &["VND"]),
    ("د.إ", &["AED"]),
    ("euro", &["EUR"]),
    ("euros", &["EUR"]),
    ("dollar", &["USD", "CAD", "AUD", "NZD"]),
    ("dollars", &["USD", "CAD", "AUD", "NZD"]),
    ("pounds", &["GBP"]),
    ("yen", &["JPY"]),
];

/// Codes that are words, and no code in lower case.
const WORDS: [&str; 10] = ["all", "top", "try", "cup", "mop", "gel", "lak", "pen", "sos", "bam"];

/// A currency as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Code(Currency),
    Sign(&'static [&'static str]),
}

impl Written {
    /// Finds a currency in text that is no number: what is around a price, or a cell of its own.
    pub(super) fn find(text: &str) -> Option<Self> {
        let words = || text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
        if let Some(code) = words().find_map(Currency::parse) {
            return Some(Self::Code(code));
        }
        let lower = text.to_lowercase();
        let alone = |sign: &str| lower.split(|c: char| !c.is_alphabetic()).any(|word| word == sign);
        let found = |sign: &str| if is_word(sign) { alone(sign) } else { lower.contains(sign) };
        let sign = SIGNS.iter().find(|(sign, _)| found(sign)).map(|(_, currencies)| Self::Sign(currencies));
        sign.or_else(|| words().find_map(code_of_any_case).map(Self::Code))
    }

    /// Finds a currency in the name of a column: `Price (EUR)`, `price_usd`, `Preis in €`.
    pub(super) fn in_header(header: &str) -> Option<Self> {
        let words = || header.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() == 3);
        let code = words().find_map(Currency::parse).or_else(|| words().find_map(code_of_any_case));
        let signs = || SIGNS.iter().filter(|(sign, _)| !is_word(sign));
        let sign = || signs().find(|(sign, _)| header.to_lowercase().contains(sign)).map(|(_, it)| Self::Sign(it));
        code.map(Self::Code).or_else(sign)
    }

    /// Which currency that is, where `preferred` helps to choose.
    pub(super) fn resolve(self, preferred: Option<Currency>) -> Option<Currency> {
        match self {
            Self::Code(currency) => Some(currency),
            Self::Sign(currencies) => {
                let preferred = preferred.filter(|preferred| currencies.contains(&preferred.code()));
                // Crowns are of four countries, and none is likelier than the others.
                let first = currencies.first().filter(|first| **first != "SEK");
                preferred.or_else(|| first.and_then(|code| Currency::parse(code)))
            }
        }
    }
}

/// Whether a sign is a word, which stands alone; the characters of Chinese, Japanese and Korean need not.
fn is_word(sign: &str) -> bool {
    sign.chars().all(|c| c.is_alphabetic() && c < '\u{3000}')
}

fn code_of_any_case(word: &str) -> Option<Currency> {
    (word.len() == 3 && !WORDS.iter().any(|it| it.eq_ignore_ascii_case(word)))
        .then(|| word.to_ascii_uppercase())
        .and_then(|code| Currency::parse(&code))
}

/// Reads `--currency`.
pub(super) fn parse(code: &str) -> Result<Currency, String> {
    let currency = Currency::parse(&code.to_ascii_uppercase());
    currency.ok_or_else(|| format!("{code:?} is no active ISO 4217 currency: write EUR, USD or JPY"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str, preferred: Option<&str>) -> Option<&'static str> {
        let preferred = preferred.and_then(Currency::parse);
        Written::find(text).and_then(|written| written.resolve(preferred)).map(Currency::code)
    }

    #[test]
    fn a_sign_a_code_or_a_word_is_a_currency() {
        let expected = [
            (" €", "EUR"),
            ("US$ ", "USD"),
            ("$", "USD"),
            ("¥", "JPY"),
            (" ₽", "RUB"),
            ("CHF ", "CHF"),
            ("usd", "USD"),
            ("R$", "BRL"),
            ("Rs. ", "INR"),
            (" zł", "PLN"),
            (" Kč", "CZK"),
            (" руб.", "RUB"),
            ("р.", "RUB"),
            ("円", "JPY"),
            ("￥", "JPY"),
            ("HK$", "HKD"),
            ("Euro", "EUR"),
            ("TL", "TRY"),
            ("KWD", "KWD"),
            ("C$", "CAD"),
        ];
        for (text, expected) in expected {
            assert_eq!(code(text, None), Some(expected), "{text}");
        }
        for text in ["", " - ", "pro Stück", "all inclusive", "XXX", "each"] {
            assert_eq!(code(text, None), None, "{text}");
        }
    }

    #[test]
    fn a_sign_of_several_currencies_is_the_preferred_one_if_it_can_be() {
        assert_eq!(code("$", Some("CAD")), Some("CAD"));
        assert_eq!(code("$", Some("EUR")), Some("USD"));
        assert_eq!(code("¥", Some("CNY")), Some("CNY"));
        assert_eq!((code("kr", None), code("kr", Some("NOK"))), (None, Some("NOK")));
        assert_eq!(code("US$", Some("CAD")), Some("USD"));
    }

    #[test]
    fn a_header_names_a_currency_but_a_word_is_none() {
        let of = |header| Written::in_header(header).and_then(|it| it.resolve(None)).map(Currency::code);
        assert_eq!(
            (of("Price (EUR)"), of("price_usd"), of("Preis in €"), of("Cena PLN")),
            (Some("EUR"), Some("USD"), Some("EUR"), Some("PLN"))
        );
        assert_eq!((of("Price"), of("top price"), of("price for all"), of("km")), (None, None, None, None));
    }

    #[test]
    fn every_currency_that_a_sign_stands_for_exists() {
        for code in SIGNS.iter().flat_map(|(_, codes)| *codes) {
            assert!(Currency::parse(code).is_some(), "{code}");
        }
    }
}
