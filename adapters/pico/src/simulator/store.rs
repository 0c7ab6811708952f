//! What the simulator holds: the packages by key, the idempotency keys, and the journal of effects.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound;
use std::path::Path;

use kit::simulator::Journal;
use serde::{Deserialize, Serialize};

use crate::wire::{Elemento, Manifesto, PackageKey};

use super::checks::Objection;

/// One effect: a package that was published, or that replaced the one before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Effect {
    /// `ente/dataset/periodo`.
    pub(super) key: String,
    pub(super) versione: u64,
    pub(super) impronta: String,
    pub(super) idempotency_key: String,
    pub(super) righe: u64,
    pub(super) manifesto: Manifesto,
    /// The NDJSON of the rows.
    pub(super) contenuto: String,
}

impl Effect {
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.key, self.versione)
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.key, self.versione, &self.impronta) == (&other.key, other.versione, &other.impronta)
    }
}

pub(super) struct Store {
    packages: BTreeMap<String, Effect>,
    /// What each idempotency key was used for: package, version, digest.
    used_keys: HashMap<String, (String, u64, String)>,
    journal: Journal<Effect>,
}

impl Store {
    pub(super) fn open(folder: Option<&Path>) -> io::Result<Self> {
        let (journal, effects) = Journal::open(folder)?;
        let mut store = Self { packages: BTreeMap::new(), used_keys: HashMap::new(), journal };
        for effect in effects {
            store.remember(effect);
        }
        Ok(store)
    }

    /// Publishes a package, unless it is there already. True when something changed.
    pub(super) fn publish(&mut self, effect: Effect) -> Result<(Effect, bool), Objection> {
        let used_for = self.used_keys.get(&effect.idempotency_key);
        let is_other = |(key, versione, impronta): &(String, u64, String)| {
            (key, *versione, impronta) != (&effect.key, effect.versione, &effect.impronta)
        };
        if used_for.is_some_and(is_other) {
            let messaggio = "La chiave di idempotenza è già servita per un altro contenuto";
            return Err(Objection::content("chiave_riusata", messaggio, Vec::new()));
        }
        match self.packages.get(&effect.key) {
            Some(held) if held.is_same(&effect) => return Ok((effect, false)),
            Some(held) if held.versione > effect.versione => {
                return Err(Objection::conflict("versione_superata", "È già pubblicata una versione più recente"));
            }
            Some(held) if held.versione == effect.versione => {
                return Err(Objection::conflict("versione_diversa", "La stessa versione ha già un altro contenuto"));
            }
            _ => {}
        }
        self.journal.append(&effect).map_err(|_| Objection::own_failure())?;
        self.remember(effect.clone());
        Ok((effect, true))
    }

    pub(super) fn get(&self, key: &PackageKey) -> Option<&Effect> {
        self.packages.get(&key.to_string())
    }

    /// The packages after a key, in order, and whether there are more.
    pub(super) fn page(&self, after: Option<&str>, limit: usize) -> (Vec<Elemento>, bool) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut following = self.packages.range::<str, _>((from, Bound::Unbounded)).map(|(_, effect)| Elemento {
            ente: effect.manifesto.ente.clone(),
            dataset: effect.manifesto.dataset.clone(),
            periodo: effect.manifesto.periodo.clone(),
            versione: effect.versione,
            impronta: effect.impronta.clone(),
            righe: effect.righe,
        });
        let page = following.by_ref().take(limit).collect();
        (page, following.next().is_some())
    }

    fn remember(&mut self, effect: Effect) {
        let used_for = (effect.key.clone(), effect.versione, effect.impronta.clone());
        self.used_keys.insert(effect.idempotency_key.clone(), used_for);
        self.packages.insert(effect.key.clone(), effect);
    }
}
