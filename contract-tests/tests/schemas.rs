//! The published JSON Schemas: generated, committed, valid, and of one mind with the types.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use canonical::{Body, Finding, Kind, Record, Rule, json_schema};
use jsonschema::Validator;
use rstest::rstest;
use serde_json::{Value, json};

const ADVICE: &str = "run `cargo xtask schemas` and commit what it writes";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/json/v1")
}

fn schema(name: &str) -> Validator {
    let file_name = format!("{name}.schema.json");
    let (_, text) = json_schema::all().into_iter().find(|schema| schema.0 == file_name).expect("a generated schema");
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options.build(&serde_json::from_str(&text).expect("JSON")).expect("a schema that compiles")
}

#[test]
fn the_committed_schemas_are_the_generated_ones() {
    for (file_name, text) in json_schema::all() {
        let committed = fs::read_to_string(folder().join(&file_name)).unwrap_or_default();
        assert!(committed == text, "schemas/json/v1/{file_name} is not what the types say: {ADVICE}");
    }
}

#[test]
fn no_schema_is_committed_that_is_not_generated() {
    let generated: BTreeSet<String> = json_schema::all().into_iter().map(|schema| schema.0).collect();
    for entry in fs::read_dir(folder()).expect("the folder of the schemas") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        assert!(generated.contains(&name), "schemas/json/v1/{name} comes from no type: {ADVICE}");
    }
}

#[test]
fn every_schema_is_valid_json_schema_2020_12() {
    for (file_name, text) in json_schema::all() {
        let schema: Value = serde_json::from_str(&text).expect("JSON");
        if let Err(error) = jsonschema::draft202012::meta::validate(&schema) {
            panic!("{file_name}: {error}");
        }
    }
}

