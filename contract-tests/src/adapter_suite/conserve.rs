//! As many rows are read as the system holds. What it holds is counted in its own answers, or in the
//! files of the evidence, by a parser that knows nothing of the adapter.

use std::collections::{BTreeMap, BTreeSet};

use super::Subject;
use super::count;
use super::evidence::{Form, Holds, Place, Rows};
use super::openapi::fits;
use super::proxy::Exchange;
use super::reading::Given;

/// Compares what was handed over with what passed.
pub(super) fn run(subject: &Subject, holds: &Holds, given: &Given, exchanges: &[Exchange]) -> Result<String, String> {
    if let Some(error) = &given.error {
        return Err(error.to_string());
    }
    let mut held = 0;
    for rows in &holds.rows {
        held += held_in(subject, rows, exchanges)?;
    }
    let mut read = 0;
    for raw in &given.records {
        read += match &holds.gathered {
            None => 1,
            Some(form) => gathered(&raw.text, form).ok_or_else(|| format!("row {} gathers nothing", raw.line))?,
        };
    }
    if held == 0 {
        return Err("the system holds no rows where the evidence says that they stand".to_owned());
    }
    if held != read {
        let mut by_document: BTreeMap<&str, usize> = BTreeMap::new();
        for raw in &given.records {
            *by_document.entry(&raw.document.remote_id).or_default() += 1;
        }
        return Err(format!(
            "{held} rows stand there, {read} were read, {} documents were refused; read of each: {by_document:?}",
            given.refused
        ));
    }
    Ok(format!("{held} rows"))
}

fn held_in(subject: &Subject, rows: &Rows, exchanges: &[Exchange]) -> Result<usize, String> {
    let documents: Vec<Vec<u8>> = match &rows.place {
        Place::File(name) => vec![subject.file(name)],
        Place::Answer(path) => {
            let answers = exchanges.iter().filter(|it| it.status == 200 && fits(path, &it.path));
            answers.map(|exchange| exchange.answer.to_vec()).collect()
        }
    };
    if documents.is_empty() {
        return Err(format!("nobody asked for {:?}", rows.place));
    }
    let mut found = Vec::new();
    for document in documents {
        found.extend(count::rows(&document, &rows.form).map_err(|problem| format!("{:?}: {problem}", rows.place))?);
    }
    Ok(if rows.distinct { found.into_iter().collect::<BTreeSet<_>>().len() } else { found.len() })
}

/// The rows in the text of a raw record: of a table, they come without their header.
fn gathered(text: &str, form: &Form) -> Option<usize> {
    let document = if matches!(form, Form::Csv(_)) { format!("header\n{text}") } else { text.to_owned() };
    count::rows(document.as_bytes(), form).ok().map(|rows| rows.len()).filter(|rows| *rows > 0)
}
