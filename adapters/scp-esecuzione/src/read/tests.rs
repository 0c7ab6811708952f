//! Schede as the archive gives them, the samples of the national platform among them.

use canonical::kinds::StatoEvento;
use canonical::{Provenance, Record, SourceName};
use rstest::rstest;

use super::*;
use crate::testing::{CIG, manifest, record_from, sample};
use crate::write;

/// A scheda in its place.
fn letta(nome: &str, scheda: Value) -> SchedaLetta {
    SchedaLetta {
        cig: CIG.to_owned(),
        id_aggiudicazione: Some(1),
        nome: nome.to_owned(),
        posto: 1,
        riferita: None,
        scheda,
    }
}

fn read(letta: &SchedaLetta) -> Normalized {
    normalize(&serde_json::to_string(letta).unwrap())
}

fn evento(normalized: &Normalized) -> &EventoEsecuzione {
    let bodies = normalized.records.iter().filter_map(|record| match &record.body {
        Body::EventoEsecuzione(evento) => Some(evento),
        _ => None,
    });
    bodies.into_iter().next_back().expect("an event")
}

/// The provenance of any record of the tests.
fn provenance() -> Provenance {
    let body = json!({"cig": CIG, "id_aggiudicazione": 1});
    let record = record_from("scp", Kind::Contratto, &body);
    Provenance { source: SourceName::parse("scp").unwrap(), ..record.provenance }
}

#[test]
fn every_valid_sample_is_read_and_written_again_as_it_was() {
    for (file, code, schema, is_valid) in manifest() {
        let (_, body) = sample(&file);
        let form = body["anacForm"].clone();
        if !is_valid {
            continue;
        }
        let cig = form["cig"].as_str().or(form.pointer("/datiContratto/cig/0").and_then(Value::as_str));
        let cig = cig.or(form.pointer("/elencoIncarichi/0/cig").and_then(Value::as_str)).unwrap_or(CIG);
        let nome = if code.starts_with('M') { "M".to_owned() } else { code.clone() };
        let scheda = json!({"idScheda": "s1", "scheda": code, "progressivo": 2, "anacForm": form});
        let letta = SchedaLetta { cig: cig.to_owned(), riferita: Some(3), ..letta(&nome, scheda) };
        let normalized = read(&letta);
        assert_eq!(normalized.set_aside, None, "{file}");
        let evento = Record::new(normalized.records.last().unwrap().body.clone(), provenance());
        let contract::Placement::Unit(unit) = write::place(&evento) else { panic!("{file} placed nowhere") };
        let written = match write::compose(&unit.key, 1, &[evento]) {
            Ok(composed) => serde_json::from_slice::<Value>(&composed.body).unwrap(),
            // A sample that is valid by the schema may hold what no list admits.
            Err(problem) => panic!("{file}: {problem}"),
        };
        assert_eq!(written["scheda"], code, "{file}");
        let mut expected = form;
        // The previous model of RSU1 is read, and written in the present one.
        if schema.contains(".test-") {
            upgrade(&code, &mut expected);
            expected["subappalto"].as_object_mut().unwrap().remove("codiceFiscaleAggiudicatario");
        }
        // The rules admit one of the two: the other is told and left out.
        if file.contains("certificato-e-modo-collaudo") {
            let told = Finding::new(Rule::N07).at("collaudo.dataCertificato").detail("not_kept");
            assert!(normalized.findings.contains(&told));
            expected["collaudo"].as_object_mut().unwrap().remove("dataCertificato");
        }
        // How to reach a person is not kept.
        if let Some(persona) = expected.pointer_mut("/elencoIncarichi/0/incarichi/0/datiPersonaFisica") {
            persona.as_object_mut().unwrap().remove("email");
        }
        // An empty code is no code.
        if file.contains("tipologica-vuota") {
            continue;
        }
        assert_eq!(shortened(&written["anacForm"]), shortened(&expected), "{file}");
    }
}

/// The same JSON with every number in its shortest spelling, and without empty blocks.
fn shortened(value: &Value) -> Value {
    match value {
        Value::Number(number) => crate::schede::number(&number.to_string()).map_or(Value::Null, Value::Number),
        Value::Array(items) => items.iter().map(shortened).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), shortened(value)));
            fields.filter(|(_, value)| *value != json!({})).collect()
        }
        other => other.clone(),
    }
}

#[rstest]
#[case(Some("trasmessa"), StatoEvento::Inviato)]
#[case(Some("accettata"), StatoEvento::Confermato)]
#[case(Some("scartata"), StatoEvento::Scartato)]
#[case(None, StatoEvento::Inviato)]
fn the_state_of_the_platform_is_the_state_of_the_event(#[case] stato: Option<&str>, #[case] expected: StatoEvento) {
    let normalized = read(&letta("AC1", json!({"idScheda": "s1", "progressivo": 1, "stato": stato})));
    assert_eq!((evento(&normalized).stato, evento(&normalized).id_remoto.as_deref()), (expected, Some("s1")));
}

