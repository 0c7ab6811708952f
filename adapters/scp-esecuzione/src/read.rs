//! From a scheda of the archive to canonical records. Pure.
//!
//! Every scheda gives its event, and that of the signature the contract too; what cannot be used
//! stands aside with its text. The table of the schede decides what is read from where, and a field
//! of the scheda that the table does not know is told.

use canonical::identifiers::Cig;
use canonical::kinds::{Body, Contratto, Dettaglio, EventoEsecuzione, StatoEvento};
use canonical::{FieldPath, Finding, Kind, Rule, Severity};
use contract::{DraftRecord, Normalized, SetAside};
use serde_json::{Map, Value, json};

use crate::SYSTEM;
use crate::schede::{Learnt, Scheda, at, put};
use crate::wire::{ListaSchede, SchedaLetta, contenuto};

/// The schede of an answer, each with its place, the kinds in the order of a contract's life.
/// References by identifier are followed here: a scheda alone does not know its neighbours.
pub(crate) fn schede_of(cig: &str, lista: &ListaSchede) -> Vec<SchedaLetta> {
    let mut read = Vec::new();
    for award in lista.data.iter().flatten() {
        let id_aggiudicazione = award.get("idAggiudicazione").and_then(Value::as_u64).map(u32::try_from);
        let mut names: Vec<_> = award.iter().filter(|(_, value)| value.is_object() || value.is_array()).collect();
        names.sort_by_key(|(name, _)| Scheda::all().position(|scheda| scheda.code == scheda_name(name)));
        for (name, value) in names {
            let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for (posto, scheda) in (1..).zip(list) {
                read.push(SchedaLetta {
                    cig: cig.to_owned(),
                    id_aggiudicazione: id_aggiudicazione.and_then(Result::ok),
                    nome: name.clone(),
                    posto,
                    riferita: referred(award, name, scheda, MOST_STEPS),
                    scheda: scheda.clone(),
                });
            }
        }
    }
    read
}

/// The four schede of a modification stand under one name.
fn scheda_name(name: &str) -> &str {
    if name == "M" { "M1" } else { name }
}

/// RI1 → SQ1 → SO1 and CS1 → ES1 → RSU1 are the longest chains.
const MOST_STEPS: u8 = 2;

/// The number of the suspension, or of the request, that a scheda refers to by identifier.
fn referred(award: &Map<String, Value>, name: &str, scheda: &Value, steps: u8) -> Option<u32> {
    let targets: &[&str] = match name {
        "SQ1" => &["SO1"],
        "RI1" => &["SO1", "SQ1"],
        "ES1" => &["RSU1"],
        "CS1" => &["ES1"],
        _ => return None,
    };
    let id = scheda.pointer("/anacForm/idScheda")?;
    for target in targets {
        let list = award.get(*target).and_then(Value::as_array).into_iter().flatten();
        for (posto, other) in (1..).zip(list) {
            if other.get("idScheda") == Some(id) {
                let is_last = matches!(*target, "SO1" | "RSU1");
                return if is_last || steps == 0 {
                    Some(number(other, "progressivo").unwrap_or(posto))
                } else {
                    reference(other).or_else(|| referred(award, target, other, steps - 1))
                };
            }
        }
    }
    None
}

/// The same, where the platform says it by number.
fn reference(scheda: &Value) -> Option<u32> {
    let ours = scheda.get("integrazioni")?;
    number(ours, "progressivoSospensione").or_else(|| number(ours, "progressivoRichiesta"))
}

