//! What filters, facets and orders ask of each document, as plain arrays.
//!
//! A segment never changes, so its facts are read once, when it first shows up, and are shared by all views that have it.

use tantivy::columnar::{Column, StrColumn};
use tantivy::index::SegmentReader;

use super::document::{IN_STOCK, LIVE, STOCK_KNOWN};
use rpc::money::Currency;

use crate::product::{self, Availability};

/// The facts of a segment's documents, by their number.
#[derive(Debug)]
pub(crate) struct Facts {
    documents: Vec<Fact>,
    ids: Texts,
    /// All brands, ascending; `Fact::brand` counts in here.
    pub(crate) brands: Texts,
    /// All category keys, ascending.
    pub(crate) categories: Texts,
    category_ends: Vec<u32>,
    category_ords: Vec<u32>,
    id_ords: Vec<u32>,
}

/// The facts of one document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fact {
    pub(crate) price: u64,
    pub(crate) revision: u64,
    pub(crate) stock_revision: u64,
    pub(crate) gone_s: u64,
    pub(crate) brand: u32,
    pub(crate) ratings: u32,
    /// The place in [`Currency::ALL`], so that all segments agree on the order of currencies.
    pub(crate) currency: u16,
    /// In hundredths; 0: none.
    pub(crate) rating: u16,
    flags: u8,
}

/// Many texts in one.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    all: String,
    ends: Vec<u32>,
}

impl Facts {
    /// Reads them from a segment's columns.
    pub(super) fn read(reader: &SegmentReader) -> tantivy::Result<Self> {
        let columns = reader.fast_fields();
        let text = |name: &str| -> tantivy::Result<StrColumn> {
            let empty = || StrColumn::wrap(tantivy::columnar::BytesColumn::empty(reader.max_doc()));
            Ok(columns.str(name)?.unwrap_or_else(empty))
        };
        let number = |name: &str| -> tantivy::Result<Column<u64>> {
            let column = columns.column_opt::<u64>(name)?;
            Ok(column.unwrap_or_else(|| Column::build_empty_column(reader.max_doc())))
        };
        let (id, brand, currency, category) = (text("id")?, text("brand")?, text("currency")?, text("category")?);
        let (price, rating, ratings) = (number("price")?, number("rating")?, number("ratings")?);
        let (flags, revision) = (number("flags")?, number("revision")?);
        let (stock_revision, gone) = (number("stock_revision")?, number("gone")?);
        let codes = Texts::of(&currency)?;
        let numbers: Vec<_> = (0..small(codes.len() as u64)).map(|code| currency_number(codes.get(code))).collect();
        let mut facts = Self {
            documents: Vec::with_capacity(reader.max_doc() as usize),
            ids: Texts::of(&id)?,
            brands: Texts::of(&brand)?,
            categories: Texts::of(&category)?,
            category_ends: Vec::with_capacity(reader.max_doc() as usize),
            category_ords: Vec::new(),
            id_ords: Vec::with_capacity(reader.max_doc() as usize),
        };
        for doc in 0..reader.max_doc() {
            let first = |column: &Column<u64>| column.first(doc).unwrap_or_default();
            facts.documents.push(Fact {
                price: first(&price),
                revision: first(&revision),
                stock_revision: first(&stock_revision),
                gone_s: first(&gone),
                brand: small(first(brand.ords())),
                ratings: small(first(&ratings)),
                currency: numbers.get(small(first(currency.ords())) as usize).copied().unwrap_or(u16::MAX),
                rating: u16::try_from(first(&rating)).unwrap_or(u16::MAX),
                flags: u8::try_from(first(&flags)).unwrap_or_default(),
            });
            facts.category_ords.extend(category.ords().values_for_doc(doc).map(small));
            facts.category_ends.push(u32::try_from(facts.category_ords.len()).unwrap_or(u32::MAX));
            facts.id_ords.push(small(first(id.ords())));
        }
        facts.category_ords.shrink_to_fit();
        Ok(facts)
    }

    /// The facts of a document.
    pub(crate) fn of(&self, doc: u32) -> &Fact {
        &self.documents[doc as usize]
    }

    /// The product id of a document.
    pub(crate) fn id(&self, doc: u32) -> &str {
        self.ids.get(self.id_ords[doc as usize])
    }

    /// The categories of a document and all above them, as numbers of `categories`, each once.
    pub(crate) fn categories_of(&self, doc: u32) -> &[u32] {
        let doc = doc as usize;
        let begin = if doc == 0 { 0 } else { self.category_ends[doc - 1] };
        &self.category_ords[begin as usize..self.category_ends[doc] as usize]
    }
}

impl Fact {
    /// Whether the product can be found.
    pub(crate) fn is_live(self) -> bool {
        u64::from(self.flags) & LIVE != 0
    }

    pub(crate) fn availability(self) -> Availability {
        match u64::from(self.flags) & (STOCK_KNOWN | IN_STOCK) {
            0 => Availability::Unknown,
            STOCK_KNOWN => Availability::OutOfStock,
            _ => Availability::InStock,
        }
    }
}

#[cfg(test)]
impl<'a> FromIterator<&'a str> for Texts {
    fn from_iter<I: IntoIterator<Item = &'a str>>(all: I) -> Self {
        let mut texts = Self::default();
        all.into_iter().for_each(|text| texts.push(text));
        texts
    }
}

impl Texts {
    fn of(column: &StrColumn) -> tantivy::Result<Self> {
        let mut texts = Self::default();
        let mut stream = column.dictionary().stream()?;
        while stream.advance() {
            texts.push(&String::from_utf8_lossy(stream.key()));
        }
        texts.all.shrink_to_fit();
        texts.ends.shrink_to_fit();
        Ok(texts)
    }

    fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of this number; there is none beyond the last.
    pub(crate) fn get(&self, number: u32) -> &str {
        let number = number as usize;
        let begin = if number == 0 { 0 } else { self.ends.get(number - 1).copied().unwrap_or_default() };
        let end = self.ends.get(number).copied().unwrap_or(begin);
        &self.all[begin as usize..end as usize]
    }

    /// The number of a text.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        let at = self.first_from(text);
        (at < small(self.len() as u64) && self.get(at) == text).then_some(at)
    }

    /// The number of the first text at or after this one in byte order.
    pub(crate) fn first_from(&self, text: &str) -> u32 {
        let (mut low, mut high) = (0, small(self.len() as u64));
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle) < text { low = middle + 1 } else { high = middle }
        }
        low
    }
}

fn currency_number(code: &str) -> u16 {
    Currency::parse(code).map_or(u16::MAX, product::currency_number)
}

/// Numbers of documents and dictionaries are below 2^32.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
