//! Whatever an award says of its operators, no person leaves, and what is left survives the round.

use proptest::prelude::*;

use super::*;

fn operatore() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"tipo": "codice_fiscale", "valore": "RSSMRA85T10A562S"})),
        Just(json!({"tipo": "codice_fiscale", "valore": "03456120983"})),
        "[A-Z0-9]{0,12}".prop_map(|text| json!({"tipo": "estero", "valore": text})),
        "[A-Z0-9]{0,12}".prop_map(|text| json!({"tipo": "non_valido", "valore": text})),
        Just(json!({"tipo": "assente"})),
    ]
}

fn partecipazione() -> impl Strategy<Value = Value> {
    (operatore(), prop_oneof![Just(json!(null)), Just(json!("Rossi Mario RSSMRA85T10A562S")), Just(json!("Alfa srl"))])
        .prop_map(|(operatore, denominazione)| json!({"operatore": operatore, "denominazione": denominazione}))
}

proptest! {
    #[test]
    fn no_person_leaves_and_companies_stay(list in prop::collection::vec(partecipazione(), 0..6), text in "[ -~]{0,40}") {
        let member = json!({"kind": "aggiudicazione", "body": {
            "cig": "B4A19C3958", "id_aggiudicazione": 1, "stazione_appaltante": "80098765433",
            "anno_riferimento": 2025, "importo": "10.00", "esito": format!("{text} RSSMRA85T10A562S"),
            "aggiudicatari": list,
        }});
        let adapter = adapter(json!({}));
        let unit = UnitKey("80098765433/2025".to_owned());
        let composed = adapter.target().unwrap().compose(&unit, 1, &[record(&member)]).unwrap();
        let package: Value = serde_json::from_slice(&composed.body).unwrap();
        let contenuto = package["contenuto"].as_str().unwrap();
        prop_assert!(!canonical::identifiers::holds_personal_code(contenuto));
        let line: Value = serde_json::from_str(contenuto.trim_end()).unwrap();
        // What left is a canonical record, with as many operators as before, and every company in it.
        let body = Body::from_json(Kind::Aggiudicazione, &line["body"].to_string()).unwrap();
        let Body::Aggiudicazione(body) = body else { unreachable!() };
        prop_assert_eq!(body.aggiudicatari.len(), list.len());
        let companies = list.iter().filter(|one| one["operatore"]["valore"] == "03456120983").count();
        prop_assert_eq!(contenuto.matches("03456120983").count(), companies);
        prop_assert!(!composed.findings.is_empty());
    }
}
