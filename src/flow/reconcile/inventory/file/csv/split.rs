//! One record cut into its fields, where it stands.
//!
//! The rules are those of the `csv` crate with its usual settings: a carriage return or a line feed
//! ends a record, empty lines are none, a quote means something at the start of a field and until
//! it is closed, a doubled one in between is a quote.

use std::ops::Range;

use memchr::{memchr, memchr3};

/// What was found at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record, which ends before its line does.
    Record(Range<usize>),
    /// The bytes end before the record does.
    More,
    /// Nothing but empty lines until the end.
    End,
}

/// A field of a record: counted from where the record starts, or in the unescaped texts.
#[derive(Clone, Copy)]
struct Span {
    from: usize,
    to: usize,
    kind: SpanKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SpanKind {
    AsItStands,
    /// With quotes in it that are not part of the text.
    Escaped,
    Unescaped,
}

/// Cuts one record after the other; keeps what it needs for that, so a record costs no allocation.
pub(super) struct Splitter {
    delimiter: u8,
    /// The search for the end of a field, without the question what the processor can do: most
    /// fields are so short that asking takes longer than searching.
    #[cfg(target_arch = "x86_64")]
    ends: Option<memchr::arch::x86_64::sse2::memchr::Three>,
    spans: Vec<Span>,
    has_escapes: bool,
    unescaped: String,
}

/// Where a field ends, and whether another one follows.
struct End {
    at: usize,
    is_last: bool,
}

impl Splitter {
    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            #[cfg(target_arch = "x86_64")]
            ends: memchr::arch::x86_64::sse2::memchr::Three::new(delimiter, b'\n', b'\r'),
            spans: Vec::new(),
            has_escapes: false,
            unescaped: String::new(),
        }
    }

    /// Cuts the next record from here on; `is_end` when nothing follows the bytes.
    pub(super) fn next(&mut self, bytes: &[u8], from: usize, is_end: bool) -> Found {
        self.spans.clear();
        self.has_escapes = false;
        let mut at = from;
        while let Some(b'\r' | b'\n') = bytes.get(at) {
            at += 1;
        }
        if at >= bytes.len() {
            return if is_end { Found::End } else { Found::More };
        }
        let start = at;
        loop {
            let end = if bytes.get(at) == Some(&b'"') {
                self.quoted(bytes, start, at + 1, is_end)
            } else {
                let end = self.end(bytes, at, is_end);
                if let Some(end) = &end {
                    self.spans.push(Span { from: at - start, to: end.at - start, kind: SpanKind::AsItStands });
                }
                end
            };
            match end {
                None => return Found::More,
                Some(End { at: end, is_last: true }) => return Found::Record(start..end),
                Some(End { at: end, .. }) => at = end + 1,
            }
        }
    }

    /// Where a field ends that is not in quotes; none when the bytes end before.
    #[inline]
    fn end(&self, bytes: &[u8], from: usize, is_end: bool) -> Option<End> {
        let rest = &bytes[from..];
        #[cfg(target_arch = "x86_64")]
        let found = self.ends.map_or_else(|| memchr3(self.delimiter, b'\n', b'\r', rest), |ends| ends.find(rest));
        #[cfg(not(target_arch = "x86_64"))]
        let found = memchr3(self.delimiter, b'\n', b'\r', rest);
        match found {
            Some(length) => Some(End { at: from + length, is_last: bytes[from + length] != self.delimiter }),
            None => is_end.then_some(End { at: bytes.len(), is_last: true }),
        }
    }

    /// Takes a field whose opening quote stands before `from`.
    fn quoted(&mut self, bytes: &[u8], start: usize, from: usize, is_end: bool) -> Option<End> {
        let mut kind = SpanKind::AsItStands;
        let mut at = from;
        let (to, end) = loop {
            let Some(length) = memchr(b'"', &bytes[at..]) else {
                // Never closed: everything until the end.
                break is_end.then_some((bytes.len(), End { at: bytes.len(), is_last: true }))?;
            };
            let quote = at + length;
            match bytes.get(quote + 1) {
                Some(b'"') => {
                    kind = SpanKind::Escaped;
                    at = quote + 2;
                }
                Some(byte) if *byte == self.delimiter => break (quote, End { at: quote + 1, is_last: false }),
                Some(b'\r' | b'\n') => break (quote, End { at: quote + 1, is_last: true }),
                // Text after the closing quote belongs to the field, as it stands.
                Some(_) => {
                    kind = SpanKind::Escaped;
                    let end = self.end(bytes, quote + 1, is_end)?;
                    break (end.at, end);
                }
                None => break is_end.then_some((quote, End { at: quote + 1, is_last: true }))?,
            }
        };
        self.has_escapes |= kind == SpanKind::Escaped;
        self.spans.push(Span { from: from - start, to: to - start, kind });
        Some(end)
    }

    /// Takes the quotes out of the fields of this record, where there are any. Once for a record,
    /// before its fields are asked for.
    pub(super) fn unescape(&mut self, record: &str) {
        if !self.has_escapes {
            return;
        }
        self.unescaped.clear();
        for span in &mut self.spans {
            if span.kind == SpanKind::Escaped {
                let from = self.unescaped.len();
                unescape(&record[span.from..span.to], &mut self.unescaped);
                *span = Span { from, to: self.unescaped.len(), kind: SpanKind::Unescaped };
            }
        }
    }

    /// How many fields the record has.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// A field of the record.
    #[inline]
    pub(super) fn field<'t>(&'t self, record: &'t str, number: usize) -> &'t str {
        let span = self.spans[number];
        match span.kind {
            SpanKind::Unescaped => &self.unescaped[span.from..span.to],
            _ => &record[span.from..span.to],
        }
    }
}

fn unescape(quoted: &str, text: &mut String) {
    let mut rest = quoted;
    while let Some((before, after)) = rest.split_once('"') {
        text.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                text.push('"');
                rest = after;
            }
            // Closed: from here on quotes are text.
            None => return text.push_str(after),
        }
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Records as the splitter sees them, when the bytes come in pieces of this length.
    fn ours(text: &str, piece: usize) -> Vec<Vec<String>> {
        let mut split = Splitter::new(b',');
        let (mut at, mut known, mut records) = (0, 0, Vec::new());
        loop {
            match split.next(&text.as_bytes()[..known], at, known == text.len()) {
                Found::Record(range) => {
                    at = range.end;
                    let record = &text[range];
                    split.unescape(record);
                    records.push((0..split.len()).map(|n| split.field(record, n).to_owned()).collect());
                }
                Found::More => known = (known + piece).min(text.len()),
                Found::End => return records,
            }
        }
    }

    fn theirs(text: &str) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        let records = reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect());
        records.collect()
    }

    proptest! {
        #[test]
        fn a_text_is_cut_as_the_csv_crate_cuts_it(text in "[ab,\"\r\né]{0,40}", piece in 1_usize..50) {
            prop_assert_eq!(ours(&text, piece), theirs(&text));
        }
    }
}
