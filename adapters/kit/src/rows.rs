//! Rows of delimited text, one at a time, with the line where each begins and a bound on its length.
//!
//! Quotes as in RFC 4180: they open only at the beginning of a value. As in most readers, what
//! follows a closing quote joins the value, and a carriage return alone ends nothing. A quote that
//! never closes is refused: it is how a document that was cut short looks.
//!
//! The `csv` crate reads the same language, but bounds no row and counts lines from where it last
//! stopped, which with blank lines is not where the row begins.

use std::io::BufRead;

use contract::Refusal;
use memchr::{memchr, memchr_iter, memchr2};

use crate::documents::{not_readable, refuse};

/// The longest row, delimiters included.
pub(crate) const LONGEST_ROW: usize = 1 << 20;

/// Values one after the other, and where each ends.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ends: Vec<usize>,
    pub(crate) line: u64,
}

impl Row {
    pub(crate) fn values(&self) -> impl Iterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |end| &self.bytes[std::mem::replace(&mut begin, *end)..*end])
    }

    fn is_blank(&self) -> bool {
        self.ends.len() == 1 && self.bytes.trim_ascii().is_empty()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a value.
    Begin,
    Plain,
    Quoted,
    /// After a quote inside a quoted value: its end, or the first of two.
    Closing,
}

/// Reads rows.
#[derive(Debug)]
pub(crate) struct Rows<R> {
    source: R,
    delimiter: u8,
    line: u64,
    row: Row,
}

impl<R: BufRead> Rows<R> {
    pub(crate) fn new(source: R, delimiter: u8) -> Self {
        Self { source, delimiter, line: 1, row: Row::default() }
    }

    /// The next row that is not blank.
    pub(crate) fn next(&mut self) -> Result<Option<&Row>, Refusal> {
        while self.read()? {
            if !self.row.is_blank() {
                return Ok(Some(&self.row));
            }
        }
        Ok(None)
    }

    fn read(&mut self) -> Result<bool, Refusal> {
        let Self { source, delimiter, line, row } = self;
        row.bytes.clear();
        row.ends.clear();
        row.line = *line;
        let mut state = State::Begin;
        loop {
            let buffer = match source.fill_buf() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other.map_err(|error| not_readable(&error))?,
            };
            if buffer.is_empty() {
                return end(row, state);
            }
            let (used, is_complete) = row.take(buffer, *delimiter, &mut state, line);
            source.consume(used);
            if is_complete {
                return Ok(true);
            }
            if row.bytes.len() + row.ends.len() > LONGEST_ROW {
                return Err(too_long(row.line));
            }
        }
    }
}

impl Row {
    /// Takes bytes up to the end of the row; says how many, and whether the row is complete.
    fn take(&mut self, buffer: &[u8], delimiter: u8, state: &mut State, line: &mut u64) -> (usize, bool) {
        let mut at = 0;
        while let Some(&byte) = buffer.get(at) {
            let rest = &buffer[at..];
            match (*state, byte) {
                (State::Begin, b'"') => {
                    *state = State::Quoted;
                    at += 1;
                }
                (State::Quoted, b'"') => {
                    *state = State::Closing;
                    at += 1;
                }
                (State::Quoted, _) => {
                    let piece = &rest[..memchr(b'"', rest).unwrap_or(rest.len())];
                    *line += memchr_iter(b'\n', piece).count() as u64;
                    self.bytes.extend_from_slice(piece);
                    at += piece.len();
                }
                (State::Closing, b'"') => {
                    self.bytes.push(byte);
                    *state = State::Quoted;
                    at += 1;
                }
                (_, b'\n') => {
                    *line += 1;
                    self.end_value(*state, true);
                    return (at + 1, true);
                }
                (_, byte) if byte == delimiter => {
                    self.end_value(*state, false);
                    *state = State::Begin;
                    at += 1;
                }
                _ => {
                    let piece = &rest[..memchr2(delimiter, b'\n', rest).unwrap_or(rest.len())];
                    self.bytes.extend_from_slice(piece);
                    *state = State::Plain;
                    at += piece.len();
                }
            }
            if self.bytes.len() + self.ends.len() > LONGEST_ROW {
                break;
            }
        }
        (at, false)
    }

