//! What holds for any members: their order is irrelevant, the totals recompute, no person leaves.

use canonical::identifiers::CodiceFiscale;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const CIGS: [&str; 4] = ["918052266A", "5044003AF1", "5003624B42", "B000001279"];

/// A fiscal code of a person, with digits replaced by letters now and then.
fn personal_code() -> impl Strategy<Value = String> {
    "[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]"
}

fn oggetto() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => Just("manutenzione".to_owned()),
        2 => Just("=SP 12".to_owned()),
        2 => Just("\u{e8} \"x\",".to_owned()),
        1 => personal_code(),
        1 => personal_code().prop_map(|code| code.to_lowercase()),
        1 => personal_code().prop_map(|code| format!("C.F.{code};")),
        1 => Just("RSS  MRA\n85T10 - A562S".to_owned()),
    ];
    proptest::collection::vec(word, 0..5).prop_map(|words| words.join(" "))
}

fn member() -> impl Strategy<Value = Record> {
    let cents = proptest::option::of(-1_000_i64..1_000_000_000_000);
    (0..4_usize, 0..3_u8, 1..3_u32, cents, oggetto()).prop_map(|(cig, kind, award, cents, oggetto)| {
        let importo = cents.map(canonical::values::Importo::from_cents);
        let cig = CIGS[cig];
        record_of(match kind {
            0 => json!({ "kind": "lotto", "body": { "cig": cig, "oggetto": oggetto, "importo_totale": importo } }),
            1 => json!({ "kind": "aggiudicazione", "body": { "cig": cig, "id_aggiudicazione": award, "importo": importo } }),
            _ => json!({ "kind": "contratto", "body": { "cig": cig, "id_aggiudicazione": award, "importo": importo,
                "piattaforma_esecuzione": oggetto } }),
        })
    })
}

fn members() -> impl Strategy<Value = (Vec<Record>, Vec<Record>)> {
    proptest::collection::vec(member(), 0..12)
        .prop_flat_map(|members| (Just(members.clone()), Just(members).prop_shuffle()))
}

