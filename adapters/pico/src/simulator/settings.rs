//! How the simulator behaves: faults on request, members, what its help desk refuses, and the
//! resources that it publishes.
//!
//! ```json
//! [
//!   { "operation": "pubblica", "every": 3, "answer": 503, "retry_after": 2 },
//!   { "membri": ["00606750131"] },
//!   { "respinge": { "R02-918052266A": "L'importo è quello della delibera" } },
//!   { "risorse": [{ "id": "x", "tipo": "notizia", "titolo": "Una in più" }] }
//! ]
//! ```
//!
//! Without `membri` every body is a member.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use kit::simulator::Faults;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::wire::Pubblicazione;

use super::store::Held;

/// The resources that the simulator publishes of its own, in the order in which they changed.
const OWN_RESOURCES: &str = include_str!("risorse.json");

pub(super) struct Behaviour {
    pub(super) faults: Faults,
    membri: Option<BTreeSet<String>>,
    respinge: BTreeMap<String, String>,
    pub(super) risorse: Vec<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    membri: Option<BTreeSet<String>>,
    #[serde(default)]
    respinge: BTreeMap<String, String>,
    #[serde(default)]
    risorse: Vec<Value>,
}

impl Behaviour {
    pub(super) fn from_json(document: Option<&Value>) -> io::Result<Self> {
        let mut own = Vec::new();
        let faults = match document {
            Some(Value::Array(entries)) => {
                let is_fault = |entry: &&Value| entry.get("operation").is_some();
                own.extend(entries.iter().filter(|entry| !is_fault(entry)).cloned());
                Some(Value::Array(entries.iter().filter(is_fault).cloned().collect()))
            }
            other => other.cloned(),
        };
        let mut behaviour = Self {
            faults: Faults::from_json(faults.as_ref())?,
            membri: None,
            respinge: BTreeMap::new(),
            risorse: serde_json::from_str(OWN_RESOURCES)?,
        };
        for entry in own {
            let Own { membri, respinge, risorse } = serde_json::from_value(entry)?;
            behaviour.membri = behaviour.membri.or(membri);
            behaviour.respinge.extend(respinge);
            for risorsa in risorse {
                behaviour.risorse.push(RawValue::from_string(risorsa.to_string())?);
            }
        }
        Ok(behaviour)
    }

    pub(super) fn is_member(&self, ente: &str) -> bool {
        self.membri.as_ref().is_none_or(|membri| membri.contains(ente))
    }

    /// The state of a report after one more step of the help desk.
    pub(super) fn next_state(&self, held: &Held) -> &'static str {
        match held.stato.as_str() {
            "aperta" => "in_lavorazione",
            "respinta" => "respinta",
            "in_lavorazione" if self.words(held).is_some() => "respinta",
            _ => "risolta",
        }
    }

    /// What is answered about something held.
    pub(super) fn answer(&self, held: &Held) -> Pubblicazione {
        let parole = self.words(held).filter(|_| held.stato == "respinta").cloned();
        Pubblicazione { id: held.id(), stato: held.stato.clone(), versione: held.versione, parole }
    }

    fn words(&self, held: &Held) -> Option<&String> {
        self.respinge.get(held.key.strip_prefix("segnalazioni/")?)
    }
}
