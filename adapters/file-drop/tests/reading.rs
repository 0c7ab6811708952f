//! The file drop as a source: which files it reads, in which order, and what it hands over.

use std::path::{Path, PathBuf};

use contract::{AdapterError, Advice, ReadRequest, Received, Source};
use file_drop::{FACTORY, FileDrop, Settings};
use serde_json::json;
use tokio::sync::mpsc;

const DATASET: &str = "<l:pubblicazione xmlns:l='legge190_1_0'>
<metadata><annoRiferimento>2013</annoRiferimento><dataUltimoAggiornamentoDataset>2014-01-29</dataUltimoAggiornamentoDataset></metadata>
<data>
<lotto><cig>5044003AF1</cig></lotto>
<lotto><cig>48453930CC</cig></lotto><lotto><cig>5044003af1 </cig></lotto>
</data></l:pubblicazione>";

async fn read(settings: Settings, files: Option<Vec<PathBuf>>) -> (Vec<Received>, Result<(), AdapterError>) {
    let (sink, mut received) = mpsc::channel(1);
    let file_drop = FileDrop::new(settings);
    let reading = tokio::spawn(async move { file_drop.read(ReadRequest { files, cursor: None }, sink).await });
    let mut all = Vec::new();
    while let Some(received) = received.recv().await {
        all.push(received);
    }
    (all, reading.await.expect("the reading does not panic"))
}

fn folder(path: &Path) -> Settings {
    Settings { folder: Some(path.to_owned()), ..Settings::default() }
}

/// One word for each thing handed over.
fn told(received: &[Received]) -> Vec<String> {
    received
        .iter()
        .map(|received| match received {
            Received::Begin(header) => format!("begin {}", header.remote_id),
            Received::Record(record) => format!("record {}:{}", record.line, record.occurrence),
            Received::End => "end".to_owned(),
            Received::Refused { remote_id, refusal } => format!("refused {remote_id} {}", refusal.code),
            Received::Cursor(_) => "cursor".to_owned(),
        })
        .collect()
}

#[tokio::test]
async fn the_regular_files_of_the_folder_are_read_by_name() {
    let inbox = tempfile::tempdir().unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    for name in ["b.xml", "a.xml", "c.xml.part", "d.TMP", ".hidden.xml"] {
        std::fs::write(inbox.path().join(name), DATASET).unwrap();
    }
    std::fs::write(inbox.path().join("aa.zip"), b"PK\x03\x04").unwrap();
    std::fs::create_dir(inbox.path().join("e.xml")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path(), inbox.path().join("link.xml")).unwrap();
    let (received, outcome) = read(folder(inbox.path()), None).await;
    outcome.unwrap();
    let one = |name: &str| {
        [format!("begin {name}"), "record 4:0".into(), "record 5:0".into(), "record 5:1".into(), "end".into()]
    };
    let expected = [&one("a.xml")[..], &["refused aa.zip zip_archive".to_owned()], &one("b.xml")].concat();
    assert_eq!(told(&received), expected);
    drop(outside);
}

#[tokio::test]
async fn a_document_says_what_its_records_need() {
    let inbox = tempfile::tempdir().unwrap();
    std::fs::write(inbox.path().join("a.xml"), DATASET).unwrap();
    let (received, _) = read(folder(inbox.path()), None).await;
    let Received::Begin(header) = &received[0] else { panic!("a document begins") };
    assert_eq!((header.format.as_str(), header.version.as_str()), ("l190", "1.1"));
    assert_eq!(header.digest().unwrap(), canonical::Digest::of(DATASET.as_bytes()));
    assert_eq!(header.as_of.unwrap().to_string(), "2014-01-29");
    assert_eq!(header.context, json!({"anno_riferimento": 2013}));
    let Received::Record(record) = &received[1] else { panic!("a record follows") };
    assert_eq!(record.text, "<lotto><cig>5044003AF1</cig></lotto>");
}

#[tokio::test]
async fn a_file_with_a_break_gives_no_record_at_all() {
    let inbox = tempfile::tempdir().unwrap();
    std::fs::write(inbox.path().join("a.xml"), DATASET.split("</data>").next().unwrap()).unwrap();
    let (received, outcome) = read(folder(inbox.path()), None).await;
    outcome.unwrap();
    assert_eq!(told(&received), ["refused a.xml truncated"]);
}

#[tokio::test]
async fn explicit_files_need_no_folder_and_one_that_cannot_be_read_hides_no_other() {
    let inbox = tempfile::tempdir().unwrap();
    let good = inbox.path().join("good.xml");
    std::fs::write(&good, DATASET).unwrap();
    let files = vec![inbox.path().join("missing.xml"), inbox.path().to_owned(), good];
    let (received, outcome) = read(Settings::default(), Some(files)).await;
    outcome.unwrap();
    let told = told(&received);
    assert_eq!(told[0], "refused missing.xml not_readable");
    assert!(told[1].ends_with("not_a_file"), "{}", told[1]);
    assert_eq!((told[2].as_str(), told.len()), ("begin good.xml", 7));
}

#[tokio::test]
async fn a_file_that_is_too_long_is_refused() {
    let inbox = tempfile::tempdir().unwrap();
    std::fs::write(inbox.path().join("a.xml"), DATASET).unwrap();
    let settings = Settings { max_bytes: 100, ..folder(inbox.path()) };
    assert_eq!(told(&read(settings, None).await.0), ["refused a.xml too_large"]);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_refused() {
    let inbox = tempfile::tempdir().unwrap();
    let path = inbox.path().join("a.xml");
    let lots = "<lotto><cig>5044003AF1</cig></lotto>\n".repeat(5000);
    std::fs::write(&path, DATASET.replace("<data>", &format!("<data>{lots}"))).unwrap();
    let (sink, mut received) = mpsc::channel(1);
    let file_drop = FileDrop::new(folder(inbox.path()));
    let reading = tokio::spawn(async move { file_drop.read(ReadRequest::default(), sink).await });
    let mut all = vec![received.recv().await.unwrap()];
    // The source waits for us after each record: the file surely changes before its end.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.push(b'\n');
    std::fs::write(&path, bytes).unwrap();
    while let Some(received) = received.recv().await {
        all.push(received);
    }
    reading.await.unwrap().unwrap();
    assert_eq!(told(&all).last().unwrap(), "refused a.xml changed_while_reading");
}

#[tokio::test]
async fn a_reading_whose_records_nobody_takes_ends() {
    let inbox = tempfile::tempdir().unwrap();
    std::fs::write(inbox.path().join("a.xml"), DATASET).unwrap();
    let (sink, received) = mpsc::channel(1);
    drop(received);
    assert!(FileDrop::new(folder(inbox.path())).read(ReadRequest::default(), sink).await.is_err());
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_a_matter_of_configuration() {
    for settings in [Settings::default(), folder(Path::new("/nowhere/at/all"))] {
        let error = read(settings, None).await.1.unwrap_err();
        assert_eq!(error.advice, Advice::FixConfiguration);
    }
}

#[test]
fn the_factory_builds_a_source_and_refuses_unknown_settings() {
    let adapter = (FACTORY.build)(json!({"folder": "inbox"})).unwrap();
    assert!(adapter.source().is_some() && adapter.target().is_none() && adapter.observer().is_none());
    assert_eq!(adapter.capability(), (FACTORY.capability)());
    assert!((FACTORY.build)(json!({"foldr": "inbox"})).is_err());
}
