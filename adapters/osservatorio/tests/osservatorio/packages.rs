//! The packages: composed from cases, delivered to the simulator, found again, listed.

use contract::{Advice, ErrorKind, FieldValue, Held, Outcome, Phase, Placement};
use rstest::rstest;
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const UNIT: &str = "80098765433/2025";

#[test]
fn every_case_of_a_package_gives_what_it_says() {
    let adapter = adapter(json!({}));
    let target = adapter.target().unwrap();
    for (file, case) in cases("pacchetti") {
        let unit = UnitKey(case["unita"].as_str().unwrap().to_owned());
        let mut records = members(&case);
        let composed = target.compose(&unit, 1, &records).unwrap();
        for record in &records {
            assert!(matches!(target.place(record), Placement::Unit(placed) if placed.key == unit));
        }
        records.reverse();
        assert!(target.compose(&unit, 1, &records).unwrap() == composed, "the order of the members does not matter");
        let package: Value = serde_json::from_slice(&composed.body).unwrap();
        let lines: Vec<Value> =
            package["contenuto"].as_str().unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let given = json!({
            "manifesto": package["manifesto"],
            "righe": lines,
            "righe_confrontabili": composed.rows,
            "segnalazioni": composed.findings,
        });
        assert!(!canonical::identifiers::holds_personal_code(&given.to_string()));
        assert!(!given.to_string().contains("Rossi"));
        check(&file, case, given);
    }
}

#[test]
fn every_field_of_a_row_is_explained_with_its_value() {
    let adapter = adapter(json!({}));
    let target = adapter.target().unwrap();
    for (_, case) in cases("pacchetti") {
        let (unit, records) = (UnitKey(UNIT.to_owned()), members(&case));
        let explained = target.explain(&unit, &records);
        for row in target.compose(&unit, 1, &records).unwrap().rows {
            for (field, value) in &row.fields {
                let one = explained.iter().find(|one| one.row == row.key && one.field == *field).unwrap();
                assert_eq!((one.value.as_ref(), one.record.is_some()), (Some(value), true));
            }
            let given = explained.iter().filter(|one| one.row == row.key && one.value.is_some()).count();
            assert_eq!(given, row.fields.len());
        }
    }
}

#[test]
fn amounts_and_days_are_typed_wherever_they_stand() {
    let adapter = adapter(json!({}));
    let case = cases("pacchetti").into_iter().find(|(file, _)| file.ends_with("sal.json")).unwrap().1;
    let composed = adapter.target().unwrap().compose(&UnitKey(UNIT.to_owned()), 1, &members(&case)).unwrap();
    let fields = &composed.rows[0].fields;
    assert!(matches!(fields["dettaglio.importo_sal"], FieldValue::Amount(_)));
    assert!(matches!(fields["dettaglio.data_raggiungimento"], FieldValue::Date(_)));
}

#[rstest]
#[case(json!({"kind": "evento_esecuzione", "body": {"cig": "B4A19C3958", "id_aggiudicazione": 1, "stazione_appaltante": "80098765433", "anno_riferimento": 2025, "progressivo": 1, "stato": "bozza", "dettaglio": {"evento": "sospensione"}}}), "draft")]
#[case(json!({"kind": "evento_esecuzione", "body": {"cig": "B4A19C3958", "id_aggiudicazione": 1, "progressivo": 1, "stato": "scartato", "dettaglio": {"evento": "sospensione"}}}), "rejected")]
#[case(json!({"kind": "lotto", "body": {"cig": "B4A19C3958", "anno_riferimento": 2025}}), "no_authority")]
#[case(json!({"kind": "lotto", "body": {"cig": "0000000000", "stazione_appaltante": "80098765433", "anno_riferimento": 2025}}), "null_cig")]
#[case(json!({"kind": "aggiudicazione", "body": {"cig": "0000000000", "id_aggiudicazione": 1, "stazione_appaltante": "80098765433", "anno_riferimento": 2025}}), "null_cig")]
#[case(json!({"kind": "contratto", "body": {"cig": "0000000000", "id_aggiudicazione": 1, "stazione_appaltante": "80098765433", "anno_riferimento": 2025}}), "null_cig")]
#[case(json!({"kind": "evento_esecuzione", "body": {"cig": "0000000000", "id_aggiudicazione": 1, "stazione_appaltante": "80098765433", "anno_riferimento": 2025, "progressivo": 1, "stato": "inviato", "dettaglio": {"evento": "sospensione"}}}), "null_cig")]
#[case(json!({"kind": "lotto", "body": {"cig": "B4A19C3958", "stazione_appaltante": "80098765433"}}), "no_period")]
#[case(json!({"kind": "lotto", "body": {"cig": "B4A19C3958", "stazione_appaltante": "RSSMRA85T10A562S", "anno_riferimento": 2025}}), "not_a_body")]
#[case(json!({"kind": "lotto", "body": {"cig": "B4A19C3958", "stazione_appaltante": "80098765433", "anno_riferimento": 25}}), "no_period")]
fn a_record_that_cannot_go_says_why(#[case] member: Value, #[case] code: &str) {
    let adapter = adapter(json!({}));
    let placed = adapter.target().unwrap().place(&record(&member));
    assert!(matches!(placed, Placement::Withheld { code: found } if found == code), "{placed:?}");
}

