//! What a statement can be given.

/// A bound value. `None` is NULL of that type, which PostgreSQL wants to know.
///
/// Made with `into()` from `i64`, `u32`, `bool` (a BIGINT of 0 or 1), `f64`, `&str`, `String`, `Vec<u8>`, `&[u8]` and
/// `Option`s of them. A list is bound as one JSON text, which `json_each($1)` (SQLite; `jsonb_each($1)` for
/// objects, of which it makes no text) or `json_array_elements_text($1::json)` (PostgreSQL; `json_to_recordset` for objects, which
/// reads each of them once and not once a field) unfolds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// BIGINT.
    Integer(Option<i64>),
    /// TEXT.
    Text(Option<String>),
    /// BLOB or BYTEA.
    Bytes(Option<Vec<u8>>),
    /// REAL or DOUBLE PRECISION; never money.
    Float(Option<f64>),
}

macro_rules! from {
    ($($type:ty => $variant:ident, $convert:expr;)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                #[allow(clippy::redundant_closure_call, reason = "the macro's conversions are closures")]
                Self::$variant(Some($convert(value)))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map($convert))
            }
        }
    )*};
}

from! {
    i64 => Integer, |value| value;
    i32 => Integer, i64::from;
    u32 => Integer, i64::from;
    bool => Integer, i64::from;
    f64 => Float, |value| value;
    String => Text, |value| value;
    &str => Text, str::to_owned;
    Vec<u8> => Bytes, |value| value;
    &[u8] => Bytes, <[u8]>::to_vec;
}
