//! A row of an answer, read by column name.

use sqlx::Row as _;

use crate::error::{Error, because, source};

/// One row of an answer.
pub struct Row {
    pub(crate) statement: &'static str,
    pub(crate) raw: RawRow,
}

pub(crate) enum RawRow {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
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
                    RawRow::Sqlite(raw) => raw.try_get(column),
                    RawRow::Postgres(raw) => raw.try_get(column),
                }
                .map_err(|error| row.corrupt(column, source(error)))
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
