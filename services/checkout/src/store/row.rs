//! Rows, read and written.

use std::sync::Arc;

use ::store::{Error as StoreError, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::load::Found;
use crate::order::{Order, State};
use crate::saga::Tale;
use rpc::Capability;

/// Reads an order.
pub(super) fn found(row: &Row) -> Result<Found, StoreError> {
    let id: String = row.get("order_id")?;
    Ok(Found { order: order(row, &id)?, lease: row.get("lease")?, wake_us: row.get("wake_us")? })
}

fn order(row: &Row, id: &str) -> Result<Order, StoreError> {
    let (placed, progress): (String, String) = (row.get("placed")?, row.get("progress")?);
    Ok(Order {
        id: self::id(id)?,
        placed: Arc::new(parsed(&placed, "placed")?),
        state: state(row.get("state")?)?,
        progress: parsed(&progress, "progress")?,
        create_us: row.get("create_us")?,
        update_us: row.get("update_us")?,
        revision: row.get("revision")?,
    })
}

pub(super) fn id(text: &str) -> Result<Capability, StoreError> {
    Capability::parse(text).ok_or_else(|| corrupt("order_id", "it is no id"))
}

/// A state's place in [`State::ALL`], from 1.
pub(super) fn state_number(state: State) -> i64 {
    (1..).zip(State::ALL).find_map(|(number, known)| (known == state).then_some(number)).unwrap_or_default()
}

pub(super) fn state(number: i64) -> Result<State, StoreError> {
    let place = usize::try_from(number - 1).ok();
    let state = place.and_then(|place| State::ALL.get(place));
    state.copied().ok_or_else(|| corrupt("state", "it is no state"))
}

pub(super) fn tale_number(tale: &Tale) -> i64 {
    match tale {
        Tale::Placed => 1,
        Tale::Paid => 2,
        Tale::Fulfilled => 3,
        Tale::Failed => 4,
        Tale::Cancelled => 5,
        Tale::Refunded(_) => 6,
        Tale::NeedsAttention => 7,
    }
}

/// A tale as far as its number says it.
pub(super) fn tale(number: i64) -> Result<Tale, StoreError> {
    match number {
        1 => Ok(Tale::Placed),
        2 => Ok(Tale::Paid),
        3 => Ok(Tale::Fulfilled),
        4 => Ok(Tale::Failed),
        5 => Ok(Tale::Cancelled),
        6 => Ok(Tale::Refunded(String::new())),
        7 => Ok(Tale::NeedsAttention),
        _ => Err(corrupt("kind", "it is no event")),
    }
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    let failed = |error| StoreError::Internal { attempted: "encode an order", source: Arc::new(error) };
    serde_json::to_string(value).map_err(failed)
}

fn parsed<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    let failed = |error| StoreError::Corrupt { attempted: "SELECT orders", what, source: Arc::new(error) };
    serde_json::from_str(text).map_err(failed)
}

fn corrupt(what: &'static str, why: &'static str) -> StoreError {
    StoreError::Corrupt { attempted: "SELECT orders", what, source: Arc::new(std::io::Error::other(why)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written() {
        for known in State::ALL {
            assert_eq!(state(state_number(known)).unwrap(), known);
        }
        assert_eq!((state_number(State::Pending), state_number(State::NeedsAttention)), (1, 11));
        assert!(state(0).is_err() && state(12).is_err());
        for number in 1..=7 {
            assert_eq!(tale_number(&tale(number).unwrap()), number);
        }
    }
}
