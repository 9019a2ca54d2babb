//! Ids of products: the file's own where the catalog can take them, else made of them, and always the same.

use sha2::{Digest as _, Sha256};

/// The catalog's limit, in bytes.
const ID_MAX: usize = 64;
/// What is kept of a text that is no id, for people.
const SLUG_MAX: usize = 40;
/// Bytes of the digest that tells apart what looks the same without its special characters.
const DIGEST_BYTES: usize = 6;

/// The id of a product that its file calls `raw`.
pub(super) fn of(raw: &str) -> String {
    if is_valid(raw) { raw.to_owned() } else { derive(raw, &[raw]) }
}

/// An id made of what a product is, for a file without ids; `shown` is the part of it that people recognise.
pub(super) fn derive(shown: &str, parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest: String = digest.finalize().iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect();
    let mut slug = String::new();
    for c in shown.chars().take(ID_MAX) {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= SLUG_MAX {
            break;
        }
    }
    let slug = slug.trim_matches('-');
    if slug.is_empty() { format!("p-{digest}") } else { format!("{slug}-{digest}") }
}

/// The catalog's rule: `[A-Za-z0-9][A-Za-z0-9._~-]{0,63}`.
fn is_valid(id: &str) -> bool {
    let tail = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
    id.len() <= ID_MAX && id.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric()) && id.bytes().all(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_the_catalog_takes_stays_as_it_is() {
        for id in ["1", "ABC-1_2.3~4", &"a".repeat(64)] {
            assert_eq!(of(id), id);
        }
    }

    #[test]
    fn any_other_becomes_one_of_its_own_that_is_always_the_same() {
        assert_eq!(of("Tee Kanne/rot"), of("Tee Kanne/rot"));
        assert!(of("Tee Kanne/rot").starts_with("tee-kanne-rot-"));
        assert_ne!(of("Tee Kanne/rot"), of("Tee Kanne rot"));
        assert_ne!(derive("a", &["ab", "c"]), derive("a", &["a", "bc"]));
        for raw in ["急須", "", "-", &"x y ".repeat(500), "a\0b"] {
            assert!(is_valid(&of(raw)), "{raw}: {}", of(raw));
        }
    }
}
