//! A file as batches of products, read on a thread of its own while the batches before are sent.
//!
//! A batch is bounded in rows and in bytes, and few are underway, so memory is the same for a file of any size; but for a
//! few bytes a product, which tell that an id occurs twice.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    io::Read,
};

use contracts::catalog::v1::Product;

use super::{
    columns::{self, Columns, Mapping},
    dialect,
    encoding::{Encoding, Text},
    names::Field,
    product::{Draft, Given, Mapper},
    records::{self, Found, Record, Records},
    rejection::{Kind, Reason},
    source::Source,
};

/// The most rows of a batch, so that the catalog can list all that it refuses (it lists 1,000).
const ROWS_MAX: usize = 1_000;
/// The most bytes of the rows of a batch.
const BYTES_MAX: usize = 2 * 1024 * 1024;
/// Products whose ids are remembered to notice one that occurs twice. Beyond, the later one replaces the earlier.
const IDS_MAX: usize = 8_000_000;

/// Why a file cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Records(#[from] records::Error),
    #[error(transparent)]
    Columns(#[from] columns::Error),
    #[error("it is no CSV: no separator (comma, semicolon, tab, |) makes a table of its first lines")]
    NoTable,
    #[error("nothing says what currency the prices are in: say --currency CODE, or --map currency=COLUMN")]
    NoCurrency,
}

/// A file that is being read.
pub(super) struct Table<R> {
    records: Records<R>,
    encoding: Encoding,
    separator: u8,
    mapper: Mapper,
    sample: Vec<Record>,
    draft: Option<Draft>,
    ids: HashSet<u64>,
    hasher: RandomState,
    /// What ended the reading, after the batch that is given first.
    failed: Option<Error>,
}

/// Some rows of a file, in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) products: Vec<Row>,
    pub(super) rejected: Vec<Rejected>,
    pub(super) counts: Counts,
    /// The last line of it.
    pub(super) line: u64,
    /// How much of the file was read for it and all before.
    pub(super) bytes: u64,
}

/// A product and where it is from.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) rows: Vec<Record>,
    pub(super) product: Product,
    pub(super) units: Option<i64>,
}

/// Rows that are no product.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) rows: Vec<Record>,
    pub(super) reason: Reason,
}

/// What was read, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) rows: u64,
    /// Rows that say more about the product before.
    pub(super) continued: u64,
    /// Rows of nothing but separators.
    pub(super) blank: u64,
    pub(super) shortened: u64,
    pub(super) rounded: u64,
}

impl<R: Read> Table<R> {
    /// Finds out how the file is written and what its columns are.
    pub(super) fn open(source: Source<R>, mappings: &[Mapping], given: Given) -> Result<Self, Error> {
        let encoding = source.encoding;
        let mut records = Records::new(Text::new(source.reader, encoding), encoding);
        let beginning = records.peek(dialect::SAMPLE_BYTES)?;
        let found = dialect::find(beginning, beginning.len() < dialect::SAMPLE_BYTES);
        let Some(sample) = found else {
            // What is wrong with its first record says more, if it is too long.
            records.next()?;
            return Err(Error::NoTable);
        };
        records.set(sample.dialect);
        if sample.directive {
            records.skip_line();
        }
        let mut before = sample.titles + 1;
        while before > 0 {
            match records.next()? {
                Some(Found::Record(_)) => before -= 1,
                Some(Found::Broken(..)) => {}
                None => return Err(Error::NoTable),
            }
        }
        let columns = Columns::find(&sample.header, &sample.rows, mappings)?;
        let mapper = Mapper::new(columns, &sample.rows, given);
        let of = |row: &Record| mapper.prices.price(row);
        let mut priced = sample.rows.iter().filter(|row| mapper.prices.has_any(row)).map(of).peekable();
        let unknown = |price: Result<_, Reason>| price.is_err_and(|reason| reason.kind == Kind::NoCurrency);
        if priced.peek().is_some() && priced.all(unknown) {
            return Err(Error::NoCurrency);
        }
        let (sample, separator) = (sample.rows, sample.dialect.separator);
        let (ids, hasher) = (HashSet::new(), RandomState::new());
        Ok(Self { records, encoding, separator, mapper, sample, draft: None, ids, hasher, failed: None })
    }

