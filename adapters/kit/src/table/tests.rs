//! Tables as publishers write them: marks, encodings, quotes, odd rows, and pages instead of data.

use rstest::rstest;

use super::*;
use crate::Cells;

const DIALECT: Dialect = Dialect {
    delimiter: Delimiter::Byte(b';'),
    encoding: Encoding::Utf8OrWindows1252,
    required_columns: &["CIG", "OGGETTO"],
    key_columns: &["CIG"],
};

fn read_as(content: &[u8], format: &TableFormat) -> Vec<Received> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cig.csv");
    std::fs::write(&path, content).unwrap();
    let mut received = Vec::new();
    give_table(&path, Links::Refuse, format, 1 << 24, &mut |one| {
        received.push(one);
        Ok(())
    })
    .unwrap();
    received
}

fn read(content: &[u8]) -> Vec<Received> {
    read_as(content, &TableFormat::new("cig", "1", DIALECT))
}

fn records(received: &[Received]) -> Vec<&RawRecord> {
    assert!(matches!(received.first(), Some(Received::Begin(_))), "{received:?}");
    assert_eq!(received.last(), Some(&Received::End));
    received.iter().filter_map(|one| if let Received::Record(record) = one { Some(record) } else { None }).collect()
}

fn refusal(received: Vec<Received>) -> Refusal {
    match <[Received; 1]>::try_from(received) {
        Ok([Received::Refused { remote_id, refusal }]) => {
            assert_eq!(remote_id, "cig.csv");
            assert!(refusal.message.contains(": "), "says what to do: {}", refusal.message);
            refusal
        }
        other => panic!("not refused before its records: {other:?}"),
    }
}

#[test]
fn a_row_keeps_its_values_its_line_and_nothing_of_its_dialect() {
    let text = "\u{feff}\"Cig\"; OGGETTO ;ID\r\n1;\"a;\r\n\"\"b\"\", c\";x\r\n\r\n2; città ;\r\n";
    let received = read(text.as_bytes());
    let records = records(&received);
    let document = &records[0].document;
    assert_eq!(document.context, serde_json::json!({"columns": ["Cig", "OGGETTO", "ID"], "delimiter": ";"}));
    assert_eq!(document.digest, canonical::Digest::of(text.as_bytes()).to_string());
    assert_eq!((document.format.as_str(), document.remote_id.as_str()), ("cig", "cig.csv"));
    let told: Vec<_> = records.iter().map(|record| (record.line, record.text.as_str())).collect();
    assert_eq!(told, [(2, "1,\"a;\r\n\"\"b\"\", c\",x"), (5, "2, città ,")]);
    let cells = Cells::of(records[1]).unwrap();
    assert_eq!((cells.get("CIG"), cells.get("oggetto"), cells.get("id")), (Some("2"), Some("città"), None));
    assert_eq!(Cells::of(records[0]).unwrap().get("OGGETTO"), Some("a;\r\n\"b\", c"));
}

#[test]
fn windows_1252_is_read_where_the_bytes_are_not_utf_8() {
    let received = read(b"CIG;OGGETTO\n1;attivit\xe0 \x80\n2;attivit\xc3\xa0\n\xc3;\xa0\n");
    let texts: Vec<_> = records(&received).into_iter().map(|record| record.text.as_str()).collect();
    assert_eq!(texts, ["1,attività €", "2,attività", "Ã,\u{a0}"]);
}

#[rstest]
#[case("CIG;OGGETTO\n1;a,b\n", ";")]
#[case("CIG,OGGETTO,\"a;b;c;d\"\n1,2,3\n", ",")]
#[case("\u{feff}\n\"CIG\"\tOGGETTO\n1\t2\n", "\t")]
fn the_delimiter_is_found_in_the_header(#[case] text: &str, #[case] delimiter: &str) {
    let dialect = Dialect { delimiter: Delimiter::Sniffed, ..DIALECT };
    let received = read_as(text.as_bytes(), &TableFormat::new("cig", "1", dialect));
    let records = records(&received);
    assert_eq!((records.len(), &records[0].document.context["delimiter"]), (1, &delimiter.into()));
    assert_eq!(Cells::of(records[0]).unwrap().get("CIG"), Some("1"));
}

