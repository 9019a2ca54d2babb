//! Text as search sees it: folded, cut into terms, and queries read.
//!
//! Products and queries pass the same code, so that what was indexed is what is looked for. It knows no language: words of
//! scripts with spaces are whole terms, text of scripts without is cut into single characters and overlapping pairs
//! (docs/decisions/0020).

mod fold;
mod forms;
mod query;
mod terms;

pub(crate) use fold::fold;
pub(crate) use forms::forms;
pub(crate) use query::{Phrase, Query, Word};
pub(crate) use terms::{Kind, Term, terms, words};
