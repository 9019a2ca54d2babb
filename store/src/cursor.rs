//! A place in a feed, as its followers keep it: opaque text.
//!
//! It carries the feed's name and what is known of the event at its position, so that a place in another database, or in one
//! that was restored and has gone on since, is told from a place in this one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The most bytes of a cursor's text; its own are 56.
pub const CURSOR_MAX: usize = 256;

const VERSION: u8 = 1;
const CHECK: usize = 4;
const BYTES: usize = 1 + 16 + 8 + 8 + CHECK;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The feed's name, a UUID.
    pub feed: u128,
    /// The position of the last event before this place; 0: the feed's beginning.
    pub position: u64,
    /// When that event was made, in microseconds: no two histories agree in it. 0 where there is none.
    pub stamp: i64,
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor")]
pub struct NotACursor;

impl Cursor {
    /// The cursor's text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(VERSION);
        bytes.extend(self.feed.to_be_bytes());
        bytes.extend(self.position.to_be_bytes());
        bytes.extend(self.stamp.to_be_bytes());
        let check = check(&bytes);
        bytes.extend(check);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor's text, whoever sent it.
    ///
    /// # Errors
    /// If it was not made by [`encode`](Self::encode). The check is there for mistakes, not against malice: a cursor says
    /// nothing that its owner may not ask for.
    pub fn decode(text: &str) -> Result<Self, NotACursor> {
        if text.len() > CURSOR_MAX {
            return Err(NotACursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
        let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| NotACursor)?;
        let (content, sum) = bytes.split_at(BYTES - CHECK);
        if content[0] != VERSION || sum != check(content) {
            return Err(NotACursor);
        }
        let (mut feed, mut position, mut stamp) = ([0; 16], [0; 8], [0; 8]);
        feed.copy_from_slice(&content[1..17]);
        position.copy_from_slice(&content[17..25]);
        stamp.copy_from_slice(&content[25..33]);
        let position = u64::from_be_bytes(position);
        // What the database counts in.
        if i64::try_from(position).is_err() {
            return Err(NotACursor);
        }
        Ok(Self { feed: u128::from_be_bytes(feed), position, stamp: i64::from_be_bytes(stamp) })
    }
}

fn check(content: &[u8]) -> [u8; CHECK] {
    let digest = Sha256::digest(content);
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(feed: u128, position in 0..=u64::MAX / 2, stamp: i64) {
            let cursor = Cursor { feed, position, stamp };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }

        #[test]
        fn a_cursor_that_was_changed_anywhere_is_none(position in 0..=u64::MAX / 2, at in 0..BYTES, bit in 0..8_u32) {
            let text = Cursor { feed: 7, position, stamp: 9 }.encode();
            let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Cursor::decode(&URL_SAFE_NO_PAD.encode(bytes)), Err(NotACursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_none(text: String) {
            // It never panics.
            let _none = Cursor::decode(&text).is_err();
        }
    }

    #[test]
    fn garbage_is_no_cursor() {
        for text in ["", "AA", "not base64!", &"A".repeat(50), &"A".repeat(10_000)] {
            assert_eq!(Cursor::decode(text), Err(NotACursor), "{text:?}");
        }
    }
}
