//! How many units there are: a number, or words that say whether there are any.

use super::{cell, number::Written};

/// The most units that inventory takes.
const UNITS_MAX: i64 = 1_000_000_000;

/// What a cell says of the stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stock {
    Units(i64),
    /// Some; how many is not said.
    Some,
}

/// Phrases for none, which come first because many contain one for some (`not in stock`).
const NONE: [&str; 46] = [
    "false",
    "no",
    "n",
    "out of stock",
    "outofstock",
    "sold out",
    "soldout",
    "unavailable",
    "not available",
    "not in stock",
    "discontinued",
    "currently unavailable",
    "nein",
    "ausverkauft",
    "nicht verfügbar",
    "nicht auf lager",
    "nicht lieferbar",
    "vergriffen",
    "non",
    "épuisé",
    "rupture",
    "indisponible",
    "agotado",
    "sin stock",
    "sin existencias",
    "no disponible",
    "esaurito",
    "non disponibile",
    "esgotado",
    "indisponível",
    "nie",
    "brak",
    "niedostępny",
    "нет",
    "нет в наличии",
    "отсутствует",
    "распродано",
    "под заказ",
    "在庫なし",
    "在庫切れ",
    "売り切れ",
    "缺货",
    "无货",
    "품절",
    "uitverkocht",
    "slutsåld",
];
const SOME: [&str; 42] = [
    "true",
    "yes",
    "y",
    "in stock",
    "instock",
    "in_stock",
    "available",
    "limited",
    "few left",
    "low stock",
    "preorder",
    "pre order",
    "backorder",
    "onbackorder",
    "ja",
    "auf lager",
    "verfügbar",
    "lieferbar",
    "vorrätig",
    "sofort",
    "oui",
    "disponible",
    "en stock",
    "sí",
    "si",
    "disponibile",
    "disponível",
    "em estoque",
    "sim",
    "tak",
    "dostępny",
    "dostępna",
    "да",
    "есть",
    "в наличии",
    "在庫あり",
    "有货",
    "재고있음",
    "op voorraad",
    "i lager",
    "skladem",
    "var",
];

/// Reads a cell. `is_flag`: the column says 1 and 0 for yes and no.
pub(super) fn read(text: &str, is_flag: bool) -> Option<Stock> {
    let text = cell::some(text)?;
    // A schema.org name: https://schema.org/InStock.
    let word = text.rsplit('/').next().unwrap_or(text).trim().to_lowercase().replace(['_', '-'], " ");
    if text.bytes().all(|byte| byte.is_ascii_digit()) && is_flag {
        return Some(if text.bytes().all(|byte| byte == b'0') { Stock::Units(0) } else { Stock::Some });
    }
    if let Ok(written) = Written::find(text) {
        let negative = written.amount(None, 0).is_err_and(|error| error == super::number::Error::Negative);
        // No fraction of a unit is sold.
        let thousandths = written.amount(None, 3).ok().map(|amount| amount.minor / 1_000);
        let grouped = written.amount(None, 0).ok().map(|amount| amount.minor);
        let units = if written.style().is_some() { thousandths } else { grouped };
        return if negative { Some(Stock::Units(0)) } else { units.map(|units| Stock::Units(units.min(UNITS_MAX))) };
    }
    let is = |phrases: &[&str]| phrases.iter().any(|phrase| *phrase == word || word.starts_with(&format!("{phrase} ")));
    let holds = |phrases: &[&str]| phrases.iter().any(|phrase| phrase.chars().count() > 4 && word.contains(phrase));
    let cjk = |phrases: &[&str]| phrases.iter().any(|phrase| !phrase.is_ascii() && word.contains(phrase));
    match () {
        () if is(&NONE) || holds(&NONE) || cjk(&NONE) => Some(Stock::Units(0)),
        () if is(&SOME) || holds(&SOME) || cjk(&SOME) => Some(Stock::Some),
        () => None,
    }
}

/// Whether a column says yes and no, or 1 and 0 under a name that asks for it.
pub(super) fn is_flag(header: &str) -> bool {
    let asks = [
        "in stock",
        "is in stock",
        "instock",
        "available",
        "is available",
        "availability",
        "auf lager",
        "verfugbar",
        "en stock",
        "disponible",
    ];
    asks.contains(&header)
}

impl Stock {
    /// Those of two variants of a product together.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Units(one), Self::Units(other)) => Self::Units(one.saturating_add(other).min(UNITS_MAX)),
            (Self::Some, Self::Units(0)) | (Self::Units(0), Self::Some) | (Self::Some, Self::Some) => Self::Some,
            (Self::Units(units), Self::Some) | (Self::Some, Self::Units(units)) => Self::Units(units),
        }
    }

    /// The number, where `some` stands for some.
    pub(super) fn units(self, some: i64) -> i64 {
        match self {
            Self::Units(units) => units,
            Self::Some => some,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_is_a_number_or_says_whether_there_is_any() {
        let numbers = [
            ("5", 5),
            ("5.0", 5),
            ("1,200", 1_200),
            ("0", 0),
            ("-3", 0),
            ("Only 3 left in stock", 3),
            ("10+", 10),
            ("> 50", 50),
            ("12 szt.", 12),
            ("9999999999", UNITS_MAX),
        ];
        for (text, units) in numbers {
            assert_eq!(read(text, false), Some(Stock::Units(units)), "{text}");
        }
        for text in [
            "true",
            "TRUE",
            "Yes",
            "In Stock",
            "in_stock",
            "https://schema.org/InStock",
            "auf Lager",
            "en stock",
            "в наличии",
            "在庫あり",
            "preorder",
        ] {
            assert_eq!(read(text, false), Some(Stock::Some), "{text}");
        }
        for text in [
            "false",
            "Out of stock",
            "outofstock",
            "Not in stock",
            "nicht auf Lager",
            "нет в наличии",
            "在庫切れ",
            "https://schema.org/OutOfStock",
        ] {
            assert_eq!(read(text, false), Some(Stock::Units(0)), "{text}");
        }
        for text in ["", "null", "blue"] {
            assert_eq!(read(text, false), None, "{text}");
        }
        assert_eq!((read("1", true), read("0", true)), (Some(Stock::Some), Some(Stock::Units(0))));
    }
}
