//! The cases on file, and what must hold for any element.

use std::sync::Arc;

use canonical::Record;
use contract::DocumentHeader;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::testing::{cases, record_from};

fn raw(elenco: &str, text: String) -> RawRecord {
    let document = DocumentHeader {
        remote_id: "hub/prova".to_owned(),
        digest: String::new(),
        format: "hub".to_owned(),
        version: "v0".to_owned(),
        as_of: None,
        context: json!({ "elenco": elenco }),
    };
    RawRecord { document: Arc::new(document), line: 1, occurrence: 0, text }
}

fn shown_as_case(normalized: &Normalized) -> Value {
    let record = |record: &DraftRecord| {
        let mut body: Value = serde_json::from_str(&record.body.to_json()).unwrap();
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        json!({ "chiave": record.body.key(), "record": body, "ricevuto": record.raw })
    };
    let records: Vec<Value> = normalized.records.iter().map(record).collect();
    let mut shown = json!({ "record": records, "rilievi": normalized.findings });
    if let Some(aside) = &normalized.set_aside {
        shown["accantonata"] = json!({ "regola": aside.rule, "motivo": aside.reason });
    }
    shown
}

#[test]
fn every_case_on_file_gives_its_records_and_findings() {
    let cases = cases("letture");
    assert!(cases.len() >= 4);
    for (path, case) in cases {
        let elenco = case["elenco"].as_str().unwrap();
        let elements = case["elementi"].as_array().unwrap();
        let found: Vec<Value> =
            elements.iter().map(|element| shown_as_case(&normalize(&raw(elenco, element.to_string())))).collect();
        assert_eq!(json!(found), case["attesi"], "{}: {:#}", path.display(), json!(found));
    }
}

#[test]
fn the_code_of_a_person_is_never_shown() {
    let mut element = json!({ "livello": "L1", "fase": "esecuzione", "validaDal": "2026-01-01" });
    element["codiceFiscale"] = json!("RSSMRA85T10A562S");
    let normalized = normalize(&raw("qualificazioni", element.to_string()));
    assert!(normalized.set_aside.is_some() && !format!("{normalized:?}").contains("RSSMRA"));
}

#[test]
fn what_is_no_element_stands_aside() {
    for (elenco, text) in [("altro", "{}"), ("risorse", "[]"), ("risorse", "{"), ("qualificazioni", "1")] {
        assert!(normalize(&raw(elenco, text.to_owned())).set_aside.is_some());
    }
}

/// What was published, as an element of a list of the HUB's own.
fn given_back(record: &Record) -> Normalized {
    let contract::Placement::Unit(unit) = crate::write::place(record) else { panic!("placed nowhere") };
    let composed = crate::write::compose(&unit.key, 1, std::slice::from_ref(record)).unwrap();
    let invio: crate::wire::Invio = serde_json::from_slice(&composed.body).unwrap();
    let mut element = invio.contenuto;
    element.insert("origine".to_owned(), json!(HUB));
    let (elenco, _) = unit.key.as_str().split_once('/').unwrap();
    normalize(&raw(elenco, Value::Object(element).to_string()))
}

proptest! {
    #[test]
    fn what_both_sides_share_survives_the_round_trip(
        level in 0_usize..6,
        points in 0_u16..1000,
        fase in prop::sample::select(vec!["affidamento", "esecuzione"]),
        end in prop::option::of(1_u8..28),
        titolo in "[A-Z][a-z]{1,9}",
    ) {
        let qualificazione = record_from("qualificazione", &json!({
            "ente": "80005210028", "codice_ausa": "0000155001", "livello": LivelloQualificazione::ALL[level].1,
            "fase": fase, "punteggio": format!("{}.{}", points / 10, points % 10),
            "valida_dal": "2025-07-01", "valida_al": end.map(|day| format!("2027-06-{day:02}")),
        }));
        let back = given_back(&qualificazione);
        prop_assert_eq!(&back.records[0].body, &qualificazione.body);
        let is_below = points / 10 < u16::from(LivelloQualificazione::ALL[level].2);
        prop_assert_eq!(back.findings.len(), usize::from(is_below));

        let risorsa = record_from("risorsa", &json!({
            "origine": "pico", "id": "a/b", "tipo": "corso", "titolo": titolo,
            "url": "https://pico.example.it/?a=1&copy=2", "tema": null, "data_pubblicazione": "2026-01-01", "ritirata": level == 0,
        }));
        let back = given_back(&risorsa);
        let (Body::Risorsa(mut read), Body::Risorsa(sent)) = (back.records[0].body.clone(), risorsa.body.clone()) else {
            return Err(TestCaseError::fail("another kind"));
        };
        read.origine.clone_from(&sent.origine);
        prop_assert_eq!(read, sent);
        prop_assert!(back.findings.is_empty());
    }

    #[test]
    fn every_element_gives_a_record_or_stands_aside(
        texts in prop::collection::vec("[ -~àè]{0,12}", CAMPI_RISORSA.len()), tipo in 0_usize..3,
    ) {
        let fields = CAMPI_RISORSA.iter().zip(texts).map(|(name, text)| ((*name).to_owned(), json!(text)));
        let mut element: Map<String, Value> = fields.collect();
        element.insert("origine".to_owned(), json!("hub"));
        element.insert("ritirata".to_owned(), json!(true));
        element.insert("tipo".to_owned(), json!(["corso", "notizia", "altro"][tipo]));
        let normalized = normalize(&raw("risorse", Value::Object(element).to_string()));
        prop_assert_eq!(normalized.records.len() + usize::from(normalized.set_aside.is_some()), 1);
    }
}
