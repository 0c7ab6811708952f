//! `raccordo trace`: the life of a record across systems, with every attempt.

use canonical::Finding;
use canonical::values::UtcInstant;
use contract::Receipt;
use serde::Serialize;

use super::output::Output;
use super::table::{name, number, sentence, value};
use super::words::Words;
use super::{Exit, cycle, discrepancies};
use crate::delivery::DeliveryState;
use crate::discrepancy::WorkItem;
use crate::flow::report::words as sentences;
use crate::flow::{Flow, FlowError};
use crate::http::{self, italian};
use crate::node::Node;
use crate::storage::{ItemFilter, Trace};

/// Discrepancies that are shown; how many there are is told beside them.
const SHOWN: u32 = 20;

/// Show the life of a record across systems, with every attempt.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// CIG, fiscal code of a body, or any record key
    key: String,
}

/// All that is known under a key.
#[derive(Debug, Serialize)]
struct Known {
    #[serde(flatten)]
    trace: Trace,
    /// What stands about it: with the targets, with other nodes, between the sources.
    discrepancies: Vec<WorkItem>,
    /// How many there are.
    discrepancies_in_all: u64,
}

impl Known {
    async fn of(flow: &Flow, key: &str) -> Result<Self, FlowError> {
        let trace = flow.store.trace(key).await?;
        let filter = ItemFilter { key: Some(key.to_owned()), ..ItemFilter::default() };
        let mut found = flow.store.items(&filter, None, SHOWN).await?;
        let is_full = found.len() >= SHOWN as usize;
        // The filter finds the text anywhere: what is longer is of another record.
        found.retain(|item| is_named(&item.discrepancy.unit, key) || is_named(&item.discrepancy.row, key));
        let discrepancies_in_all = if is_full { flow.store.count_items(&filter).await? } else { found.len() as u64 };
        Ok(Self { trace, discrepancies: found.iter().map(WorkItem::for_people).collect(), discrepancies_in_all })
    }

    /// Whether no record and no delivery has the key.
    fn is_of_nothing(&self) -> bool {
        self.trace.versions.is_empty() && self.trace.deliveries.is_empty()
    }
}

