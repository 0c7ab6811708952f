//! The samples, and what an importer must make of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use canonical::{Kind, Rule};
use contract::{DocumentHeader, RawRecord, ReadRequest, Received, Refusal, Source};
use file_drop::{FileDrop, Inspection, Settings, inspect};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/samples")
}

fn inspect_file(path: &Path) -> Inspection {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    inspect(std::fs::File::open(path).expect("the sample is there"), &name)
}

/// What a source hands over for one file.
struct Taken {
    header: Option<DocumentHeader>,
    records: Vec<RawRecord>,
    refusal: Option<Refusal>,
}

fn take(path: &Path) -> Taken {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (sink, mut received) = mpsc::channel(8);
    let request = ReadRequest { files: Some(vec![path.to_owned()]), cursor: None };
    let mut taken = Taken { header: None, records: Vec::new(), refusal: None };
    runtime.block_on(async {
        let file_drop = FileDrop::new(Settings::default());
        let reading = tokio::spawn(async move { file_drop.read(request, sink).await });
        while let Some(received) = received.recv().await {
            match received {
                Received::Begin(header) => taken.header = Some((*header).clone()),
                Received::Record(record) => taken.records.push(record),
                Received::Refused { refusal, .. } => taken.refusal = Some(refusal),
                Received::End | Received::Cursor(_) => {}
            }
        }
        reading.await.expect("the reading does not panic").expect("the file is read or refused");
    });
    taken
}

fn findings(records: &[RawRecord]) -> BTreeMap<Rule, u64> {
    let file_drop = FileDrop::new(Settings::default());
    let mut findings = BTreeMap::new();
    for record in records {
        let normalized = file_drop.normalize(record);
        assert_eq!(normalized, file_drop.normalize(record), "the same record gives the same answer");
        if let Some(set_aside) = &normalized.set_aside {
            assert!(normalized.findings.iter().any(|finding| finding.rule == set_aside.rule));
        }
        for finding in normalized.findings {
            *findings.entry(finding.rule).or_default() += 1;
        }
    }
    findings
}

#[test]
fn every_sample_holds_what_is_expected_of_it() {
    let expected: BTreeMap<String, Value> =
        serde_json::from_str(&std::fs::read_to_string(samples().join("l190/attesi.json")).unwrap()).unwrap();
    assert_eq!(expected.len(), 11);
    for (file, expected) in expected {
        let inspection = inspect_file(&samples().join("l190").join(&file));
        let counts = serde_json::to_value(&inspection.counts).unwrap();
        match expected["esito"].as_str() {
            Some("indice") => {
                assert_eq!(inspection.format, "l190-indice", "{file}");
                assert_eq!(counts, json!({"dataset_elencati": expected["dataset_elencati"]}), "{file}");
            }
            Some("non_ben_formato") => {
                assert_eq!(inspection.refused.map(|refusal| refusal.code).as_deref(), Some("mismatched_tag"), "{file}");
            }
            _ => assert_eq!((counts, inspection.refused), (expected, None), "{file}"),
        }
    }
}

#[rstest]
#[case("l190/terracina-2013.xml", "1.0")]
#[case("l190/sito-2022-200lotti.xml", "1.1")]
#[case("l190/ricostruito-2020-messina.xml", "1.1")]
#[case("l190/ricostruito-2020-monza.xml", "1.1")]
#[case("l190/equivalente-2024.xml", "1.3")]
#[case("l190/equivalente-indice.xml", "1.0")]
#[case("l190/equivalente-test1.xml", "1.1")]
#[case("l190/equivalente-test3.xml", "1.1")]
#[case("l190/equivalente-testxsd1.xml", "1.1")]
#[case("l190/equivalente-vuoto.xml", "1.0")]
#[case("esecuzione/storia.ndjson", "1")]
fn inspecting_and_importing_agree(#[case] file: &str, #[case] version: &str) {
    let path = samples().join(file);
    let inspection = inspect_file(&path);
    let taken = take(&path);
    let counted = serde_json::to_value(&inspection.counts).unwrap();
    let counted = counted.get("lotti").or(counted.get("righe")).and_then(Value::as_u64).unwrap_or(0);
    assert_eq!(inspection.version, version);
    assert_eq!(taken.records.len() as u64, counted);
    assert_eq!(findings(&taken.records), inspection.findings);
    assert_eq!((taken.refusal, inspection.refused), (None, None));
    assert_eq!(taken.header.unwrap().format, inspection.format);
}

#[test]
fn a_refused_sample_is_told_by_both_and_gives_nothing() {
    let path = samples().join("l190/equivalente-testxsd2.xml");
    let taken = take(&path);
    assert!(taken.refusal.is_some());
    assert_eq!(taken.refusal, inspect_file(&path).refused);
    assert!(taken.header.is_none() && taken.records.is_empty());
}

#[test]
fn the_story_holds_one_execution_from_signature_to_testing() {
    let taken = take(&samples().join("esecuzione/storia.ndjson"));
    let file_drop = FileDrop::new(Settings::default());
    let bodies: Vec<_> = taken.records.iter().flat_map(|record| file_drop.normalize(record).records).collect();
    let events: Vec<_> = bodies.iter().filter(|draft| draft.body.kind() == Kind::EventoEsecuzione).collect();
    let keys: Vec<_> = events.iter().map(|draft| draft.body.key().to_string()).collect();
    let phases: Vec<_> = keys.iter().map(|key| key.split_once("/1/").unwrap().1).collect();
    assert_eq!(phases, ["13/1", "2/1", "3/1", "3/2", "6/1", "15/1", "7/1", "3/3", "4/1", "5/1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_damaged_sample_is_told_the_same_by_inspecting_and_importing(
        places in proptest::collection::vec((0_usize..4000, any::<u8>()), 1..4),
    ) {
        let mut bytes = std::fs::read(samples().join("l190/equivalente-2024.xml")).unwrap();
        for (place, byte) in places {
            let length = bytes.len();
            bytes[place % length] = byte;
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let inspection = inspect_file(file.path());
        let taken = take(file.path());
        if inspection.refused.is_some() {
            prop_assert!(taken.records.is_empty());
        } else {
            prop_assert_eq!(findings(&taken.records), inspection.findings);
        }
        prop_assert_eq!(taken.refusal, inspection.refused);
    }
}