fn number(value: &Value, name: &str) -> Option<u32> {
    value.get(name)?.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// Understands the stored text of a scheda.
pub(crate) fn normalize(text: &str) -> Normalized {
    match serde_json::from_str(text) {
        Ok(letta) => records(&letta)
            .unwrap_or_else(|set_aside| Normalized { set_aside: Some(set_aside), ..Normalized::default() }),
        Err(_) => Normalized {
            set_aside: Some(aside(Rule::N03, "the record is not a scheda with its place")),
            ..Normalized::default()
        },
    }
}

fn aside(rule: Rule, reason: impl Into<String>) -> SetAside {
    SetAside { rule, reason: reason.into() }
}

fn records(letta: &SchedaLetta) -> Result<Normalized, SetAside> {
    let reading = Cig::read(&letta.cig);
    let cig = match reading.value {
        Some(cig) if cig.is_null() => {
            return Err(aside(Rule::R05, "the scheda has a null CIG, which is the key of nothing"));
        }
        Some(cig) => cig,
        None => return Err(aside(Rule::R04, "the CIG of the scheda is malformed")),
    };
    let code = letta.scheda.get("scheda").and_then(Value::as_str).unwrap_or(scheda_name(&letta.nome));
    let scheda = Scheda::of_code(code).ok_or_else(|| aside(Rule::N05, "the scheda has an unknown code"))?;
    let id_aggiudicazione =
        letta.id_aggiudicazione.ok_or_else(|| aside(Rule::N08, "the award of the scheda has no number"))?;
    let mut learnt = Learnt::default();
    if let Some(note) = reading.note {
        learnt.findings.push(Finding::new(Rule::R04).at("cig").detail(note.code()).received(letta.cig.clone()));
        learnt.raw.insert("/cig".into(), letta.cig.clone());
    }
    let progressivo = number(&letta.scheda, "progressivo").unwrap_or_else(|| {
        let finding = Finding::new(Rule::N08).at("progressivo").detail("progressivo_from_order");
        learnt.findings.push(finding.severity(Severity::Info));
        letta.posto
    });
    let mut form = letta.scheda.get("anacForm").cloned().unwrap_or_default();
    upgrade(code, &mut form);
    let received = contenuto(&form, letta.scheda.get("integrazioni").unwrap_or(&Value::Null));
    let mut body = json!({
        "cig": cig, "id_aggiudicazione": id_aggiudicazione, "progressivo": progressivo,
        "stato": stato(&letta.scheda, &mut learnt), "id_remoto": letta.scheda.get("idScheda").filter(|id| id.is_string()),
        "dettaglio": {"evento": scheda.evento},
    });
    known_before(code, &received, &mut body);
    if let Some(riferita) = letta.riferita {
        let name = if code == "ES1" || code == "CS1" { "richiesta" } else { "sospensione" };
        if matches!(code, "SQ1" | "RI1" | "ES1" | "CS1") {
            body["dettaglio"][name] = json!(riferita);
        }
    }
    read_fields(scheda, &received, &mut body, &mut learnt);
    if at(&body, "cig") != Some(&json!(cig)) {
        learnt.findings.push(Finding::new(Rule::R14).at("cig").detail("another_cig_inside"));
        body["cig"] = json!(cig);
    }
    settle(code, &mut body, &mut learnt);
    // Of the contract, not of the event.
    let numero = body.as_object_mut().and_then(|body| body.remove("numero"));
    let problem = || aside(Rule::N08, "the scheda does not say which suspension or request it is about");
    let text = body.to_string();
    let Ok(body) = Body::from_json(Kind::EventoEsecuzione, &text) else { return Err(problem()) };
    let Learnt { findings, raw } = learnt;
    let contratto = match &body {
        // A signature that was rejected is none: its contract would stand as signed.
        Body::EventoEsecuzione(evento) if code == "SC1" && evento.stato != StatoEvento::Scartato => {
            Some(contratto(evento, numero.as_ref().and_then(Value::as_str)))
        }
        _ => None,
    };
    let mut records: Vec<_> = contratto.map(|contratto| of_contratto(contratto, &raw)).into_iter().collect();
    records.push(DraftRecord { body, raw });
    Ok(Normalized { records, findings, set_aside: None })
}

/// Reads every field of a scheda, and tells those that nobody reads.
fn read_fields(scheda: &Scheda, received: &Value, body: &mut Value, learnt: &mut Learnt) {
    let mut read: Vec<&'static str> = Vec::new();
    for field in scheda.all_fields() {
        let value = at(received, field.path).filter(|value| !value.is_null());
        if let Some(value) = value.filter(|_| field.applies(body)) {
            field.read(value, body, learnt);
            read.push(field.path);
        }
    }
    let mut unknown = Vec::new();
    unread("", received, &read, &mut unknown);
    learnt.findings.extend(unknown.into_iter().map(|path| Finding::new(Rule::N07).at(path).detail("not_kept")));
}

/// The leaves of a form that no field has read. Texts in other languages are not ours to keep.
fn unread(prefix: &str, value: &Value, read: &[&str], unknown: &mut Vec<FieldPath>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if read.contains(&path.as_str()) || value.is_null() || name.ends_with("Ml") {
            continue;
        }
        match value {
            Value::Object(code) if !code.contains_key("idTipologica") => unread(&path, value, read, unknown),
            _ => unknown.push(path.as_str().into()),
        }
    }
}

/// The state of the scheda on the platform. Only what was sent is visible to the reads of the
/// original family, which do not say it: without a word, it was sent.
fn stato(scheda: &Value, learnt: &mut Learnt) -> &'static str {
    match scheda.get("stato").and_then(Value::as_str) {
        Some("bozza") => "bozza",
        Some("accettata") => "confermato",
        Some("scartata") => "scartato",
        None | Some("in_verifica" | "confermata" | "trasmessa") => "inviato",
        Some(other) => {
            let finding = Finding::new(Rule::N05).at("stato").detail("unknown_state");
            learnt.findings.push(match kit::showable(other) {
                Some(text) => finding.received(text),
                None => finding,
            });
            "inviato"
        }
    }
}

