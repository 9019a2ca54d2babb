//! Other forms of a word: the endings in `-s` that many languages make plurals with.
//!
//! Not a stemmer: a form counts only if it is a word of the index, so another language loses nothing by it.

/// Shorter words have no other forms.
const LETTERS_MIN: usize = 3;

/// The other forms that a folded word may have.
pub(crate) fn forms(word: &str) -> Vec<String> {
    if word.len() < LETTERS_MIN || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Vec::new();
    }
    let mut forms = Vec::with_capacity(3);
    if let Some(stem) = word.strip_suffix("ies") {
        forms.push(format!("{stem}y"));
    }
    if let Some(stem) = word.strip_suffix("es").filter(|stem| hisses(stem)) {
        forms.push(stem.to_owned());
    }
    if let Some(stem) = word.strip_suffix('s') {
        if !stem.ends_with('s') && stem.len() >= LETTERS_MIN {
            forms.push(stem.to_owned());
        }
    } else if hisses(word) {
        forms.push(format!("{word}es"));
    } else {
        forms.push(format!("{word}s"));
    }
    if let Some(stem) = word.strip_suffix('y') {
        forms.push(format!("{stem}ies"));
    }
    forms
}

/// Whether English says `-es`.
fn hisses(word: &str) -> bool {
    ["s", "x", "z", "ch", "sh"].iter().any(|ending| word.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_and_its_plural_are_forms_of_each_other() {
        for (one, many) in [("lamp", "lamps"), ("box", "boxes"), ("battery", "batteries"), ("brush", "brushes")] {
            assert!(forms(one).contains(&many.to_owned()), "{one}");
            assert!(forms(many).contains(&one.to_owned()), "{many}");
        }
    }

    #[test]
    fn numbers_short_words_and_other_scripts_have_no_other_forms() {
        for word in ["as", "500", "500ml", "лампа", "蓝牙"] {
            assert_eq!(forms(word), Vec::<String>::new(), "{word}");
        }
        assert!(!forms("glass").contains(&"glas".to_owned()));
    }
}
