//! `raccordo inspect`: says what a file is and what would be read from it, without a database.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::Exit;
use super::cycle::reason_aside;
use super::output::Output;
use super::table::{name, sentence};
use crate::flow::report::words;
use crate::http;
use crate::node::{Inspected, Parts};

/// Say what a file is and what would be read from it; no database.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) fn run(parts: &Parts, arguments: &Arguments, output: &Output) -> Exit {
    let (mut refused, mut errors) = (false, false);
    let is_misspelt = arguments.files.iter().any(|path| !path.exists() || path.is_dir());
    let mut seen = Vec::new();
    for path in &arguments.files {
        let inspected = inspect(parts, path, output);
        refused |= inspected.refused;
        errors |= inspected.has_errors;
        if output.is_json() {
            output.json(&inspected.facts);
        } else {
            seen.push(inspected.facts);
        }
    }
    if !output.is_json() {
        show(&seen, output);
    }
    match (refused, errors) {
        _ if is_misspelt => Exit::Usage,
        (true, _) => Exit::Failed,
        (false, true) => Exit::Differences,
        (false, false) => Exit::Done,
    }
}

fn inspect(parts: &Parts, path: &PathBuf, output: &Output) -> Inspected {
    let name = path.to_string_lossy();
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (code, problem) = match opened {
        Ok((metadata, file)) if metadata.is_file() => {
            let bar = output.byte_progress(&name, metadata.len());
            let inspected = (parts.inspect)(&mut bar.wrap_read(file) as &mut dyn Read, &name);
            bar.finish_and_clear();
            return inspected;
        }
        Ok((metadata, _)) if metadata.is_dir() => ("not_a_file", "a folder: name the files in it".to_owned()),
        Ok(_) => ("not_a_file", "not a file".to_owned()),
        Err(error) => ("not_readable", format!("file not readable: {error}")),
    };
    Inspected {
        facts: serde_json::json!({
            "file": name, "format": null, "version": null, "counts": {}, "findings": {}, "first": {},
            "refused": { "code": code, "message": problem, "line": null },
        }),
        refused: true,
        has_errors: false,
    }
}

fn show(files: &[serde_json::Value], output: &Output) {
    let words = output.words;
    for facts in files {
        let text = |name: &str| facts[name].as_str().unwrap_or_default();
        let format = match text("format") {
            "" | "unknown" => words.unknown_format.to_owned(),
            format => format!("{format} {}", text("version")).trim_end().to_owned(),
        };
        let mut rows = vec![vec![words.format.to_owned(), format]];
        flatten("", &facts["counts"], &mut rows);
        for (rule, count) in facts["findings"].as_object().into_iter().flatten() {
            let known = canonical::Rule::ALL.iter().find(|known| known.code() == rule);
            let summary = known.map_or("", |known| words::rule(*known, output.words.language()));
            let first = &facts["first"][rule];
            let line = first["line"]
                .as_u64()
                .map(|line| format!(" ({} {} {line}{})", words.first_one, words.line, cause(first, output)));
            rows.push(vec![
                format!("{} {rule} ({summary})", words.findings),
                format!("{count}{}", line.unwrap_or_default()),
            ]);
        }
        if let Some(refused) = facts["refused"].as_object() {
            let line = refused["line"].as_u64().map(|line| format!(" ({} {line})", words.line)).unwrap_or_default();
            let (code, told) = (refused["code"].as_str(), refused["message"].as_str().unwrap_or_default());
            let message =
                if words.are_italian() { http::document(code.unwrap_or_default(), told) } else { told.to_owned() };
            rows.push(vec![words.refused.to_owned(), format!("{message}{line}")]);
        }
        output.table(text("file"), &[name(""), sentence("")], &rows);
    }
}

/// What is wrong with the first of a rule: why it stands aside, or the field and what was received.
fn cause(first: &serde_json::Value, output: &Output) -> String {
    let text = |name: &str| first[name].as_str();
    if let Some(why) = text("set_aside") {
        // The rule stands before.
        let rule = text("rule").unwrap_or_default();
        let (title, told) = (reason_aside(rule, "", output), reason_aside(rule, why, output));
        return format!(": {}", told.strip_prefix(&format!("{title}: ")).unwrap_or(&told));
    }
    let field = text("field").map(|field| format!(", {field}")).unwrap_or_default();
    let received = text("received").map(|received| format!(" «{received}»")).unwrap_or_default();
    let detail = text("detail").map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{field}{received}{detail}")
}

/// Nested counts as rows of a table: `cig / smartcig`.
fn flatten(prefix: &str, counts: &serde_json::Value, rows: &mut Vec<Vec<String>>) {
    for (name, value) in counts.as_object().into_iter().flatten() {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix} / {name}") };
        if value.is_object() {
            flatten(&name, value, rows);
        } else {
            rows.push(vec![name, value.to_string()]);
        }
    }
}
