//! The second format: canonical records, one a line, without provenance.
//!
//! `{"schema_version":1,"kind":"lotto","body":{…}}`, UTF-8, at most 1 MB a line, blank lines allowed.
//! A line that is not such a record stands aside; its neighbours are read.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use canonical::identifiers::Cig;
use canonical::record::SCHEMA_VERSION;
use canonical::{Body, Finding, Rule};
use contract::{DraftRecord, Normalized, Refusal, SetAside};
use serde::Deserialize;

use crate::sniff::not_readable;
use kit::Occurrences;

/// The name of the format.
pub(crate) const FORMAT: &str = "canonical-ndjson";
/// The version of the format, which is that of the canonical schemas.
pub(crate) const VERSION: &str = "1";
/// How long a line may be, in bytes.
const LONGEST_LINE: usize = 1024 * 1024;

/// A line that is not blank.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its number, counted from one.
    pub number: u64,
    /// Its text. Bytes that are not UTF-8 are replaced by U+FFFD, by which the line is known as bad.
    pub text: String,
    /// The body, when the line is a canonical record.
    pub body: Option<Body>,
    /// How many earlier lines of the document have the same kind and key.
    pub occurrence: u32,
}

/// Gives each line of a document that is not blank.
pub(crate) fn read_lines(source: impl Read, mut give: impl FnMut(Line) -> Result<(), Refusal>) -> Result<(), Refusal> {
    let mut source = BufReader::with_capacity(128 * 1024, source);
    let mut occurrences = Occurrences::default();
    let mut bytes = Vec::new();
    let mut number = 0;
    loop {
        bytes.clear();
        // One byte more than allowed is kept: by it a line that is too long is known as such.
        let limit = LONGEST_LINE as u64 + 1;
        let read = source.by_ref().take(limit).read_until(b'\n', &mut bytes).map_err(|error| not_readable(&error))?;
        if read == 0 {
            return Ok(());
        }
        number += 1;
        if bytes.len() > LONGEST_LINE && bytes.last() != Some(&b'\n') {
            skip_line(&mut source).map_err(|error| not_readable(&error))?;
        }
        let line = if number == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes) } else { &bytes };
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let text = String::from_utf8_lossy(line).into_owned();
        let body = parse_line(&text).ok();
        let occurrence =
            body.as_ref().map_or(0, |body| occurrences.add(format!("{}/{}", body.kind(), body.key()).as_bytes()));
        give(Line { number, text, body, occurrence })?;
    }
}

fn skip_line(source: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = source.fill_buf()?;
        let (length, is_end) = match memchr::memchr(b'\n', buffer) {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        source.consume(length);
        if is_end {
            return Ok(());
        }
    }
}

/// Understands a stored line. Pure.
pub(crate) fn normalize_line(text: &str, occurrence: u32) -> Normalized {
    match parse_line(text) {
        Ok(body) => normalize_body(body, occurrence),
        Err((detail, reason)) => Normalized {
            records: Vec::new(),
            findings: vec![Finding::new(Rule::N03).detail(detail)],
            set_aside: Some(SetAside { rule: Rule::N03, reason }),
        },
    }
}

fn normalize_body(body: Body, occurrence: u32) -> Normalized {
    let mut normalized = Normalized::default();
    let cig = cig(&body);
    if occurrence > 0 {
        normalized.findings.push(Finding::new(Rule::R06).detail("repeated_in_document"));
    }
    match cig {
        Some(cig) if cig.is_null() => {
            normalized.findings.push(Finding::new(Rule::R05).at("/cig").detail("null_cig"));
            let reason = "the record has a null CIG, which is the key of nothing".to_owned();
            normalized.set_aside = Some(SetAside { rule: Rule::R05, reason });
            return normalized;
        }
        Some(cig) if !cig.is_verified() => {
            normalized.findings.push(Finding::new(Rule::R04).at("/cig").received(cig.as_str()).detail("check_digit"));
        }
        _ => {}
    }
    normalized.records.push(DraftRecord { body, raw: BTreeMap::new() });
    normalized
}

