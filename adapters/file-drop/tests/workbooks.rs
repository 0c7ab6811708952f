//! Workbooks that ask for more memory than there is: refused, each in words, before they are opened.
//!
//! The files of `tests/hostile` are the workbook of the example mapping with one part changed.

use std::path::{Path, PathBuf};

use contract::{ReadRequest, Received, Source};
use file_drop::{PadFile, PadFileSettings};
use rstest::rstest;
use tokio::sync::mpsc;

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What is handed over for a workbook: the texts of its records, or why it is refused.
fn read(path: &str) -> Result<Vec<String>, String> {
    let mappings = Some(manifest("mappings"));
    let source = PadFile::new(PadFileSettings { mappings, ..PadFileSettings::default() }).expect("good mappings");
    let request = ReadRequest { files: Some(vec![manifest(path)]), cursor: None };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let (sink, mut received) = mpsc::channel(8);
        let reading = tokio::spawn(async move { source.read(request, sink).await });
        let mut told = Ok(Vec::new());
        while let Some(received) = received.recv().await {
            match (received, &mut told) {
                (Received::Record(record), Ok(texts)) => texts.push(record.text),
                (Received::Refused { refusal, .. }, told) => {
                    *told = Err(format!("{}: {}", refusal.code, refusal.message));
                }
                _ => {}
            }
        }
        reading.await.expect("the reading does not panic").expect("the file is read or refused");
        told
    })
}

#[rstest]
#[case("stringhe-dichiarate.xlsx", "not_an_xlsx", "declares more strings than it can hold")]
#[case("stringhe-in-maiuscolo.xlsx", "not_an_xlsx", "declares more strings than it can hold")]
#[case("celle-agli-estremi.xlsx", "too_many_columns", "more than 1000 columns")]
#[case("stili-moltiplicati.xlsx", "too_large", "too many styles")]
#[case("relazioni-senza-fine.xlsx", "too_large", "no sheet is too long")]
#[case("misure-false.xlsx", "not_an_xlsx", "not the size that is declared")]
fn a_workbook_that_asks_for_too_much_is_refused(#[case] file: &str, #[case] code: &str, #[case] words: &str) {
    let refusal = read(&format!("tests/hostile/{file}")).unwrap_err();
    assert!(refusal.starts_with(&format!("{code}: ")) && refusal.contains(words), "{refusal}");
}

#[test]
fn the_size_that_a_sheet_declares_of_itself_counts_for_nothing() {
    let told = read("tests/hostile/dimensione-dichiarata.xlsx");
    assert!(told.as_ref().is_ok_and(|texts| !texts.is_empty()), "{told:?}");
    assert_eq!(told, read("mappings/programma-esempio.examples/scheda-d.xlsx"));
}
