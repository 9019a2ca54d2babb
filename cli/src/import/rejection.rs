//! Why a row is not imported.

use std::fmt;

use super::{number, records::Broken};

/// The kinds of reasons, which are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    NoName,
    NoPrice,
    BadPrice,
    NoCurrency,
    BadCurrency,
    Duplicate,
    TooManyCells,
    UnclosedQuote,
    BadEncoding,
    Refused,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) kind: Kind,
    pub(super) message: String,
}

impl Kind {
    /// For people and for programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoName => "no name",
            Self::NoPrice => "no price",
            Self::BadPrice => "price cannot be read",
            Self::NoCurrency => "no currency",
            Self::BadCurrency => "unknown currency",
            Self::Duplicate => "same product again",
            Self::TooManyCells => "more cells than columns",
            Self::UnclosedQuote => "quote never closed",
            Self::BadEncoding => "not in the file's encoding",
            Self::Refused => "refused by the catalog",
        }
    }

    pub(super) fn because(self, message: impl Into<String>) -> Reason {
        Reason { kind: self, message: message.into() }
    }
}

impl Reason {
    pub(super) fn of_price(error: number::Error, text: &str) -> Self {
        let text = super::cell::cut(text, 60);
        let (kind, what) = match error {
            number::Error::Missing => (Kind::BadPrice, "is no number"),
            number::Error::Negative => (Kind::BadPrice, "is negative"),
            number::Error::Malformed => (Kind::BadPrice, "is not written as a price"),
            number::Error::TooLarge => (Kind::BadPrice, "is too large"),
        };
        kind.because(format!("the price {text:?} {what}"))
    }

    pub(super) fn of_broken(broken: Broken, encoding: &str) -> Self {
        match broken {
            Broken::Unclosed => {
                Kind::UnclosedQuote.because("a quote opens in this line and is not closed within 1 MiB")
            }
            Broken::Encoding => Kind::BadEncoding.because(format!("it holds bytes that are no {encoding}")),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}