/// Cents of a decimal text, without the types of the product.
fn cents(value: &Value) -> i128 {
    value.as_str().map_or(0, |text| text.replace('.', "").parse().expect("digits"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_members_is_irrelevant((members, shuffled) in members()) {
        let adapter = offline();
        let one = compose(&*adapter, &unit(2024), 7, &members);
        let other = compose(&*adapter, &unit(2024), 7, &shuffled);
        prop_assert_eq!(one, other);
    }

    #[test]
    fn the_totals_of_the_manifest_recompute_from_the_rows((members, _) in members()) {
        let body = compose(&*offline(), &unit(2024), 1, &members).body;
        let package: Value = serde_json::from_slice(&body).expect("a package");
        let rows = ndjson_rows(&body);
        let manifesto = &package["manifesto"];
        let aggregati = &manifesto["aggregati"];
        let sum = |field: &str| rows.iter().map(|row| cents(&row[field])).sum::<i128>();
        prop_assert_eq!(manifesto["righe"].as_u64(), Some(rows.len() as u64));
        prop_assert_eq!(aggregati["lotti"].as_u64(), Some(rows.len() as u64));
        prop_assert_eq!(cents(&aggregati["importo_totale"]), sum("importo"));
        prop_assert_eq!(cents(&aggregati["importo_aggiudicato_totale"]), sum("importo_aggiudicato"));
        for file in package["file"].as_array().expect("files") {
            let content = file["contenuto"].as_str().expect("text").as_bytes();
            let digest = canonical::Digest::of(content).to_string();
            prop_assert_eq!(file["impronta"].as_str(), Some(digest.as_str()));
        }
        prop_assert_eq!(&package["file"][1]["impronta"], &manifesto["impronta"]);
    }

    #[test]
    fn no_personal_code_is_ever_in_the_bytes((members, _) in members()) {
        let composed = compose(&*offline(), &unit(2024), 1, &members);
        let text = String::from_utf8(composed.body).expect("text").to_ascii_uppercase();
        prop_assert!(!text.contains("A562S"));
        for word in text.split(|character: char| !character.is_ascii_alphanumeric()) {
            let is_person = CodiceFiscale::parse(word).is_ok_and(CodiceFiscale::is_person);
            prop_assert!(!is_person, "a personal code of {} characters", word.len());
        }
    }

    #[test]
    fn no_text_of_any_dataset_carries_a_personal_code_and_all_are_shown_again(text in oggetto(), other in oggetto()) {
        let adapter = offline();
        for (unit, members) in of_every_dataset(&text, &other) {
            let composed = compose(&*adapter, &unit, 1, &members);
            let sent = String::from_utf8(composed.body.clone()).expect("text");
            prop_assert!(!canonical::identifiers::holds_personal_code(&sent), "{}", unit);
            prop_assert_eq!(ndjson_rows(&composed.body).len(), composed.rows.len());
            let reversed: Vec<Record> = members.into_iter().rev().collect();
            prop_assert_eq!(compose(&*adapter, &unit, 1, &reversed), composed);
        }
    }
}

/// Units of the datasets that have texts, with these texts wherever one may stand.
fn of_every_dataset(text: &str, other: &str) -> Vec<(UnitKey, Vec<Record>)> {
    let (cup, programma) = ("F41B21000000001", "LP006067501312026001");
    let of = |unit: &str, members: Vec<Value>| (UnitKey(unit.to_owned()), members.into_iter().map(record_of).collect());
    let package = |dataset: &str, periodo: &str| format!("{ENTE}/{dataset}/{periodo}");
    vec![
        of(
            &package("gare", "2026"),
            vec![json!({ "kind": "procedura", "body": { "id": "x/1", "oggetto": text,
                "ente_delegante": "RSSMRA85T10A562S" } })],
        ),
        of(
            &package("progetti-europei", "corrente"),
            vec![
                json!({ "kind": "progetto", "body": { "cup": cup, "titolo": text, "programma": other, "misura": text } }),
                json!({ "kind": "collegamento_cup_cig", "body": { "cup": cup, "cig": CIGS[0], "fase": text,
                    "motivo_assenza_cig": other } }),
                json!({ "kind": "collegamento_cup_cig", "body": { "cup": cup, "cig": CIGS[1], "piani": [{ "altro": text }] } }),
            ],
        ),
        of(
            &package("programmazione", "2026"),
            vec![
                json!({ "kind": "programma", "body": { "id": programma, "tipo": "lavori", "ente": ENTE, "anno": 2026,
                    "descrizione": text, "referente": { "cognome": text, "codice_fiscale": "RSSMRA85T10A562S" } } }),
                json!({ "kind": "intervento", "body": { "cui": "L00606750131202600001", "id_programma": programma,
                    "ente": ENTE, "tipo": "lavori", "descrizione": other, "anno": 2026, "priorita": text,
                    "rup": { "cognome": text, "codice_fiscale": "RSSMRA85T10A562S" } } }),
            ],
        ),
        of(
            &package("servizi-associati", "corrente"),
            vec![json!({ "kind": "servizio_associato", "body": { "ente_erogatore": ENTE, "ente_fruitore": ENTE,
                "tipo": "sit", "servizio": text, "convenzione": { "titolo": other } } })],
        ),
        of(
            "risorse/hub/1",
            vec![json!({ "kind": "risorsa", "body": { "origine": "hub", "id": "1", "tipo": "corso", "titolo": text,
                "descrizione": other, "url": text, "tema": other } })],
        ),
        of(
            "segnalazioni/1",
            vec![json!({ "kind": "segnalazione", "body": { "id": "1", "ente": ENTE, "tipo_record": "lotto",
                "chiave_record": format!("x/{text}"), "regola": "R02", "campo": other, "descrizione": format!("Su {text}"),
                "aperta_il": "2026-03-01T09:30:00Z", "stato": "aperta" } })],
        ),
    ]
}
