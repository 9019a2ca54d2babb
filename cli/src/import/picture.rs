//! Addresses of pictures: alone, in a list with any separator, or in JSON; made into what the catalog takes.

use serde_json::Value;

use super::cell;

/// The most bytes of an address.
const URI_BYTES_MAX: usize = 2_048;
/// The most pictures of a product.
pub(super) const PICTURES_MAX: usize = 32;
/// Endings of addresses that are pages.
const PAGES: [&str; 4] = [".html", ".htm", ".php", ".aspx"];
/// Pictures that the shop itself has.
const OWN: &str = "/pictures/";

/// Adds the pictures of a cell to those that are there; what is no address of a picture is left out.
pub(super) fn add(text: &str, to: &mut Vec<String>) {
    let Some(text) = cell::some(text) else { return };
    match cell::value(text) {
        Some(value) => add_value(&value, to, 0),
        None => split(text).for_each(|part| add_one(part, to)),
    }
}

/// Whether a cell looks like it holds pictures, whether they can be reached or not.
pub(super) fn looks_like(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["http://", "https://", "//", ".jpg", ".jpeg", ".png", ".webp", ".gif", ".svg", ".avif"]
        .iter()
        .any(|it| lower.contains(it))
}

fn add_value(value: &Value, to: &mut Vec<String>, depth: u32) {
    match value {
        Value::String(text) => add_one(text, to),
        Value::Array(items) if depth < 3 => items.iter().for_each(|item| add_value(item, to, depth + 1)),
        Value::Object(object) => {
            let names = ["hiRes", "large", "url", "src", "link", "image", "image_url", "href", "thumb"];
            if let Some(Value::String(text)) = cell::member(object, &names) {
                add_one(text, to);
            }
        }
        Value::Array(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// The addresses of a list. Addresses contain commas and more, so that only what stands before a scheme separates.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("http").map(|(at, _)| at).filter(|at| {
        let rest = &text[*at..];
        (rest.starts_with("http://") || rest.starts_with("https://"))
            && (*at == 0 || text[..*at].ends_with([',', ';', '|', ' ', '\n', '\t', '~', '"', '\'']))
    });
    let mut starts = starts.peekable();
    let single = starts.peek().is_none();
    let bounds: Vec<usize> = if single { vec![0] } else { starts.collect() };
    let ends: Vec<usize> = bounds.iter().skip(1).copied().chain([text.len()]).collect();
    bounds
        .into_iter()
        .zip(ends)
        .map(|(from, to)| text[from..to].trim_end_matches([',', ';', '|', ' ', '\n', '\t', '~', '"', '\'']))
}

fn add_one(text: &str, to: &mut Vec<String>) {
    if to.len() >= PICTURES_MAX {
        return;
    }
    let Some(uri) = uri(text.trim()) else { return };
    if !to.contains(&uri) {
        to.push(uri);
    }
}

/// The address as the catalog takes it: absolute, and ASCII.
fn uri(text: &str) -> Option<String> {
    let absolute = match text.strip_prefix("//") {
        Some(rest) => format!("https://{rest}"),
        None => text.to_owned(),
    };
    let lower = absolute.to_ascii_lowercase();
    let rest = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
    let on_the_web = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ' ']));
    if !on_the_web && !absolute.starts_with(OWN) {
        return None;
    }
    let path = lower.split(['?', '#']).next().unwrap_or_default();
    if PAGES.iter().any(|page| path.ends_with(page)) {
        return None;
    }
    let mut uri = String::with_capacity(absolute.len());
    for byte in absolute.trim_end().bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => uri.push_str(&format!("%{byte:02X}")),
            byte if byte.is_ascii_graphic() => uri.push(char::from(byte)),
            byte if byte.is_ascii_control() => return None,
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    (uri.len() <= URI_BYTES_MAX).then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(text: &str) -> Vec<String> {
        let mut pictures = Vec::new();
        add(text, &mut pictures);
        pictures
    }

    #[test]
    fn pictures_come_alone_in_lists_and_in_json() {
        let (one, two) = ("https://cdn.example/a,b.jpg", "https://cdn.example/c.jpg");
        for list in [
            format!("{one}, {two}"),
            format!("{one};{two}"),
            format!("{one}|{two}"),
            format!("{one}\n{two}"),
            format!("[\"{one}\",\"{two}\"]"),
            format!("['{one}', '{two}']"),
            format!("{one} {two} {one}"),
            format!("[{{\"url\":\"{one}\"}},{{\"url\":\"{two}\"}}]"),
            format!("{one} ~ {two}"),
        ] {
            assert_eq!(pictures(&list), [one, two], "{list}");
        }
        assert!(
            ["", "null", "[]", "/w/s/tea.jpg", "tea.jpg", "javascript:alert(1)", "data:image/png;base64,x"]
                .iter()
                .all(|it| pictures(it).is_empty())
        );
    }

    #[test]
    fn an_address_is_made_one_that_can_be_asked_for() {
        assert_eq!(pictures("//cdn.example/a.jpg"), ["https://cdn.example/a.jpg"]);
        assert_eq!(pictures("https://cdn.example/Größe 1.jpg"), ["https://cdn.example/Gr%C3%B6%C3%9Fe%201.jpg"]);
        assert_eq!(pictures("https://cdn.example/\"><script>.jpg"), ["https://cdn.example/%22%3E%3Cscript%3E.jpg"]);
        assert_eq!(
            pictures("[\"https://shop.example/tea-p-1.html\",\"https://cdn.example/a.jpg\"]"),
            ["https://cdn.example/a.jpg"]
        );
    }
}
