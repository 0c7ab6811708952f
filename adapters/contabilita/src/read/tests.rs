//! The cases on file, and what must hold for any row.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::simulator::envelope;
use crate::testing::{adapter, columns, read_all, records};

const ENTE: &str = "80098765433";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract-tests/systems/contabilita")
}

/// Reads rows as one saved answer.
async fn normalized(operation: Operation, rows: &[serde_json::Map<String, Value>]) -> Vec<Normalized> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("risposta.xml");
    fs::write(&file, envelope(operation, rows.iter())).unwrap();
    let adapter = adapter(json!({ "ente": ENTE }));
    let (result, received) = read_all(&*adapter, Some(&[&file])).await;
    result.unwrap();
    records(&received).into_iter().map(|raw| adapter.source().unwrap().normalize(raw)).collect()
}

fn shown_as_case(normalized: &Normalized) -> Value {
    let records: Vec<Value> = normalized
        .records
        .iter()
        .map(|record| json!({ "chiave": record.body.key(), "pagamento": record.body_json(), "ricevuto": record.raw }))
        .collect();
    let mut shown = json!({ "record": records, "rilievi": normalized.findings });
    if let Some(aside) = &normalized.set_aside {
        shown["accantonata"] = json!({ "regola": aside.rule, "motivo": aside.reason });
    }
    shown
}

trait BodyJson {
    fn body_json(&self) -> Value;
}

impl BodyJson for DraftRecord {
    /// The body without what it does not say, so that people can read it.
    fn body_json(&self) -> Value {
        let mut body: Value = serde_json::from_str(&self.body.to_json()).unwrap();
        body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        if let Some(atto) = body.get_mut("atto").and_then(Value::as_object_mut) {
            atto.retain(|_, value| !value.is_null());
        }
        body
    }
}

#[tokio::test]
async fn every_case_on_file_gives_its_records_and_findings() {
    let mut paths: Vec<_> = fs::read_dir(folder().join("righe")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 8);
    for path in paths {
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let operation = Operation::deserialize(&case["operazione"]).unwrap();
        let rows: Vec<_> =
            case["righe"].as_array().unwrap().iter().map(|row| row.as_object().unwrap().clone()).collect();
        let found: Vec<Value> = normalized(operation, &rows).await.iter().map(shown_as_case).collect();
        assert_eq!(json!(found), case["attesi"], "{}: {:#}", path.display(), json!(found));
    }
}

#[rstest]
#[case("12000", "12000.00", None)]
#[case("12000.5", "12000.50", None)]
#[case("910.0", "910.00", None)]
#[case("1234.567", "1234.57", Some(Note::ExtraDecimals))]
#[case("0.005", "0.01", Some(Note::ExtraDecimals))]
#[case("-0.005", "-0.01", Some(Note::ExtraDecimals))]
#[case("12000.000000000002", "12000.00", Some(Note::ExtraDecimals))]
#[case("1.22E+05", "122000.00", Some(Note::Exponent))]
#[case("1.5e-1", "0.15", Some(Note::Exponent))]
#[case("-13200", "-13200.00", None)]
#[case("+1", "1.00", None)]
#[case("-0", "0.00", None)]
fn a_double_is_read_exactly_and_rounded_away_from_zero(
    #[case] text: &str,
    #[case] expected: &str,
    #[case] note: Option<Note>,
) {
    let reading = read_double(text);
    assert_eq!((reading.value.unwrap().to_string().as_str(), reading.note), (expected, note));
}

#[rstest]
#[case("NaN")]
#[case("INF")]
#[case("-INF")]
#[case("1,5")]
#[case("1.000,00")]
#[case("€ 5")]
#[case("--5")]
#[case("5-")]
#[case("1E+400")]
#[case("99999999999999999999")]
fn what_is_no_amount_is_not_guessed(#[case] text: &str) {
    assert_eq!(read_double(text).value, None);
}

#[tokio::test]
async fn a_malformed_code_of_a_person_is_kept_and_never_shown() {
    let rows = [columns(&json!({ "BeneficiarioCF": "RSSMRA85T10A56", "BeneficiarioNominativo": "Mario Rossi" }))];
    let normalized = &normalized(Operation::Mandati, &rows).await[0];
    let Body::Pagamento(pagamento) = &normalized.records[0].body else { panic!("another kind") };
    assert_eq!(pagamento.beneficiario, Some(IdentificativoOperatore::NonValido("RSSMRA85T10A56".to_owned())));
    assert_eq!(normalized.findings[0].rule, Rule::N04);
    let shown = format!("{normalized:?} {}", serde_json::to_string(&normalized.findings).unwrap());
    assert!(!shown.contains("RSSMRA") && !shown.contains("Rossi"));
}

#[tokio::test]
async fn names_and_descriptions_reach_no_record() {
    let rows = [columns(&json!({
        "BeneficiarioNominativo": "Mario Rossi", "Descrizione": "saldo a Mario Rossi", "AttoDescrizione": "Rossi",
    }))];
    let normalized = &normalized(Operation::Mandati, &rows).await[0];
    assert!(!normalized.records[0].body.to_json().contains("Rossi"));
    assert!(normalized.findings.is_empty(), "columns of the document are no strangers");
}

proptest! {
    #[test]
    fn an_amount_of_cents_survives_the_way_through_a_double(cents in -9_000_000_000_000_i64..9_000_000_000_000) {
        let importo = Importo::from_cents(cents);
        // As .NET writes it: without trailing zeros.
        let text = importo.to_string();
        let text = text.trim_end_matches('0').trim_end_matches('.');
        prop_assert_eq!(read_double(if text.is_empty() { "0" } else { text }), Reading::canonical(importo));
    }

    #[test]
    fn no_text_of_a_row_is_lost_or_breaks_the_reading(
        texts in prop::collection::vec("[ -~àè]{0,12}", Operation::Mandati.columns().len())
    ) {
        let columns = Operation::Mandati.columns().iter().zip(texts);
        let cells = columns.map(|(name, text)| ((*name).to_owned(), json!(text)));
        let row: serde_json::Map<String, Value> = cells.collect();
        let document = envelope(Operation::Mandati, std::iter::once(&row));
        let Ok(crate::envelope::Envelope::Rows(operation, rows)) = crate::envelope::read(document.as_bytes()) else {
            return Err(TestCaseError::fail("no envelope"));
        };
        let context = serde_json::to_value(Context {
            ente: CodiceFiscale::parse(ENTE).unwrap(), operation, scissioni: BTreeMap::new(), discordi: BTreeMap::new(),
        }).unwrap();
        let document = contract::DocumentHeader {
            remote_id: "x".to_owned(), digest: String::new(), format: String::new(), version: String::new(),
            as_of: None, context,
        };
        let raw = RawRecord { document: document.into(), line: 1, occurrence: 0, text: rows[0].text.clone() };
        let normalized = normalize(&raw);
        prop_assert_eq!(normalized.records.len() + usize::from(normalized.set_aside.is_some()), 1);
    }
}
