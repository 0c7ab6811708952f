//! What the simulator checks before anything may have an effect: everything that the contract says
//! can be recomputed, that the body is a member, and that no person is in it.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use canonical::Digest;
use canonical::identifiers::holds_personal_code;
use kit::simulator::problem;
use serde_json::Value;

use crate::dataset::{Dataset, Riga};
use crate::read::{are_in_order, belong_to, righe};
use crate::unit::{Collection, Unit};
use crate::wire::{ADESIONE_ASSENTE, CSV_TYPE, Manifesto, NDJSON_TYPE, PUBBLICATO, Pacchetto, Scheda};

use super::requests::Sent;
use super::settings::Behaviour;
use super::store::Held;

/// Why a request has no effect.
#[derive(Debug)]
pub(super) struct Objection {
    status: StatusCode,
    codice: &'static str,
    messaggio: &'static str,
    dettagli: Vec<String>,
}

impl Objection {
    pub(super) fn bad_request(messaggio: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, codice: "richiesta_non_valida", messaggio, dettagli: Vec::new() }
    }

    pub(super) fn conflict(codice: &'static str, messaggio: &'static str) -> Self {
        Self { status: StatusCode::CONFLICT, codice, messaggio, dettagli: Vec::new() }
    }

    pub(super) fn content(codice: &'static str, messaggio: &'static str, dettagli: Vec<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, codice, messaggio, dettagli }
    }

    pub(super) fn own_failure() -> Self {
        let messaggio = "Ciò che è arrivato non può essere conservato";
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, codice: "errore_interno", messaggio, dettagli: Vec::new() }
    }

    fn not_a_member() -> Self {
        let messaggio = "L'ente non aderisce a Pi.Co.";
        Self { status: StatusCode::FORBIDDEN, codice: ADESIONE_ASSENTE, messaggio, dettagli: Vec::new() }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        problem(self.status, self.codice, self.messaggio, &self.dettagli)
    }
}

/// What is to be held after a publication, when there is nothing to object.
pub(super) fn held(sent: Sent, behaviour: &Behaviour) -> Result<Held, Objection> {
    let idempotency_key = sent
        .idempotency_key
        .filter(|key| !key.is_empty())
        .ok_or_else(|| Objection::bad_request("Manca l'intestazione Idempotency-Key"))?;
    let versione = sent
        .versione
        .parse()
        .ok()
        .filter(|versione| *versione > 0)
        .ok_or_else(|| Objection::bad_request("La versione è un numero intero da 1 in su"))?;
    let unit = sent.unit.ok_or_else(|| {
        Objection::bad_request("Il percorso non è quello di un dataset, di una risorsa o di una segnalazione")
    })?;
    let held = match &unit {
        Unit::Package { key, dataset, .. } => {
            let package: Pacchetto = serde_json::from_slice(&sent.body)
                .map_err(|_| Objection::bad_request("Il corpo non è un pacchetto con manifesto e file"))?;
            if !behaviour.is_member(&key.ente) {
                return Err(Objection::not_a_member());
            }
            let manifesto = &package.manifesto;
            if manifesto.key() != *key || manifesto.versione != versione || manifesto.schema != dataset.schema() {
                return Err(incoherent("il manifesto non corrisponde al percorso o allo schema"));
            }
            let contenuto = contents(dataset, &package)?;
            let manifesto = package.manifesto;
            let impronta = manifesto.impronta.clone();
            let stato = PUBBLICATO.to_owned();
            Held {
                key: unit.to_string(),
                versione,
                impronta,
                idempotency_key,
                stato,
                manifesto: Some(manifesto),
                contenuto,
            }
        }
        Unit::Sheet { collection, .. } => {
            let scheda: Scheda = serde_json::from_slice(&sent.body)
                .map_err(|_| Objection::bad_request("Il corpo non è una scheda con versione, impronta e contenuto"))?;
            if scheda.versione != versione {
                return Err(incoherent("la scheda non ha la versione del percorso"));
            }
            let stato = sheet_state(*collection, &unit, &scheda, behaviour)?;
            let contenuto = scheda.contenuto.get().to_owned();
            let (key, impronta) = (unit.to_string(), scheda.impronta);
            Held { key, versione, impronta, idempotency_key, stato, manifesto: None, contenuto }
        }
    };
    Ok(held)
}

/// The state of a sheet that says of itself what its path says.
fn sheet_state(
    collection: Collection,
    unit: &Unit,
    scheda: &Scheda,
    behaviour: &Behaviour,
) -> Result<String, Objection> {
    let content = scheda.contenuto.get();
    if Digest::of(content.as_bytes()).to_string() != scheda.impronta {
        return Err(wrong_digest("contenuto"));
    }
    check_persons([content])?;
    let value: Value = serde_json::from_str(content).map_err(|_| invalid("il contenuto non è JSON"))?;
    let riga = Riga::read(collection.dataset(), &value).map_err(|why| invalid(&why))?;
    check_known(&riga, &value)?;
    if format!("{}{}", collection.prefix(), riga.key()) != unit.to_string() {
        return Err(incoherent("il contenuto non corrisponde al percorso"));
    }
    let text = |column| riga.cell(column).map(ToString::to_string).unwrap_or_default();
    match collection {
        Collection::Risorse => Ok(text("stato")),
        Collection::Segnalazioni if !behaviour.is_member(&text("codice_fiscale_ente")) => {
            Err(Objection::not_a_member())
        }
        Collection::Segnalazioni => Ok("aperta".to_owned()),
    }
}

