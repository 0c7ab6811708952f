//! `raccordo map`: why a field on a target has its value, and whether mapping files do what their
//! examples say.

use std::path::PathBuf;

use super::Exit;
use super::output::Output;
use super::table::{name, sentence, value};
use crate::flow::report::explain::{self, ExplainedField};
use crate::node::{Node, Parts};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say, for each field that a target should hold about a key, where it comes from and by which rule
    Explain(ExplainArguments),
    /// Check mapping files and run the examples beside them; no database
    Test(TestArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArguments {
    /// The target, by its name in the configuration
    #[arg(long, value_name = "SYSTEM")]
    target: String,
    /// Show fields that are left empty, too
    #[arg(long)]
    all: bool,
    /// CIG, CUP, CUI, fiscal code of a body, unit of the target, or any record key
    key: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct TestArguments {
    /// A mapping file, or a folder of them; `NAME.examples` beside each holds its examples
    path: PathBuf,
}

pub(super) async fn explain(node: Node, arguments: &ExplainArguments, output: &Output) -> anyhow::Result<Exit> {
    let key = arguments.key.trim();
    let explained = explain::explain(&node.flow, &arguments.target, key).await?;
    node.close().await;
    let is_empty = explained.fields.is_empty();
    let words = output.words;
    if output.is_json() {
        output.json(&explained);
    } else if is_empty {
        output.note(&format!("{} {key}", words.nothing_there));
    } else {
        let title = format!("{} {}: {key}", words.explained_there, explained.target);
        let is_shown = |field: &&ExplainedField| arguments.all || field.explanation.value.is_some();
        let rows: Vec<_> = explained.fields.iter().filter(is_shown).map(row).collect();
        let hidden = explained.fields.len() - rows.len();
        let columns = [
            name(words.unit),
            name(words.row),
            name(words.field),
            value(words.value),
            sentence(words.comes_from),
            value(words.received),
            sentence(words.rule),
        ];
        output.table(&title, &columns, &rows);
        let contract = format!("{}: {}", words.contract, explained.contract);
        if hidden > 0 {
            output.line(&format!("{}: {hidden} (--all)", words.hidden_fields));
        }
        output.line(&format!("{contract} – {}: {}", words.mapping_version, explained.mapping));
    }
    Ok(if is_empty { Exit::Failed } else { Exit::Done })
}

fn row(field: &ExplainedField) -> Vec<String> {
    let explanation = &field.explanation;
    let from = explanation.record.as_ref().map(|(kind, key)| {
        let origin = field.origin.as_ref().map(|origin| format!(" ({origin})")).unwrap_or_default();
        format!("{kind} {key} {}{origin}", explanation.path)
    });
    let rule = match &explanation.code_list {
        Some(code_list) => format!("{} [{code_list}]", explanation.rule),
        None => explanation.rule.to_owned(),
    };
    let dash = || "–".to_owned();
    vec![
        field.unit.clone(),
        explanation.row.clone(),
        explanation.field.clone(),
        explanation.value.as_ref().map_or_else(dash, ToString::to_string),
        from.unwrap_or_else(dash),
        field.received.clone().unwrap_or_default(),
        rule,
    ]
}

/// Checks mapping files and runs their examples.
pub(super) fn test(parts: &Parts, arguments: &TestArguments, output: &Output) -> Exit {
    if !arguments.path.exists() {
        output.note(&format!("{} {}", output.words.no_mappings, arguments.path.display()));
        return Exit::Usage;
    }
    let tested = (parts.test_mappings)(&arguments.path);
    let words = output.words;
    if output.is_json() {
        output.json(&tested);
    } else if tested.is_empty() {
        output.note(&format!("{} {}", words.no_mappings, arguments.path.display()));
    } else {
        let mut rows = Vec::new();
        for mapping in &tested {
            let row =
                |example: &str, outcome: &str| vec![mapping.mapping.clone(), example.to_owned(), outcome.to_owned()];
            rows.extend(mapping.problems.iter().map(|problem| row("–", problem)));
            if mapping.problems.is_empty() && mapping.examples.is_empty() {
                rows.push(row("–", words.no_examples));
            }
            for (example, differences) in &mapping.examples {
                if differences.is_empty() {
                    rows.push(row(example, words.passed));
                }
                rows.extend(differences.iter().map(|difference| row(example, difference)));
            }
        }
        let columns = [sentence(words.mapping), name(words.example), sentence(words.outcome)];
        output.table(words.mappings_tested, &columns, &rows);
    }
    match tested.iter().all(crate::node::TestedMapping::is_sound) {
        _ if tested.is_empty() => Exit::Failed,
        true => Exit::Done,
        false => Exit::Differences,
    }
}
