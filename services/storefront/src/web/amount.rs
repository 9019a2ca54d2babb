//! Prices, as the currency and the visitor's language write them.
//!
//! Digits, their groups and the sign of the fraction are Unicode's (CLDR, by ICU4X); how many digits there are is ISO
//! 4217's. Where the symbol stands is a table here (`languages`), because ICU4X's formatter of currencies is not stable
//! yet. The pages are in English whatever the visitor speaks, so an amount says its own language.

mod languages;

use std::{cell::RefCell, collections::HashMap, fmt::Write as _};

use contracts::google::r#type as google;
use http::{HeaderMap, header};
use icu_decimal::{DecimalFormatter, input::Decimal};
use icu_locale_core::Locale;
use rpc::money::Money;

use languages::{LANGUAGES, Place, symbol};

/// Languages at most that are read from a request; browsers send a handful.
const SPOKEN_MAX: usize = 20;

/// A price in writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) text: String,
    /// In which language.
    pub(super) lang: &'static str,
}

/// A language in which amounts are written.
#[derive(Debug)]
pub(super) struct Language {
    /// As it stands in `lang`.
    tag: &'static str,
    place: Place,
}

/// The first of the visitor's languages in which amounts can be written; English where there is none.
pub(super) fn spoken(headers: &HeaderMap) -> &'static Language {
    let lists = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let mut wanted: Vec<_> = lists.flat_map(|list| list.split(',')).take(SPOKEN_MAX).filter_map(weighted).collect();
    // Stable: of equal ones the first is liked best.
    wanted.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    wanted.into_iter().find_map(|(_, tag)| find(tag)).unwrap_or_else(english)
}

/// The language of the pages themselves.
pub(super) fn english() -> &'static Language {
    &LANGUAGES[0]
}

/// A language and how much it is liked, from 0 to 1 (RFC 9110, 12.4.2). One at 0 is not wanted.
fn weighted(item: &str) -> Option<(f32, &str)> {
    let (tag, parameters) = item.split_once(';').unwrap_or((item, "q=1"));
    let weight = parameters.trim().strip_prefix("q=")?.parse().ok()?;
    (weight > 0.0 && weight <= 1.0).then_some((weight, tag.trim()))
}

/// The language itself, or the one that it is a variety of.
fn find(tag: &str) -> Option<&'static Language> {
    let mut tag = tag;
    loop {
        if let Some(language) = LANGUAGES.iter().find(|language| language.tag.eq_ignore_ascii_case(tag)) {
            return Some(language);
        }
        tag = &tag[..tag.rfind('-')?];
    }
}

impl Language {
    /// As it stands in `lang`.
    pub(super) fn tag(&self) -> &'static str {
        self.tag
    }

    /// An amount. `None` where it is no money: such a price is better not shown than shown wrong.
    pub(super) fn read(&self, money: &google::Money) -> Option<Amount> {
        Some(self.write(Money::try_from(money).ok()?))
    }

    pub(super) fn write(&self, money: Money) -> Amount {
        let digits = self.digits(money);
        let symbol = symbol(money.currency().code(), self.tag);
        // A code, and a symbol that ends in a letter, stand apart from digits everywhere.
        let ends_in_letter = symbol.chars().next_back().is_some_and(char::is_alphabetic);
        let text = match self.place {
            Place::Before if !ends_in_letter => format!("{symbol}{digits}"),
            Place::Before | Place::BeforeApart => format!("{symbol}\u{a0}{digits}"),
            Place::After => format!("{digits}\u{a0}{symbol}"),
        };
        Amount { text, lang: self.tag }
    }

    fn digits(&self, money: Money) -> String {
        let exponent = i16::try_from(money.currency().exponent()).unwrap_or_default();
        let mut decimal = Decimal::from(money.minor());
        decimal.multiply_pow10(-exponent);
        decimal.pad_end(-exponent);
        formatted(self.tag, &decimal)
    }
}

thread_local! {
    /// A formatter a language; they cannot be shared between threads. Bounded by the table of languages.
    static FORMATTERS: RefCell<HashMap<&'static str, Option<DecimalFormatter>>> = RefCell::default();
}

