//! How a file's text is encoded, and its text with every line end as a line feed.
//!
//! UTF-8 passes as it is, so that a record in another encoding can be refused alone; everything else is decoded here.

use std::io::{self, Read};

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{CoderResult, Decoder, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The encoding of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding(&'static encoding_rs::Encoding);

impl Encoding {
    pub(super) const UTF_8: Self = Self(UTF_8);

    /// As it is known, `UTF-8` or `windows-1252`.
    pub(super) fn name(self) -> &'static str {
        self.0.name()
    }

    /// Whether a character takes two bytes at least.
    pub(super) fn is_wide(self) -> bool {
        self.0 == UTF_16LE || self.0 == UTF_16BE
    }

    /// The first characters of `head`, as text.
    pub(super) fn decode_start(self, head: &[u8]) -> String {
        self.0.decode_without_bom_handling(&head[..head.len().min(1024)]).0.into_owned()
    }

    /// Whether a record's text came out of bytes that this encoding does not have.
    pub(super) fn is_damaged(self, text: &str) -> bool {
        self.0 != UTF_8 && text.contains('\u{fffd}')
    }
}

/// The encoding of a file that begins with `head`, and the length of its mark; `None` if that is no text.
pub(super) fn of(head: &[u8]) -> Option<(Encoding, usize)> {
    if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(head) {
        return Some((Encoding(encoding), mark));
    }
    if head.contains(&0) {
        // Text without a mark whose every other byte is NUL is UTF-16 of a Western language.
        let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
        let (even, odd, pairs) = (zeros(0), zeros(1), head.len() / 2);
        if odd * 3 > pairs && even * 20 < pairs {
            return Some((Encoding(UTF_16LE), 0));
        }
        if even * 3 > pairs && odd * 20 < pairs {
            return Some((Encoding(UTF_16BE), 0));
        }
        if (even + odd) * 100 > head.len() {
            return None;
        }
    }
    let (mut valid, mut invalid) = (0, 0);
    let mut chunks = head.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        // The head may end within a character.
        invalid += usize::from(!chunk.invalid().is_empty() && chunks.peek().is_some());
    }
    // More characters of UTF-8 than mistakes in it: a file of several encodings, the first of which is UTF-8.
    if invalid <= valid {
        return Some((Encoding::UTF_8, 0));
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(head, false);
    Some((Encoding(detector.guess(None, Utf8Detection::Deny)), 0))
}

/// Text as it is read.
pub(super) struct Text<R> {
    from: R,
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    decoded: Vec<u8>,
    after_return: bool,
    bytes: u64,
    ended: bool,
}

impl<R: Read> Text<R> {
    pub(super) fn new(from: R, encoding: Encoding) -> Self {
        let decoder = (encoding != Encoding::UTF_8).then(|| encoding.0.new_decoder_without_bom_handling());
        let (raw, decoded) = (vec![0; CHUNK_BYTES], Vec::new());
        Self { from, decoder, raw, decoded, after_return: false, bytes: 0, ended: false }
    }

    /// Appends what comes next to `into`. `false`: nothing comes any more.
    pub(super) fn fill(&mut self, into: &mut Vec<u8>) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let read = loop {
            match self.from.read(&mut self.raw) {
                Ok(read) => break read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        self.bytes += read as u64;
        self.ended = read == 0;
        let text = match &mut self.decoder {
            None => &self.raw[..read],
            Some(decoder) => {
                decode(decoder, &self.raw[..read], self.ended, &mut self.decoded);
                &self.decoded[..]
            }
        };
        append_lines(text, &mut self.after_return, into);
        Ok(!self.ended || !text.is_empty())
    }

    /// How many bytes of the file were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn decode(decoder: &mut Decoder, raw: &[u8], last: bool, into: &mut Vec<u8>) {
    let room = decoder.max_utf8_buffer_length(raw.len()).unwrap_or(raw.len() * 4 + 16);
    into.resize(room, 0);
    let (result, _read, written, _damaged) = decoder.decode_to_utf8(raw, into, last);
    debug_assert_eq!(result, CoderResult::InputEmpty, "the decoder said how much room it needs");
    into.truncate(written);
}

/// Appends `text`; `\r\n` and a lone `\r` become `\n`, also where a pair is split between two calls.
fn append_lines(mut text: &[u8], after_return: &mut bool, into: &mut Vec<u8>) {
    if *after_return && !text.is_empty() {
        *after_return = false;
        text = text.strip_prefix(b"\n").unwrap_or(text);
    }
    while let Some(at) = text.iter().position(|byte| *byte == b'\r') {
        into.extend_from_slice(&text[..at]);
        into.push(b'\n');
        text = &text[at + 1..];
        match text.first() {
            Some(b'\n') => text = &text[1..],
            Some(_) => {}
            None => *after_return = true,
        }
    }
    into.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            into[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn read(bytes: &[u8]) -> (String, &'static str) {
        let (encoding, mark) = of(bytes).unwrap();
        let mut text = Text::new(Drip(&bytes[mark..]), encoding);
        let mut all = Vec::new();
        while text.fill(&mut all).unwrap() {}
        (String::from_utf8_lossy(&all).into_owned(), encoding.name())
    }

    fn wide(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn text_is_the_same_in_every_encoding() {
        let text = "Größe;Preis\nKännchen;1,50 €\n";
        assert_eq!(read(text.as_bytes()), (text.into(), "UTF-8"));
        assert_eq!(read(format!("\u{feff}{text}").as_bytes()), (text.into(), "UTF-8"));
        assert_eq!(read(&wide(&format!("\u{feff}{text}"), u16::to_le_bytes)), (text.into(), "UTF-16LE"));
        assert_eq!(read(&wide(&format!("\u{feff}{text}"), u16::to_be_bytes)), (text.into(), "UTF-16BE"));
        assert_eq!(read(&wide(text, u16::to_le_bytes)), (text.into(), "UTF-16LE"));
        assert_eq!(read(&encoding_rs::WINDOWS_1252.encode(text).0), (text.into(), "windows-1252"));
        let russian = "название;цена\nЧайник эмалированный;1290 руб\nКружка глиняная большая;350 руб\n";
        assert_eq!(read(&encoding_rs::WINDOWS_1251.encode(russian).0), (russian.into(), "windows-1251"));
        let japanese = "商品名,価格\n急須と湯呑みのセット,4800円\n南部鉄器の鉄瓶,12000円\n";
        assert_eq!(read(&encoding_rs::SHIFT_JIS.encode(japanese).0), (japanese.into(), "Shift_JIS"));
    }

    #[test]
    fn every_line_end_is_a_line_feed_wherever_the_reads_are_cut() {
        assert_eq!(read(b"a\r\nb\rc\n\r\n\r\rd\r").0, "a\nb\nc\n\n\n\nd\n");
    }

    #[test]
    fn a_few_lines_in_another_encoding_leave_a_file_utf_8() {
        let mixed = ["Tee für zwei, schön und grün\n".as_bytes(), b"K\xe4nnchen\n"].concat();
        assert_eq!(of(&mixed).unwrap().0, Encoding::UTF_8);
    }
}
