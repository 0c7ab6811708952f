//! One suite for every adapter, chosen by role: what each of them promises whatever its system.
//!
//! A subject is an adapter with the simulator of its system, the canonical records that it is given
//! (`contract-tests/systems/<system>/records.ndjson`), what is known of the rows its system holds
//! (`holds.json`) and the specification of its contract. Between adapter and simulator stands a proxy
//! that is no part of the product: it records every exchange, makes things go wrong, and moves lists
//! while they are read. Answers that never come from the system stand on a mock server.
//!
//! A promise that an adapter cannot keep is waived by a line of data with a reason and an end
//! (`waivers.json`); a waiver for a promise that is kept is an error too.

mod conserve;
mod count;
mod digests;
pub mod evidence;
mod exchanges;
pub mod openapi;
pub mod proxy;
mod reading;
mod resume;
mod shelf;
mod shifts;
pub mod soap;
mod source;
mod subject;
mod target;
mod totals;

use std::collections::BTreeMap;

use contract::AdapterFactory;
use serde::Deserialize;

pub use subject::Subject;

/// What became of a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It holds, with what was counted.
    Yes(String),
    /// It does not hold, and why.
    No(String),
    /// There is nothing that it could be tried on, and why.
    Beside(String),
}

/// A promise that an adapter does not keep, as data.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The promise.
    pub promise: String,
    /// Why it cannot be kept.
    pub reason: String,
    /// What must happen for the waiver to go.
    pub until: String,
}

/// Every promise that applies to an adapter, with what became of it.
#[derive(Debug, Clone, Default)]
pub struct Certificate {
    /// By the name of the promise.
    pub promises: BTreeMap<&'static str, Kept>,
}

/// The promises in the order of the table, each with its sentence.
pub const PROMISES: &[(&str, &str)] = &[
    ("source_reads_and_balances", "every row read gives a record or stands aside"),
    ("source_conserves", "as many rows are read as the system holds, counted without the adapter"),
    ("source_normalizes_purely", "the same row always gives the same records"),
    ("source_reads_again_the_same", "a second read finds the same rows"),
    ("source_resumes_from_its_cursor", "from the cursor a read gives less than the whole, and what is new"),
    ("source_survives_a_shifted_page", "a row that appears or goes between two pages hides no other"),
    ("source_believes_no_short_list", "a list that gives fewer rows than it announces is not taken for whole"),
    ("source_rate_limited", "429 ends the read with the pause asked for"),
    ("source_expired_token", "401 ends the read as an authentication error"),
    ("source_unavailable", "503 ends the read and gives nothing as complete"),
    ("source_wrong_content", "a page for people is never taken for data"),
    ("source_truncated", "an answer cut short is never taken for a whole one"),
    ("target_composes_purely", "the same records always give the same bytes"),
    ("target_explains_every_field", "each field that is sent has its record, path and rule"),
    ("target_submits_once", "what is sent is taken"),
    ("target_submits_twice", "the same shipment twice has one effect"),
    ("target_lost_answer", "what arrived without an answer is found by asking"),
    ("target_refused_by_rule", "what is no shipment of the system is refused, never sent for good"),
    ("target_rate_limited", "429 leaves nothing in doubt and keeps the pause asked for"),
    ("target_expired_token", "401 is an authentication error"),
    ("target_unavailable", "503 is told as unavailable, never as delivered or refused"),
    ("target_wrong_content", "a page for people is neither a receipt nor a refusal"),
    ("target_truncated", "a receipt cut short is in doubt"),
    ("observer_finds_what_was_sent", "the inventory shows the rows that were sent, in order"),
    (
        "observer_survives_a_shifted_page",
        "a unit that appears or goes between two pages of the inventory hides no other",
    ),
    ("observer_believes_no_short_list", "an inventory that gives fewer units than it announces is not taken for whole"),
    (
        "observer_tells_digests",
        "digests say what the inventory says, and what was sent is listed under the digest of what was composed",
    ),
    ("observer_truncated", "an inventory cut short is an error"),
    ("exchanges_follow_the_contract", "every request and answer is valid by the specification"),
];

