//! Fuzz targets: what followers send of their place in a feed, and what lies among the dead letters.
//!
//! Each is a plain function that panics where it does not hold. `cargo test` runs them on `corpus/` and on mutations of it;
//! CONTRIBUTING.md says how a fuzzer does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::cursor::{CURSOR_MAX, Cursor};
use crate::event::Event;

/// A cursor: read only as it was made, and any place that a feed can have is made into one that is read.
pub fn cursor(text: &[u8]) {
    if let Ok(text) = std::str::from_utf8(text)
        && let Ok(cursor) = Cursor::decode(text)
    {
        assert_eq!(cursor.encode(), text, "two texts for one place");
        assert!(i64::try_from(cursor.position).is_ok(), "no database counts so far");
    }
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(text).for_each(|(byte, from)| *byte = *from);
    let (feed, numbers) = bytes.split_at(16);
    let (position, stamp) = numbers.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let place = Cursor {
        feed: (u128::from(number(&feed[..8])) << 64) | u128::from(number(&feed[8..])),
        position: number(position) >> 1,
        stamp: number(stamp).cast_signed(),
    };
    let made = place.encode();
    assert!(made.len() <= CURSOR_MAX);
    assert_eq!(Cursor::decode(&made), Ok(place), "it cannot read its own cursor");
    let mut changed = URL_SAFE_NO_PAD.decode(&made).expect("a cursor is base64");
    let at = text.len() % changed.len();
    changed[at] ^= 1 << (text.len() % 8);
    assert!(Cursor::decode(&URL_SAFE_NO_PAD.encode(changed)).is_err(), "a changed cursor is read");
}

/// An event among the dead letters: whatever is read is written to the same event, and what is wrong with it is said.
pub fn dead_letter(bytes: &[u8]) {
    let Ok(event) = Event::decode(bytes) else { return };
    assert_eq!(Event::decode(&event.encode()), Ok(event.clone()), "it is read otherwise");
    let counts = i64::try_from(event.revision).is_ok_and(|revision| revision > 0);
    let names = (1..=128).contains(&event.key.len()) && !event.key.contains(char::is_control);
    assert_eq!(event.check().is_ok(), counts && names, "{:?}", event.check());
    if event.check().is_ok() {
        assert!(event.id().is_ascii() || !event.key.is_ascii());
        assert!(event.id().len() <= 160, "an id of {} bytes", event.id().len());
    }
}

#[cfg(test)]
mod tests {
    use test_fuzz::Target;

    const fn target(name: &'static str, function: fn(&[u8])) -> Target {
        Target { crate_folder: env!("CARGO_MANIFEST_DIR"), name, function }
    }

    #[test]
    fn no_cursor_is_read_that_no_feed_made() {
        target("cursor", super::cursor).run();
    }

    #[test]
    fn no_dead_letter_is_read_otherwise_than_it_was_written() {
        target("dead_letter", super::dead_letter).run();
    }
}
