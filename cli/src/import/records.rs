//! Records of a CSV, with the physical line each begins on; memory stays below a limit whatever the file holds.
//!
//! A quote that nobody closes would swallow the rest of the file. The record is given up instead: its first line is
//! reported, and reading goes on with the next line.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};

use super::encoding::{Encoding, Text};

/// The most bytes of a record.
pub(super) const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// The most columns of a record.
pub(super) const COLUMNS_MAX: usize = 4_096;
/// Quotes that nobody closes, after which a file is no CSV.
const UNCLOSED_MAX: u32 = 100;

/// How a file separates and escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    /// Between two cells.
    pub(super) separator: u8,
    /// Whether a quote inside quotes is written `\"`, as databases export it.
    pub(super) backslash: bool,
}

/// One record.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// The physical line of its first byte, from 1.
    pub(super) line: u64,
    text: String,
    ends: Vec<usize>,
}

/// What a file holds at one place.
#[derive(Debug)]
pub(super) enum Found {
    Record(Record),
    /// Something that is no record, with as much of it as can be shown.
    Broken(Record, Broken),
}

/// Why something is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// A quote is opened and not closed before the end of the file or the limit.
    Unclosed,
    /// Bytes that the file's encoding does not have.
    Encoding,
}

/// Why reading cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("read the file")]
    Read(#[source] io::Error),
    #[error("line {line} has more than {COLUMNS_MAX} columns: it is no CSV, or is separated otherwise")]
    Columns { line: u64 },
    #[error("the line {line} is longer than {} KiB: it is no CSV of products", RECORD_BYTES_MAX / 1024)]
    Long { line: u64 },
    #[error("{UNCLOSED_MAX} quotes are opened and never closed, the last one on line {line}: it is no CSV")]
    Unclosed { line: u64 },
}

/// Reads records.
pub(super) struct Records<R> {
    text: Text<R>,
    encoding: Encoding,
    core: csv_core::Reader,
    /// Text that was read: from the start of the current record.
    buffer: Vec<u8>,
    start: usize,
    line: u64,
    fields: Vec<u8>,
    ends: Vec<usize>,
    unclosed: u32,
}

impl Record {
    /// Makes a record of cells.
    pub(super) fn of<'a>(line: u64, cells: impl IntoIterator<Item = &'a str>) -> Self {
        let mut record = Self { line, ..Self::default() };
        for cell in cells {
            record.text.push_str(cell);
            record.ends.push(record.text.len());
        }
        record
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A cell; empty where the record is too short.
    pub(super) fn get(&self, index: usize) -> &str {
        let Some(end) = self.ends.get(index) else { return "" };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..*end]
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// How much memory its text takes.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<usize>()
    }

    /// Whether nothing is in it.
    pub(super) fn is_blank(&self) -> bool {
        self.text.chars().all(char::is_whitespace)
    }
}

impl<R: Read> Records<R> {
    pub(super) fn new(text: Text<R>, encoding: Encoding) -> Self {
        let core = reader(Dialect { separator: b',', backslash: false });
        let (buffer, fields, ends) = (Vec::new(), vec![0; 4096], vec![0; 64]);
        Self { text, encoding, core, buffer, start: 0, line: 1, fields, ends, unclosed: 0 }
    }

    /// Separates as `dialect` says from here on.
    pub(super) fn set(&mut self, dialect: Dialect) {
        self.core = reader(dialect);
    }

    /// Text that follows: `bytes` of it, or all that is left.
    pub(super) fn peek(&mut self, bytes: usize) -> Result<&[u8], Error> {
        while self.buffer.len() - self.start < bytes && self.fill()? {}
        Ok(&self.buffer[self.start..])
    }

    /// Passes over the next line.
    pub(super) fn skip_line(&mut self) {
        let rest = &self.buffer[self.start..];
        self.start += rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        self.line += 1;
    }

