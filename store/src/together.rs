//! What a batch asks and writes for all of its units at once.
//!
//! A statement is an exchange with the database, and most units of a batch do the same to other rows. So a unit says before it
//! runs what it will look up ([`Unit::lookups`](crate::Unit::lookups)), and one statement finds it for all of them; and what
//! it [puts](crate::Transaction::put) is written when the batch ends, one statement for the rows of all.
//!
//! Neither changes what a unit sees: the rows of a key are found and written together only by units that have no key in common.
//! A unit that shares one with an earlier unit of its batch finds that one's rows written, and asks for itself.

use serde::Serialize;
use serde_json::Value as Json;

use crate::error::{Error, because, source};
use crate::row::Row;
use crate::statement::Statement;
use crate::transaction::{Fault, Transaction};

/// Rows that are found by a key.
///
/// The statement's one value is a JSON list of such keys, and each of its rows says in the column `wanted` to which of them it
/// belongs, counted from 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    pub(crate) statement: Statement,
    pub(crate) key: Json,
}

impl Lookup {
    /// What this statement finds by this key.
    #[must_use]
    pub fn new(statement: Statement, key: impl Into<Json>) -> Self {
        Self { statement, key: key.into() }
    }

    /// The statement's value where nothing else is asked for.
    pub(crate) fn list(&self) -> String {
        list(std::slice::from_ref(&self.key))
    }
}

/// Keys as a statement takes them. A list of JSON values always has a text.
fn list(keys: &[Json]) -> String {
    serde_json::to_string(keys).unwrap_or_default()
}

impl Transaction {
    /// What a lookup finds. One that [`Unit::lookups`](crate::Unit::lookups) named costs no exchange of its own.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn look_up(&mut self, lookup: &Lookup) -> Result<Vec<Row>, Error> {
        if let Some(place) = self.known.iter().position(|(known, _)| known == lookup) {
            return Ok(self.known.swap_remove(place).1);
        }
        self.fetch_all(&lookup.statement, [lookup.list().into()]).await
    }

    /// The one row that a lookup finds, if it finds any.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn look_up_optional(&mut self, lookup: &Lookup) -> Result<Option<Row>, Error> {
        Ok(self.look_up(lookup).await?.into_iter().next())
    }

    /// Writes a row when the batch ends, with those of other units: the statement's one value is a JSON list of such objects,
    /// of each of which it must touch one row. Another statement of this unit finds the row written.
    ///
    /// Nobody else may write the row in the same batch, so it is of a key that this unit has locked. That no row was touched
    /// is an [`Error::Internal`] of this unit: where that is an answer, [`execute`](Self::execute) gives it.
    ///
    /// # Errors
    /// [`Error::Internal`] for what has no JSON form.
    pub fn put(&mut self, statement: &Statement, row: &impl Serialize) -> Result<(), Error> {
        self.own.push(Put::new(*statement, row, Missed::Mistake)?);
        Ok(())
    }

    /// Writes everything that was put so far.
    pub(crate) async fn write_puts(&mut self) -> Result<(), Error> {
        self.puts.append(&mut self.own);
        for rows in gather(std::mem::take(&mut self.puts)) {
            let attempted = rows.statement.name;
            if self.send(&rows.statement, vec![rows.list().into()]).await? == rows.number {
                continue;
            }
            let (fault, error) = match rows.missed {
                Missed::Mistake => {
                    let source = because("somebody else changed what this unit had locked");
                    (Fault::Statement, Error::Internal { attempted, source })
                }
                Missed::Again(error) => (Fault::Contended(error.clone()), error),
            };
            self.fault = Some(fault);
            return Err(error);
        }
        Ok(())
    }

    /// A statement of a unit sees what the unit wrote before.
    pub(crate) async fn write_own(&mut self) -> Result<(), Error> {
        if self.own.is_empty() { Ok(()) } else { self.write_puts().await }
    }
}

/// A lookup and what was found.
pub(crate) type Known = (Lookup, Vec<Row>);

/// The same lookup's statement, asked for the keys of several units.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) statement: Statement,
    keys: Vec<Json>,
    /// Whose unit each key is.
    units: Vec<usize>,
}

/// The questions of these units, each statement's first keys first.
pub(crate) fn questions(lookups: impl Iterator<Item = (usize, Vec<Lookup>)>) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    for (unit, lookups) in lookups {
        for Lookup { statement, key } in lookups {
            let question = match questions.iter_mut().find(|question| question.statement == statement) {
                Some(question) => question,
                None => questions.push_mut(Question { statement, keys: Vec::new(), units: Vec::new() }),
            };
            question.keys.push(key);
            question.units.push(unit);
        }
    }
    questions
}

impl Question {
    /// The statement's value.
    pub(crate) fn list(&self) -> String {
        list(&self.keys)
    }

    /// What was found, for the unit that asked for it.
    pub(crate) fn answers(self, rows: Vec<Row>) -> Result<impl Iterator<Item = (usize, Known)>, Error> {
        let mut found: Vec<Vec<Row>> = self.keys.iter().map(|_| Vec::new()).collect();
        for row in rows {
            let wanted: u64 = row.get("wanted")?;
            let place = usize::try_from(wanted).ok().and_then(|wanted| found.get_mut(wanted));
            let place = place.ok_or_else(|| Error::Corrupt {
                attempted: self.statement.name,
                what: "wanted",
                source: because("it is no key's place"),
            })?;
            place.push(row);
        }
        let Self { statement, keys, units } = self;
        let known = keys.into_iter().zip(found).map(move |(key, rows)| (Lookup { statement, key }, rows));
        Ok(units.into_iter().zip(known))
    }
}

/// A row that is to be written.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) statement: Statement,
    /// A JSON object.
    row: String,
    pub(crate) missed: Missed,
}

/// What it means that the statement touched no row.
#[derive(Clone, Debug)]
pub(crate) enum Missed {
    /// Somebody wrote past the lock: a mistake.
    Mistake,
    /// Another transaction was first: the unit runs again, and finds what that one wrote.
    Again(Error),
}

impl Put {
    pub(crate) fn new(statement: Statement, row: &impl Serialize, missed: Missed) -> Result<Self, Error> {
        let failed = |error| Error::Internal { attempted: statement.name, source: source(error) };
        Ok(Self { statement, row: serde_json::to_string(row).map_err(failed)?, missed })
    }
}

/// Rows of one statement.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) statement: Statement,
    pub(crate) missed: Missed,
    /// What is between a list's brackets.
    list: String,
    pub(crate) number: u64,
}

impl Rows {
    /// The statement's value.
    pub(crate) fn list(&self) -> String {
        format!("[{}]", self.list)
    }
}

/// Gathers rows by their statement, in the order in which the statements were first named.
pub(crate) fn gather(puts: impl IntoIterator<Item = Put>) -> Vec<Rows> {
    let mut gathered: Vec<Rows> = Vec::new();
    for Put { statement, row, missed } in puts {
        match gathered.iter_mut().find(|rows| rows.statement == statement) {
            Some(rows) => {
                rows.list.push(',');
                rows.list.push_str(&row);
                rows.number += 1;
            }
            None => gathered.push(Rows { statement, missed, list: row, number: 1 }),
        }
    }
    gathered
}
