//! `pad-file` as a source: which tables it reads, by which mapping, and what it hands over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use canonical::{Body, Rule};
use contract::{
    Adapter, AdapterError, Advice, ContractStatus, DocumentHeader, RawRecord, ReadRequest, Received, Source,
};
use file_drop::mapping::{Mapping, lint};
use file_drop::{PAD_FILE_FACTORY, PadFile, PadFileSettings};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::mpsc;

const MAPPING: &str = r#"
platform = "prova"
version = 3
kind = "csv"
separator = ";"
key = ["CIG"]

[[record]]
kind = "lotto"
[record.fields]
cig = { column = "CIG" }
oggetto = { column = "Oggetto" }

[[record]]
kind = "operatore_economico"
each_row = true
[record.fields]
codice_fiscale = { column = "CF" }
"#;
const HEADER: &str = "CIG;Oggetto;CF\n";
const CSV: &str = "CIG;Oggetto;CF
5044003AF1;Ponte;01234500138
5044003AF1;Ponte;09876501009
48453930CC;Strada;
5044003AF1;Ponte;
";

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A folder with mappings and a folder with tables.
struct Place {
    folder: tempfile::TempDir,
    mappings: tempfile::TempDir,
}

impl Place {
    fn new(mapping: &str) -> Self {
        let place =
            Self { folder: tempfile::tempdir().expect("a folder"), mappings: tempfile::tempdir().expect("a folder") };
        std::fs::write(place.mappings.path().join("prova.toml"), mapping).expect("written");
        place
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    fn pad_file(&self) -> PadFile {
        let (folder, mappings) = (Some(self.folder.path().to_owned()), Some(self.mappings.path().to_owned()));
        PadFile::new(PadFileSettings { folder, mappings, ..PadFileSettings::default() }).expect("a good mapping")
    }
}

fn shipped() -> PadFile {
    let mappings = Some(manifest("mappings"));
    PadFile::new(PadFileSettings { mappings, ..PadFileSettings::default() }).expect("the mappings are good")
}

fn read(source: impl Source + 'static, files: Option<Vec<PathBuf>>) -> (Vec<Received>, Result<(), AdapterError>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (sink, mut received) = mpsc::channel(1);
        let reading = tokio::spawn(async move { source.read(ReadRequest { files, cursor: None }, sink).await });
        let mut all = Vec::new();
        while let Some(received) = received.recv().await {
            all.push(received);
        }
        (all, reading.await.expect("the reading does not panic"))
    })
}

fn records(received: &[Received]) -> Vec<RawRecord> {
    let record = |received: &Received| match received {
        Received::Record(record) => Some(record.clone()),
        _ => None,
    };
    received.iter().filter_map(record).collect()
}

/// One word for each thing handed over.
fn told(received: &[Received]) -> Vec<String> {
    let word = |received: &Received| match received {
        Received::Begin(header) => format!("begin {} {}", header.remote_id, header.version),
        Received::Record(record) => format!("record {}:{}", record.line, record.occurrence),
        Received::End => "end".to_owned(),
        Received::Refused { remote_id, refusal } => format!("refused {remote_id} {}", refusal.code),
        Received::Cursor(_) => "cursor".to_owned(),
    };
    received.iter().map(word).collect()
}

#[track_caller]
fn check(mapping: &str, bytes: impl AsRef<[u8]>, expected: &[&str]) {
    let place = Place::new(mapping);
    place.write("a.csv", bytes);
    let (received, outcome) = read(place.pad_file(), None);
    outcome.expect("read");
    assert_eq!(told(&received), expected, "{received:?}");
}

#[test]
fn consecutive_rows_of_a_key_are_one_record_and_later_ones_a_repetition() {
    check(MAPPING, CSV, &["begin a.csv prova-3", "record 2:0", "record 4:0", "record 5:1", "end"]);
}

#[test]
fn rows_without_a_key_are_never_gathered() {
    let rows = format!("{HEADER};a;\n;b;\n0000000000;c;\n0000000000;d;\ntroppo;corta\ntroppo;corta\n");
    let alone = ["record 2:0", "record 3:0", "record 4:0", "record 5:0", "record 6:0", "record 7:0"];
    check(MAPPING, rows, &[&["begin a.csv prova-3"], &alone[..], &["end"]].concat());
}

