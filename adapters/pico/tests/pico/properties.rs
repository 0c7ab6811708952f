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
}
