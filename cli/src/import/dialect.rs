//! How a file separates its cells, found out on its beginning, and where its header is.

use std::collections::HashSet;

use super::{
    encoding::{Encoding, Text},
    names::{self, Field},
    records::{Broken, Dialect, Found, Record, Records},
};

/// How much of a file is looked at.
pub(super) const SAMPLE_BYTES: usize = 1024 * 1024;
/// Records of it that are looked at.
const SAMPLE_RECORDS: usize = 500;
/// Records before the header that say something else, at most.
const TITLES_MAX: usize = 10;

const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What was found out.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) dialect: Dialect,
    /// Lines to pass over before the first record: `sep=;`.
    pub(super) directive: bool,
    /// Records to pass over before the header.
    pub(super) titles: usize,
    pub(super) header: Record,
    /// The first records after it.
    pub(super) rows: Vec<Record>,
}

/// Tries the separators on the beginning of a file; `None` if none of them makes more than one column.
///
/// `whole`: nothing comes after `beginning`, so that its last record is one.
pub(super) fn find(beginning: &[u8], whole: bool) -> Option<Sample> {
    let (directive, beginning) = match beginning.strip_prefix(b"sep=") {
        Some([separator, b'\n', rest @ ..]) => (Some(*separator), rest),
        Some(_) | None => (None, beginning),
    };
    let known: HashSet<&str> = Field::ALL.iter().flat_map(|field| field.known()).map(String::as_str).collect();
    let separators = directive.map_or_else(|| SEPARATORS.to_vec(), |separator| vec![separator]);
    let mut best: Option<(f64, Sample)> = None;
    for separator in separators {
        for backslash in [false, true] {
            let dialect = Dialect { separator, backslash };
            let Some((score, mut sample)) = read(beginning, whole, dialect, &known) else { continue };
            if best.as_ref().is_none_or(|(highest, _)| score > *highest) {
                sample.directive = directive.is_some();
                best = Some((score, sample));
            }
        }
    }
    best.map(|(_, sample)| sample)
}

/// Reads the beginning in one way, and says how much it looks like a table.
fn read(beginning: &[u8], whole: bool, dialect: Dialect, known: &HashSet<&str>) -> Option<(f64, Sample)> {
    let mut records = Records::new(Text::new(beginning, Encoding::UTF_8), Encoding::UTF_8);
    records.set(dialect);
    let (mut rows, mut broken, mut cut) = (Vec::new(), 0_u32, !whole);
    while rows.len() < SAMPLE_RECORDS {
        match records.next() {
            Ok(Some(Found::Record(record))) => rows.push(record),
            Ok(Some(Found::Broken(_, Broken::Encoding))) => {}
            Ok(Some(Found::Broken(_, Broken::Unclosed))) => broken += 1,
            Ok(None) => break,
            // Whoever reads the file comes to it too, and says what it is.
            Err(_) => {
                (broken, cut) = (broken + 1, false);
                break;
            }
        }
    }
    if cut && rows.len() < SAMPLE_RECORDS {
        // The last one is cut, and a quote that the cut opens is nobody's mistake.
        rows.pop();
        broken = broken.saturating_sub(1);
    }
    let count = |row: &Record| row.cells().filter(|cell| known.contains(names::normal(cell).as_str())).count();
    let titles = rows.iter().take(TITLES_MAX).position(|row| row.len() > 1 && count(row) > 1).unwrap_or(0);
    if rows.get(titles).is_none_or(|header| header.len() < 2) {
        return None;
    }
    let rest = rows.split_off(titles + 1);
    let header = rows.pop()?;
    let same = rest.iter().filter(|row| row.len() == header.len()).count();
    let total = rest.len() + broken as usize;
    let share = if total == 0 { 1.0 } else { same as f64 / total as f64 };
    let score = count(&header) as f64 + 5.0 * share;
    Some((score, Sample { dialect, directive: false, titles, header, rows: rest }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(text: &str) -> Option<(char, bool, usize)> {
        let sample = find(text.as_bytes(), true)?;
        Some((char::from(sample.dialect.separator), sample.dialect.backslash, sample.titles))
    }

    #[test]
    fn the_separator_is_the_one_that_makes_a_table() {
        assert_eq!(dialect("name,price\nPot,1\n"), Some((',', false, 0)));
        assert_eq!(dialect("Bezeichnung;Preis\nKanne, rot;12,50\nTasse;3,20\n"), Some((';', false, 0)));
        assert_eq!(dialect("title\tprice\nA, b; c\t1\n"), Some(('\t', false, 0)));
        assert_eq!(dialect("name|price\nA|1\n"), Some(('|', false, 0)));
        assert_eq!(dialect("sep=;\nx;y\n1;2\n"), Some((';', false, 0)));
        assert_eq!(dialect("just one column\nand no separator\n"), None);
    }

    #[test]
    fn quotes_that_a_database_escaped_are_told_by_the_width_of_the_rows() {
        let text = "id,name,price\n1,\"A \\\"big\\\", pot\",2\n2,\"A \\\"small\\\", pot\",1\n";
        assert_eq!(dialect(text), Some((',', true, 0)));
        assert_eq!(dialect("id,name,price\n1,\"A \"\"big\"\" pot\",2\n"), Some((',', false, 0)));
    }

    #[test]
    fn titles_before_the_header_are_passed_over() {
        assert_eq!(dialect("Export,2026-01-01\nname,price\nPot,1\n"), Some((',', false, 1)));
    }
}
