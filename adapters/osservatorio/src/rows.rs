//! From a list of rows, a file or a page, to raw records: one row in memory at a time.

use std::cell::Cell;
use std::fmt;
use std::io::{BufReader, Read};
use std::sync::Arc;

use canonical::Digest;
use contract::{DocumentHeader, RawRecord, Received, Refusal};
use kit::{Closed, Document, Give, Links, Looks, Occurrences, refuse};
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::wire::{KEY_FIELD, RigaBando};

/// Name and version of the format.
pub(crate) const FORMAT: &str = "bandi-regionali";
pub(crate) const VERSION: &str = "1";
/// The context in which the name before the numbers of the procedures stands.
pub(crate) const PLATFORM: &str = "platform";
/// The longest row.
const LONGEST_ROW: usize = 1 << 20;

/// Reads a file and gives what it holds, or why it is refused.
pub(crate) fn take(
    path: &std::path::Path,
    links: Links,
    max_bytes: u64,
    platform: &str,
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    let remote_id = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let opened = Document::open_checked(path, links, max_bytes, |looks, bytes| {
        if looks != Looks::Json {
            return Err(refuse("not_a_list", "the file is not JSON: export the resource as JSON"));
        }
        each_row(bytes, &mut |_, _| Ok(()))
    });
    let last = opened.and_then(|(document, ())| {
        let header = header(&remote_id, document.digest().to_owned(), platform);
        let given = give_rows(document.bytes()?, &header, give);
        document.ensure_unchanged()?;
        Ok(given)
    });
    match last {
        Ok(Ok(())) => give(Received::End),
        Ok(Err(Stop::Closed)) => Err(Closed),
        Ok(Err(Stop::Refused(refusal))) | Err(refusal) => give(Received::Refused { remote_id, refusal }),
    }
}

/// The rows of a page.
pub(crate) fn page(remote_id: &str, body: &[u8], platform: &str) -> Result<Vec<RawRecord>, Refusal> {
    each_row(body, &mut |_, _| Ok(()))?;
    let header = header(remote_id, Digest::of(body).to_string(), platform);
    let mut rows = Vec::new();
    let outcome = give_rows(body, &header, &mut |one| {
        if let Received::Record(row) = one {
            rows.push(row);
        }
        Ok(())
    });
    match outcome {
        Err(Stop::Refused(refusal)) => Err(refusal),
        Ok(()) | Err(Stop::Closed) => Ok(rows),
    }
}

fn header(remote_id: &str, digest: String, platform: &str) -> Arc<DocumentHeader> {
    Arc::new(DocumentHeader {
        remote_id: remote_id.to_owned(),
        digest,
        format: FORMAT.to_owned(),
        version: VERSION.to_owned(),
        as_of: None,
        context: json!({ PLATFORM: platform }),
    })
}

enum Stop {
    Closed,
    Refused(Refusal),
}

fn give_rows(bytes: impl Read, header: &Arc<DocumentHeader>, give: &mut Give<'_>) -> Result<(), Stop> {
    if give(Received::Begin(Arc::clone(header))).is_err() {
        return Err(Stop::Closed);
    }
    let (mut occurrences, mut is_closed) = (Occurrences::default(), false);
    let outcome = each_row(bytes, &mut |line, text| {
        let cig = serde_json::from_str::<RigaBando>(text).ok().and_then(|row| row.get("cig").map(str::to_owned));
        let occurrence = occurrences.add_values(cig);
        let record = RawRecord { document: Arc::clone(header), line, occurrence, text: text.to_owned() };
        is_closed = give(Received::Record(record)).is_err();
        if is_closed { Err(()) } else { Ok(()) }
    });
    match outcome {
        _ if is_closed => Err(Stop::Closed),
        outcome => outcome.map_err(Stop::Refused),
    }
}

type Each<'e> = dyn FnMut(u64, &str) -> Result<(), ()> + 'e;

/// Gives the first line and the text of every row of a list.
fn each_row(bytes: impl Read, take: &mut Each<'_>) -> Result<(), Refusal> {
    let lines = Cell::new(1);
    let counted = Counted { source: BufReader::with_capacity(1 << 16, bytes), lines: &lines };
    let mut list = serde_json::Deserializer::from_reader(counted);
    let read = Rows { lines: &lines, take }.deserialize(&mut list).and_then(|()| list.end());
    read.map_err(|error| {
        let refused = if error.is_data() {
            refuse("not_a_list", "the document is not a list of rows of the observatory: export the resource again")
        } else {
            refuse("not_json", "the document is not complete JSON, perhaps it was cut short: download it again")
        };
        Refusal { line: Some(lines.get()), ..refused }
    })
}

struct Rows<'r, 'e> {
    lines: &'r Cell<u64>,
    take: &'r mut Each<'e>,
}

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(row) = list.next_element::<Box<RawValue>>()? {
            let text = row.get();
            let is_row = text.len() <= LONGEST_ROW
                && serde_json::from_str::<Value>(text).is_ok_and(|row| row.get(KEY_FIELD).is_some());
            if !is_row {
                return Err(A::Error::custom("not a row"));
            }
            let within = text.bytes().filter(|byte| *byte == b'\n').count() as u64;
            (self.take)(self.lines.get() - within, text).map_err(|()| A::Error::custom("nobody takes it"))?;
        }
        Ok(())
    }
}

/// Counts lines as they are read. The parser reads one byte at a time, so it is never ahead.
struct Counted<'c, R> {
    source: R,
    lines: &'c Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        // Of the one byte that the parser asks for.
        let lines: u64 = buffer[..read].iter().map(|byte| u64::from(*byte == b'\n')).sum();
        self.lines.set(self.lines.get() + lines);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<(u64, String)>, String> {
        let mut found = Vec::new();
        each_row(text.as_bytes(), &mut |line, row| {
            found.push((line, row.to_owned()));
            Ok(())
        })
        .map_err(|refusal| refusal.code)?;
        Ok(found)
    }

    #[test]
    fn rows_are_given_one_by_one_with_the_line_where_they_begin() {
        let text = "[\n {\"codice_bando\": \"1\"},\n {\"codice_bando\":\n \"2\"}]\n";
        let expected = vec![(2, "{\"codice_bando\": \"1\"}".to_owned()), (3, "{\"codice_bando\":\n \"2\"}".to_owned())];
        assert_eq!(rows(text), Ok(expected));
        assert_eq!(rows("[]"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_list_of_rows_is_refused() {
        for text in ["{}", "3", "[3]", "[{\"x\": 1}]", "{\"error\": true}"] {
            assert_eq!(rows(text), Err("not_a_list".to_owned()), "{text}");
        }
        for text in ["", "[{\"codice_bando\": \"1\"}", "[] x", "<html>"] {
            assert_eq!(rows(text), Err("not_json".to_owned()), "{text}");
        }
    }
}