#[test]
fn earlier_rows_with_the_same_key_are_counted() {
    let received = read(b"OGGETTO;CIG\na;zb1\nb;\nc; ZB1 \nd;\ne;ZB1\nf;zb2\ng\n");
    let occurrences: Vec<_> = records(&received).into_iter().map(|record| record.occurrence).collect();
    assert_eq!(occurrences, [0, 0, 1, 0, 2, 0, 0]);
}

#[test]
fn a_short_or_long_row_is_given_and_says_so_without_its_values() {
    let received = read(b"CIG;OGGETTO\n5044003AF1\n1;2;segreto\n");
    for record in records(&received) {
        let error = Cells::of(record).unwrap_err().to_string();
        assert!(error.contains("where the header has 2"), "{error}");
        assert!(!error.contains("segreto") && !error.contains("5044003AF1"), "{error}");
    }
}

#[test]
fn what_the_adapter_adds_stands_in_the_header() {
    let mut format = TableFormat::new("cig", "1", DIALECT);
    format.remote_id = Some("cig/2025-01".to_owned());
    format.context.insert("month".to_owned(), "2025-01".into());
    let received = read_as(b"CIG;OGGETTO\n1;2\n", &format);
    let document = &records(&received)[0].document;
    assert_eq!((document.remote_id.as_str(), &document.context["month"]), ("cig/2025-01", &"2025-01".into()));
}

#[rstest]
#[case(b"", "empty_file", None)]
#[case(b"<html><title>Request Rejected</title>", "html_page", None)]
#[case(b"PK\x03\x04", "zip_archive", None)]
#[case(b"[{}]", "not_a_table", None)]
#[case(b"<dataset/>", "not_a_table", None)]
#[case(b"\n\ncup;oggetto\n1;2\n", "missing_columns", Some(3))]
#[case(b"cig,oggetto\n1,2\n", "missing_columns", Some(1))]
#[case(b"cig;oggetto;CIG\n1;2;3\n", "repeated_columns", Some(1))]
#[case(b"cig;oggetto\n1;2\n3;\"cut", "unclosed_quote", Some(3))]
fn a_table_that_cannot_be_used_gives_no_record(#[case] content: &[u8], #[case] code: &str, #[case] line: Option<u64>) {
    let refusal = refusal(read(content));
    assert_eq!((refusal.code.as_str(), refusal.line), (code, line));
}

#[test]
fn missing_columns_are_named() {
    assert!(refusal(read(b"cup;Oggetto\n")).message.contains("lacks CIG:"));
}

#[test]
fn a_row_without_end_refuses_the_table() {
    let content = format!("CIG;OGGETTO\n1;2\n3;{}\n", "x".repeat(1 << 20));
    let refusal = refusal(read(content.as_bytes()));
    assert_eq!((refusal.code.as_str(), refusal.line), ("row_too_long", Some(3)));
}

#[test]
fn a_table_without_rows_is_a_table() {
    assert!(records(&read(b"CIG;OGGETTO")).is_empty());
}

#[test]
fn a_table_longer_than_every_buffer_is_read_whole() {
    let content: String = std::iter::once("CIG;OGGETTO\n".to_owned())
        .chain((0..30_000).map(|number| format!("{number};\"riga\n{number}\"\n")))
        .collect();
    let received = read(content.as_bytes());
    let records = records(&received);
    assert_eq!((records.len(), records[29_999].line), (30_000, 60_000));
    assert_eq!(Cells::of(records[29_999]).unwrap().get("OGGETTO"), Some("riga\n29999"));
}

#[test]
fn a_table_changed_between_its_readings_is_refused_and_nobody_taking_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cig.csv");
    let format = TableFormat::new("cig", "1", DIALECT);
    std::fs::write(&path, "CIG;OGGETTO\n1;2\n").unwrap();
    let mut last = None;
    give_table(&path, Links::Refuse, &format, 100, &mut |one| {
        if matches!(one, Received::Begin(_)) {
            std::fs::write(&path, "CIG;OGGETTO\n").unwrap();
        }
        last = Some(one);
        Ok(())
    })
    .unwrap();
    let Some(Received::Refused { refusal, .. }) = last else { panic!("not refused: {last:?}") };
    assert_eq!(refusal.code, "changed_while_reading");
    assert_eq!(give_table(&path, Links::Refuse, &format, 100, &mut |_| Err(Closed)), Err(Closed));
}
