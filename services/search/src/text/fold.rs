//! Folds text: what differs only in case, accents, width or ligatures becomes the same.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Appends the folded form of `text` to `out`: letters, digits and the marks that are part of letters, nothing else.
pub(crate) fn fold(text: &str, out: &mut String) {
    if text.is_ascii() {
        out.extend(text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()));
        return;
    }
    let small = text.nfkd().flat_map(char::to_lowercase);
    let kept = small.filter(|c| !is_dropped(*c) && (c.is_alphanumeric() || is_combining_mark(*c)));
    for c in kept.nfc() {
        match plain(c) {
            Some(letters) => out.push_str(letters),
            None => out.push(c),
        }
    }
}

/// What is written and not read: joiners, soft hyphens, marks of direction, variants of one character.
pub(super) fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Accents and points that people leave out. Those of Indic and Japanese letters make other letters and stay.
fn is_dropped(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5c7}' | '\u{640}'
        | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
        || is_ignorable(c)
}

/// Letters that Unicode does not take apart and keyboards of neighbours do not have.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ħ' => "h",
        'ŧ' => "t",
        'ı' => "i",
        'ς' => "σ",
        'ى' | 'ی' => "ي",
        'ة' => "ه",
        'ک' => "ك",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> String {
        let mut out = String::new();
        fold(text, &mut out);
        out
    }

    #[test]
    fn case_accents_width_and_ligatures_do_not_matter() {
        let alike = [
            ("Crème", "creme"),
            ("BRÛLÉE", "brulee"),
            ("Größe", "grosse"),
            ("Łódź", "lodz"),
            ("smørrebrød", "smorrebrod"),
            ("İstanbul", "istanbul"),
            ("ﬁle", "file"),
            ("ＬＥＤ", "led"),
            ("Ёлка", "елка"),
            ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
            ("cafe\u{301}", "cafe"),
            ("soft\u{ad}ware", "software"),
            ("ｶﾞﾗｽ", "ガラス"),
            ("مُدَرِّسة", "مدرسه"),
        ];
        for (text, expected) in alike {
            assert_eq!(folded(text), expected, "{text}");
        }
    }

    #[test]
    fn marks_that_make_another_letter_stay() {
        assert_ne!(folded("が"), folded("か"));
        assert_eq!(folded("か\u{3099}"), folded("が"));
        assert_ne!(folded("हिन्दी"), folded("हन्द"));
        assert_eq!(folded("한글"), "한글");
    }

    proptest! {
        #[test]
        fn what_is_folded_is_folded_for_good(text in ".{0,40}") {
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once);
        }
    }
}
