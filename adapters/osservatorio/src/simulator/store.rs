//! What the simulator holds: packages by key, the journal of their effects, and what it objects to.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound;
use std::path::Path;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use canonical::Digest;
use canonical::identifiers::holds_personal_code;
use kit::simulator::{Journal, problem};
use serde::{Deserialize, Serialize};

use crate::wire::{Accolto, Manifesto, Pacchetto, PackageKey};
use crate::write;

/// Why a delivery has no effect.
#[derive(Debug)]
pub(super) struct Objection(StatusCode, &'static str, &'static str);

impl Objection {
    pub(super) fn into_response(self) -> Response<Body> {
        problem(self.0, self.1, self.2, &[])
    }
}

fn request(messaggio: &'static str) -> Objection {
    Objection(StatusCode::BAD_REQUEST, "richiesta_non_valida", messaggio)
}

fn content(codice: &'static str, messaggio: &'static str) -> Objection {
    Objection(StatusCode::UNPROCESSABLE_ENTITY, codice, messaggio)
}

/// One effect: a package that was delivered, or that replaced the one before.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Effect {
    pub(super) idempotency_key: String,
    pub(super) package: Pacchetto,
}

impl Effect {
    /// What a delivery would do, when there is nothing to object to it by itself.
    pub(super) fn of(key: &PackageKey, idempotency_key: Option<String>, body: &[u8]) -> Result<Self, Objection> {
        let idempotency_key =
            idempotency_key.filter(|key| !key.is_empty()).ok_or(request("Manca l'intestazione Idempotency-Key"))?;
        let package: Pacchetto = serde_json::from_slice(body)
            .map_err(|_| request("Il corpo non è un pacchetto con manifesto e contenuto"))?;
        let manifesto = &package.manifesto;
        if PackageKey::parse(&key.to_string()).is_none() || manifesto.key() != *key || manifesto.versione == 0 {
            return Err(request("Il manifesto non corrisponde al percorso, o la versione non va da 1 in su"));
        }
        let incoherent = || content("contenuto_non_coerente", "Righe o impronta non sono quelle del contenuto");
        if Digest::of(package.contenuto.as_bytes()).to_string() != manifesto.impronta {
            return Err(incoherent());
        }
        let rows = write::rows(&package.contenuto)
            .map_err(|_| content("riga_non_valida", "Una riga non è un record canonico"))?;
        if rows.len() as u64 != manifesto.righe || rows.iter().any(|row| !is_of(row, key)) {
            return Err(incoherent());
        }
        if holds_personal_code(&package.contenuto) {
            return Err(content("dato_personale", "Il pacchetto contiene il codice fiscale di una persona"));
        }
        Ok(Self { idempotency_key, package })
    }

    fn version(&self) -> (String, u64, &str) {
        let manifesto = &self.package.manifesto;
        (manifesto.key().to_string(), manifesto.versione, &manifesto.impronta)
    }

    fn taken(&self) -> Accolto {
        let (key, versione, impronta) = self.version();
        Accolto { id: format!("{key}/{versione}"), versione, impronta: impronta.to_owned() }
    }
}

/// Whether a row is of the body and the year of its package.
fn is_of(row: &contract::Row, key: &PackageKey) -> bool {
    let is = |field: &str, value: &str| row.fields.get(field).is_some_and(|held| held.to_string() == value);
    is("stazione_appaltante", &key.ente) && is("anno_riferimento", &key.periodo)
}

pub(super) struct Store {
    packages: BTreeMap<String, Effect>,
    /// What each idempotency key was used for.
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

    /// Takes a package, unless it is there already. True when something changed.
    pub(super) fn deliver(&mut self, effect: Effect) -> Result<(Accolto, bool), Objection> {
        let (key, versione, impronta) = effect.version();
        let used = self.used_keys.get(&effect.idempotency_key);
        if used.is_some_and(|used| (&used.0, used.1, used.2.as_str()) != (&key, versione, impronta)) {
            return Err(content("chiave_riusata", "La chiave di idempotenza è già servita per un altro contenuto"));
        }
        if let Some(held) = self.packages.get(&key) {
            let (_, held_version, held_digest) = held.version();
            let conflict = |codice, messaggio| Err(Objection(StatusCode::CONFLICT, codice, messaggio));
            match held_version.cmp(&versione) {
                std::cmp::Ordering::Greater => {
                    return conflict("versione_superata", "È già presente una versione più recente");
                }
                std::cmp::Ordering::Equal if held_digest != impronta => {
                    return conflict("versione_diversa", "La stessa versione ha già un altro contenuto");
                }
                std::cmp::Ordering::Equal => return Ok((effect.taken(), false)),
                std::cmp::Ordering::Less => {}
            }
        }
        let failed = |_| Objection(StatusCode::INTERNAL_SERVER_ERROR, "errore_interno", "Il giornale non è scrivibile");
        self.journal.append(&effect).map_err(failed)?;
        let taken = effect.taken();
        self.remember(effect);
        Ok((taken, true))
    }

    pub(super) fn get(&self, key: &PackageKey) -> Option<&Effect> {
        self.packages.get(&key.to_string())
    }

    /// The packages after a key, in order, and whether there are more.
    pub(super) fn page(&self, after: Option<&str>, limit: usize) -> (Vec<Manifesto>, bool) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut following =
            self.packages.range::<str, _>((from, Bound::Unbounded)).map(|(_, it)| it.package.manifesto.clone());
        let page = following.by_ref().take(limit).collect();
        (page, following.next().is_some())
    }

    fn remember(&mut self, effect: Effect) {
        let (key, versione, impronta) = effect.version();
        let used = (key.clone(), versione, impronta.to_owned());
        self.used_keys.insert(effect.idempotency_key.clone(), used);
        self.packages.insert(key, effect);
    }
}