#[test]
fn a_table_that_no_mapping_fits_is_refused_whole() {
    check(MAPPING, "CIG;Oggetto\n5044003AF1;Ponte\n", &["refused a.csv no_mapping"]);
    check(MAPPING, "CIG,Oggetto,CF\n1,2,3\n", &["refused a.csv no_mapping"]);
    check(MAPPING, "CIG;Oggetto;CF;cig\n", &["refused a.csv repeated_columns"]);
    check(MAPPING, format!("{HEADER}5044003AF1;\"Ponte\n"), &["refused a.csv unclosed_quote"]);
    check(MAPPING, "", &["refused a.csv empty_file"]);
    check(MAPPING, "<html><body>", &["refused a.csv html_page"]);
    check(MAPPING, "{\"a\": 1}", &["refused a.csv not_a_table"]);
    check(MAPPING, b"PK\x03\x04 and no more", &["refused a.csv not_an_xlsx"]);
}

#[test]
fn a_header_is_known_whatever_its_order_letter_case_and_other_columns() {
    check(MAPPING, "altro;cf;OGGETTO; cig \n", &["begin a.csv prova-3", "end"]);
}

#[test]
fn of_two_mappings_the_one_that_asks_more_is_taken_and_equals_are_refused() {
    let place = Place::new(MAPPING);
    place.write("a.csv", CSV);
    let second = |columns: &str| {
        let text = MAPPING.replace("prova", "altra").replace("key =", &format!("columns = [{columns}]\nkey ="));
        std::fs::write(place.mappings.path().join("altra.toml"), text).unwrap();
        told(&read(place.pad_file(), None).0)[0].clone()
    };
    assert_eq!(second(""), "refused a.csv ambiguous_mapping");
    assert_eq!(second("\"Note\""), "begin a.csv prova-3");
    place.write("a.csv", "CIG;Oggetto;CF;Note\n");
    assert_eq!(second("\"Note\""), "begin a.csv altra-3");
}

