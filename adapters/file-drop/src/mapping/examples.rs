//! Mapping files tested by examples: tables beside them, and what must come out of each.
//!
//! The examples of `tuttogare.toml` stand in `tuttogare.examples/`: each CSV or XLSX has an
//! `<its name without suffix>.expected.json` with the records, findings and reasons that must come
//! out, or with the code of the refusal.

use std::path::{Path, PathBuf};

use contract::{RawRecord, Received};
use kit::Links;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Mapping, MappingError, Problem, compile, files};
use crate::pad_file::config::PadFileSettings;
use crate::pad_file::{intake, read};

/// What the test of a mapping file found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The mapping file.
    pub file: PathBuf,
    /// The platform; empty when the file could not be read.
    pub platform: String,
    /// The version of the mapping; zero when the file could not be read.
    pub version: u32,
    /// What the linter says. With any problem no example is run.
    pub problems: Vec<Problem>,
    /// The examples, by name.
    pub examples: Vec<Example>,
}

/// What one example gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The table.
    pub file: PathBuf,
    /// How many raw records it holds.
    pub records: usize,
    /// Where the outcome differs from what is expected, in words; empty when it passes.
    pub differences: Vec<String>,
    /// What came out, in the form of the expected file.
    pub outcome: Value,
}

impl Report {
    /// True when nothing is wrong and every example passes.
    pub fn is_passed(&self) -> bool {
        self.problems.is_empty() && self.examples.iter().all(|example| example.differences.is_empty())
    }
}

/// The most differences that are told of an example.
const MOST_DIFFERENCES: usize = 50;

/// Tests a mapping file, or all those of a folder, by linting them and by their examples.
pub fn test(path: &Path) -> Result<Vec<Report>, MappingError> {
    files(path)?.into_iter().map(test_file).collect()
}

fn test_file(file: PathBuf) -> Result<Report, MappingError> {
    let mapping = match Mapping::load(&file) {
        Ok(mapping) => mapping,
        Err(MappingError::NotAMapping { problem, .. }) => {
            let remedy = "see the README of file-drop for the form of a mapping file".to_owned();
            let problem = Problem { path: "file".to_owned(), what: problem, remedy };
            return Ok(Report {
                file,
                platform: String::new(),
                version: 0,
                problems: vec![problem],
                examples: Vec::new(),
            });
        }
        Err(error) => return Err(error),
    };
    let mut report = Report {
        platform: mapping.platform.clone(),
        version: mapping.version,
        problems: Vec::new(),
        examples: Vec::new(),
        file,
    };
    match compile(&mapping) {
        Err(problems) => report.problems = problems,
        Ok(plan) => {
            let plans = [plan];
            for example in tables(&report.file.with_extension("examples"))? {
                report.examples.push(run(&plans, example)?);
            }
        }
    }
    Ok(report)
}

/// The tables of a folder, by name; none when there is no such folder.
fn tables(folder: &Path) -> Result<Vec<PathBuf>, MappingError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let not_readable = |source| MappingError::NotReadable { path: folder.to_owned(), source };
    let mut tables = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(not_readable)? {
        let path = entry.map_err(not_readable)?.path();
        if path.extension().is_some_and(|suffix| suffix == "csv" || suffix == "xlsx") {
            tables.push(path);
        }
    }
    tables.sort();
    Ok(tables)
}

fn run(plans: &[super::Plan], file: PathBuf) -> Result<Example, MappingError> {
    let outcome = outcome(plans, &file);
    let records = outcome.as_array().map_or(0, Vec::len);
    let expected_file = file.with_extension("expected.json");
    let differences = match std::fs::read_to_string(&expected_file) {
        Ok(text) => match serde_json::from_str::<Value>(&text) {
            Ok(expected) => {
                let mut differences = Vec::new();
                compare("", &expected, &outcome, &mut differences);
                differences
            }
            Err(error) => vec![format!("{}: not JSON ({error}): correct it", expected_file.display())],
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            vec![format!("{}: not there: write what must come out", expected_file.display())]
        }
        Err(source) => return Err(MappingError::NotReadable { path: expected_file, source }),
    };
    Ok(Example { file, records, differences, outcome })
}

