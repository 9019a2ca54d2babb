//! A row of an answer, read by column name.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use sqlx::Row as _;

use crate::error::{Error, because, source};

/// One row of an answer.
pub struct Row {
    pub(crate) statement: &'static str,
    pub(crate) raw: RawRow,
}

pub(crate) enum RawRow {
    Sqlite(SqliteRow),
    Postgres(sqlx::postgres::PgRow),
}

/// SQLite's row, as its own values: what a column is read as decides whether it fits.
pub(crate) struct SqliteRow {
    pub(crate) columns: Arc<[Box<str>]>,
    pub(crate) cells: Vec<Cell>,
}

/// A value of SQLite's. Text is bytes until it is read.
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Integer(value),
            ValueRef::Real(value) => Self::Real(value),
            ValueRef::Text(bytes) => Self::Text(bytes.to_vec()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

impl Cell {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Integer(_) => "INTEGER",
            Self::Real(_) => "REAL",
            Self::Text(_) => "TEXT",
            Self::Blob(_) => "BLOB",
        }
    }
}

impl SqliteRow {
    fn get<T: FromCell>(&self, column: &str) -> Result<Option<T>, String> {
        let index = self.columns.iter().position(|name| **name == *column);
        match index.and_then(|index| self.cells.get(index)) {
            None => Err("there is no such column".to_owned()),
            Some(Cell::Null) => Ok(None),
            Some(cell) => T::from_cell(cell).map(Some),
        }
    }
}

/// What a value of SQLite's is, without a conversion that could lose anything.
trait FromCell: Sized {
    fn from_cell(cell: &Cell) -> Result<Self, String>;
}

macro_rules! from_cell {
    ($($type:ty: $expected:literal, $pattern:pat => $value:expr;)*) => {$(
        impl FromCell for $type {
            fn from_cell(cell: &Cell) -> Result<Self, String> {
                match cell {
                    $pattern => $value,
                    other => Err(format!("it is {} where {} is expected", other.kind(), $expected)),
                }
            }
        }
    )*};
}

from_cell! {
    i64: "INTEGER", Cell::Integer(value) => Ok(*value);
    f64: "REAL", Cell::Real(value) => Ok(*value);
    Vec<u8>: "BLOB", Cell::Blob(bytes) => Ok(bytes.clone());
    String: "TEXT", Cell::Text(bytes) => String::from_utf8(bytes.clone()).map_err(|error| error.to_string());
}

/// What a column can be read as: `i64`, `u64` and `u32` (checked), `bool`, `f64`, `String`, `Vec<u8>`, and `Option`s of them.
pub trait Column: Sized + sealed::Sealed {
    /// Reads the column of this name.
    #[doc(hidden)]
    fn read(row: &Row, column: &'static str) -> Result<Option<Self>, Error>;
}

impl Row {
    /// Reads a column. `Option<T>` accepts NULL.
    ///
    /// # Errors
    /// [`Error::Corrupt`] names the column when it is missing, NULL or of another type.
    pub fn get<T: FromRow>(&self, column: &'static str) -> Result<T, Error> {
        T::from_row(self, column)
    }

    fn corrupt(&self, column: &'static str, source: crate::Source) -> Error {
        Error::Corrupt { attempted: self.statement, what: column, source }
    }
}

impl std::fmt::Debug for Row {
    /// Values stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("statement", &self.statement).finish_non_exhaustive()
    }
}

/// A column that may, or may not, be NULL.
pub trait FromRow: Sized {
    /// Reads the column of this name.
    #[doc(hidden)]
    fn from_row(row: &Row, column: &'static str) -> Result<Self, Error>;
}

impl<T: Column> FromRow for T {
    fn from_row(row: &Row, column: &'static str) -> Result<Self, Error> {
        T::read(row, column)?.ok_or_else(|| row.corrupt(column, because("it is NULL")))
    }
}

impl<T: Column> FromRow for Option<T> {
    fn from_row(row: &Row, column: &'static str) -> Result<Self, Error> {
        T::read(row, column)
    }
}

macro_rules! driver_column {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read(row: &Row, column: &'static str) -> Result<Option<Self>, Error> {
                match &row.raw {
                    RawRow::Sqlite(raw) => raw.get(column).map_err(|found| row.corrupt(column, because(found))),
                    RawRow::Postgres(raw) => raw.try_get(column).map_err(|error| row.corrupt(column, source(error))),
                }
            }
        }
    )*};
}

driver_column!(i64, f64, String, Vec<u8>);

macro_rules! checked_column {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read(row: &Row, column: &'static str) -> Result<Option<Self>, Error> {
                let value = i64::read(row, column)?;
                value.map(Self::try_from).transpose().map_err(|error| row.corrupt(column, source(error)))
            }
        }
    )*};
}

checked_column!(u64, u32);

impl Column for bool {
    fn read(row: &Row, column: &'static str) -> Result<Option<Self>, Error> {
        match i64::read(row, column)? {
            None => Ok(None),
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            Some(other) => Err(row.corrupt(column, because(format!("{other} is neither 0 nor 1")))),
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for i64 {}
    impl Sealed for f64 {}
    impl Sealed for String {}
    impl Sealed for Vec<u8> {}
    impl Sealed for u64 {}
    impl Sealed for u32 {}
    impl Sealed for bool {}
}
