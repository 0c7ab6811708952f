//! What the simulated HUB holds and by which rules: a decision gives its effect, and the same effects in
//! the same order always give the same HUB.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound;
use std::path::Path;

use axum::http::StatusCode;
use canonical::Digest;
use canonical::identifiers::holds_personal_code;
use kit::simulator::Journal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::fields::Field;
use crate::sets::Set;
use crate::wire::{HUB, Invio, PUBBLICATA, Pubblicazione};

/// The one effect: a publication, as the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Effect {
    chiave: String,
    idempotency_key: String,
    impronta: String,
    revisione: u64,
    contenuto: Map<String, Value>,
    /// The number of the change, by which lists are read.
    numero: u64,
}

impl Effect {
    /// The identifier of a publication is that of its key: it survives its revisions.
    fn id(&self) -> String {
        let digest = Digest::of(self.chiave.as_bytes()).to_string();
        format!("P-{}", &digest[..12])
    }
}

/// Why the HUB says no.
#[derive(Debug)]
pub(super) struct Objection {
    pub(super) status: StatusCode,
    pub(super) codice: &'static str,
    pub(super) messaggio: String,
    pub(super) dettagli: Vec<String>,
}

impl Objection {
    fn new(status: StatusCode, codice: &'static str, messaggio: &str) -> Self {
        Self { status, codice, messaggio: messaggio.to_owned(), dettagli: Vec::new() }
    }

    pub(super) fn bad_request(messaggio: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "richiesta_non_valida", messaggio)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "non_trovata", "Nessuna pubblicazione con questa chiave")
    }

    fn content(codice: &'static str, messaggio: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, codice, messaggio)
    }
}

#[derive(Debug, Deserialize)]
struct Campione {
    qualificazioni: Vec<Value>,
    risorse: Vec<Value>,
}

#[derive(Debug)]
pub(super) struct Store {
    campione: Campione,
    held: BTreeMap<String, Effect>,
    /// Key and digest of what was asked under each idempotency key.
    asked: HashMap<String, (String, String, u64)>,
    journal: Journal<Effect>,
    changes: u64,
}

impl Store {
    pub(super) fn open(state: Option<&Path>) -> io::Result<Self> {
        let campione: Campione = serde_json::from_str(include_str!("campione.json"))?;
        let (journal, remembered) = Journal::open(state)?;
        let changes = (campione.qualificazioni.len() + campione.risorse.len()) as u64;
        let mut store = Self { campione, held: BTreeMap::new(), asked: HashMap::new(), journal, changes };
        for effect in remembered {
            store.apply(effect);
        }
        Ok(store)
    }

    fn apply(&mut self, effect: Effect) {
        self.changes = self.changes.max(effect.numero);
        let asked = (effect.chiave.clone(), effect.impronta.clone(), effect.revisione);
        self.asked.insert(effect.idempotency_key.clone(), asked);
        self.held.insert(effect.chiave.clone(), effect);
    }

    /// Takes a publication: its identifier, its revision, and whether it is a new effect.
    pub(super) fn publish(
        &mut self,
        chiave: &str,
        idempotency_key: Option<&str>,
        body: &[u8],
    ) -> Result<(String, u64, bool), Objection> {
        let idempotency_key = idempotency_key.filter(|key| !key.is_empty());
        let idempotency_key = idempotency_key.ok_or_else(|| Objection::bad_request("manca Idempotency-Key"))?;
        let impronta = Digest::of(body).to_string();
        let Invio { revisione, contenuto } =
            serde_json::from_slice(body).map_err(|_| Objection::bad_request("il corpo non è una pubblicazione"))?;
        let effect = Effect {
            chiave: chiave.to_owned(),
            idempotency_key: idempotency_key.to_owned(),
            impronta,
            revisione,
            contenuto,
            numero: self.changes + 1,
        };
        let id = effect.id();
        if let Some((key, impronta, revisione)) = self.asked.get(idempotency_key) {
            return if (key.as_str(), impronta) == (chiave, &effect.impronta) {
                Ok((id, *revisione, false))
            } else {
                Err(Objection::content("chiave_riusata", "Idempotency-Key già usata per un altro contenuto"))
            };
        }
        check(&effect)?;
        if let Some(held) = self.held.get(chiave).filter(|held| held.revisione >= revisione) {
            if held.revisione > revisione {
                let messaggio = "È pubblicata una revisione più recente";
                return Err(Objection::new(StatusCode::CONFLICT, "revisione_superata", messaggio));
            }
            return if held.contenuto == effect.contenuto {
                Ok((id, revisione, false))
            } else {
                let messaggio = "La stessa revisione è pubblicata con un altro contenuto";
                Err(Objection::new(StatusCode::CONFLICT, "revisione_diversa", messaggio))
            };
        }
        self.journal.append(&effect).map_err(|_| {
            Objection::new(StatusCode::INTERNAL_SERVER_ERROR, "errore_interno", "Il registro non è scrivibile")
        })?;
        self.apply(effect);
        Ok((id, revisione, true))
    }

    pub(super) fn get(&self, chiave: &str) -> Option<Pubblicazione> {
        self.held.get(chiave).map(shown)
    }

    /// The publications after a key, in ascending order.
    pub(super) fn page(&self, after: Option<&str>, limit: usize) -> (Vec<Pubblicazione>, bool) {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.held.range::<str, _>((start, Bound::Unbounded)).map(|(_, effect)| effect);
        let page = rest.by_ref().take(limit).map(shown).collect();
        (page, rest.next().is_some())
    }

