//! From canonical records to what Pi.Co. takes, without the world: where a record goes, and the
//! bytes that publish a unit.
//!
//! The same members give the same bytes, in whatever order they come.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use canonical::identifiers::{Cig, CodiceFiscale, holds_personal_code};
use canonical::kinds::Piano;
use canonical::{Body, Digest, Finding, Kind, Record, RecordKey, Rule};
use contract::{Composed, Explanation, Lane, Placement, UnitKey};
use serde_json::value::RawValue;

use crate::dataset::{self, Period};
use crate::unit::{Collection, Unit};
use crate::wire::{CSV_TYPE, FilePacchetto, Manifesto, NDJSON_TYPE, Pacchetto, PackageKey, Scheda};
use crate::{SYSTEM, files, italian_day};

/// Where a record goes.
pub(crate) fn place(record: &Record) -> Placement {
    let withheld = |code| Placement::Withheld { code };
    let destination = match destination(&record.body) {
        Ok(Some(destination)) => destination,
        Ok(None) => return Placement::Elsewhere,
        Err(code) => return withheld(code),
    };
    // A key becomes the key of a row, or an address: nothing can be taken out of it.
    if holds_personal_code(record.key().as_str()) {
        return withheld("personal_key");
    }
    let unit = match destination {
        Destination::Package { ente, dataset, periodo } => {
            let Some(ente) = ente else { return withheld("no_authority") };
            if ente.is_person() {
                return withheld("not_a_body");
            }
            let Some(periodo) = periodo else { return withheld("no_period") };
            let key = PackageKey { ente: ente.to_string(), dataset: dataset.to_owned(), periodo };
            Unit::parse(&key.to_string()).ok_or("no_period")
        }
        Destination::Sheet(collection, identifiers) => Unit::sheet(collection, &identifiers).ok_or("unusable_id"),
    };
    match unit {
        Ok(unit) => Placement::Unit(contract::Unit { key: unit.key(), lane: Lane(unit.to_string()) }),
        Err(code) => withheld(code),
    }
}