#[test]
fn files_on_their_way_hidden_and_linked_are_left_alone() {
    let place = Place::new(MAPPING);
    for name in ["b.csv", "c.csv.part", "d.TMP", ".e.csv"] {
        place.write(name, CSV);
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(manifest("Cargo.toml"), place.folder.path().join("f.csv")).unwrap();
    let (received, outcome) = read(place.pad_file(), None);
    outcome.unwrap();
    assert!(told(&received).iter().all(|word| !word.contains('.') || word.contains("b.csv")), "{:?}", told(&received));
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_read_is_refused_and_read_at_the_next_round() {
    let place = Place::new(MAPPING);
    let path = place.write("a.csv", CSV);
    let (sink, mut received) = mpsc::channel(1);
    let pad_file = place.pad_file();
    let reading = tokio::spawn(async move { pad_file.read(ReadRequest::default(), sink).await });
    let mut all = vec![received.recv().await.expect("the document begins")];
    std::fs::write(&path, format!("{CSV}48453930CC;Strada;01234500138\n")).unwrap();
    while let Some(received) = received.recv().await {
        all.push(received);
    }
    reading.await.unwrap().unwrap();
    assert_eq!(told(&all).last().unwrap(), "refused a.csv changed_while_reading");
    let pad_file = place.pad_file();
    let (again, _) = tokio::task::spawn_blocking(|| read(pad_file, None)).await.unwrap();
    assert_eq!(told(&again).last().unwrap(), "end");
}

#[test]
fn the_same_file_twice_is_the_same_document_and_a_replaced_one_another() {
    let place = Place::new(MAPPING);
    place.write("a.csv", CSV);
    let digest = |received: &[Received]| match &received[0] {
        Received::Begin(header) => header.digest.clone(),
        other => panic!("a document was expected: {other:?}"),
    };
    let (first, again) = (read(place.pad_file(), None).0, read(place.pad_file(), None).0);
    assert_eq!(first, again);
    place.write("a.csv", CSV.replace("Strada", "Galleria"));
    let replaced = read(place.pad_file(), None).0;
    assert_ne!(digest(&first), digest(&replaced));
    assert_eq!(told(&first), told(&replaced));
}

#[test]
fn windows_1252_is_read_with_a_finding_unless_it_is_declared() {
    let place = Place::new(MAPPING);
    place.write("a.csv", b"CIG;Oggetto;CF\n5044003AF1;Citt\xe0;\n48453930CC;Ponte;\n");
    let findings = |place: &Place| {
        let pad_file = place.pad_file();
        let records = records(&read(place.pad_file(), None).0);
        let normalized: Vec<_> = records.iter().map(|record| pad_file.normalize(record)).collect();
        let Body::Lotto(lotto) = &normalized[0].records[0].body else { panic!("a lot was expected") };
        assert_eq!(lotto.oggetto.as_deref(), Some("Città"));
        normalized
            .iter()
            .flat_map(|normalized| &normalized.findings)
            .filter_map(|f| f.detail.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(findings(&place), ["windows_1252_bytes"]);
    let declared = MAPPING.replace("key =", "encoding = \"windows-1252\"\nkey =");
    std::fs::write(place.mappings.path().join("prova.toml"), declared).unwrap();
    assert_eq!(findings(&place), Vec::<String>::new());
}

#[test]
fn rows_of_a_record_that_disagree_are_told() {
    let place = Place::new(MAPPING);
    place.write("a.csv", format!("{HEADER}5044003AF1;Ponte;\n5044003AF1;Strada;\n"));
    let raw = records(&read(place.pad_file(), None).0);
    let finding = &place.pad_file().normalize(&raw[0]).findings[0];
    assert_eq!((finding.rule, finding.detail.as_deref()), (Rule::R06, Some("rows_differ")));
}

#[test]
fn a_file_that_is_too_long_is_refused_with_the_setting_that_says_so() {
    let place = Place::new(MAPPING);
    place.write("a.csv", CSV);
    std::fs::copy(manifest("mappings/programma-esempio.examples/scheda-d.xlsx"), place.folder.path().join("b.xlsx"))
        .unwrap();
    let settings = PadFileSettings {
        folder: Some(place.folder.path().to_owned()),
        mappings: Some(manifest("mappings")),
        max_xlsx_bytes: 100,
        ..PadFileSettings::default()
    };
    let refusals = |settings: PadFileSettings| {
        let received = read(PadFile::new(settings).unwrap(), None).0;
        let message = |received: &Received| match received {
            Received::Refused { refusal, .. } => Some(format!("{} {}", refusal.code, refusal.message)),
            _ => None,
        };
        received.iter().filter_map(message).collect::<Vec<_>>()
    };
    let told = refusals(settings.clone());
    assert!(told[0].starts_with("no_mapping") && told[1].contains("max_xlsx_bytes"), "{told:?}");
    let told = refusals(PadFileSettings { max_bytes: 10, ..settings });
    assert!(told[0].starts_with("too_large") && told[0].contains("raise max_bytes"), "{told:?}");
}

#[test]
fn a_number_in_floating_point_never_becomes_an_amount() {
    let mapping = MAPPING.replace("oggetto = { column = \"Oggetto\" }", "number_format_goes_here");
    let field = "importo_netto = { expression = \"double(row['Oggetto']) * 1.1\", number_format = \"point\" }";
    let place = Place::new(&mapping.replace("number_format_goes_here", field));
    place.write("a.csv", format!("{HEADER}5044003AF1;100.10;\n"));
    let raw = records(&read(place.pad_file(), None).0);
    let normalized = place.pad_file().normalize(&raw[0]);
    let details: Vec<_> = normalized.findings.iter().filter_map(|finding| finding.detail.as_deref()).collect();
    assert_eq!(details, ["expression_not_exact"]);
    assert_eq!(normalized.records.len(), 1);
}

#[test]
fn a_record_whose_mapping_is_gone_stands_aside() {
    let place = Place::new(MAPPING);
    place.write("a.csv", CSV);
    let raw = records(&read(place.pad_file(), None).0);
    let normalized = shipped().normalize(&raw[0]);
    assert!(normalized.set_aside.is_some() && normalized.records.is_empty());
}

#[test]
fn what_is_not_configured_says_what_to_configure() {
    let error = read(PadFile::new(PadFileSettings::default()).unwrap(), None).1.unwrap_err();
    assert!(error.attempted.contains("mappings"), "{error}");
    assert_eq!(error.advice, Advice::FixConfiguration);
    let error = read(shipped(), None).1.unwrap_err();
    assert!(error.attempted.contains("folder"), "{error}");
    let build = |settings: Value| (PAD_FILE_FACTORY.build)(settings).map(|_| ()).unwrap_err().to_string();
    assert!(build(json!({"mapping": "x"})).contains("mappings"));
    assert!(build(json!({"mappings": "/nowhere"})).contains("/nowhere"));
    let place = Place::new(&MAPPING.replace("\"lotto\"", "\"lotti\""));
    assert!(build(json!({"mappings": place.mappings.path()})).contains("record.1.kind"));
    let place = Place::new(MAPPING);
    std::fs::write(place.mappings.path().join("copia.toml"), MAPPING).unwrap();
    assert!(build(json!({"mappings": place.mappings.path()})).contains("one file a platform"));
}

#[test]
fn the_capability_says_that_the_contract_is_assumed() {
    let capability = shipped().capability();
    assert_eq!((capability.system, capability.status), ("pad-file", ContractStatus::Assumed));
}

#[test]
fn inspecting_a_table_says_what_to_do_with_it() {
    let refusal = file_drop::inspect(CSV.as_bytes(), "a.csv").refused.unwrap();
    assert_eq!(refusal.code, "table");
    assert!(refusal.message.contains("raccordo import pad-file"), "{}", refusal.message);
}

fn raw(text: String) -> RawRecord {
    let document = DocumentHeader {
        remote_id: "a.csv".to_owned(),
        digest: String::new(),
        format: "pad-file".to_owned(),
        version: "gare-esempio-2".to_owned(),
        as_of: None,
        context: json!({"platform": "l190-tabella", "columns": [
            "cig", "codiceFiscale", "ragioneSociale", "identificativoFiscaleEstero", "ruolo", "aggrgrno",
            "importoAggiudicazione", "tempiCompletamento:dataInizio",
        ]}),
    };
    RawRecord { document: Arc::new(document), line: 2, occurrence: 0, text }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_row_panics(
        rows in proptest::collection::vec(proptest::collection::vec("[^\n\"]{0,12}|5044003AF1|[0-9]{11}", 8), 1..4),
    ) {
        let line = |row: &Vec<String>| row.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(",");
        let text = rows.iter().map(line).collect::<Vec<_>>().join("\n");
        let normalized = shipped_once().normalize(&raw(text));
        prop_assert!(!normalized.records.is_empty() || normalized.set_aside.is_some());
    }

    #[test]
    fn no_stored_text_panics(text in "(?s).{0,80}") {
        let normalized = shipped_once().normalize(&raw(text));
        prop_assert!(!normalized.records.is_empty() || normalized.set_aside.is_some());
    }

    #[test]
    fn no_table_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), with_header in any::<bool>()) {
        let place = Place::new(MAPPING);
        let header = if with_header { HEADER.as_bytes() } else { b"" };
        place.write("a.csv", [header, &bytes].concat());
        let (received, outcome) = read(place.pad_file(), None);
        prop_assert!(outcome.is_ok() && !received.is_empty());
    }

    #[test]
    fn no_workbook_panics(
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = std::fs::read(manifest("mappings/programma-esempio.examples/scheda-d.xlsx")).unwrap();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xlsx");
        std::fs::write(&path, bytes).unwrap();
        let (received, outcome) = read(shipped_once().clone(), Some(vec![path]));
        prop_assert!(outcome.is_ok() && !received.is_empty());
    }

    #[test]
    fn no_mapping_panics(text in "(?s).{0,60}", expression in "[a-z0-9'\"()\\[\\]{}+*.!?:<>=& -]{0,40}") {
        let _ = Mapping::parse(&text);
        let mut mapping = Mapping::parse(MAPPING).unwrap();
        mapping.records[0].when = Some(expression);
        let _ = lint(&mapping);
        mapping.records[0].when = None;
        let field = mapping.records[0].fields.remove("oggetto").unwrap();
        mapping.records[0].fields.insert(text, field);
        let _ = lint(&mapping);
    }
}

fn shipped_once() -> &'static PadFile {
    static SHIPPED: std::sync::OnceLock<PadFile> = std::sync::OnceLock::new();
    SHIPPED.get_or_init(shipped)
}
