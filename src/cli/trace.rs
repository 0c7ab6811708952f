//! `raccordo trace`: the life of a record across systems, with every attempt.

use canonical::values::UtcInstant;
use contract::Receipt;

use super::output::Output;
use super::table::{name, number, sentence, value};
use super::words::Words;
use super::{Exit, cycle};
use crate::delivery::DeliveryState;
use crate::flow::FlowError;
use crate::http::{self, italian};
use crate::node::Node;
use crate::storage::Trace;

/// Show the life of a record across systems, with every attempt.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// CIG, fiscal code of a body, or any record key
    key: String,
}

pub(super) async fn run(node: Node, arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    // As it was written first: keys of programmes and figures have small letters.
    let mut key = arguments.key.trim().to_owned();
    let mut trace = node.flow.store.trace(&key).await.map_err(FlowError::from)?;
    if trace.versions.is_empty() && trace.deliveries.is_empty() {
        key = key.to_uppercase();
        trace = node.flow.store.trace(&key).await.map_err(FlowError::from)?;
    }
    let nothing = trace.versions.is_empty() && trace.deliveries.is_empty() && trace.quarantined.is_empty();
    if output.is_json() {
        output.json(&trace);
    } else if nothing {
        output.note(&format!("{} {key}", output.words.nothing_known));
    } else {
        show(&trace, output);
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
            let findings: Vec<_> = version.findings.iter().map(|finding| finding.rule.code()).collect();
            vec![
                version.kind.to_string(),
                version.key.to_string(),
                version.number.to_string(),
                italian(version.stored_at),
                format!("{} {}{line}", version.source, from.remote_id),
                findings.join(" "),
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
    output.table(&format!("{} ({})", words.versions, words.italian_time), &columns, &rows);

    let mut rows = Vec::new();
    for delivery in &trace.deliveries {
        let revisions = format!("{}/{}", delivery.held_revision, delivery.desired_revision);
        rows.push(vec![
            delivery.target.clone(),
            delivery.unit.to_string(),
            revisions,
            explain(&delivery.state, true, words),
            delivery.decided_by.as_ref().map(|decided| italian(decided.received_at)).unwrap_or_default(),
            delivery.decided_by.as_ref().map(|decided| proof(&decided.receipt)).unwrap_or_default(),
        ]);
        for attempt in &delivery.attempts {
            rows.push(vec![
                String::new(),
                String::new(),
                attempt.revision.to_string(),
                attempt.outcome.as_ref().map(|outcome| explain(outcome, false, words)).unwrap_or_default(),
                italian(attempt.started_at),
                attempt.receipt.as_ref().map(proof).unwrap_or_default(),
            ]);
        }
    }
    let columns = [
        name(words.target),
        name(words.unit),
        name(words.revision),
        sentence(words.outcome),
        name(words.started_or_decided_at),
        value(words.receipt),
    ];
    output.table(&format!("{} ({})", words.attempts, words.italian_time), &columns, &rows);

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