#[test]
fn kinds_that_are_not_taken_go_elsewhere() {
    let adapter = adapter(json!({}));
    let ente = record(&json!({"kind": "ente", "body": {"codice_fiscale": "80098765433"}}));
    assert!(matches!(adapter.target().unwrap().place(&ente), Placement::Elsewhere));
    assert!(adapter.target().unwrap().compose(&UnitKey(UNIT.to_owned()), 1, &[ente]).is_err());
}

#[tokio::test]
async fn a_package_is_delivered_once_found_again_replaced_and_remembered() {
    let state = tempfile::tempdir().unwrap();
    let running = simulator(Some(state.path()), None);
    let first = adapter(running.settings.clone());
    let target = first.target().unwrap();
    let case = cases("pacchetti").remove(0).1;
    let records = members(&case);
    let sent = shipment(&*first, UNIT, 1, &records);
    assert!(matches!(target.look_up(&sent).await.unwrap(), Held::Nothing));
    let Outcome::Acknowledged(receipt) = target.send(&sent).await.unwrap() else { panic!("not taken") };
    assert_eq!((receipt.status, receipt.remote_id.as_deref()), (201, Some("80098765433/2025/1")));
    let Outcome::Acknowledged(again) = target.send(&sent).await.unwrap() else { panic!("not taken") };
    assert_eq!(again.status, 200);
    assert!(matches!(target.look_up(&sent).await.unwrap(), Held::Same(_)));
    // What was composed is what is read back, whatever the kind of the record.
    let page = first.observer().unwrap().inventory(None).await.unwrap();
    assert_eq!(page.units[0].rows, target.compose(&sent.unit, 1, &records).unwrap().rows);
    assert_eq!(page.units[0].rows.len(), records.len());
    let newer = shipment(&*first, UNIT, 2, &records[..1]);
    assert!(matches!(target.send(&newer).await.unwrap(), Outcome::Acknowledged(_)));
    assert!(matches!(target.look_up(&sent).await.unwrap(), Held::Other));
    let refused = target.send(&sent).await.unwrap();
    assert!(matches!(&refused, Outcome::Refused { code, .. } if code == "versione_superata"), "{refused:?}");
    running.stop().await;
    let running = simulator(Some(state.path()), None);
    let second = adapter(running.settings.clone());
    assert!(matches!(second.target().unwrap().look_up(&newer).await.unwrap(), Held::Same(_)));
    let page = second.observer().unwrap().inventory(None).await.unwrap();
    let composed = second.target().unwrap().compose(&newer.unit, 2, &records[..1]).unwrap();
    assert_eq!((page.units[0].key.as_str(), &page.units[0].rows), (UNIT, &composed.rows));
    running.stop().await;
}

