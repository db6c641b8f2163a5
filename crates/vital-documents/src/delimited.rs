//! Tables of values in text (RFC 4180 and its relatives): one table, one row a record, the first row its header.
//!
//! The separator is told by evidence, because half of Europe's spreadsheets write semicolons into a CSV file.

use crate::{
    BlockKind, Format, ParseError, ParseLimits, Parsed,
    canonical::{Canonical, row},
    text,
};
use csv::{ReaderBuilder, StringRecord};

/// Separators, in the order in which they win when the evidence is the same.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Text looked at for the separator, in bytes.
const SAMPLE_BYTES: usize = 64 * 1024;
/// Records looked at for the separator.
const SAMPLE_RECORDS: usize = 200;
/// Records and fields that a file without an extension must have to be taken for a table and not for prose.
const RECORDS_MIN: usize = 3;
const FIELDS_MIN: usize = 3;

pub(crate) fn parse(bytes: &[u8], limits: &ParseLimits) -> Result<Parsed, ParseError> {
    let decoded = text::decode(bytes)?;
    let mut canonical = Canonical::new(limits);
    if let Some(warning) = decoded.warning {
        canonical.warn(warning);
    }
    let (separator, values) = match stated_separator(&decoded.text) {
        Some(stated) => stated,
        None => (evidence(&decoded.text).separator, decoded.text.as_str()),
    };
    canonical.begin_table();
    let mut reader = reader(values, separator);
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|_| ParseError::damaged(Format::Csv, "one of its records cannot be read"))? {
        let cells: Vec<&str> = record.iter().collect();
        canonical.push(BlockKind::TableRow, &row(&cells), None)?;
    }
    canonical.finish(Format::Csv, None, None)
}

/// Whether a text without an extension is a table: its first records all have the same number of fields.
pub(crate) fn is_table(head: &[u8]) -> bool {
    let Ok(decoded) = text::decode(head.rsplitn(2, |b| *b == b'\n').last().unwrap_or(head)) else { return false };
    let found = evidence(&decoded.text);
    found.fields >= FIELDS_MIN && found.alike >= RECORDS_MIN && found.alike == found.records
}

fn reader(values: &str, separator: u8) -> csv::Reader<&[u8]> {
    ReaderBuilder::new().delimiter(separator).has_headers(false).flexible(true).from_reader(values.as_bytes())
}

/// The line `sep=;` that Excel reads and writes at the head of a file, and what follows it.
fn stated_separator(text: &str) -> Option<(u8, &str)> {
    let (line, rest) = text.split_once('\n')?;
    let stated = line.trim_end_matches('\r').strip_prefix("sep=")?;
    let separator = *stated.as_bytes().first().filter(|_| stated.len() == 1)?;
    SEPARATORS.contains(&separator).then_some((separator, rest))
}

/// What a separator makes of the first records.
struct Evidence {
    separator: u8,
    records: usize,
    /// The number of fields that most records have.
    fields: usize,
    /// How many records have that number.
    alike: usize,
}

/// The separator by which the most records have the same number of fields, more than one.
fn evidence(text: &str) -> Evidence {
    let sample = text.get(..text.floor_char_boundary(SAMPLE_BYTES)).unwrap_or(text);
    let found = SEPARATORS.iter().map(|separator| weigh(sample, *separator, sample.len() < text.len()));
    let score = |e: &Evidence| if e.fields > 1 { (e.alike, e.fields) } else { (0, 0) };
    found.rev().max_by_key(score).unwrap_or(Evidence { separator: b',', records: 0, fields: 0, alike: 0 })
}

fn weigh(sample: &str, separator: u8, cut: bool) -> Evidence {
    let mut counts: Vec<usize> = reader(sample, separator).into_records().flatten().take(SAMPLE_RECORDS).map(|r| r.len()).collect();
    if cut && counts.len() > 1 && counts.len() < SAMPLE_RECORDS {
        counts.pop();
    }
    let records = counts.len();
    counts.sort_unstable();
    let runs = counts.chunk_by(|a, b| a == b);
    let (alike, fields) = runs.map(|run| (run.len(), run.first().copied().unwrap_or(0))).max().unwrap_or((0, 0));
    Evidence { separator, records, fields, alike }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Parsed {
        parse(bytes, &ParseLimits::default()).unwrap()
    }

    #[test]
    fn the_separator_is_told_by_evidence() {
        for (source, expected) in [
            ("Arm,N\nA,12\n", "Arm | N\nA | 12"),
            ("Arm;Dose\nA;1,5\nB;2,5\n", "Arm | Dose\nA | 1,5\nB | 2,5"),
            ("Name\tNote\nA\tx, y; z\n", "Name | Note\nA | x, y; z"),
            ("a|b|c\n1|2|3\n", "a | b | c\n1 | 2 | 3"),
            ("sep=;\r\na;b\r\n1,2;3\r\n", "a | b\n1,2 | 3"),
            ("one\ntwo\nthree\n", "one\ntwo\nthree"),
        ] {
            assert_eq!(read(source.as_bytes()).text, expected, "{source:?}");
        }
    }

    #[test]
    fn quoted_fields_hold_separators_quotes_and_line_breaks() {
        assert_eq!(
            read(b"Term,Meaning\r\nAE,\"any event,\r\nlike \"\"pain\"\"\"\r\n,,\r\n").text,
            "Term | Meaning\nAE | any event, like \"pain\""
        );
    }

    #[test]
    fn other_encodings_are_read() {
        let parsed = read(b"Name;Wert\nM\xfcller;5 \xb5g\n");
        assert_eq!(parsed.text, "Name | Wert\nMüller | 5 µg");
        assert!(parsed.warnings[0].contains("Windows-1252"));
        let wide: Vec<u8> = "\u{feff}a\tב\n1\t2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&wide).text, "a | ב\n1 | 2");
    }

    #[test]
    fn rows_of_different_length_and_a_quote_without_an_end_are_read() {
        assert_eq!(read(b"a,b\n1\n1,2,3\n").text, "a | b\n1\n1 | 2 | 3");
        assert_eq!(read(b"a,b\n1,\"open\n2,3\n").text, "a | b\n1 | open 2,3");
    }

    #[test]
    fn prose_is_no_table() {
        assert!(is_table(b"a,b,c\n1,2,3\n4,5,6\n"));
        assert!(!is_table(b"First, a line.\nThen, well, another, one.\nAnd, so, on.\n"));
        assert!(!is_table(b"a,b\n1,2\n3,4\n"));
    }
}
