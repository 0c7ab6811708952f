//! Discrepancies planted on purpose: somebody else changes, on three targets, what we delivered. The
//! comparison must find each of them, by its rule, and nothing else; a repair must mend them.

use canonical::values::{CalendarDate, Importo};
use canonical::{Body, Record, Rule};
use contract::{Outcome, Shipment, UnitKey};
use serde::Serialize;

use crate::flow::FlowError;
use crate::flow::deliver::idempotency_key;
use crate::node::Node;
use crate::storage::{ExpectedUnit, Reconciliation};

/// What could not be done, when it could not.
const TASK: &str = "planting a discrepancy";

/// Units per page when one is looked for.
const PAGE: u32 = 500;

/// A discrepancy that the demo plants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Planted {
    /// The target.
    pub(super) target: &'static str,
    /// The unit there.
    pub(super) unit: &'static str,
    /// The row of the unit.
    pub(super) row: &'static str,
    /// The field that differs.
    pub(super) field: &'static str,
    /// The rule that must find it.
    pub(super) rule: Rule,
    /// What we delivered, and what stands there now.
    pub(super) values: (&'static str, &'static str),
    /// What somebody did, for people.
    pub(super) story: &'static str,
    /// The same in English.
    #[serde(skip)]
    pub(super) english: &'static str,
    /// Whether the comparison found it.
    pub(super) found: bool,
}

/// What is planted: two digits of an amount swapped by hand, a figure mistyped, a day corrected on
/// the other side only.
const PLANTED: [Planted; 3] = [
    Planted {
        target: "pico",
        unit: "80098765433/appalti/2025",
        row: "B4A19C3958",
        field: "importo",
        rule: Rule::R02,
        values: ("638000.00", "683000.00"),
        story: "un operatore ha ripubblicato il dataset con due cifre dell'importo scambiate",
        english: "an operator published the dataset again with two digits of the amount swapped",
        found: false,
    },
    Planted {
        target: "hub",
        unit: "rilevazioni/80098765433/personale/2025",
        row: "dipendenti/-",
        field: "valore",
        rule: Rule::R14,
        values: ("214", "241"),
        story: "il numero dei dipendenti è stato corretto a mano sull'HUB",
        english: "the number of employees was corrected by hand on the HUB",
        found: false,
    },
    Planted {
        target: "scp-esecuzione",
        unit: "B4A19C3958/1/5/1",
        row: "B4A19C3958/1/5/1",
        field: "integrazioni.dataEvento",
        rule: Rule::R03,
        values: ("2026-05-20", "2026-05-21"),
        story: "il RUP ha spostato di un giorno la data del collaudo sulla piattaforma",
        english: "the RUP moved the day of the final test by one on the platform",
        found: false,
    },
];

/// Lets somebody else change the units, each as the next revision of what the target holds.
pub(super) async fn plant(node: &Node) -> Result<Vec<Planted>, FlowError> {
    let mut planted = Vec::new();
    for wanted in PLANTED {
        let found = find(node, wanted.target, wanted.unit).await?;
        let unit = found.ok_or(FlowError::Interrupted { task: TASK })?;
        let adapter = node.flow.system(wanted.target)?;
        let target = adapter.target().ok_or(FlowError::Interrupted { task: TASK })?;
        let mut members = unit.members;
        members.iter_mut().for_each(alter);
        let revision = unit.desired_revision + 1;
        let composed =
            target.compose(&unit.key, revision, &members).map_err(|_| FlowError::Interrupted { task: TASK })?;
        let shipment = Shipment {
            idempotency_key: idempotency_key("demo", &unit.key, revision),
            unit: unit.key,
            revision,
            body: composed.body,
            previous_receipt: None,
        };
        match target.send(&shipment).await? {
            Outcome::Acknowledged(_) | Outcome::Submitted { .. } => planted.push(wanted),
            Outcome::Refused { code, message } => {
                tracing::error!(target_system = wanted.target, code, message, "discrepancy not planted");
                return Err(FlowError::Interrupted { task: TASK });
            }
        }
    }
    Ok(planted)
}

/// Marks those that the comparisons found, and says whether they found exactly those.
pub(super) fn mark_found(planted: &mut [Planted], results: &[Reconciliation]) -> bool {
    let mut strangers = 0;
    for result in results {
        for discrepancy in &result.discrepancies {
            let said = |is_owner| discrepancy.sides.iter().find(|side| side.is_owner == is_owner);
            let value = |is_owner| said(is_owner).and_then(|side| side.value.as_deref());
            let is_it = |planted: &&mut Planted| {
                planted.target == result.target
                    && planted.unit == discrepancy.unit
                    && planted.row == discrepancy.row
                    && Some(planted.values.0) == value(true)
                    && Some(planted.values.1) == value(false)
                    && discrepancy.field.as_deref() == Some(planted.field)
                    && planted.rule == discrepancy.rule
            };
            match planted.iter_mut().find(is_it) {
                Some(planted) => planted.found = true,
                None => strangers += 1,
            }
        }
    }
    strangers == 0 && planted.iter().all(|planted| planted.found)
}

async fn find(node: &Node, target: &str, key: &str) -> Result<Option<ExpectedUnit>, FlowError> {
    let mut after: Option<UnitKey> = None;
    loop {
        let page = node.flow.store.expected_units(target, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        after = Some(last.key.clone());
        if let Some(unit) = page.into_iter().find(|unit| unit.key.as_str() == key) {
            return Ok(Some(unit));
        }
    }
}

/// What somebody else writes in place of what we delivered.
fn alter(record: &mut Record) {
    match &mut record.body {
        Body::Lotto(lotto) if lotto.cig.as_str() == "B4A19C3958" => {
            lotto.importo_totale = Importo::parse("683000.00").ok();
        }
        Body::Rilevazione(rilevazione) if rilevazione.dimensione.is_none() => rilevazione.valore += 27,
        Body::EventoEsecuzione(evento) => evento.data = CalendarDate::parse("2026-05-21").ok(),
        _ => {}
    }
}