#[tokio::test]
async fn the_inventory_comes_in_pages_in_the_order_of_the_keys() {
    let running = simulator(None, None);
    let adapter = adapter(running.settings.clone());
    for year in 2010..2022 {
        let member = json!({"kind": "lotto", "body": {"cig": "B4A19C3958", "stazione_appaltante": "80098765433", "anno_riferimento": year}});
        let sent = shipment(&*adapter, &format!("80098765433/{year}"), 1, &[record(&member)]);
        assert!(matches!(adapter.target().unwrap().send(&sent).await.unwrap(), Outcome::Acknowledged(_)));
    }
    let (mut keys, mut from, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = adapter.observer().unwrap().inventory(from.as_deref()).await.unwrap();
        keys.extend(page.units.into_iter().map(|unit| unit.key));
        pages += 1;
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!((keys.len(), pages), (12, 3));
    assert!(keys.is_sorted_by(|one, next| one < next));
    running.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_in_doubt_and_the_look_up_finds_the_package() {
    let running =
        simulator(None, Some(json!([{ "operation": "consegna", "first": 1, "answer": "drop_after_effect" }])));
    let adapter = adapter(running.settings.clone());
    let sent = shipment(&*adapter, UNIT, 1, &members(&cases("pacchetti").remove(0).1));
    let error = adapter.target().unwrap().send(&sent).await.unwrap_err();
    assert_eq!(error.phase, Phase::Unknown);
    assert!(matches!(adapter.target().unwrap().look_up(&sent).await.unwrap(), Held::Same(_)));
    running.stop().await;
}

#[tokio::test]
async fn the_simulator_takes_no_person_and_believes_no_number() {
    let running = simulator(None, None);
    let adapter = adapter(running.settings.clone());
    let target = adapter.target().unwrap();
    let sent = shipment(&*adapter, UNIT, 1, &members(&cases("pacchetti").remove(1).1));
    let check = async |change: &dyn Fn(&mut Value), expected: &str| {
        let mut package: Value = serde_json::from_slice(&sent.body).unwrap();
        change(&mut package);
        let digest = canonical::Digest::of(package["contenuto"].as_str().unwrap().as_bytes()).to_string();
        if expected != "contenuto_non_coerente" {
            package["manifesto"]["impronta"] = digest.into();
        }
        let body = serde_json::to_vec(&package).unwrap();
        let idempotency_key = canonical::Digest::of(&body).to_string();
        let outcome = target.send(&Shipment { body, idempotency_key, ..sent.clone() }).await.unwrap();
        assert!(matches!(&outcome, Outcome::Refused { code, .. } if code == expected), "{expected}: {outcome:?}");
    };
    check(&|package| package["contenuto"] = "".into(), "contenuto_non_coerente").await;
    check(&|package| package["contenuto"] = "x\n".into(), "riga_non_valida").await;
    check(&|package| package["manifesto"]["periodo"] = "2024".into(), "richiesta_non_valida").await;
    let person = |package: &mut Value| {
        let text = package["contenuto"].as_str().unwrap().replace("\"9\"", "\"RSSMRA85T10A562S\"");
        package["contenuto"] = text.into();
    };
    check(&person, "dato_personale").await;
    running.stop().await;
}

#[rstest]
#[case(ResponseTemplate::new(401), Some(ErrorKind::Authentication), Phase::Refused)]
#[case(ResponseTemplate::new(403), Some(ErrorKind::Permission), Phase::Refused)]
#[case(ResponseTemplate::new(429).insert_header("retry-after", "3"), Some(ErrorKind::RateLimited), Phase::Refused)]
#[case(ResponseTemplate::new(500), Some(ErrorKind::Unavailable), Phase::Unknown)]
#[case(ResponseTemplate::new(503).insert_header("retry-after", "3"), Some(ErrorKind::Unavailable), Phase::Refused)]
#[case(ResponseTemplate::new(200).set_body_raw("<html>", "text/html"), Some(ErrorKind::NotUnderstood), Phase::Unknown)]
#[case(ResponseTemplate::new(200).set_body_json(json!({"id": "x", "versione": 9, "impronta": "x"})), Some(ErrorKind::NotUnderstood), Phase::Unknown)]
#[case(ResponseTemplate::new(404).set_body_json(json!({"codice": "non_trovato", "messaggio": ""})), Some(ErrorKind::NotUnderstood), Phase::Refused)]
#[case(ResponseTemplate::new(404).set_body_raw("<html>", "text/html"), Some(ErrorKind::NotUnderstood), Phase::Refused)]
#[case(ResponseTemplate::new(405), Some(ErrorKind::NotUnderstood), Phase::Refused)]
#[case(ResponseTemplate::new(409).set_body_json(json!({"codice": "versione_diversa", "messaggio": "di RSSMRA85T10A562S"})), None, Phase::Refused)]
#[tokio::test]
async fn an_answer_to_a_package_is_classified(
    #[case] answer: ResponseTemplate,
    #[case] kind: Option<ErrorKind>,
    #[case] phase: Phase,
) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).expect(1).mount(&server).await;
    let (_folder, settings) = settings_for(&server.uri());
    let adapter = adapter(settings);
    let sent = shipment(&*adapter, UNIT, 1, &members(&cases("pacchetti").remove(0).1));
    match (adapter.target().unwrap().send(&sent).await, kind) {
        (Err(error), Some(kind)) => assert_eq!((error.kind, error.phase), (kind, phase)),
        (Ok(Outcome::Refused { code, message }), None) => {
            assert_eq!((code.as_str(), message.as_str()), ("versione_diversa", "di [codice fiscale omesso]"));
        }
        (other, _) => panic!("{other:?}"),
    }
}