    fn end_value(&mut self, state: State, is_last: bool) {
        // The carriage return belongs to the line break; inside quotes it would be the value's.
        if is_last && state == State::Plain && self.bytes.last() == Some(&b'\r') {
            self.bytes.pop();
        }
        self.ends.push(self.bytes.len());
    }
}

/// The last row may lack its line break.
fn end(row: &mut Row, state: State) -> Result<bool, Refusal> {
    match state {
        State::Quoted => {
            let message = "a quoted value has no end, perhaps the file was cut short: produce or download it again";
            Err(Refusal { line: Some(row.line), ..refuse("unclosed_quote", message) })
        }
        State::Begin if row.ends.is_empty() => Ok(false),
        _ => {
            row.end_value(state, true);
            Ok(true)
        }
    }
}

fn too_long(line: u64) -> Refusal {
    let message =
        format!("a row is longer than {LONGEST_ROW} bytes, perhaps a quote is never closed: correct the file");
    Refusal { line: Some(line), ..refuse("row_too_long", message) }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(text: &[u8], capacity: usize) -> Result<Vec<(u64, Vec<String>)>, Refusal> {
        let mut rows = Rows::new(BufReader::with_capacity(capacity, text), b';');
        let mut read = Vec::new();
        while let Some(row) = rows.next()? {
            read.push((row.line, row.values().map(|value| String::from_utf8_lossy(value).into_owned()).collect()));
        }
        Ok(read)
    }

    fn check(text: &str, expected: &[(u64, &[&str])]) {
        // The end of a buffer may fall anywhere.
        for capacity in [1, 2, 3, 5, 64] {
            let found = read(text.as_bytes(), capacity).unwrap();
            let found: Vec<(u64, Vec<&str>)> =
                found.iter().map(|(line, row)| (*line, row.iter().map(String::as_str).collect())).collect();
            let expected: Vec<(u64, Vec<&str>)> = expected.iter().map(|(line, row)| (*line, row.to_vec())).collect();
            assert_eq!(found, expected, "{text:?} by {capacity}");
        }
    }

    #[test]
    fn values_are_told_apart_and_lines_counted() {
        check("a;b\n1;2\n", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a;b\r\n1;2", &[(1, &["a", "b"]), (2, &["1", "2"])]);
        check("a;\r\n;\r\n;2\r", &[(1, &["a", ""]), (2, &["", ""]), (3, &["", "2"])]);
        check("", &[]);
    }

    #[test]
    fn blank_lines_are_no_rows_and_are_counted() {
        check("\n\r\n a;b\n  \n\n1;2\n\n", &[(3, &[" a", "b"]), (6, &["1", "2"])]);
    }

    #[test]
    fn quotes_keep_delimiters_line_breaks_and_themselves() {
        check(
            "\"a;\r\nb\";\"\"\n\"say \"\"no\"\"\";x\"y\"\r\n\"a\"b;\"c\r\"\r\n",
            &[(1, &["a;\r\nb", ""]), (3, &["say \"no\"", "x\"y\""]), (4, &["ab", "c\r"])],
        );
    }

    #[test]
    fn a_carriage_return_alone_ends_nothing() {
        check("a\rb;c\n", &[(1, &["a\rb", "c"])]);
    }

    #[test]
    fn a_quote_that_never_closes_is_refused_where_its_row_begins() {
        let refusal = read(b"a;b\n1;\"2\n3;4\n", 8).unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.line), ("unclosed_quote", Some(2)));
    }

    #[test]
    fn a_row_without_end_is_refused_whatever_it_is_made_of() {
        for piece in ["x", ";", "\"a\nb\";", "\"\"\"\""] {
            let text = format!("a;b\n{}", piece.repeat(LONGEST_ROW + 1));
            let refusal = read(text.as_bytes(), 1 << 16).map(drop).unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.line), ("row_too_long", Some(2)), "{piece}");
        }
        let longest = format!("a;b\n{}\n", "x".repeat(LONGEST_ROW));
        assert!(read(longest.as_bytes(), 1 << 16).is_ok());
    }
}