#[rstest]
#[case("bozza", 2)]
#[case("accettata", 2)]
#[case("scartata", 1)]
fn a_signature_gives_its_contract_unless_rejected(#[case] stato: &str, #[case] records: usize) {
    let form = json!({"datiContratto": {"dataStipula": "2026-01-20T00:00:00+01:00"}});
    let normalized = read(&letta("SC1", json!({"progressivo": 1, "stato": stato, "anacForm": form})));
    assert_eq!(normalized.records.len(), records);
}

#[test]
fn what_cannot_be_read_is_told_and_its_text_kept() {
    let form = json!({"accordoBonario": {"dataAccordo": "presto", "oneriDerivanti": "1.234,50", "nuovo": 1}});
    let normalized = read(&letta("AC1", json!({"progressivo": 1, "anacForm": form})));
    let findings: Vec<_> = normalized.findings.iter().map(|it| (it.rule, it.field.clone().unwrap())).collect();
    let at = |path: &str| FieldPath::from(path);
    assert!(findings.contains(&(Rule::N03, at("accordoBonario.dataAccordo"))));
    assert!(findings.contains(&(Rule::N07, at("accordoBonario.nuovo"))));
    assert_eq!(normalized.records[0].raw[&at("/dettaglio/data_accordo")], "presto");
}

#[rstest]
#[case::malformed_cig(SchedaLetta { cig: "NOCIG".to_owned(), ..letta("AC1", json!({})) }, Rule::R04)]
#[case::null_cig(SchedaLetta { cig: "0000000000".to_owned(), ..letta("AC1", json!({})) }, Rule::R05)]
#[case::unknown_scheda(letta("XX9", json!({})), Rule::N05)]
#[case::no_award(SchedaLetta { id_aggiudicazione: None, ..letta("AC1", json!({})) }, Rule::N08)]
#[case::a_resumption_of_nothing(letta("RI1", json!({})), Rule::N08)]
fn what_cannot_be_used_stands_aside(#[case] letta: SchedaLetta, #[case] rule: Rule) {
    let normalized = read(&letta);
    assert_eq!(normalized.set_aside.unwrap().rule, rule);
    assert!(normalized.records.is_empty());
    assert_eq!(normalize("[]").set_aside.unwrap().rule, Rule::N03);
}

#[test]
fn a_number_that_the_platform_does_not_give_is_the_place_in_its_list_and_told() {
    let normalized = read(&SchedaLetta { posto: 4, ..letta("AC1", json!({})) });
    assert_eq!(evento(&normalized).progressivo, 4);
    assert_eq!(normalized.findings[0].detail.as_deref(), Some("progressivo_from_order"));
}

#[test]
fn a_reference_by_identifier_is_followed_to_its_suspension_or_request() {
    let lista: ListaSchede = serde_json::from_value(json!({"esito": true, "data": [{
        "idAggiudicazione": 1,
        "SO1": [{"idScheda": "a", "progressivo": 7}, {"idScheda": "b"}],
        "SQ1": [{"idScheda": "c", "anacForm": {"idScheda": "b"}}],
        "RI1": [{"anacForm": {"idScheda": "a"}}, {"anacForm": {"idScheda": "c"}}, {"anacForm": {"idScheda": "z"}}],
        "RSU1": [{"idScheda": "r", "progressivo": 3}],
        "ES1": [{"idScheda": "e", "anacForm": {"idScheda": "r"}}],
        "CS1": [{"anacForm": {"idScheda": "e"}}],
        "M": [{"scheda": "M2"}],
    }]}))
    .unwrap();
    let schede = schede_of(CIG, &lista);
    let seen: Vec<_> = schede.iter().map(|letta| (letta.nome.as_str(), letta.posto, letta.riferita)).collect();
    let expected = [
        ("SO1", 1, None),
        ("SO1", 2, None),
        ("SQ1", 1, Some(2)),
        ("RI1", 1, Some(7)),
        ("RI1", 2, Some(2)),
        ("RI1", 3, None),
        ("M", 1, None),
        ("RSU1", 1, None),
        ("ES1", 1, Some(3)),
        ("CS1", 1, Some(3)),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_person_is_named_to_the_platform_and_printed_nowhere() {
    let (_, body) = sample("richieste/crea-scheda.S3.json");
    let letta = SchedaLetta {
        cig: "K00003EC3A".to_owned(),
        ..letta("S3", json!({"progressivo": 1, "anacForm": body["anacForm"]}))
    };
    let normalized = read(&letta);
    let printed = format!("{normalized:?} {letta:?}");
    assert!(evento(&normalized).dettaglio != Dettaglio::ElencoIncarichi(canonical::kinds::ElencoIncarichi::default()));
    for personal in ["Rossi", "Mario", "RSSMRA80A01H501U", "mario.rossi"] {
        assert!(!printed.contains(personal), "{personal}");
    }
}
