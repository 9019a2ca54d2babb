//! What columns are called, in the shops' own programs and in several languages.
//!
//! Names are compared without case, accents, punctuation and currencies. The order is one of preference: where a file has
//! two columns of a field, the one that is named first wins.

use std::{collections::BTreeMap, sync::LazyLock};

/// The names, in paragraphs.
const FILE: &str = include_str!("names.txt");

/// What a column can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Id,
    Sku,
    Name,
    Description,
    Brand,
    Category,
    Price,
    ListPrice,
    Currency,
    Stock,
    Picture,
    Rating,
    Reviews,
    Attributes,
}

impl Field {
    pub(super) const ALL: [Self; 14] = [
        Self::Id,
        Self::Sku,
        Self::Name,
        Self::Description,
        Self::Brand,
        Self::Category,
        Self::Price,
        Self::ListPrice,
        Self::Currency,
        Self::Stock,
        Self::Picture,
        Self::Rating,
        Self::Reviews,
        Self::Attributes,
    ];

    /// As `--map` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Sku => "sku",
            Self::Name => "name",
            Self::Description => "description",
            Self::Brand => "brand",
            Self::Category => "category",
            Self::Price => "price",
            Self::ListPrice => "list_price",
            Self::Currency => "currency",
            Self::Stock => "stock",
            Self::Picture => "picture",
            Self::Rating => "rating",
            Self::Reviews => "reviews",
            Self::Attributes => "attributes",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Names of columns that hold it, as they are compared.
    pub(super) fn known(self) -> &'static [String] {
        section(self.name())
    }

    /// Whether several columns of it are read: one after the other until one says something, or all of them.
    pub(super) fn is_repeated(self) -> bool {
        matches!(
            self,
            Self::Description | Self::Price | Self::ListPrice | Self::Stock | Self::Picture | Self::Attributes
        )
    }
}

/// Whether a column of this name says nothing about the product itself.
pub(super) fn is_ignored(normal: &str) -> bool {
    let (words, whole) = (section("ignored word"), section("ignored"));
    normal.is_empty()
        || whole.iter().any(|name| name == normal)
        || normal.split(' ').any(|word| words.iter().any(|name| name == word))
}

/// A paragraph of the file.
fn section(name: &str) -> &'static [String] {
    static SECTIONS: LazyLock<BTreeMap<&str, Vec<String>>> = LazyLock::new(|| {
        let named = FILE.split('[').skip(1).filter_map(|paragraph| paragraph.split_once(']'));
        named
            .map(|(name, names)| (name, names.split([',', '\n']).map(normal).filter(|it| !it.is_empty()).collect()))
            .collect()
    });
    SECTIONS.get(name).map_or(&[], Vec::as_slice)
}

/// A header as it is compared: words of lower-case letters without accents, without what only decorates it.
pub(super) fn normal(header: &str) -> String {
    let mut words = String::with_capacity(header.len());
    let mut before = ' ';
    for c in header.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        before = c;
        if c.is_alphanumeric() {
            c.to_lowercase().for_each(|c| fold(c, &mut words));
        } else {
            words.push(' ');
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Takes the accents of Latin letters away.
fn fold(c: char, into: &mut String) {
    let plain = match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' => 'd',
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => 'e',
        'ğ' => 'g',
        'ì'..='ï' | 'ī' | 'ı' => 'i',
        'ł' | 'ľ' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ő' => 'o',
        'ř' => 'r',
        'ś' | 'š' | 'ş' | 'ș' => 's',
        'ť' | 'ț' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        // What lower-casing leaves of a capital I with a dot.
        '\u{307}' => return,
        other => other,
    };
    into.push(plain);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_compared_without_case_accents_and_punctuation() {
        assert_eq!(normal("Product Name"), "product name");
        assert_eq!(normal("productName"), "product name");
        assert_eq!(normal(" PRODUCT_NAME* "), "product name");
        assert_eq!(normal("Verfügbare Menge"), "verfugbare menge");
        assert_eq!(normal("g:image_link"), "g image link");
        assert_eq!(normal("商品名（税込）"), "商品名 税込");
        assert_eq!(normal("Nom d'avis"), "nom d avis");
    }

    #[test]
    fn every_field_is_found_by_its_own_name() {
        for field in Field::ALL {
            assert_eq!(Field::parse(field.name()), Some(field));
            assert!(field.known().len() > 10, "{}", field.name());
        }
    }
}