/// Where a body belongs, before its parts are looked at.
enum Destination<'a> {
    Package { ente: Option<CodiceFiscale>, dataset: &'static str, periodo: Option<String> },
    Sheet(Collection, Vec<&'a str>),
}

fn destination(body: &Body) -> Result<Option<Destination<'_>>, &'static str> {
    let package = |ente, dataset, periodo| Ok(Some(Destination::Package { ente, dataset, periodo }));
    let year = |anno: Option<u16>| anno.map(|anno| anno.to_string());
    let current = || Some(Period::CURRENT.to_owned());
    if has_null_cig(body) {
        return Err("null_cig");
    }
    match body {
        Body::Lotto(it) => package(it.stazione_appaltante, "appalti", year(it.anno_riferimento)),
        Body::Aggiudicazione(it) => package(it.stazione_appaltante, "appalti", year(it.anno_riferimento)),
        Body::Contratto(it) => package(it.stazione_appaltante, "appalti", year(it.anno_riferimento)),
        Body::EventoEsecuzione(it) => package(it.stazione_appaltante, "appalti", year(it.anno_riferimento)),
        Body::Procedura(it) => {
            let day = it.pubblicata_il.and_then(italian_day::of);
            package(it.stazione_appaltante, "gare", day.map(|day| format!("{:04}", day.year())))
        }
        Body::Progetto(it) => project(it.ente, &it.piani),
        Body::CollegamentoCupCig(it) => project(it.ente, &it.piani),
        Body::Programma(it) => {
            let anno = dataset::year_of_programme(&it.id).unwrap_or(it.anno);
            package(Some(it.ente), "programmazione", year(Some(anno)))
        }
        Body::Intervento(it) => {
            package(Some(it.ente), "programmazione", year(dataset::year_of_programme(&it.id_programma)))
        }
        Body::Qualificazione(it) => package(Some(it.ente), "qualificazione", current()),
        Body::ServizioAssociato(it) if it.ente_fruitore.is_person() => Err("not_a_body"),
        Body::ServizioAssociato(it) => package(Some(it.ente_erogatore), "servizi-associati", current()),
        Body::Rilevazione(it) => package(Some(it.ente), dataset::of_theme(it.tema).name, year(Some(it.periodo.anno()))),
        // What Pi.Co. itself publishes does not come back to it.
        Body::Risorsa(it) if it.origine == SYSTEM => Ok(None),
        Body::Risorsa(it) if it.origine.contains('/') => Err("unusable_id"),
        Body::Risorsa(it) => Ok(Some(Destination::Sheet(Collection::Risorse, vec![&it.origine, &it.id]))),
        Body::Segnalazione(it) if it.ente.is_person() => Err("not_a_body"),
        Body::Segnalazione(it) => Ok(Some(Destination::Sheet(Collection::Segnalazioni, vec![&it.id]))),
        Body::Ente(_)
        | Body::OperatoreEconomico(_)
        | Body::Pagamento(_)
        | Body::Adesione(_)
        | Body::Territorio(_)
        | Body::Codice(_) => Ok(None),
    }
}

/// Whether a row would be known by the null CIG, which names no lot: those of strangers would be one.
fn has_null_cig(body: &Body) -> bool {
    let cig = match body {
        Body::Lotto(it) => Some(it.cig),
        Body::Aggiudicazione(it) => Some(it.cig),
        Body::Contratto(it) => Some(it.cig),
        Body::EventoEsecuzione(it) => Some(it.cig),
        Body::CollegamentoCupCig(it) => it.cig,
        _ => None,
    };
    cig.is_some_and(Cig::is_null)
}

/// Where a project or a link of it belongs, by its plans: the recovery plans before the European
/// funds. Without plans it waits for one; of other plans, it is not shown on Pi.Co.
fn project(ente: Option<CodiceFiscale>, piani: &BTreeSet<Piano>) -> Result<Option<Destination<'static>>, &'static str> {
    let dataset = if piani.iter().any(|piano| matches!(piano, Piano::Pnrr | Piano::Pnc)) {
        "progetti-pnrr-pnc"
    } else if piani.contains(&Piano::FondiEuropei) {
        "progetti-europei"
    } else if !piani.is_empty() {
        return Ok(None);
    } else {
        return Err(if ente.is_none() { "no_authority" } else { "no_plan" });
    };
    Ok(Some(Destination::Package { ente, dataset, periodo: Some(Period::CURRENT.to_owned()) }))
}

/// What publishes a unit. The error is for people.
pub(crate) fn compose(key: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String> {
    let unit = Unit::parse(key.as_str()).ok_or_else(|| {
        format!("«{key}» non è un'unità di Pi.Co.: segnalare il caso, con questa chiave, a chi mantiene Raccordo")
    })?;
    let mut findings = Vec::new();
    let members = unique(members, &mut findings);
    if members.is_empty() && matches!(unit, Unit::Sheet { collection: Collection::Segnalazioni, .. }) {
        return Err(format!(
            "il record della segnalazione {key} non c'è più, ma Pi.Co. ne conserva il ticket: \
             chiuderlo con l'help desk di Pi.Co."
        ));
    }
    let (righe, of_rows) = unit.dataset().rows(unit.origin(), &members);
    findings.extend(of_rows);
    let mut columns = righe.iter().flat_map(dataset::Riga::columns);
    if let Some((column, _)) = columns.find(|(column, cell)| column.is_required && cell.is_none()) {
        return Err(format!(
            "una riga di {key} non ha «{}», senza cui Pi.Co. non la prende: completare il record nella fonte",
            column.name
        ));
    }
    let unwritable = |error: &dyn std::fmt::Display| {
        format!("una riga di {key} non può essere scritta ({error}): segnalare il caso a chi mantiene Raccordo")
    };
    let body = match &unit {
        Unit::Package { key, dataset, .. } => {
            let aggregati = dataset.totals_of(&righe).ok_or_else(|| {
                format!("un totale di {key} è troppo grande: correggere nella fonte gli importi fuori scala")
            })?;
            let name = dataset.name;
            let ndjson = file(name, "ndjson", NDJSON_TYPE, files::ndjson(&righe).map_err(|error| unwritable(&error))?);
            let csv = file(name, "csv", CSV_TYPE, files::csv(dataset, &righe).map_err(|error| unwritable(&error))?);
            let manifesto = Manifesto {
                ente: key.ente.clone(),
                dataset: key.dataset.clone(),
                periodo: key.periodo.clone(),
                versione: revision,
                righe: righe.len() as u64,
                impronta: ndjson.impronta.clone(),
                generato_da: "raccordo".to_owned(),
                schema: dataset.schema(),
                aggregati,
            };
            serde_json::to_vec(&Pacchetto { manifesto, file: vec![csv, ndjson] })
        }
        Unit::Sheet { .. } => {
            let row = righe
                .first()
                .ok_or_else(|| format!("la scheda {key} non ha una riga: segnalare il caso a chi mantiene Raccordo"))?;
            let text = serde_json::to_string(row).map_err(|error| unwritable(&error))?;
            let impronta = Digest::of(text.as_bytes()).to_string();
            let contenuto = RawValue::from_string(text).map_err(|error| unwritable(&error))?;
            serde_json::to_vec(&Scheda { versione: revision, impronta, contenuto })
        }
    };
    let body = body.map_err(|error| unwritable(&error))?;
    Ok(Composed { body, rows: righe.iter().map(dataset::Riga::row).collect(), findings })
}

/// Why each field of a unit has its value. Nothing to explain for what is no unit of ours.
pub(crate) fn explain(key: &UnitKey, members: &[Record]) -> Vec<Explanation> {
    let Some(unit) = Unit::parse(key.as_str()) else { return Vec::new() };
    let members = unique(members, &mut Vec::new());
    unit.dataset().explain(unit.origin(), &members)
}

fn file(dataset: &str, extension: &str, tipo: &str, contenuto: String) -> FilePacchetto {
    let impronta = Digest::of(contenuto.as_bytes()).to_string();
    FilePacchetto { nome: format!("{dataset}.{extension}"), tipo: tipo.to_owned(), impronta, contenuto }
}

/// The members in the order of kind and key. The flow hands over one record for each; should it
/// ever hand over two that differ, one is taken, always the same, with a finding.
fn unique<'a>(members: &'a [Record], findings: &mut Vec<Finding>) -> Vec<&'a Record> {
    let mut chosen: BTreeMap<(Kind, RecordKey), &Record> = BTreeMap::new();
    for member in members {
        match chosen.entry((member.kind(), member.key())) {
            Entry::Vacant(entry) => drop(entry.insert(member)),
            Entry::Occupied(mut entry) => {
                let order = member.digest().cmp(&entry.get().digest());
                if order.is_lt() {
                    entry.insert(member);
                }
                let finding = Finding::new(Rule::R06).at(member.key().as_str()).detail("repeated_member");
                if order.is_ne() && !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        }
    }
    findings.sort_by(|one, other| one.field.cmp(&other.field));
    chosen.into_values().collect()
}
