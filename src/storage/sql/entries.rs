//! Audit entries for what changes in passing: one entry for all that a transaction changed of a
//! kind, with ids and codes only. What may be personal or long goes in as its digest.

use std::collections::HashSet;

use canonical::Digest;
use serde::Serialize;

use super::audit::Entry;
use super::rows::json;
use super::trouble::Trouble;
use crate::storage::RunId;

/// A record on a target.
pub(super) type Place = (i64, String);

/// A document was registered.
pub(super) fn document_registered(id: i64, run: RunId, source: &str, digest: &str) -> Result<Entry, Trouble> {
    let detail = json(&serde_json::json!({ "run": run, "source": source, "digest": digest }))?;
    Ok(Entry::new("document_registered", format!("document/{id}"), detail))
}

/// A text that stands for how far something came was saved: a cursor, a routing.
pub(super) fn saved(kind: &'static str, subject: String, text: &str) -> Result<Entry, Trouble> {
    let detail = json(&serde_json::json!({ "digest": Digest::of(text.as_bytes()).to_string() }))?;
    Ok(Entry::new(kind, subject, detail))
}

/// One entry for a list, unless it is empty. Its order is that of the values, whatever map they
/// come from.
pub(super) fn list<T: Serialize + Ord>(
    kind: &'static str,
    subject: &'static str,
    mut changed: Vec<T>,
) -> Result<Option<Entry>, Trouble> {
    if changed.is_empty() {
        return Ok(None);
    }
    changed.sort_unstable();
    Ok(Some(Entry::new(kind, subject, json(&changed)?)))
}

/// Members that joined units and left them, records that were withheld and are no more.
pub(super) fn moved(
    joined: &[(Place, i64)],
    left: Vec<&Place>,
    withheld: &[(Place, &'static str)],
    released: Vec<&Place>,
) -> Result<Vec<Entry>, Trouble> {
    let places: HashSet<_> = joined.iter().map(|(place, _)| place).collect();
    // Whoever moved to another unit of the target has joined that one.
    let left = left.into_iter().filter(|place| !places.contains(place)).collect();
    let joined = joined.iter().map(|((record, _), delivery)| (*record, *delivery)).collect();
    let withheld = withheld.iter().map(|((record, target), code)| (*record, target, *code)).collect();
    let entries = [
        list("members_joined", "deliveries", joined)?,
        list("members_left", "deliveries", left)?,
        list("records_withheld", "records", withheld)?,
        list("records_released", "records", released)?,
    ];
    Ok(entries.into_iter().flatten().collect())
}