/// The first model of RSU1 names its subcontractors by code only: the same list as the second.
fn upgrade(code: &str, form: &mut Value) {
    let Some(subappalto) = form.get_mut("subappalto").and_then(Value::as_object_mut).filter(|_| code == "RSU1") else {
        return;
    };
    let Some(Value::Array(codes)) = subappalto.remove("codiciFiscaliOE") else { return };
    let estera = subappalto.remove("impresaEstera").unwrap_or_default();
    let soggetto = |code: Value| match &estera {
        Value::Null => json!({"codiceFiscale": code}),
        estera => json!({"codiceFiscale": code, "operatoreEstero": estera}),
    };
    let elenco = Value::Array(codes.into_iter().map(soggetto).collect());
    put(form, "subappalto.operatoreEconomicoSubappaltatore.elencoSoggetti", elenco);
}

/// What the code of a scheda, or the blocks it has, say of the event: the fields that other fields
/// depend on must stand before these are read.
fn known_before(code: &str, received: &Value, body: &mut Value) {
    match code {
        "M1" | "M1_40" | "M2" | "M2_40" => {
            body["dettaglio"]["sopra_soglia"] = json!(code.starts_with("M1"));
            body["dettaglio"]["concessione"] = json!(code.ends_with("_40"));
        }
        "CO2" => body["dettaglio"]["affidamento_diretto"] = json!(true),
        "CO1" if received.get("cig").is_some_and(Value::is_string) => {
            body["dettaglio"]["senza_contratto"] = json!(true);
        }
        "CL1" if at(received, "collaudo.quadroEconomicoConcessioni").is_some() => {
            body["dettaglio"]["concessione"] = json!(true);
        }
        _ => {}
    }
}

/// What the fields, once read, say of each other.
fn settle(code: &str, body: &mut Value, learnt: &mut Learnt) {
    if code == "RSU1" {
        let soggetti = at(body, "dettaglio.soggetti").and_then(Value::as_array).cloned().unwrap_or_default();
        if let Some(first) = soggetti.iter().find_map(|soggetto| soggetto.get("codice_fiscale")) {
            put(body, "dettaglio.subappaltatore", first.clone());
        }
        let is_code_alone = |soggetto: &Value| soggetto.as_object().is_some_and(|fields| fields.len() <= 1);
        if soggetti.len() == 1
            && is_code_alone(&soggetti[0])
            && let Some(dettaglio) = body["dettaglio"].as_object_mut()
        {
            dettaglio.remove("soggetti");
        }
    }
    // A person without a surname is nobody that the model can name.
    for list in ["incarichi", "prestazioni"] {
        for item in body["dettaglio"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let has_surname = item.get("persona").is_none_or(|persona| persona.get("cognome").is_some());
            if let Some(fields) = item.as_object_mut().filter(|_| !has_surname) {
                fields.remove("persona");
                learnt.findings.push(Finding::new(Rule::N08).at("datiPersonaFisica.cognome"));
            }
        }
    }
}

/// What a signature says of its contract.
fn contratto(evento: &EventoEsecuzione, numero: Option<&str>) -> Contratto {
    let Dettaglio::Stipula(stipula) = &evento.dettaglio else { unreachable!("SC1 is the scheda of the signature") };
    Contratto {
        cig: evento.cig,
        id_aggiudicazione: evento.id_aggiudicazione,
        stazione_appaltante: evento.stazione_appaltante,
        anno_riferimento: evento.anno_riferimento,
        numero: numero.map(str::to_owned),
        data_stipula: stipula.data_stipula,
        importo: stipula.importo,
        // The scheda knows the days of the contract, not those of the performance.
        data_inizio: None,
        data_fine: None,
        somme_liquidate: None,
        piattaforma_esecuzione: Some(SYSTEM.to_owned()),
    }
}

fn of_contratto(contratto: Contratto, raw: &std::collections::BTreeMap<FieldPath, String>) -> DraftRecord {
    let shared = |path: &FieldPath| {
        let path = path.as_str();
        let path = path.strip_prefix("/dettaglio").unwrap_or(path);
        matches!(path, "/cig" | "/stazione_appaltante" | "/data_stipula" | "/importo").then(|| FieldPath::from(path))
    };
    let raw = raw.iter().filter_map(|(path, text)| Some((shared(path)?, text.clone()))).collect();
    DraftRecord { body: contratto.into(), raw }
}

#[cfg(test)]
mod tests;
