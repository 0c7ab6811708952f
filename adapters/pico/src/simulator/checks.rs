//! What the simulator checks before a package may have an effect: everything that the contract
//! says can be recomputed, and that no person is in it.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use canonical::Digest;
use canonical::identifiers::{CodiceFiscale, holds_personal_code};
use kit::simulator::problem;

use crate::files::COLUMNS;
use crate::read::righe;
use crate::wire::{APPALTI, Aggregati, CSV_FILE, Manifesto, NDJSON_FILE, Pacchetto, PackageKey, SCHEMA};

use super::store::Effect;

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
        let messaggio = "Il pacchetto non può essere conservato";
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, codice: "errore_interno", messaggio, dettagli: Vec::new() }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        problem(self.status, self.codice, self.messaggio, &self.dettagli)
    }
}

/// The effect that a publication asks for, when there is nothing to object.
pub(super) fn effect(
    key: &PackageKey,
    versione: &str,
    idempotency_key: Option<String>,
    body: &[u8],
) -> Result<Effect, Objection> {
    let idempotency_key = idempotency_key
        .filter(|key| !key.is_empty())
        .ok_or_else(|| Objection::bad_request("Manca l'intestazione Idempotency-Key"))?;
    let versione = versione
        .parse()
        .ok()
        .filter(|versione| *versione > 0)
        .ok_or_else(|| Objection::bad_request("La versione è un numero intero da 1 in su"))?;
    let package: Pacchetto = serde_json::from_slice(body)
        .map_err(|_| Objection::bad_request("Il corpo non è un pacchetto con manifesto e file"))?;
    let contenuto = contents(key, versione, &package)?;
    let Pacchetto { manifesto, .. } = package;
    let (impronta, righe) = (manifesto.impronta.clone(), manifesto.righe);
    Ok(Effect { key: key.to_string(), versione, impronta, idempotency_key, righe, manifesto, contenuto })
}

/// The NDJSON of a package in which everything agrees.
fn contents(key: &PackageKey, versione: u64, package: &Pacchetto) -> Result<String, Objection> {
    let manifesto = &package.manifesto;
    let is_body = CodiceFiscale::parse(&key.ente).is_ok_and(|ente| !ente.is_person());
    let is_year = key.periodo.len() == 4 && key.periodo.bytes().all(|byte| byte.is_ascii_digit());
    if !is_body || !is_year || key.dataset != APPALTI {
        return Err(Objection::bad_request("Il percorso vuole codice fiscale di un ente, dataset noto e anno"));
    }
    if manifesto.key() != *key || manifesto.versione != versione || manifesto.schema != SCHEMA {
        return Err(incoherent("il manifesto non corrisponde al percorso o allo schema"));
    }
    let file = |(nome, tipo): (&str, &str)| {
        let mut found = package.file.iter().filter(|file| file.nome == nome && file.tipo == tipo);
        found.next().filter(|_| found.next().is_none()).ok_or_else(|| incoherent(&format!("manca il file {nome}")))
    };
    let (csv, ndjson) = (file(CSV_FILE)?, file(NDJSON_FILE)?);
    for file in [csv, ndjson] {
        if Digest::of(file.contenuto.as_bytes()).to_string() != file.impronta {
            return Err(wrong_digest(&file.nome));
        }
    }
    if ndjson.impronta != manifesto.impronta {
        return Err(wrong_digest("manifesto"));
    }
    if [csv, ndjson].iter().any(|file| holds_personal_code(&file.contenuto)) {
        let messaggio = "Il pacchetto contiene il codice fiscale di una persona";
        return Err(Objection::content("dato_personale", messaggio, Vec::new()));
    }
    check_rows(manifesto, &csv.contenuto, &ndjson.contenuto)?;
    Ok(ndjson.contenuto.clone())
}

fn check_rows(manifesto: &Manifesto, csv: &str, ndjson: &str) -> Result<(), Objection> {
    let invalid = |detail: &str| {
        Objection::content("riga_non_valida", "Una riga non rispetta lo schema del dataset", vec![detail.to_owned()])
    };
    let rows = righe(ndjson).map_err(|detail| invalid(&detail))?;
    if rows.iter().any(|row| row.codice_fiscale_ente.as_str() != manifesto.ente) {
        return Err(invalid("una riga appartiene a un altro ente"));
    }
    if !rows.is_sorted_by(|one, next| one.cig < next.cig) {
        return Err(invalid("le righe non sono in ordine di CIG"));
    }
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let has_columns = reader.headers().is_ok_and(|headers| headers.iter().eq(COLUMNS));
    let mut cells = rows.iter().map(|row| Some(row.cig.to_string()));
    let same_lots = reader.records().all(|record| {
        let record = record.ok();
        cells.next().is_some_and(|cig| record.as_ref().and_then(|record| record.get(1)) == cig.as_deref())
    });
    if !has_columns || !same_lots || cells.next().is_some() {
        return Err(incoherent("i due file non hanno le stesse righe"));
    }
    if manifesto.righe != rows.len() as u64 {
        return Err(incoherent("il numero delle righe non è quello del manifesto"));
    }
    if Aggregati::of(&rows).as_ref() != Some(&manifesto.aggregati) {
        let messaggio = "Gli aggregati non si ricalcolano dalle righe";
        return Err(Objection::content("aggregati_errati", messaggio, Vec::new()));
    }
    Ok(())
}

fn incoherent(detail: &str) -> Objection {
    Objection::content("manifesto_incoerente", "Il manifesto non concorda con i file", vec![detail.to_owned()])
}

fn wrong_digest(what: &str) -> Objection {
    Objection::content("impronta_errata", "Un'impronta non corrisponde al contenuto", vec![what.to_owned()])
}