/// A body of each shape, as small as its kind admits or with every interesting field.
#[rstest]
#[case::ente(Kind::Ente, json!({
    "codice_fiscale": "00246180590", "denominazione": "Comune di Terracina", "altri_codici": [],
    "tipo": "comune", "codice_istat": "059032", "valido_dal": "1927-01-02",
}))]
#[case::smallest_ente(Kind::Ente, json!({"codice_fiscale": "00246180590"}))]
#[case::operatore_economico(Kind::OperatoreEconomico, json!({"codice_fiscale": "01763870225", "denominazione": "DEDAGROUP S.P.A."}))]
#[case::procedura(Kind::Procedura, json!({
    "id": "pad/1", "scelta_contraente": "24", "importo": "40188.64", "pubblicata_il": "2013-01-01T08:30:00Z",
    "lotti": ["5044003AF1"],
}))]
#[case::lotto(Kind::Lotto, json!({
    "cig": "5044003AF1", "oggetto": "manutenzione", "anno_riferimento": 2013, "cpv": "72267000-4",
    "importo_totale": "0.00", "stato_cig": {"stato": "sostituito", "da": "918052266A"}, "cig_accordo_quadro": null,
}))]
#[case::smallest_lotto(Kind::Lotto, json!({"cig": "5044003AF1"}))]
#[case::cancelled_lotto(Kind::Lotto, json!({"cig": "5044003AF1", "stato_cig": {"stato": "cancellato", "motivo": null}}))]
#[case::aggiudicazione(Kind::Aggiudicazione, json!({
    "cig": "5044003AF1", "id_aggiudicazione": 1, "data": "2013-02-28", "importo": "-1.50",
    "aggiudicatari": [{"operatore": {"tipo": "codice_fiscale", "valore": "01763870225"}, "raggruppamento": 1, "ruolo": "mandataria"}],
    "partecipanti": [
        {"operatore": {"tipo": "assente"}, "ruolo": {"altro": "99"}},
        {"operatore": {"tipo": "estero", "valore": "DE 123"}, "denominazione": "Beispiel GmbH"},
    ],
}))]
#[case::contratto(Kind::Contratto, json!({"cig": "5044003AF1", "id_aggiudicazione": 1, "data_inizio": "2013-01-01", "somme_liquidate": "40188.64"}))]
#[case::stipula(Kind::EventoEsecuzione, evento(&json!({"evento": "stipula", "importo": "1.00"})))]
#[case::avvio(Kind::EventoEsecuzione, evento(&json!({"evento": "avvio", "consegna_frazionata": true})))]
#[case::avanzamento(Kind::EventoEsecuzione, evento(&json!({"evento": "avanzamento", "importo_cumulato": "10.00", "giorni_scostamento": -3})))]
#[case::sospensione(Kind::EventoEsecuzione, evento(&json!({"evento": "sospensione", "motivo": "1"})))]
#[case::superamento_quarto(Kind::EventoEsecuzione, evento(&json!({"evento": "superamento_quarto", "sospensione": 1})))]
#[case::ripresa(Kind::EventoEsecuzione, evento(&json!({"evento": "ripresa", "sospensione": 1, "riserve": false})))]
#[case::modifica(Kind::EventoEsecuzione, evento(&json!({"evento": "modifica", "motivi": ["1"], "nuovo_cig": "918052266A"})))]
#[case::richiesta_subappalto(Kind::EventoEsecuzione, evento(&json!({"evento": "richiesta_subappalto"})))]
#[case::esito_subappalto(Kind::EventoEsecuzione, evento(&json!({"evento": "esito_subappalto", "richiesta": 1})))]
#[case::conclusione_subappalto(Kind::EventoEsecuzione, evento(&json!({"evento": "conclusione_subappalto", "richiesta": 1})))]
#[case::accordo_bonario(Kind::EventoEsecuzione, evento(&json!({"evento": "accordo_bonario", "importo": "5.00"})))]
#[case::conclusione(Kind::EventoEsecuzione, evento(&json!({"evento": "conclusione", "affidamento_diretto": true})))]
#[case::recesso(Kind::EventoEsecuzione, evento(&json!({"evento": "recesso", "data": "2020-02-29"})))]
#[case::collaudo(Kind::EventoEsecuzione, evento(&json!({"evento": "collaudo", "esito": "P"})))]
fn types_and_schema_read_the_same_bodies(#[case] kind: Kind, #[case] body: Value) {
    let schema = schema(kind.name());
    if let Err(error) = schema.validate(&body) {
        panic!("{kind}: the schema refuses what the types read: {error} at {}", error.instance_path());
    }
    let read = Body::from_json(kind, &body.to_string()).expect("the types read it");
    let written: Value = serde_json::from_str(&read.to_json()).expect("JSON");
    assert!(schema.is_valid(&written), "{kind}: the schema refuses what the types write: {written}");

    for object in objects(&body) {
        let mut wrong = body.clone();
        wrong.pointer_mut(&object).expect("an object of the body")["sconosciuto"] = json!(1);
        // Small tagged objects inside a body are as open as the types are.
        let is_read = Body::from_json(kind, &wrong.to_string()).is_ok();
        assert_eq!(schema.is_valid(&wrong), is_read, "{kind}: an unknown field at {object:?}");
        assert!(!(is_read && object.is_empty()), "{kind}: an unknown field was read");
    }
    if body.get("cig").is_some() {
        for cig in ["5044003af1", "5044003AF", "NOCIG14587", ""] {
            let mut wrong = body.clone();
            wrong["cig"] = json!(cig);
            assert!(!schema.is_valid(&wrong), "{kind}: the schema accepts the CIG {cig:?}");
            assert!(Body::from_json(kind, &wrong.to_string()).is_err(), "{kind}: the types accept the CIG {cig:?}");
        }
    }
}

fn evento(dettaglio: &Value) -> Value {
    json!({"cig": "5044003AF1", "id_aggiudicazione": 1, "progressivo": 1, "stato": "confermato", "dettaglio": dettaglio})
}