#[rstest]
#[case::absent(ResponseTemplate::new(404).set_body_json(json!({"codice": "non_trovato", "messaggio": ""})), None)]
#[case::another_word(ResponseTemplate::new(404).set_body_json(json!({"codice": "percorso", "messaggio": ""})), Some(Advice::FixConfiguration))]
#[case::wrong_address(ResponseTemplate::new(404).set_body_raw("<html>", "text/html"), Some(Advice::FixConfiguration))]
#[tokio::test]
async fn only_an_explicit_absence_is_nothing(#[case] answer: ResponseTemplate, #[case] advice: Option<Advice>) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let (_folder, settings) = settings_for(&server.uri());
    let adapter = adapter(settings);
    let sent = shipment(&*adapter, UNIT, 1, &members(&cases("pacchetti").remove(0).1));
    match (adapter.target().unwrap().look_up(&sent).await, advice) {
        (Err(error), Some(advice)) => assert_eq!(error.advice, advice),
        (held, None) => assert_eq!(held.unwrap(), Held::Nothing),
        (held, _) => panic!("{held:?}"),
    }
}

#[rstest]
#[case::before_the_last(json!("80098765433/2024"))]
#[case::past_the_last(json!("80098765433/2027"))]
#[case::no_key(json!(""))]
#[tokio::test]
async fn a_list_that_does_not_go_on_from_its_last_package_is_not_believed(#[case] successivo: Value) {
    let server = MockServer::start().await;
    let manifesto = |periodo: &str| json!({"ente": "80098765433", "periodo": periodo, "versione": 1, "righe": 0, "impronta": canonical::Digest::of(b"").to_string()});
    let page = |elementi: Value, successivo: &Value| {
        ResponseTemplate::new(200).set_body_json(json!({"elementi": elementi, "successivo": successivo}))
    };
    let two = page(json!([manifesto("2024"), manifesto("2025")]), &successivo);
    let none = page(json!([]), &json!("80098765433/2025"));
    Mock::given(path("/v0/pacchetti")).respond_with(two).up_to_n_times(1).mount(&server).await;
    Mock::given(path("/v0/pacchetti")).respond_with(none).mount(&server).await;
    let (_folder, settings) = settings_for(&server.uri());
    let adapter = adapter(settings);
    for from in [None, Some("80098765433/2025")] {
        let error = adapter.observer().unwrap().inventory(from).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotUnderstood, "{from:?}");
    }
}

fn settings_for(base_url: &str) -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, "s3cret").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    (folder, json!({"packages": {"base_url": base_url, "key_file": key_file}}))
}

#[tokio::test]
async fn a_shipment_that_is_not_ours_is_for_a_person() {
    let (_folder, settings) = settings_for("http://127.0.0.1:1");
    let adapter = adapter(settings);
    let sent = shipment(&*adapter, UNIT, 1, &members(&cases("pacchetti").remove(0).1));
    let error = adapter.target().unwrap().send(&Shipment { body: b"{}".to_vec(), ..sent }).await.unwrap_err();
    assert_eq!((error.phase, error.advice), (Phase::BeforeSending, Advice::AskPerson));
}

#[tokio::test]
async fn the_records_of_a_whole_contract_go_out_and_are_read_back_the_same() {
    let running = simulator(None, None);
    let adapter = adapter(running.settings.clone());
    let target = adapter.target().unwrap();
    let text = std::fs::read_to_string(at("contract-tests/systems/osservatorio/records.ndjson")).unwrap();
    let records: Vec<Record> = text.lines().map(|line| record(&serde_json::from_str(line).unwrap())).collect();
    let mut units = std::collections::BTreeMap::<UnitKey, Vec<Record>>::new();
    for record in records {
        let Placement::Unit(unit) = target.place(&record) else { panic!("{} has no place", record.key()) };
        units.entry(unit.key).or_default().push(record);
    }
    for (unit, members) in &units {
        let sent = shipment(&*adapter, unit.as_str(), 1, members);
        assert!(matches!(target.send(&sent).await.unwrap(), Outcome::Acknowledged(_)));
    }
    let page = adapter.observer().unwrap().inventory(None).await.unwrap();
    assert_eq!(page.units.len(), units.len());
    for (held, (unit, members)) in page.units.iter().zip(&units) {
        assert_eq!((&held.key, &held.rows), (unit, &target.compose(unit, 1, members).unwrap().rows));
    }
    running.stop().await;
}