/// What a table becomes: its raw records in order, or the code of its refusal.
fn outcome(plans: &[super::Plan], file: &Path) -> Value {
    let mut raw_records: Vec<RawRecord> = Vec::new();
    let mut refused = None;
    // Nobody closes this channel.
    let _ = intake::take(file, Links::Follow, &PadFileSettings::default(), plans, &mut |received| {
        match received {
            Received::Record(raw) => raw_records.push(raw),
            Received::Refused { refusal, .. } => refused = Some(refusal.code),
            Received::Begin(_) | Received::End | Received::Cursor(_) => {}
        }
        Ok(())
    });
    if let Some(code) = refused {
        return json!({ "refused": code });
    }
    let outcome_of = |raw: &RawRecord| {
        let normalized = plans.first().map(|plan| read::normalize(plan, raw)).unwrap_or_default();
        let mut outcome = json!({ "line": raw.line, "records": [], "findings": normalized.findings });
        let record = |draft: &contract::DraftRecord| {
            let mut record = serde_json::to_value(&draft.body).unwrap_or_default();
            if let Value::Object(record) = &mut record
                && !draft.raw.is_empty()
            {
                record.insert("raw".to_owned(), json!(draft.raw));
            }
            record
        };
        if let Value::Object(outcome) = &mut outcome {
            outcome.insert("records".to_owned(), normalized.records.iter().map(record).collect());
            if let Some(set_aside) = &normalized.set_aside {
                let set_aside = json!({ "rule": set_aside.rule, "reason": set_aside.reason });
                outcome.insert("set_aside".to_owned(), set_aside);
            }
        }
        without_nulls(outcome)
    };
    raw_records.iter().map(outcome_of).collect()
}

/// Null and absent are the same, and absent reads better.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        scalar => scalar,
    }
}

fn compare(path: &str, expected: &Value, found: &Value, differences: &mut Vec<String>) {
    if differences.len() >= MOST_DIFFERENCES || expected == found {
        return;
    }
    let place = if path.is_empty() { "the outcome" } else { path };
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let mut names: Vec<_> = expected.keys().chain(found.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                let side = |fields: &serde_json::Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
                compare(&format!("{path}/{name}"), &side(expected), &side(found), differences);
            }
        }
        (Value::Array(expected), Value::Array(found)) => {
            if expected.len() != found.len() {
                let (expected, found) = (expected.len(), found.len());
                differences.push(format!("{place}: {expected} expected, {found} found"));
            }
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{path}/{index}"), expected, found, differences);
            }
        }
        (Value::Null, found) => differences.push(format!("{place}: {} found where nothing was expected", shown(found))),
        (expected, Value::Null) => differences.push(format!("{place}: {} expected, nothing found", shown(expected))),
        (expected, found) => {
            differences.push(format!("{place}: {} expected, {} found", shown(expected), shown(found)));
        }
    }
}

/// A value in few characters, and nothing of a person's code.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("`{text}`"),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(fields) => format!("{{{}}}", fields.keys().cloned().collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    };
    kit::shown(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_where_it_stands() {
        let expected = json!([{"records": [{"body": {"oggetto": "Ponte", "cup": ["A"]}}]}]);
        let found = json!([{"records": [{"body": {"oggetto": "Strada", "cup": ["A", "B"]}, "raw": 1}]}]);
        let mut differences = Vec::new();
        compare("", &expected, &found, &mut differences);
        assert_eq!(
            differences,
            [
                "/0/records/0/body/cup: 1 expected, 2 found",
                "/0/records/0/body/oggetto: `Ponte` expected, `Strada` found",
                "/0/records/0/raw: 1 found where nothing was expected",
            ]
        );
    }

    #[test]
    fn a_personal_code_is_not_shown() {
        assert!(!shown(&json!("RSSMRA85T10A562S")).contains("RSSMRA"));
    }
}