fn formatted(tag: &'static str, decimal: &Decimal) -> String {
    FORMATTERS.with_borrow_mut(|formatters| {
        let made = || DecimalFormatter::try_new(Locale::try_from_str(tag).ok()?.into(), Default::default()).ok();
        let formatter = formatters.entry(tag).or_insert_with(made);
        let mut text = String::new();
        let written = match formatter {
            Some(formatter) => write!(text, "{}", formatter.format(decimal)),
            // The table's languages all have data, which a test holds; plain digits are still true.
            None => write!(text, "{decimal}"),
        };
        debug_assert!(written.is_ok(), "a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use rpc::money::Currency;

    use super::*;

    fn in_language(accepted: &'static str) -> &'static Language {
        spoken(&HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accepted))]))
    }

    fn written(accepted: &'static str, code: &str, units: i64, nanos: i32) -> String {
        let money = google::Money { currency_code: code.into(), units, nanos };
        in_language(accepted).read(&money).unwrap().text.replace(['\u{a0}', '\u{202f}'], " ")
    }

    #[test]
    fn a_price_has_the_digits_of_its_currency() {
        for (code, units, nanos, expected) in [
            ("USD", 1_234_567, 890_000_000, "$1,234,567.89"),
            ("EUR", 12, 0, "€12.00"),
            ("JPY", 1_500, 0, "¥1,500"),
            ("KWD", 3, 250_000_000, "KWD 3.250"),
            ("IDR", 99_000, 0, "IDR 99,000.00"),
            ("CLF", 0, 100_000, "CLF 0.0001"),
            ("USD", 0, 50_000_000, "$0.05"),
            ("USD", 0, 0, "$0.00"),
        ] {
            assert_eq!(written("en-US", code, units, nanos), expected);
        }
    }

    #[test]
    fn a_price_is_written_as_the_visitors_language_writes_it() {
        for (accepted, code, expected) in [
            ("de-DE", "EUR", "1.234.567,50 €"),
            ("de-AT", "EUR", "€ 1 234 567,50"),
            ("de-CH", "CHF", "CHF 1'234'567.50"),
            ("fr", "EUR", "1 234 567,50 €"),
            ("en-IN", "INR", "₹12,34,567.50"),
            ("hi", "INR", "₹12,34,567.50"),
            ("nl", "EUR", "€ 1.234.567,50"),
            ("pt-BR", "BRL", "R$ 1.234.567,50"),
            ("pl", "PLN", "1 234 567,50 zł"),
            ("es", "USD", "1.234.567,50 US$"),
            ("sv", "SEK", "1 234 567,50 kr"),
            ("en", "CAD", "CA$1,234,567.50"),
            ("en-CA", "CAD", "$1,234,567.50"),
            ("tr", "TRY", "₺1.234.567,50"),
        ] {
            assert_eq!(written(accepted, code, 1_234_567, 500_000_000), expected, "{accepted}");
        }
    }

    #[test]
    fn the_language_is_the_one_that_is_liked_best_of_those_that_there_are() {
        for (accepted, tag) in [
            ("", "en"),
            ("*", "en"),
            ("tlh, de;q=0.5", "de"),
            ("fr;q=0.2, de-AT;q=0.9", "de-AT"),
            ("de-Latn-LU", "de"),
            ("DE", "de"),
            ("de;q=0, fr", "fr"),
            ("de;q=nonsense;fr", "en"),
            ("-, --, ;q=1, de;q=NaN", "en"),
        ] {
            assert_eq!(in_language(accepted).tag, tag, "{accepted}");
        }
    }

    #[test]
    fn every_language_of_the_table_has_data_of_its_own() {
        let tags: Vec<_> = LANGUAGES.iter().map(|language| language.tag).collect();
        assert!(tags.iter().all(|tag| Locale::try_from_str(tag).is_ok_and(|locale| locale.to_string() == *tag)));
        assert!((1..tags.len()).all(|index| !tags[..index].contains(&tags[index])), "{tags:?}");
        // What falls back to the root writes a million so.
        let root = "1,000,000.50";
        let likewise = tags.iter().filter(|tag| formatted(tag, &"1000000.50".parse().unwrap()) == root);
        let likewise: Vec<_> = likewise.copied().collect();
        assert!(
            likewise.iter().all(|tag| ["en", "ja", "zh", "ko", "th", "he", "es-MX", "ms", "fil"]
                .iter()
                .any(|of| tag.starts_with(of))),
            "{likewise:?}"
        );
    }

    #[test]
    fn what_is_no_money_is_not_written() {
        for (code, units, nanos) in [
            ("", 1, 0),
            ("usd", 1, 0),
            ("<b>", 1, 0),
            ("USD", 1, -1),
            ("USD", 0, 1_000_000_000),
            ("JPY", 1, 500_000_000),
        ] {
            let money = google::Money { currency_code: code.into(), units, nanos };
            assert_eq!(english().read(&money), None, "{money:?}");
        }
    }

    proptest! {
        #[test]
        fn any_amount_can_be_written_in_any_language(
            language in 0..LANGUAGES.len(), currency in 0..Currency::ALL.len(), minor: i64,
        ) {
            let amount = LANGUAGES[language].write(Money::new(Currency::ALL[currency], minor));
            prop_assert!(amount.text.chars().any(char::is_numeric), "{amount:?}");
        }

        #[test]
        fn no_header_panics(value in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                spoken(&HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, value)]));
            }
        }
    }
}