/// The NDJSON of a package in which everything agrees.
fn contents(dataset: &'static Dataset, package: &Pacchetto) -> Result<String, Objection> {
    let file = |extension: &str, tipo: &str| {
        let nome = format!("{}.{extension}", dataset.name);
        let mut found = package.file.iter().filter(|file| file.nome == nome && file.tipo == tipo);
        found.next().filter(|_| found.next().is_none()).ok_or_else(|| incoherent(&format!("manca il file {nome}")))
    };
    let (csv, ndjson) = (file("csv", CSV_TYPE)?, file("ndjson", NDJSON_TYPE)?);
    for file in [csv, ndjson] {
        if Digest::of(file.contenuto.as_bytes()).to_string() != file.impronta {
            return Err(wrong_digest(&file.nome));
        }
    }
    if ndjson.impronta != package.manifesto.impronta {
        return Err(wrong_digest("manifesto"));
    }
    check_persons([csv.contenuto.as_str(), ndjson.contenuto.as_str()])?;
    check_rows(dataset, &package.manifesto, &csv.contenuto, &ndjson.contenuto)?;
    Ok(ndjson.contenuto.clone())
}

fn check_rows(dataset: &'static Dataset, manifesto: &Manifesto, csv: &str, ndjson: &str) -> Result<(), Objection> {
    let rows = righe(dataset, ndjson).map_err(|detail| invalid(&detail))?;
    for (row, line) in rows.iter().zip(ndjson.lines()) {
        check_known(row, &serde_json::from_str(line).unwrap_or_default())?;
    }
    if !belong_to(&rows, &manifesto.ente) {
        return Err(invalid("una riga appartiene a un altro ente"));
    }
    if !are_in_order(&rows) {
        return Err(invalid("le righe non sono in ordine di chiave"));
    }
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let columns = || dataset.columns.iter().map(|column| column.name);
    let has_columns = reader.headers().is_ok_and(|headers| headers.iter().eq(columns()));
    let mut expected = rows.iter();
    // A cell made harmless for spreadsheets has an apostrophe more than the true value.
    let is_same = |record: &csv::StringRecord, row: &Riga| {
        let cells = row.columns().map(|(_, cell)| cell.map(ToString::to_string).unwrap_or_default());
        cells.zip(record.iter()).all(|(cell, text)| text == cell || text.strip_prefix('\'') == Some(cell.as_str()))
    };
    let same_rows = reader
        .records()
        .all(|record| record.is_ok_and(|record| expected.next().is_some_and(|row| is_same(&record, row))));
    if !has_columns || !same_rows || expected.next().is_some() {
        return Err(incoherent("i due file non hanno le stesse righe"));
    }
    if manifesto.righe != rows.len() as u64 {
        return Err(incoherent("il numero delle righe non è quello del manifesto"));
    }
    if dataset.totals_of(&rows).as_ref() != Some(&manifesto.aggregati) {
        let messaggio = "Gli aggregati non si ricalcolano dalle righe";
        return Err(Objection::content("aggregati_errati", messaggio, Vec::new()));
    }
    Ok(())
}

/// A row has no field and no word that the contract does not have.
fn check_known(row: &Riga, value: &Value) -> Result<(), Objection> {
    if value.as_object().is_none_or(|fields| fields.len() != row.filled().count()) {
        return Err(invalid("un campo non è dello schema"));
    }
    match row.filled().find(|(column, cell)| !column.shape.admits(cell)) {
        Some((column, _)) => Err(invalid(&format!("{} ha un valore non previsto", column.name))),
        None => Ok(()),
    }
}

fn check_persons<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<(), Objection> {
    if texts.into_iter().any(holds_personal_code) {
        let messaggio = "Il contenuto ha il codice fiscale di una persona";
        return Err(Objection::content("dato_personale", messaggio, Vec::new()));
    }
    Ok(())
}

fn invalid(detail: &str) -> Objection {
    Objection::content("riga_non_valida", "Una riga non rispetta lo schema", vec![detail.to_owned()])
}

fn incoherent(detail: &str) -> Objection {
    Objection::content("manifesto_incoerente", "Le parti non concordano fra loro", vec![detail.to_owned()])
}

fn wrong_digest(what: &str) -> Objection {
    Objection::content("impronta_errata", "Un'impronta non corrisponde al contenuto", vec![what.to_owned()])
}