/// Runs every promise that applies to an adapter.
pub async fn run(factory: &AdapterFactory) -> Certificate {
    run_on(&Subject::open(factory)).await
}

/// The same for a subject.
pub async fn run_on(subject: &Subject) -> Certificate {
    let mut certificate = Certificate::default();
    let adapter = subject.plain().await;
    let (is_source, is_target, is_observer) = {
        let adapter = &adapter.adapter;
        (adapter.source().is_some(), adapter.target().is_some(), adapter.observer().is_some())
    };
    adapter.stop().await;
    if is_source {
        source::run(subject, &mut certificate).await;
    }
    if is_target {
        target::run(subject, is_observer, &mut certificate).await;
    }
    exchanges::run(subject, &mut certificate);
    certificate
}

impl Certificate {
    fn note(&mut self, promise: &'static str, kept: Result<String, String>) {
        debug_assert!(PROMISES.iter().any(|(name, _)| *name == promise), "{promise} is no promise");
        self.promises.insert(promise, kept.map_or_else(Kept::No, Kept::Yes));
    }

    fn beside(&mut self, promise: &'static str, reason: &str) {
        debug_assert!(PROMISES.iter().any(|(name, _)| *name == promise), "{promise} is no promise");
        self.promises.insert(promise, Kept::Beside(reason.to_owned()));
    }

    /// What is wrong: broken promises without a waiver, and waivers that nothing needs.
    pub fn problems(&self, waivers: &[Waiver]) -> Vec<String> {
        let is_waived = |promise: &str| waivers.iter().any(|waiver| waiver.promise == promise);
        let broken = self.promises.iter().filter_map(|(promise, kept)| match kept {
            Kept::No(why) if !is_waived(promise) => Some(format!("{promise} is not kept: {why}")),
            _ => None,
        });
        let needless = waivers.iter().filter_map(|waiver| match self.promises.get(waiver.promise.as_str()) {
            Some(Kept::No(_)) => None,
            Some(Kept::Yes(_)) => Some(format!("{} is kept: take its waiver away", waiver.promise)),
            None | Some(Kept::Beside(_)) => Some(format!("{} does not apply: take its waiver away", waiver.promise)),
        });
        broken.chain(needless).collect()
    }
}

/// The certificates of all adapters as a Markdown document.
pub fn table(certificates: &[(&'static str, Certificate, Vec<Waiver>)]) -> String {
    let mut lines = vec![
        "# Certificate".to_owned(),
        String::new(),
        "Generated by `cargo xtask tables`; a test compares it with what the adapters do today.".to_owned(),
        "● kept · ○ waived · – nothing that it could be tried on, both with the reason below · blank: the adapter has not"
            .to_owned(),
        "the role, its system offers no way to tell, or publishes no document to hold exchanges against (its README"
            .to_owned(),
        "says what stands in its place).".to_owned(),
        String::new(),
    ];
    let systems: Vec<_> = certificates.iter().map(|(system, ..)| *system).collect();
    lines.push(format!("| promise | {} |", systems.join(" | ")));
    lines.push(format!("|---|{}", ":-:|".repeat(systems.len())));
    for (promise, sentence) in PROMISES {
        let cells = certificates.iter().map(|(_, certificate, _)| match certificate.promises.get(promise) {
            None => " ",
            Some(Kept::Yes(_)) => "●",
            Some(Kept::No(_)) => "○",
            Some(Kept::Beside(_)) => "–",
        });
        lines.push(format!("| {sentence} | {} |", cells.collect::<Vec<_>>().join(" | ")));
    }
    lines.extend([String::new(), "## Waivers".to_owned(), String::new()]);
    for (system, _, waivers) in certificates {
        for Waiver { promise, reason, until } in waivers {
            lines.push(format!("- `{system}`, `{promise}`: {reason} Until: {until}"));
        }
    }
    lines.extend([String::new(), "## Not tried".to_owned(), String::new()]);
    for (system, certificate, _) in certificates {
        for (promise, kept) in &certificate.promises {
            if let Kept::Beside(reason) = kept {
                lines.push(format!("- `{system}`, `{promise}`: {reason}"));
            }
        }
    }
    lines.push(String::new());
    lines.join("\n")
}