fn cig(body: &Body) -> Option<Cig> {
    match body {
        Body::Lotto(lotto) => Some(lotto.cig),
        Body::Aggiudicazione(aggiudicazione) => Some(aggiudicazione.cig),
        Body::Contratto(contratto) => Some(contratto.cig),
        Body::EventoEsecuzione(evento) => Some(evento.cig),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Version {
    schema_version: u16,
}

/// Reads a line, or says with a stable code and a sentence why it cannot be read.
fn parse_line(text: &str) -> Result<Body, (&'static str, String)> {
    if text.len() > LONGEST_LINE {
        return Err(("line_too_long", "the line is longer than 1 MB".to_owned()));
    }
    if text.contains('\u{fffd}') {
        return Err(("not_utf8", "the line is not UTF-8, or lost characters before".to_owned()));
    }
    let Version { schema_version } = serde_json::from_str(text).map_err(|error| reason(&error))?;
    if schema_version != SCHEMA_VERSION {
        return Err((
            "unknown_schema_version",
            format!("schema version {schema_version} is not known, {SCHEMA_VERSION} is"),
        ));
    }
    serde_json::from_str(text).map_err(|error| reason(&error))
}

/// Why a line is not a record: what kind of thing is wrong, and where. The words of the parser may
/// repeat values and received names, so none of them passes but the name of a missing field, ours.
fn reason(error: &serde_json::Error) -> (&'static str, String) {
    let column = error.column();
    if !error.is_data() {
        return ("not_json", format!("the line is not JSON: see column {column}"));
    }
    let message = error.to_string();
    let what = [
        ("unknown field", "a field is unknown"),
        ("duplicate field", "a field is there twice"),
        ("unknown variant", "a value is not in its list"),
        ("invalid type", "a value has another type"),
        ("invalid length", "a list has another length"),
    ];
    let what = what.iter().find(|(start, _)| message.starts_with(start));
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let what = match missing {
        Some(name) => format!("the field {name} is missing"),
        None => what.map_or("a value is not valid", |(_, what)| what).to_owned(),
    };
    ("not_a_canonical_record", format!("the line is not a canonical record: {what}, see column {column}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOTTO: &str = r#"{"schema_version":1,"kind":"lotto","body":{"cig":"5044003AF1"}}"#;

    fn lines(bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        read_lines(bytes, |line| {
            lines.push(line);
            Ok(())
        })
        .unwrap();
        lines
    }

    #[track_caller]
    fn check_set_aside(text: &str, detail: &str) {
        let normalized = normalize_line(text, 0);
        assert_eq!(normalized.set_aside.map(|aside| aside.rule), Some(Rule::N03));
        assert_eq!(normalized.findings[0].detail.as_deref(), Some(detail));
    }

    #[test]
    fn a_canonical_line_becomes_its_record() {
        let normalized = normalize_line(LOTTO, 0);
        assert_eq!(normalized.records.len(), 1);
        assert_eq!(normalized.records[0].body.key().as_str(), "5044003AF1");
        assert_eq!((normalized.findings, normalized.set_aside), (vec![], None));
    }

    #[test]
    fn blank_lines_and_a_mark_are_skipped_and_lines_keep_their_number() {
        let lines = lines(format!("\u{feff}\r\n\n{LOTTO}\r\n   \n{LOTTO}").as_bytes());
        let met: Vec<_> = lines.iter().map(|line| (line.number, line.occurrence, line.text.as_str())).collect();
        assert_eq!(met, [(3, 0, LOTTO), (5, 1, LOTTO)]);
    }

    #[test]
    fn a_bad_line_stands_aside_with_its_reason() {
        check_set_aside("{", "not_json");
        check_set_aside("{}", "not_a_canonical_record");
        check_set_aside(r#"{"schema_version":2,"kind":"lotto","body":{"cig":"5044003AF1"}}"#, "unknown_schema_version");
        check_set_aside(r#"{"schema_version":1,"kind":"fattura","body":{}}"#, "not_a_canonical_record");
        check_set_aside(
            r#"{"schema_version":1,"kind":"lotto","body":{"cig":"5044003AF1","x":1}}"#,
            "not_a_canonical_record",
        );
        check_set_aside("{\"schema_version\":1,\u{fffd}}", "not_utf8");
        check_set_aside(&"x".repeat(LONGEST_LINE + 1), "line_too_long");
    }

    #[test]
    fn a_reason_never_repeats_a_value_or_a_name() {
        for body in [
            r#""kind":"operatore_economico","body":{"codice_fiscale":["RSSMRA85T10A562S"]}"#,
            r#""kind":"operatore_economico","body":{"codice_fiscale":"RSSMRA85T10A562"}"#,
            r#""kind":"lotto","body":{"cig":"5044003AF1","RSSMRA85T10A562S":1}"#,
            r#""kind":"RSSMRA85T10A562S","body":{}"#,
            r#""kind":"lotto","body":"RSSMRA85T10A562S""#,
            r#""kind":"lotto","body":{"cig":RSSMRA85T10A562S}"#,
        ] {
            let normalized = normalize_line(&format!("{{\"schema_version\":1,{body}}}"), 0);
            let reason = normalized.set_aside.expect("set aside").reason;
            assert!(!reason.contains("RSSMRA") && reason.contains("see column"), "{reason}");
            assert!(!serde_json::to_string(&normalized.findings).unwrap().contains("RSSMRA"));
        }
        let reason = normalize_line("{}", 0).set_aside.expect("set aside").reason;
        assert_eq!(reason, "the line is not a canonical record: the field schema_version is missing, see column 2");
    }

    #[test]
    fn a_line_that_is_too_long_does_not_hide_the_next() {
        let long = "x".repeat(3 * LONGEST_LINE);
        let lines = lines(format!("{long}\n{LOTTO}\n").as_bytes());
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].text.len(), LONGEST_LINE + 1);
        assert!(lines[1].body.is_some());
    }

    #[test]
    fn bytes_that_are_not_utf8_do_not_hide_the_next_line() {
        let lines = lines(&[b"{\"citt\xe0\":1}\n", LOTTO.as_bytes()].concat());
        check_set_aside(&lines[0].text, "not_utf8");
        assert!(lines[1].body.is_some());
    }

    #[test]
    fn a_null_cig_stands_aside_and_a_doubtful_one_is_told() {
        let null = normalize_line(&LOTTO.replace("5044003AF1", "0000000000"), 0);
        assert_eq!(null.set_aside.map(|aside| aside.rule), Some(Rule::R05));
        let doubtful = normalize_line(&LOTTO.replace("3AF1", "3AF2"), 1);
        let rules: Vec<_> = doubtful.findings.iter().map(|finding| finding.rule).collect();
        assert_eq!((doubtful.records.len(), rules), (1, vec![Rule::R06, Rule::R04]));
    }
}