/// Whether a key, or a part of one, is this one.
fn is_named(of: &str, key: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric();
    of.match_indices(key).any(|(start, _)| {
        let (before, after) = (&of[..start], &of[start + key.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

pub(super) async fn run(node: Node, arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    // As it was written first: keys of programmes and figures have small letters.
    let mut key = arguments.key.trim().to_owned();
    let mut known = Known::of(&node.flow, &key).await?;
    if known.is_of_nothing() {
        key = key.to_uppercase();
        known = Known::of(&node.flow, &key).await?;
    }
    let nothing = known.is_of_nothing() && known.trace.quarantined.is_empty() && known.discrepancies.is_empty();
    if output.is_json() {
        output.json(&known);
    } else if nothing {
        output.note(&format!("{} {key}", output.words.nothing_known));
    } else {
        show(&known.trace, output);
        if !known.discrepancies.is_empty() {
            let now = node.flow.clock.now();
            discrepancies::show_items(&known.discrepancies, known.discrepancies_in_all, now, output);
        }
    }
    node.close().await;
    Ok(if nothing { Exit::Failed } else { Exit::Done })
}

fn show(trace: &Trace, output: &Output) {
    let words = output.words;
    let rows: Vec<_> = trace
        .versions
        .iter()
        .map(|version| {
            let from = &version.record.provenance;
            let line = from.line.map(|line| format!(":{line}")).unwrap_or_default();
            let findings: Vec<_> = version.findings.iter().map(|finding| told(finding, words)).collect();
            vec![
                version.kind.to_string(),
                version.key.to_string(),
                version.number.to_string(),
                italian(version.stored_at),
                format!("{} {}{line}", version.source, from.remote_id),
                findings.join("\n"),
            ]
        })
        .collect();
    let columns = [
        name(words.kind),
        name(words.key),
        number(words.number),
        name(words.stored_at),
        sentence(words.origin),
        sentence(words.findings),
    ];
    if !rows.is_empty() {
        output.table(&format!("{} ({})", words.versions, words.italian_time), &columns, &rows);
    }

    let mut rows = Vec::new();
    for delivery in &trace.deliveries {
        let revisions = format!("{}/{}", delivery.held_revision, delivery.desired_revision);
        rows.push(vec![
            delivery.target.clone(),
            delivery.unit.to_string(),
            revisions,
            format!("{}: {}", words.stands_now, explain(&delivery.state, true, words)),
            delivery.decided_by.as_ref().map(|decided| italian(decided.received_at)).unwrap_or_default(),
            delivery.decided_by.as_ref().map(|decided| proof(&decided.receipt)).unwrap_or_default(),
        ]);
        for (attempt, place) in delivery.attempts.iter().zip(1..) {
            let outcome = attempt.outcome.as_ref().map(|outcome| explain(outcome, false, words));
            rows.push(vec![
                String::new(),
                String::new(),
                attempt.revision.to_string(),
                format!("{} {place}: {}", words.attempt, outcome.unwrap_or_else(|| words.no_outcome.to_owned())),
                italian(attempt.started_at),
                attempt.receipt.as_ref().map(proof).unwrap_or_default(),
            ]);
        }
    }
    let columns = [
        name(words.target),
        name(words.unit),
        name(words.revision),
        sentence(words.state_or_outcome),
        name(words.started_or_decided_at),
        value(words.receipt),
    ];
    if !rows.is_empty() {
        output.table(&format!("{} ({})", words.attempts, words.italian_time), &columns, &rows);
    }

    if !trace.quarantined.is_empty() {
        let rows: Vec<_> = trace
            .quarantined
            .iter()
            .map(|aside| {
                vec![
                    format!("{} {}:{}", aside.source, aside.document, aside.line),
                    aside.rule.clone(),
                    cycle::reason_aside(&aside.rule, &aside.reason, output),
                ]
            })
            .collect();
        output.table(words.aside, &[name(words.origin), name(words.rule), sentence(words.reason)], &rows);
    }
}

/// A finding in words: what, where, what was received, and the code that says more.
fn told(finding: &Finding, words: &Words) -> String {
    let place = finding.field.as_ref().map(|field| format!(": {field}")).unwrap_or_default();
    let received = finding.received.as_deref().map(|text| format!(" «{text}»")).unwrap_or_default();
    let detail = finding.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let rule = sentences::rule(finding.rule, words.language());
    format!("{} {rule}{place}{received}{detail}", finding.rule.code())
}

/// What the target answered: status, its own identifier, and what it remarked.
fn proof(receipt: &Receipt) -> String {
    let remote_id = receipt.remote_id.as_deref().unwrap_or_default();
    let warnings = receipt.warnings.iter().map(|warning| format!("\n⚠ {warning}"));
    format!("{} {remote_id}{}", receipt.status, warnings.collect::<String>())
}

/// A state in words. What is to be done when is told of the present alone.
fn explain(state: &DeliveryState, is_present: bool, words: &Words) -> String {
    let name = words.state(state.name());
    let told = |italian: String, english: &str| if words.are_italian() { italian } else { english.to_owned() };
    let then = |code: &str, when: &str, at: UtcInstant| {
        let when = if is_present { format!(", {when} {}", italian(at)) } else { String::new() };
        format!("{name} – {}{when}", told(http::code(code).to_owned(), code))
    };
    match state {
        DeliveryState::Refused { code, message } | DeliveryState::Held { code, message, .. } => {
            format!("{name} – {code}: {}", told(http::refused(code, message), message))
        }
        DeliveryState::InDoubt { code, at } | DeliveryState::Submitted { code, at } => then(code, words.asked_on, *at),
        DeliveryState::Retry { code, at } => then(code, words.not_before, *at),
        DeliveryState::Parked { reason, .. } => format!("{name} – {}", told(http::set_aside(reason), reason)),
        DeliveryState::Due | DeliveryState::Sent | DeliveryState::Acknowledged => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_named;

    #[test]
    fn a_key_is_named_whole_or_as_a_part_between_signs() {
        for of in ["5044003AF1", "lotto/5044003AF1", "5044003AF1/1", "a-5044003AF1.b"] {
            assert!(is_named(of, "5044003AF1"), "{of}");
        }
        for (of, key) in [("5044003AF1", "5044"), ("programma/2024001", "2024"), ("x2024", "2024"), ("2024", "20245")] {
            assert!(!is_named(of, key), "{of} {key}");
        }
        assert!(is_named("x2024/2024", "2024"), "the second");
    }
}
