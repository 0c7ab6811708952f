//! The other way round: what this node says that a target holds, in the form in which lists are read.
//! Another node, or an office, compares it with what it knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use canonical::values::UtcInstant;
use contract::{Adapter, FieldValue, Row, UnitKey};
use serde::Serialize;
use serde_json::{Value, json};

use crate::flow::reconcile::walk::{Composer, PAGE, is_settled, is_withdrawn};
use crate::flow::{Flow, FlowError};
use crate::storage::ExpectedUnit;

/// What a target should hold, page by page.
pub struct Expected<'a> {
    flow: &'a Flow,
    name: &'a str,
    adapter: Arc<dyn Adapter>,
    as_of: UtcInstant,
    after: Option<UnitKey>,
    rows: u64,
    /// Units that are on their way or cannot be composed: whoever reads the list must not miss them.
    left_out: u64,
    ended: bool,
}

impl std::fmt::Debug for Expected<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Expected").field("name", &self.name).field("rows", &self.rows).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Line<'a> {
    unita: &'a str,
    riga: &'a str,
    campi: BTreeMap<&'a str, Value>,
}

impl<'a> Expected<'a> {
    /// Of this target, as of now.
    pub fn of(flow: &'a Flow, name: &'a str) -> Result<Self, FlowError> {
        let adapter = Arc::clone(flow.system(name)?);
        if adapter.target().is_none() {
            return Err(FlowError::NoRole { system: name.to_owned(), role: "target" });
        }
        let as_of = flow.clock.now();
        Ok(Self { flow, name, adapter, as_of, after: None, rows: 0, left_out: 0, ended: false })
    }

    /// Some lines more; none at the end. The last one says what the list is, so that a list that was
    /// cut short is known.
    pub async fn next(&mut self) -> Result<Option<String>, FlowError> {
        if self.ended {
            return Ok(None);
        }
        let page = self.flow.store.expected_units(self.name, self.after.as_ref(), PAGE).await?;
        let mut lines = String::new();
        for unit in &page {
            self.after = Some(unit.key.clone());
            for row in self.held(unit) {
                self.rows += 1;
                lines.push_str(&line(unit, &row));
                lines.push('\n');
            }
        }
        if page.is_empty() {
            self.ended = true;
            // A list from which something was left out announces more than it has: nothing is missing by it.
            let rows = self.rows + self.left_out;
            lines.push_str(&json!({ "inventario": { "al": self.as_of, "righe": rows } }).to_string());
            lines.push('\n');
        }
        Ok(Some(lines))
    }

    /// How many rows were written, and how many units could not be.
    pub fn counts(&self) -> (u64, u64) {
        (self.rows, self.left_out)
    }

    fn held(&mut self, unit: &ExpectedUnit) -> Vec<Row> {
        if is_withdrawn(unit) {
            return Vec::new();
        }
        let target = self.adapter.target().filter(|_| is_settled(unit));
        if let Some(Ok(composed)) = target.map(|target| Composer { target, listing: None }.compose(unit)) {
            return composed.rows;
        }
        self.left_out += 1;
        Vec::new()
    }
}

fn line(unit: &ExpectedUnit, row: &Row) -> String {
    let text = |value: &FieldValue| match value {
        FieldValue::Codes(codes) => json!(codes),
        value => json!(value.to_string()),
    };
    let campi = row.fields.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    // Texts only: this always has a JSON form.
    serde_json::to_string(&Line { unita: unit.key.as_str(), riga: &row.key, campi }).unwrap_or_default()
}