/// The pointers of every object in a value, itself included.
fn objects(value: &Value) -> Vec<String> {
    let inside: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), member)).collect(),
        Value::Array(items) => (0..).zip(items).map(|(place, item): (u32, _)| (place.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    let itself = value.is_object().then(String::new);
    let deeper = inside
        .into_iter()
        .flat_map(|(name, value)| objects(value).into_iter().map(move |path| format!("/{name}{path}")));
    itself.into_iter().chain(deeper).collect()
}

#[rstest]
#[case::amount_without_cents("/importo_totale", json!("12.5"))]
#[case::amount_as_number("/importo_totale", json!(12.50))]
#[case::amount_with_comma("/importo_totale", json!("12,50"))]
#[case::year_out_of_range("/anno_riferimento", json!(70_000))]
#[case::cpv_without_check_digit("/cpv", json!("7226700"))]
#[case::state_without_its_cig("/stato_cig", json!({"stato": "sostituito"}))]
#[case::unknown_state("/stato_cig", json!({"stato": "perduto"}))]
#[case::no_key("/cig", Value::Null)]
fn types_and_schema_refuse_the_same_lotto(#[case] field: &str, #[case] value: Value) {
    let mut lotto = json!({
        "cig": "5044003AF1", "anno_riferimento": 2013, "cpv": null, "importo_totale": "1.00",
        "stato_cig": {"stato": "attivo"},
    });
    assert!(schema("lotto").is_valid(&lotto));
    *lotto.pointer_mut(field).expect("a field of the lotto") = value;
    assert!(!schema("lotto").is_valid(&lotto), "the schema accepts {lotto}");
    assert!(Body::from_json(Kind::Lotto, &lotto.to_string()).is_err(), "the types accept {lotto}");
}

#[rstest]
#[case::impossible_day("/data", json!("2013-02-29"))]
#[case::day_with_time("/data", json!("2013-02-28T00:00:00Z"))]
fn types_and_schema_refuse_the_same_days(#[case] field: &str, #[case] value: Value) {
    let mut award = json!({"cig": "5044003AF1", "id_aggiudicazione": 1, "data": "2013-02-28"});
    assert!(schema("aggiudicazione").is_valid(&award));
    *award.pointer_mut(field).expect("a field of the award") = value;
    assert!(!schema("aggiudicazione").is_valid(&award), "the schema accepts {award}");
    assert!(Body::from_json(Kind::Aggiudicazione, &award.to_string()).is_err(), "the types accept {award}");
}

#[test]
fn a_record_travels_in_its_envelope() {
    let envelope = json!({
        "schema_version": 1,
        "kind": "lotto",
        "body": {"cig": "5044003AF1"},
        "provenance": {
            "source": "file-drop", "remote_id": "appalti2013.xml", "document_digest": "00", "line": 12,
            "read_at": "2026-11-21T10:00:00Z", "raw": {"/importo": "910,00"},
        },
    });
    let record: Record = serde_json::from_value(envelope.clone()).expect("the types read it");
    for value in [envelope.clone(), serde_json::to_value(record).expect("JSON")] {
        assert!(schema("record").is_valid(&value), "the schema refuses {value}");
    }
    for (field, wrong) in [("/kind", json!("ente")), ("/body/cig", json!("x")), ("/provenance/read_at", json!("today"))]
    {
        let mut value = envelope.clone();
        *value.pointer_mut(field).expect("a field of the envelope") = wrong;
        assert!(!schema("record").is_valid(&value), "the schema accepts {value}");
        assert!(serde_json::from_value::<Record>(value).is_err());
    }
}

#[test]
fn every_rule_makes_a_finding_that_the_schema_knows() {
    let schema = schema("finding");
    for rule in Rule::ALL {
        let finding = Finding::new(*rule).at("/importo").received("910,00").detail("decimal_comma");
        assert!(schema.is_valid(&serde_json::to_value(finding).expect("JSON")), "{rule:?}");
    }
    assert!(!schema.is_valid(&json!({"rule": "R99", "severity": "error"})));
}
