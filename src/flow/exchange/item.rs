//! One version as partners read it: what it says, where it comes from, and what was left out.

use canonical::identifiers::{holds_personal_code, without_personal_codes};
use canonical::{Kind, Provenance, Record};
use serde::Serialize;
use serde_json::{Map, Value};

use super::shape::{OMITTED, leaving};
use crate::storage::exchange::StoredVersion;

/// A version.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// Its number among all versions.
    pub version_id: i64,
    /// The record.
    pub record_id: i64,
    /// Its number among those of the record.
    pub version: u32,
    /// Whether it is the first of its record.
    pub change: &'static str,
    /// The kind of the record.
    pub kind: Kind,
    /// Its key.
    pub key: String,
    /// The version of the canonical schema.
    pub schema_version: u16,
    /// When it was stored, UTC.
    pub stored_at: String,
    /// What it says.
    pub body: Value,
    /// Where that comes from.
    pub provenance: Value,
    /// The paths of what may name a person, and was left out.
    pub omitted: Vec<String>,
}

/// A version as it leaves. None where its key itself names a person: such a record does not leave.
pub fn item(version: &StoredVersion) -> Option<Item> {
    let Record { schema_version, body, provenance } = &version.content;
    let key = body.key().as_str().to_owned();
    if holds_personal_code(&key) {
        return None;
    }
    let kind = body.kind();
    let (body, omitted) = leaving(kind, serde_json::from_str(&body.to_json()).ok()?);
    Some(Item {
        version_id: version.id,
        record_id: version.record.0,
        version: version.number,
        change: if version.number == 1 { "created" } else { "updated" },
        kind,
        key,
        schema_version: *schema_version,
        stored_at: version.stored_at.to_string(),
        body,
        provenance: origin(provenance),
        omitted,
    })
}

/// Received texts leave where they are amounts and days, which is where they explain something; other
/// texts may hold names.
fn origin(provenance: &Provenance) -> Value {
    let raw = provenance.raw.iter().filter(|(_, text)| holds_no_words(text));
    let raw: Map<String, Value> = raw.map(|(path, text)| (path.as_str().to_owned(), text.clone().into())).collect();
    serde_json::json!({
        "source": provenance.source,
        "remote_id": without_personal_codes(&provenance.remote_id, OMITTED),
        "document_digest": provenance.document_digest,
        "line": provenance.line,
        "as_of": provenance.as_of,
        "read_at": provenance.read_at,
        "raw": raw,
    })
}

fn holds_no_words(text: &str) -> bool {
    text.chars().all(|character| character.is_ascii_digit() || " .,:/+-€%TZE".contains(character))
}