    /// The qualifications of a body on a day, each with the number of its change.
    pub(super) fn qualificazioni(
        &self,
        ente: Option<&str>,
        data: Option<&str>,
    ) -> Result<Vec<(u64, Value)>, Objection> {
        if data.is_some_and(|data| canonical::values::CalendarDate::parse(data).is_err()) {
            return Err(Objection::bad_request("data non è un giorno AAAA-MM-GG"));
        }
        let own = (1..).zip(self.campione.qualificazioni.iter().cloned());
        let all = own.chain(self.published(Set::Qualificazioni));
        let text = |element: &Value, field: &str| element[field].as_str().map(str::to_owned);
        let is_wanted = |(_, element): &(u64, Value)| {
            ente.is_none_or(|ente| element["codiceFiscale"] == ente)
                && data.is_none_or(|data| {
                    text(element, "validaDal").is_some_and(|begin| begin.as_str() <= data)
                        && text(element, "validaAl").is_none_or(|end| end.as_str() >= data)
                })
        };
        Ok(all.filter(is_wanted).collect())
    }

    /// The resources, each with the number of its change.
    pub(super) fn risorse(&self) -> Vec<(u64, Value)> {
        let first = self.campione.qualificazioni.len() as u64 + 1;
        let own = (first..).zip(self.campione.risorse.iter().cloned());
        own.chain(self.published(Set::Risorse)).collect()
    }

    /// What was published, in the order of its changes, with the origin that is not the HUB.
    fn published(&self, set: Set) -> Vec<(u64, Value)> {
        let of_set = self.held.values().filter(|effect| Set::of_key(&effect.chiave) == Some(set));
        let mut published: Vec<_> = of_set
            .map(|effect| {
                let mut element = Value::Object(effect.contenuto.clone());
                if element.get("origine").is_none() {
                    element["origine"] = json!("raccordo");
                }
                (effect.numero, element)
            })
            .collect();
        published.sort_by_key(|(number, _)| *number);
        published
    }
}

fn shown(effect: &Effect) -> Pubblicazione {
    Pubblicazione {
        chiave: effect.chiave.clone(),
        id: effect.id(),
        stato: PUBBLICATA.to_owned(),
        revisione: effect.revisione,
        contenuto: effect.contenuto.clone(),
    }
}

/// The rules on the content: known fields of the right type, the key of the path, no person, and
/// nothing that the HUB itself is the origin of.
fn check(effect: &Effect) -> Result<(), Objection> {
    let contenuto = &effect.contenuto;
    let set = Set::of_key(&effect.chiave).ok_or_else(Objection::not_found)?;
    let mut dettagli = Vec::new();
    if effect.revisione == 0 {
        dettagli.push("revisione".to_owned());
    }
    let list = set.list();
    for (name, value) in contenuto {
        match &list {
            Some(list) if list.name == name => {
                let elements = value.as_array().map_or(&[][..], Vec::as_slice);
                let objects: Vec<_> = elements.iter().filter_map(Value::as_object).collect();
                let keys: std::collections::BTreeSet<_> = objects.iter().map(|element| list.key(element)).collect();
                if !value.is_array() || keys.len() != elements.len() {
                    dettagli.push(name.clone());
                }
                for element in objects {
                    dettagli.extend(
                        element
                            .iter()
                            .filter(|(field, value)| !admits(list.fields, field, value))
                            .map(|it| format!("{name}/{}", it.0)),
                    );
                }
            }
            _ if admits(set.fields(), name, value) => {}
            _ => dettagli.push(name.clone()),
        }
    }
    let missing = |object: &Map<String, Value>, names: &[&str]| -> Vec<String> {
        names.iter().filter(|name| !object.contains_key(**name)).map(|name| (*name).to_owned()).collect()
    };
    dettagli.extend(missing(contenuto, set.required()));
    if let Some(list) = &list {
        let elements = contenuto.get(list.name).and_then(Value::as_array).into_iter().flatten();
        dettagli.extend(elements.filter_map(Value::as_object).flat_map(|element| missing(element, list.required)));
    }
    if set.key(contenuto).as_ref() != Some(&effect.chiave) {
        dettagli.push("chiave".to_owned());
    }
    if !dettagli.is_empty() {
        let objection = Objection::content("contenuto_non_valido", "Il contenuto non segue il contratto");
        return Err(Objection { dettagli, ..objection });
    }
    if holds_a_person(&Value::Object(contenuto.clone())) {
        return Err(Objection::content("dato_personale", "Il contenuto ha il codice fiscale di una persona"));
    }
    if set == Set::Risorse && contenuto.get("origine").is_some_and(|origine| origine == HUB) {
        return Err(Objection::content("origine_propria", "La risorsa è dello stesso HUB"));
    }
    Ok(())
}

fn admits(fields: &[Field], name: &str, value: &Value) -> bool {
    fields.iter().any(|field| field.name == name && field.shape.read(value).is_some())
}

fn holds_a_person(value: &Value) -> bool {
    match value {
        Value::String(text) => holds_personal_code(text),
        Value::Array(values) => values.iter().any(holds_a_person),
        Value::Object(fields) => fields.values().any(holds_a_person),
        _ => false,
    }
}
