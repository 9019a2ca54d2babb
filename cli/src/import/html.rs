//! Descriptions of shops are HTML. Here they become plain text, read as a browser reads them.
//!
//! html5ever's tokenizer does the reading: tags, comments, scripts and entities, broken ones included. What is left is
//! text in paragraphs; nothing of it is markup any more, and what looks like a tag in it is shown as text.

use std::cell::{Cell, RefCell};

use html5ever::{
    TokenizerResult,
    tendril::StrTendril,
    tokenizer::{
        BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts, states::RawKind,
    },
};

/// How much of a cell is read as HTML; a description is shorter by far.
const HTML_BYTES_MAX: usize = 256 * 1024;

/// Elements whose content is not for people. The tokenizer takes them as raw text up to their end tag.
const HIDDEN: [&str; 8] = ["script", "style", "iframe", "noembed", "noframes", "noscript", "xmp", "template"];
/// Elements that stand on lines of their own.
const LINES: [&str; 16] = [
    "br",
    "li",
    "tr",
    "div",
    "dt",
    "dd",
    "section",
    "article",
    "header",
    "footer",
    "thead",
    "tbody",
    "option",
    "hr",
    "figure",
    "figcaption",
];
/// Elements with an empty line around them.
const PARAGRAPHS: [&str; 13] =
    ["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre"];

/// The text of a cell in paragraphs, whether it is HTML or not.
pub(super) fn text(cell: &str) -> String {
    if !is_html(cell) {
        return paragraphs(cell);
    }
    let had_tags = cell.contains('<');
    let text = tokenize(cell);
    // Some exports escape their HTML once more.
    if !had_tags && is_html(&text) {
        return paragraphs(&tokenize(&text));
    }
    paragraphs(&text)
}

/// Whether a browser would read anything in it but text.
fn is_html(cell: &str) -> bool {
    let tag = |(at, _): (usize, &str)| {
        let rest = &cell[at + 1..];
        rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) && rest.contains('>')
    };
    let entity = |(at, _): (usize, &str)| {
        let name = cell[at + 1..]
            .bytes()
            .take(32)
            .position(|byte| byte == b';')
            .map(|end| &cell.as_bytes()[at + 1..=at + end]);
        name.is_some_and(|name| {
            !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'#')
        })
    };
    // The first is enough to ask: what comes before a `>` that is there comes before it at the first `<` too.
    cell.match_indices('<').take(64).any(tag) || cell.match_indices('&').any(entity)
}

fn tokenize(html: &str) -> String {
    let end = (0..=html.len().min(HTML_BYTES_MAX)).rev().find(|at| html.is_char_boundary(*at)).unwrap_or(0);
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(&html[..end]));
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
    tokenizer.end();
    tokenizer.sink.text.into_inner()
}

/// Keeps the text between the tags.
#[derive(Default)]
struct Sink {
    text: RefCell<String>,
    hidden: Cell<bool>,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            Token::CharacterTokens(text) if !self.hidden.get() => self.text.borrow_mut().push_str(&text),
            Token::TagToken(tag) => return self.tag(&tag),
            Token::CharacterTokens(_)
            | Token::NullCharacterToken
            | Token::CommentToken(_)
            | Token::DoctypeToken(_)
            | Token::EOFToken
            | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

impl Sink {
    fn tag(&self, tag: &Tag) -> TokenSinkResult<()> {
        let (name, mut text) = (&*tag.name, self.text.borrow_mut());
        let hides = HIDDEN.contains(&name);
        self.hidden.set(hides && tag.kind == TagKind::StartTag);
        if PARAGRAPHS.contains(&name) {
            text.push_str("\n\n");
        } else if name == "br" || LINES.contains(&name) && !text.ends_with('\n') {
            text.push('\n');
        } else if matches!(name, "td" | "th") {
            text.push(' ');
        }
        if !hides || tag.kind == TagKind::EndTag || name == "template" {
            return TokenSinkResult::Continue;
        }
        TokenSinkResult::RawData(if name == "script" { RawKind::ScriptData } else { RawKind::Rawtext })
    }
}

/// Lines without white space around them, with one empty line between paragraphs and no control characters.
fn paragraphs(text: &str) -> String {
    let (mut clean, mut gap) = (String::with_capacity(text.len()), 0);
    for line in text.split(['\n', '\r']) {
        let line = super::cell::line(line);
        if line.is_empty() {
            gap += 1;
            continue;
        }
        if !clean.is_empty() {
            clean.push_str(if gap > 0 { "\n\n" } else { "\n" });
        }
        clean.push_str(&line);
        gap = 0;
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_paragraphs() {
        let html = "<p>Warm &amp; <b>soft</b>,&nbsp;50&nbsp;% wool.</p><ul><li>red</li><li>blue</li></ul>";
        assert_eq!(text(html), "Warm & soft, 50 % wool.\n\nred\nblue");
        assert_eq!(text("&lt;p&gt;T&uuml;r&lt;/p&gt;"), "Tür");
        assert_eq!(text("one<br/>two<BR>three"), "one\ntwo\nthree");
    }

    #[test]
    fn nothing_that_runs_is_left() {
        let hostile = [
            "a<script>alert(1)</script>b",
            "a<script src=//evil.example>alert(1)",
            "a<img src=x onerror=alert(1)>b",
            "a<svg/onload=alert(1)>b",
            "a<style>*{background:url(//evil.example)}</style>b",
            "a<iframe srcdoc='<script>alert(1)</script>'></iframe>b",
            "a<!-- <script> -->b<scr<script>ipt>alert(1)</script>",
        ];
        for html in hostile {
            let text = text(html);
            assert!(
                text.starts_with('a') && !text.contains(['<', '>']) || text.ends_with("ipt>alert(1)"),
                "{html}: {text}"
            );
            assert!(!text.contains("<script") && !text.contains("evil"), "{html}: {text}");
        }
    }

    #[test]
    fn text_that_is_no_html_stays_as_it_is() {
        for plain in ["5 < 6 & 7 > 2", "a<b", "Tom & Jerry", "AT&T", "x & y; z", "I <3 tea"] {
            assert_eq!(text(plain), plain);
        }
        assert_eq!(text("one\r\n\r\n\n two \0\n three"), "one\n\ntwo\nthree");
    }
}
