//! What the simulator holds: packages, resources and reports by key, the idempotency keys, and the
//! journal of effects.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound;
use std::path::Path;

use kit::simulator::Journal;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::unit::Collection;
use crate::wire::{Elemento, Manifesto, SchedaTenuta};

use super::checks::Objection;

/// Something that was published, or that replaced the one before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Held {
    /// The key of the unit.
    pub(super) key: String,
    pub(super) versione: u64,
    pub(super) impronta: String,
    pub(super) idempotency_key: String,
    pub(super) stato: String,
    /// Of packages alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) manifesto: Option<Manifesto>,
    /// The NDJSON of the rows, or the content of a sheet.
    pub(super) contenuto: String,
}

impl Held {
    /// Packages have an identifier for each version; a report keeps its own.
    pub(super) fn id(&self) -> String {
        if self.manifesto.is_some() { format!("{}/{}", self.key, self.versione) } else { self.key.clone() }
    }

    pub(super) fn element(&self) -> Option<Elemento> {
        let manifesto = self.manifesto.as_ref()?;
        Some(Elemento {
            ente: manifesto.ente.clone(),
            dataset: manifesto.dataset.clone(),
            periodo: manifesto.periodo.clone(),
            versione: self.versione,
            impronta: self.impronta.clone(),
            righe: manifesto.righe,
        })
    }

    pub(super) fn sheet(&self) -> Option<SchedaTenuta> {
        let contenuto = RawValue::from_string(self.contenuto.clone()).ok().filter(|_| self.manifesto.is_none())?;
        Some(SchedaTenuta {
            chiave: self.key.clone(),
            stato: self.stato.clone(),
            versione: self.versione,
            impronta: self.impronta.clone(),
            contenuto,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.key, self.versione, &self.impronta) == (&other.key, other.versione, &other.impronta)
    }
}

/// One line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Effect {
    Published(Box<Held>),
    /// The help desk made a step.
    Advanced {
        key: String,
        stato: String,
    },
}

pub(super) struct Store {
    held: BTreeMap<String, Held>,
    /// What each idempotency key was used for: unit, version, digest.
    used_keys: HashMap<String, (String, u64, String)>,
    journal: Journal<Effect>,
}

impl Store {
    pub(super) fn open(folder: Option<&Path>) -> io::Result<Self> {
        let (journal, effects) = Journal::open(folder)?;
        let mut store = Self { held: BTreeMap::new(), used_keys: HashMap::new(), journal };
        for effect in effects {
            store.remember(effect);
        }
        Ok(store)
    }

    /// Publishes something, unless it is there already. True when something changed.
    pub(super) fn publish(&mut self, mut new: Held) -> Result<(Held, bool), Objection> {
        let used_for = self.used_keys.get(&new.idempotency_key);
        let is_other = |(key, versione, impronta): &(String, u64, String)| {
            (key, *versione, impronta) != (&new.key, new.versione, &new.impronta)
        };
        if used_for.is_some_and(is_other) {
            let messaggio = "La chiave di idempotenza è già servita per un altro contenuto";
            return Err(Objection::content("chiave_riusata", messaggio, Vec::new()));
        }
        match self.held.get(&new.key) {
            Some(held) if held.is_same(&new) => return Ok((held.clone(), false)),
            Some(held) if held.versione > new.versione => {
                return Err(Objection::conflict("versione_superata", "È già pubblicata una versione più recente"));
            }
            Some(held) if held.versione == new.versione => {
                return Err(Objection::conflict("versione_diversa", "La stessa versione ha già un altro contenuto"));
            }
            // A report that is written better stays where it stands at the help desk.
            Some(held) if held.key.starts_with(Collection::Segnalazioni.prefix()) => {
                new.stato.clone_from(&held.stato);
            }
            _ => {}
        }
        self.write(Effect::Published(Box::new(new.clone())))?;
        Ok((new, true))
    }

    /// Moves a report to a state.
    pub(super) fn advance(&mut self, key: &str, stato: &str) -> Result<Held, Objection> {
        let is_there_already = self.held.get(key).is_some_and(|held| held.stato == stato);
        if !is_there_already {
            self.write(Effect::Advanced { key: key.to_owned(), stato: stato.to_owned() })?;
        }
        self.held.get(key).cloned().ok_or_else(Objection::own_failure)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Held> {
        self.held.get(key)
    }

    /// What a list holds after a key, in order, and whether there is more.
    pub(super) fn page(&self, collection: Option<Collection>, after: Option<&str>, limit: usize) -> (Vec<&Held>, bool) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let is_listed = |held: &&Held| match collection {
            Some(collection) => held.key.starts_with(collection.prefix()),
            None => held.manifesto.is_some(),
        };
        let mut following = self.held.range::<str, _>((from, Bound::Unbounded)).map(|(_, held)| held).filter(is_listed);
        let page = following.by_ref().take(limit).collect();
        (page, following.next().is_some())
    }

    fn write(&mut self, effect: Effect) -> Result<(), Objection> {
        self.journal.append(&effect).map_err(|_| Objection::own_failure())?;
        self.remember(effect);
        Ok(())
    }

    fn remember(&mut self, effect: Effect) {
        match effect {
            Effect::Published(held) => {
                let used_for = (held.key.clone(), held.versione, held.impronta.clone());
                self.used_keys.insert(held.idempotency_key.clone(), used_for);
                self.held.insert(held.key.clone(), *held);
            }
            Effect::Advanced { key, stato } => {
                if let Some(held) = self.held.get_mut(&key) {
                    held.stato = stato;
                }
            }
        }
    }
}
