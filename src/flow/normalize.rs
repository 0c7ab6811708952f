//! Normalize: turns one raw record into canonical records and findings.
//!
//! Comes from: `intake`, or a replay of what stood aside.
//! Goes to: `route` and `version`.
//! Safe to repeat because: it is a pure function of the raw record and of the mapping.
//! When it fails: a mapping that panics sets the record aside with its text; its neighbours go on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use canonical::values::{CalendarDate, UtcInstant};
use canonical::{Finding, Provenance, Record, Rule, SourceName};
use contract::{RawRecord, SetAside, Source};

use crate::failpoints;

/// A raw record, understood.
#[derive(Debug, Clone)]
pub struct Understood {
    /// The canonical records it holds.
    pub records: Vec<Record>,
    /// What their owner should know.
    pub findings: Vec<Finding>,
    /// Set when it stands aside.
    pub set_aside: Option<SetAside>,
}

/// Understands one raw record of a source, and writes down where its values come from.
pub fn understand(source: &dyn Source, name: &SourceName, raw: &RawRecord, read_at: UtcInstant) -> Understood {
    // The mapping only reads the record: nothing half-changed can outlive a panic.
    let Ok(normalized) = catch_unwind(AssertUnwindSafe(|| {
        failpoints::stop_on("mapping", &raw.text);
        source.normalize(raw)
    })) else {
        let reason = "the mapping stopped on this record: the text is kept and can be replayed".to_owned();
        let set_aside = Some(SetAside { rule: Rule::N03, reason });
        return Understood { records: Vec::new(), findings: Vec::new(), set_aside };
    };
    let mut findings = normalized.findings;
    let mut as_of = raw.document.as_of;
    if as_of.is_some_and(|day| is_after(day, read_at)) {
        // A date that has not come yet would win over every later document until it comes.
        findings.push(Finding::new(Rule::N03).at("as_of").detail("date_in_the_future"));
        as_of = None;
    }
    let records = normalized
        .records
        .into_iter()
        .map(|draft| {
            let provenance = Provenance {
                source: name.clone(),
                remote_id: raw.document.remote_id.clone(),
                document_digest: raw.document.digest.clone(),
                line: Some(raw.line),
                as_of,
                read_at,
                raw: draft.raw,
            };
            Record::new(draft.body, provenance)
        })
        .collect();
    Understood { records, findings, set_aside: normalized.set_aside }
}

/// Whether a day has not come yet anywhere in Italy.
fn is_after(day: CalendarDate, now: UtcInstant) -> bool {
    let today = now.to_offset_date_time().date();
    day.to_date() > today.next_day().unwrap_or(today)
}
