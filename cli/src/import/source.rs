//! Opens what is to be imported, and tells what it is by its first bytes.
//!
//! Outermost of the reading side: whatever is no table of text is refused here, by name, before anything is parsed.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    path::Path,
};

use super::encoding::{self, Encoding};

/// How much of a file is looked at to find out what it is.
const HEAD_BYTES: usize = 256 * 1024;

/// Control characters a thousand bytes, from which on a file is no text.
const CONTROLS_PER_MILLE_MAX: usize = 10;

/// The first bytes of files that are often taken for a CSV, and what to do about them.
const KINDS: [(&[u8], &str); 18] = [
    (b"PK\x03\x04", "a zip archive or an Excel workbook (xlsx): unpack it, or save the sheet as CSV"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "compressed with gzip: gunzip it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unzstd it first"),
    (b"BZh", "compressed with bzip2: bunzip2 it first"),
    (b"\xfd7zXZ\0", "compressed with xz: unxz it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive: unpack it first"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (xls): save the sheet as CSV"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x7fELF", "a program"),
    (b"\xff\xfe\0\0", "encoded in UTF-32: save it as UTF-8"),
];

/// Where a file is read from.
pub(super) type Input = Box<dyn Read + Send>;

/// A table of text, not read yet.
pub(super) struct Source<R> {
    /// From its first byte, a mark of the encoding excepted.
    pub(super) reader: R,
    /// How it is written.
    pub(super) encoding: Encoding,
    /// How long it is, where that is known.
    pub(super) bytes: Option<u64>,
}

/// Why a file cannot be imported at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The system does not let us.
    #[error("open the file")]
    Open(#[source] io::Error),
    /// The first bytes did not come.
    #[error("read the file")]
    Read(#[source] io::Error),
    #[error("it is a directory: name the file")]
    Directory,
    #[error("it is empty")]
    Empty,
    /// Something that has a name.
    #[error("it is no CSV but {0}")]
    Kind(&'static str),
    #[error("it is no CSV: its bytes are no text")]
    Binary,
}

/// Opens a file, a FIFO, or standard input, which is called `-`.
pub(super) fn open(path: &Path) -> Result<Source<Input>, Error> {
    if path == Path::new("-") {
        return identify(Box::new(io::stdin()), None);
    }
    let file = File::open(path).map_err(Error::Open)?;
    let metadata = file.metadata().map_err(Error::Open)?;
    if metadata.is_dir() {
        return Err(Error::Directory);
    }
    let bytes = metadata.is_file().then_some(metadata.len());
    identify(Box::new(file), bytes)
}

/// Looks at the beginning of `reader`.
pub(super) fn identify(mut reader: Input, bytes: Option<u64>) -> Result<Source<Input>, Error> {
    let mut head = Vec::new();
    (&mut reader).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(Error::Read)?;
    if let Some((_, kind)) = KINDS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(Error::Kind(kind));
    }
    let (encoding, mark) = encoding::of(&head).ok_or(Error::Binary)?;
    head.drain(..mark);
    if !encoding.is_wide() && is_binary(&head) {
        return Err(Error::Binary);
    }
    let begin = encoding.decode_start(&head);
    let begin = begin.trim_start();
    if begin.is_empty() && head.len() < HEAD_BYTES {
        return Err(Error::Empty);
    }
    if begin.starts_with('<') {
        return Err(Error::Kind("HTML or XML"));
    }
    if begin.starts_with('{') || (begin.starts_with('[') && begin[1..].trim_start().starts_with(['{', '[', '"'])) {
        return Err(Error::Kind("JSON"));
    }
    Ok(Source { reader: Box::new(Cursor::new(head).chain(reader)), encoding, bytes })
}

fn is_binary(head: &[u8]) -> bool {
    let is_control = |byte: &&u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    head.iter().filter(is_control).count() * 1000 > head.len() * CONTROLS_PER_MILLE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(bytes: &[u8]) -> Result<Source<Input>, Error> {
        identify(Box::new(Cursor::new(bytes.to_vec())), None)
    }

    #[test]
    fn what_is_no_table_of_text_is_refused_by_its_name() {
        for (magic, kind) in KINDS {
            let error = look(&[magic, &[b'x'; 40]].concat()).err().unwrap();
            assert!(matches!(&error, Error::Kind(found) if *found == kind), "{kind}: {error}");
        }
        for (text, kind) in [("  <!DOCTYPE html>", "HTML"), ("{\"a\":1}", "JSON"), ("[ {\"a\":1}]", "JSON")] {
            assert!(look(text.as_bytes()).err().unwrap().to_string().contains(kind), "{text}");
        }
        assert!(matches!(look(b"").err().unwrap(), Error::Empty));
        assert!(matches!(look(b"\xef\xbb\xbf \r\n\r\n").err().unwrap(), Error::Empty));
        assert!(matches!(look(&[0; 5000]).err().unwrap(), Error::Binary));
        let noise: Vec<u8> = (0..5000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        assert!(matches!(look(&noise).err().unwrap(), Error::Binary));
    }

    #[test]
    fn a_single_nul_does_not_make_a_table_binary() {
        assert!(look(&[b"name,price\n".repeat(50), b"a\0b,1\n".to_vec()].concat()).is_ok());
    }

    #[test]
    fn a_directory_is_told_apart_from_a_file_that_is_missing() {
        assert!(matches!(open(&std::env::temp_dir()).err().unwrap(), Error::Directory));
        assert!(matches!(open(Path::new("/nowhere/at/all.csv")).err().unwrap(), Error::Open(_)));
    }
}