    /// The next rows; `None` at the end. After an error nothing comes any more.
    pub(super) fn batch(&mut self) -> Result<Option<Batch>, Error> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let (mut batch, mut bytes) = (Batch::default(), 0);
        while batch.products.len() + batch.rejected.len() < ROWS_MAX && bytes < BYTES_MAX {
            match self.records.next() {
                Ok(Some(found)) => bytes += self.accept(found, &mut batch),
                Ok(None) => {
                    self.flush(&mut batch);
                    break;
                }
                Err(error) => {
                    self.flush(&mut batch);
                    self.failed = Some(error.into());
                    break;
                }
            }
        }
        batch.bytes = self.records.bytes();
        let empty = batch.products.is_empty() && batch.rejected.is_empty() && batch.counts == Counts::default();
        match self.failed.take_if(|_| empty) {
            Some(error) => Err(error),
            None => Ok((!empty).then_some(batch)),
        }
    }

    /// How the products are made.
    pub(super) fn mapper(&self) -> &Mapper {
        &self.mapper
    }

    /// How it is written, for people.
    pub(super) fn format(&self) -> String {
        let separator = match self.separator {
            b'\t' => "tabs",
            b';' => "semicolons",
            b',' => "commas",
            b'|' => "bars",
            _ => "a separator of its own",
        };
        format!("{}, separated by {separator}, {} columns", self.encoding.name(), self.mapper.columns.header.len())
    }

    /// Takes a record up, and says how many bytes it is.
    fn accept(&mut self, found: Found, batch: &mut Batch) -> usize {
        batch.counts.rows += 1;
        let (record, broken) = match found {
            Found::Record(record) => (record, None),
            Found::Broken(record, broken) => (record, Some(broken)),
        };
        let bytes = record.bytes();
        batch.line = record.line;
        if let Some(broken) = broken {
            self.flush(batch);
            let reason = Reason::of_broken(broken, self.encoding.name());
            batch.rejected.push(Rejected { rows: vec![record], reason });
        } else if record.is_blank() {
            batch.counts.blank += 1;
        } else if let Some(draft) = self.draft.as_mut().filter(|draft| self.mapper.continues(draft, &record)) {
            batch.counts.continued += 1;
            self.mapper.add(draft, record);
        } else {
            self.flush(batch);
            self.draft = Some(self.mapper.begin(record));
        }
        bytes
    }

    /// Ends the product that was begun.
    fn flush(&mut self, batch: &mut Batch) {
        let Some(draft) = self.draft.take() else { return };
        let made = self.mapper.finish(&draft).and_then(|made| {
            let id = &made.product.product_id;
            if self.ids.len() < IDS_MAX && !self.ids.insert(self.hasher.hash_one(id)) {
                return Err(Kind::Duplicate.because(format!("an earlier row is the product {id} already")));
            }
            Ok(made)
        });
        match made {
            Ok(made) => {
                batch.counts.shortened += u64::from(made.shortened);
                batch.counts.rounded += u64::from(made.rounded);
                batch.products.push(Row { rows: draft.rows, product: made.product, units: made.units });
            }
            Err(reason) => batch.rejected.push(Rejected { rows: draft.rows, reason }),
        }
    }
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.continued += other.continued;
        self.blank += other.blank;
        self.shortened += other.shortened;
        self.rounded += other.rounded;
    }
}

/// The columns of each field, for people: the field, the column, and an example of it.
pub(super) fn guess<R: Read>(table: &Table<R>) -> Vec<[String; 3]> {
    let columns = &table.mapper.columns;
    let example = |column: usize| {
        let value = table.sample.iter().find_map(|row| super::cell::some(row.get(column)));
        super::cell::cut(&super::cell::line(value.unwrap_or("(empty)")), 50).to_owned()
    };
    let row = |field: &str, column: usize| [field.to_owned(), columns.header[column].clone(), example(column)];
    let fields = Field::ALL.iter().filter(|field| **field != Field::Category || columns.levels.is_empty());
    let mut rows: Vec<_> =
        fields.flat_map(|field| columns.of(*field).iter().map(|column| row(field.name(), *column))).collect();
    rows.extend(columns.levels.iter().map(|column| row("category", *column)));
    rows.extend(columns.pairs.iter().map(|(name, value)| {
        [format!("attribute, named by {:?}", columns.header[*name]), columns.header[*value].clone(), example(*value)]
    }));
    rows.extend(columns.leftovers.iter().map(|column| row("attribute", *column)));
    rows
}
