//! Rules for text. A character is a Unicode code point; control characters are refused.

/// Text on one line, from nothing to `max` characters.
pub(crate) fn line(text: &str, max: usize) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    at_most(text, max)
}

/// As [`line`], and something has to be seen of it.
pub(crate) fn required_line(text: &str, max: usize) -> Result<(), String> {
    line(text, max)?;
    if text.chars().all(char::is_whitespace) {
        return Err("must not be empty".to_owned());
    }
    Ok(())
}

/// Text of several lines: tabs and line ends are no control characters here.
pub(crate) fn paragraphs(text: &str, max: usize) -> Result<(), String> {
    if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        return Err("must not contain control characters other than tab and line ends".to_owned());
    }
    at_most(text, max)
}

/// An absolute `http` or `https` URI, or a path on the shop itself.
///
/// Whatever a page does with it, it can name no other scheme, and no other host by accident: `//host` and `/\host` do.
pub(crate) fn picture_uri(uri: &str) -> Result<(), String> {
    const BYTES_MAX: usize = 2_048;
    if uri.is_empty() || uri.len() > BYTES_MAX {
        return Err(format!("must be 1 to {BYTES_MAX} bytes"));
    }
    if !uri.bytes().all(is_uri_byte) {
        return Err("must be ASCII without white space, quotes, backslashes and brackets".to_owned());
    }
    let host = ["http://", "https://"].iter().find_map(|scheme| {
        let (begin, rest) = uri.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let absolute = host.is_some_and(|host| !host.is_empty() && !host.starts_with(['/', '?', '#']));
    let on_the_shop = uri.starts_with('/') && !uri.starts_with("//");
    if absolute || on_the_shop {
        return Ok(());
    }
    Err("must be an http or https URI, or a path with one leading slash".to_owned())
}

fn at_most(text: &str, max: usize) -> Result<(), String> {
    // Bytes are cheap to count and never fewer than characters.
    if text.len() > max && text.chars().count() > max {
        return Err(format!("must be at most {max} characters"));
    }
    Ok(())
}

/// What RFC 3986 allows in a URI.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert!(line("ééé", 3).is_ok());
        assert!(line("éééé", 3).is_err());
    }

    #[test]
    fn control_characters_are_refused_but_line_ends_in_paragraphs() {
        for text in ["a\0", "a\u{7f}", "a\u{85}", "a\u{1b}[31m", "a\nb"] {
            assert!(line(text, 10).is_err(), "{text:?}");
        }
        assert!(paragraphs("a\tb\r\nc", 10).is_ok());
        assert!(paragraphs("a\u{8}", 10).is_err());
    }

    #[test]
    fn white_space_alone_is_empty() {
        for text in ["", " ", "\u{a0}\u{2003}"] {
            assert!(required_line(text, 10).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_picture_is_on_the_web_or_on_the_shop() {
        for uri in ["/pictures/mug.svg", "https://cdn.example/mug.png?w=2#x", "HTTP://a", "/"] {
            assert!(picture_uri(uri).is_ok(), "{uri}");
        }
        let refused = [
            "",
            "mug.svg",
            "//evil.example/x",
            "/\\evil.example",
            "javascript:alert(1)",
            "data:,x",
            "https://",
            "http:///x",
        ];
        for uri in refused {
            assert!(picture_uri(uri).is_err(), "{uri}");
        }
        assert!(picture_uri("/a b").is_err() && picture_uri("/é").is_err());
        assert!(picture_uri(&format!("/{}", "a".repeat(2_047))).is_ok());
        assert!(picture_uri(&format!("/{}", "a".repeat(2_048))).is_err());
    }
}