    /// How many bytes of the file were read.
    pub(super) fn bytes(&self) -> u64 {
        self.text.bytes()
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Found>, Error> {
        if !self.seek_start()? {
            return Ok(None);
        }
        self.core.reset();
        let (mut scan, mut fields, mut ends, mut probed) = (0, 0, 0, false);
        loop {
            // At the end of the file a line feed shows whether a quote is still open: only then it ends no record.
            let input = if probed { b"\n" } else { &self.buffer[self.start + scan..] };
            let (result, read, written, ended) =
                self.core.read_record(input, &mut self.fields[fields..], &mut self.ends[ends..]);
            scan += if probed { 0 } else { read };
            (fields, ends) = (fields + written, ends + ended);
            match result {
                ReadRecordResult::Record => return Ok(Some(self.record(scan, fields, ends))),
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.ends.len() > COLUMNS_MAX => {
                    return Err(Error::Columns { line: self.line });
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {
                    if probed || scan > RECORD_BYTES_MAX {
                        return self.give_up().map(Some);
                    }
                    probed = !self.fill()?;
                }
            }
        }
    }

    /// Goes to where the next record starts, over blank lines. `false`: there is none.
    fn seek_start(&mut self) -> Result<bool, Error> {
        loop {
            while self.buffer.get(self.start) == Some(&b'\n') {
                self.start += 1;
                self.line += 1;
            }
            if self.start < self.buffer.len() {
                return Ok(true);
            }
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// Reads on. What was used up is dropped first, where that is more than what is left to move.
    fn fill(&mut self) -> Result<bool, Error> {
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.text.fill(&mut self.buffer).map_err(Error::Read)
    }

    /// The record of the next `scan` bytes.
    fn record(&mut self, scan: usize, fields: usize, ends: usize) -> Found {
        let line = self.line;
        let raw = &self.buffer[self.start..self.start + scan];
        self.line += raw.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.start += scan;
        let (ends, bytes) = (self.ends[..ends].to_vec(), &self.fields[..fields]);
        // A separator in the middle of a character makes two cells that are no text, of bytes that together are.
        let text = std::str::from_utf8(bytes).ok().filter(|text| ends.iter().all(|end| text.is_char_boundary(*end)));
        let Some(text) = text else {
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let cells: Vec<_> =
                starts.zip(&ends).map(|(from, to)| String::from_utf8_lossy(&bytes[from..*to])).collect();
            return Found::Broken(Record::of(line, cells.iter().map(AsRef::as_ref)), Broken::Encoding);
        };
        let damaged = self.encoding.is_damaged(text);
        let record = Record { line, text: text.to_owned(), ends };
        if damaged { Found::Broken(record, Broken::Encoding) } else { Found::Record(record) }
    }

    /// Gives up the record that begins here: its first line is broken, and the next record begins on the line after it.
    fn give_up(&mut self) -> Result<Found, Error> {
        let (line, rest) = (self.line, &self.buffer[self.start..]);
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        if end > RECORD_BYTES_MAX {
            return Err(Error::Long { line });
        }
        self.unclosed += 1;
        if self.unclosed >= UNCLOSED_MAX {
            return Err(Error::Unclosed { line });
        }
        let text = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.start += (end + 1).min(rest.len());
        self.line += 1;
        Ok(Found::Broken(Record::of(line, [text.as_str()]), Broken::Unclosed))
    }
}

fn reader(dialect: Dialect) -> csv_core::Reader {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(dialect.separator).terminator(Terminator::Any(b'\n'));
    if dialect.backslash {
        builder.escape(Some(b'\\')).double_quote(true);
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Found>, Error> {
        let mut records = Records::new(Text::new(bytes, Encoding::UTF_8), Encoding::UTF_8);
        std::iter::from_fn(|| records.next().transpose()).collect()
    }

    /// `line:cell|cell`, with `!` before what is broken.
    fn shown(bytes: &[u8]) -> Vec<String> {
        let show = |record: &Record| format!("{}:{}", record.line, record.cells().collect::<Vec<_>>().join("|"));
        let found = read(bytes).unwrap();
        let show = |found: &Found| match found {
            Found::Record(record) => show(record),
            Found::Broken(record, _) => format!("!{}", show(record)),
        };
        found.iter().map(show).collect()
    }

    #[test]
    fn a_record_is_on_the_physical_line_of_its_start() {
        let text = b"a,b\r\n\r\n\r\n\"1\r\n2\",x\r\rc,\"\"\"d\"\"\"\n";
        assert_eq!(shown(text), ["1:a|b", "4:1\n2|x", "7:c|\"d\""]);
        assert_eq!(shown(b"\n\na,b"), ["3:a|b"]);
        assert_eq!(shown(b"a,\"b\""), ["1:a|b"]);
        assert!(shown(b"\n\n").is_empty());
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_its_own_line_only() {
        assert_eq!(shown(b"a,b\n1,\"x\n2,y\n3,z\n"), ["1:a|b", "!2:1,\"x", "3:2|y", "4:3|z"]);
        let endless = [&b"a,b\n\"1,2\n"[..], &b"3,4\n".repeat(RECORD_BYTES_MAX / 2)].concat();
        let found = read(&endless).unwrap();
        assert!(matches!(&found[1], Found::Broken(Record { line: 2, .. }, Broken::Unclosed)));
        assert_eq!(found.len(), 2 + RECORD_BYTES_MAX / 2);
    }

    #[test]
    fn what_is_endless_is_refused_with_its_line_before_it_fills_the_memory() {
        let columns = [b"a\n".to_vec(), b",".repeat(1_000_000)].concat();
        assert!(matches!(read(&columns), Err(Error::Columns { line: 2 })));
        let line = [b"a\n".to_vec(), b"x".repeat(2 * RECORD_BYTES_MAX)].concat();
        assert!(matches!(read(&line), Err(Error::Long { line: 2 })));
        // Each opens where a record starts and stays open over the lines after it.
        let quotes = [b"\"\"\"\n".to_vec(), b"\"a\"\"\n".to_vec()].concat().repeat(5);
        assert!(read(&quotes).is_ok());
    }

    #[test]
    fn bytes_of_another_encoding_break_their_own_record_only() {
        assert_eq!(shown(b"a,b\nK\xe4se,1\nBrot,2\n"), ["1:a|b", "!2:K\u{fffd}se|1", "3:Brot|2"]);
    }

    #[test]
    fn a_backslash_escapes_only_where_the_dialect_says_so() {
        let mut records = Records::new(Text::new(&b"\"{\\\"a\\\": 1}\";x\n"[..], Encoding::UTF_8), Encoding::UTF_8);
        records.set(Dialect { separator: b';', backslash: true });
        let Some(Found::Record(record)) = records.next().unwrap() else { panic!("no record") };
        assert_eq!(record.cells().collect::<Vec<_>>(), ["{\"a\": 1}", "x"]);
    }
}
