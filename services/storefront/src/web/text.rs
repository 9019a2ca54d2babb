//! Text that others wrote, and numbers, as the pages show them.
//!
//! The templates escape everything, so text is never markup. What escaping leaves is the power of a few characters over
//! their surroundings: those that turn the direction of writing round are left out, so that no name of a product can
//! make its own price read backwards.

/// A part of a text, and whether it is what was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) is_match: bool,
}

/// The text without the characters that embed, override or isolate a direction of writing, and without control
/// characters other than the ends of lines.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !is_directing(*c) && (!c.is_control() || *c == '\n')).collect()
}

/// A text of which nothing was looked for.
pub(super) fn plain(text: &str) -> Vec<Piece> {
    vec![Piece { text: shown(text), is_match: false }]
}

/// A text in its pieces. Ranges that do not fit into it, or into each other, mark nothing.
pub(super) fn pieces(text: &str, ranges: impl IntoIterator<Item = (usize, usize)>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut done = 0;
    let mut push = |text: &str, is_match| {
        let text = shown(text);
        if !text.is_empty() {
            pieces.push(Piece { text, is_match });
        }
    };
    for (start, end) in ranges {
        let (Some(before), Some(matched)) = (text.get(done..start), text.get(start..end)) else { continue };
        push(before, false);
        push(matched, true);
        done = end;
    }
    push(&text[done..], false);
    pieces
}

/// U+202A to U+202E and U+2066 to U+2069 (UAX #9: explicit directional embeddings, overrides and isolates).
fn is_directing(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(0).to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marked(text: &str, ranges: &[(usize, usize)]) -> String {
        let written = |piece: Piece| if piece.is_match { format!("[{}]", piece.text) } else { piece.text };
        pieces(text, ranges.iter().copied()).into_iter().map(written).collect()
    }

    #[test]
    fn matches_are_pieces_of_their_own() {
        assert_eq!(marked("brass bell", &[(0, 5)]), "[brass] bell");
        assert_eq!(marked("é tea é", &[(0, 2), (3, 6)]), "[é] [tea] é");
        assert_eq!(marked("", &[]), "");
    }

    #[test]
    fn ranges_that_do_not_fit_mark_nothing_and_lose_no_text() {
        for ranges in [&[(1, 99)][..], &[(1, 2)], &[(5, 3)], &[(0, 2), (1, 3)]] {
            let whole: String = pieces("é tea", ranges.iter().copied()).into_iter().map(|piece| piece.text).collect();
            assert_eq!(whole, "é tea", "{ranges:?}");
        }
    }

    #[test]
    fn nothing_turns_the_direction_of_writing_round() {
        assert_eq!(shown("Lamp \u{202e}00.1$\u{202c}\u{2066}x\u{2069}\u{7}"), "Lamp 00.1$x");
        assert_eq!(shown("\u{200f}שלום"), "\u{200f}שלום");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            (grouped(999_i64), grouped(1_234_567_i64), grouped(-1_i64)),
            ("999".into(), "1,234,567".into(), "0".into())
        );
    }

    proptest! {
        #[test]
        fn any_ranges_give_all_of_the_text(text in "\\PC{0,20}", ranges in prop::collection::vec((0_usize..30, 0_usize..30), 0..6)) {
            let whole: String = pieces(&text, ranges).into_iter().map(|piece| piece.text).collect();
            prop_assert_eq!(whole, shown(&text));
        }
    }
}
