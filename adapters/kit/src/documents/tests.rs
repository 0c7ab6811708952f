//! Files that are data, files that are rubbish, and files that change under the reader.

use std::fs;

use rstest::rstest;

use super::*;

#[rstest]
#[case(b"", "empty_file")]
#[case(b"\xef\xbb\xbf \r\n\t", "empty_file")]
#[case(b"PK\x03\x04\x14\x00", "zip_archive")]
#[case(b"\x1f\x8b\x08\x00", "gzip_archive")]
#[case(b"%PDF-1.7\n", "pdf_document")]
#[case(b"\xd0\xcf\x11\xe0\xa1\xb1", "office_document")]
#[case(b"  <!DOCTYPE html>\n<html>", "html_page")]
#[case(b"<HTML><head><title>Request Rejected</title>", "html_page")]
#[case(b"Request Rejected. Please consult with your administrator.", "html_page")]
#[case(b"<!-- portal --><!DOCTYPE HTML PUBLIC><html>", "html_page")]
#[case(b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC 'x'>\n<html xmlns='x'>", "html_page")]
#[case(b"<?xml version='1.0'?><!-- a > b --><HTML>", "html_page")]
#[case(b"<!DOCTYPE a [<!ENTITY b 'c'>]><html/>", "html_page")]
#[case(b"<div>Request Rejected</div>", "html_page")]
#[case(b"<body>", "html_page")]
#[case(b"\x00\x01\x02\x03", "unknown_binary")]
#[case(b"\xff\xfec\x00i\x00", "unsupported_encoding")]
fn what_is_no_data_is_refused_with_its_own_code(#[case] bytes: &[u8], #[case] code: &str) {
    let refusal = look(bytes).unwrap_err();
    assert_eq!(refusal.code, code);
    assert!(refusal.message.contains(": "), "says what to do: {}", refusal.message);
}

#[rstest]
#[case(b"<?xml version='1.0'?><!DOCTYPE dataset><a/>", Looks::Xml)]
#[case(b"<!DOCTYPE dataset><a/>", Looks::Xml)]
#[case(b"<?xml version='1.0'?><a><b><![CDATA[<html><body>x]]></b></a>", Looks::Xml)]
#[case(b"<a><b><![CDATA[<html>Request Rejected]]></b></a>", Looks::Xml)]
#[case(b"<!-- <html> --><a/>", Looks::Xml)]
#[case(b"<!-- never closed <html>", Looks::Xml)]
#[case(b"<!DOCTYPE a [<!ENTITY b '<html>'>]><a/>", Looks::Xml)]
#[case(b"<header/>", Looks::Xml)]
#[case(b"<htmls/>", Looks::Xml)]
#[case(b"\xff\xfe<\x00a\x00", Looks::Xml)]
#[case(b"\xef\xbb\xbf [{}]", Looks::Json)]
#[case(b"cig;oggetto\n5044003AF1;attivit\xe0", Looks::Text)]
fn what_may_be_data_is_told_apart(#[case] bytes: &[u8], #[case] looks: Looks) {
    assert_eq!(look(bytes), Ok(looks));
}

#[test]
fn a_document_gives_its_bytes_again_and_their_digest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let content = "cig\n".repeat(10_000);
    fs::write(&path, &content).unwrap();
    let document = Document::open(&path, Links::Refuse, 1 << 20).unwrap();
    let mut read = String::new();
    document.bytes().unwrap().read_to_string(&mut read).unwrap();
    assert_eq!((read, document.name(), document.looks()), (content.clone(), "a.csv", Looks::Text));
    assert_eq!(document.digest(), canonical::Digest::of(content.as_bytes()).to_string());
    document.ensure_unchanged().unwrap();
    fs::write(&path, "cig\n").unwrap();
    assert_eq!(document.ensure_unchanged().unwrap_err().code, "changed_while_reading");
}

#[test]
fn a_change_during_the_first_reading_is_told_before_what_it_broke() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "cig\n").unwrap();
    let refusal = Document::open_checked(&path, Links::Refuse, 100, |_, _| -> Result<(), Refusal> {
        fs::write(&path, "cig;cup\n").unwrap();
        Err(refuse("planted", "planted: nothing to do"))
    });
    assert_eq!(refusal.unwrap_err().code, "changed_while_reading");
}

#[test]
fn what_is_too_large_absent_or_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "cig\n").unwrap();
    let code = |path: &Path, max| Document::open(path, Links::Refuse, max).unwrap_err().code;
    assert_eq!(code(&path, 3), "too_large");
    assert_eq!(code(folder.path(), 3), "not_a_file");
    assert_eq!(code(&folder.path().join("b.csv"), 3), "not_readable");
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_only_for_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("a.csv"), folder.path().join("b.csv"));
    fs::write(&path, "cig\n").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_eq!(Document::open(&link, Links::Refuse, 9).unwrap_err().code, "not_a_file");
    assert_eq!(Document::open(&link, Links::Follow, 9).unwrap().name(), "b.csv");
    assert_eq!(list_folder(folder.path(), &[]).unwrap(), [path]);
}

#[test]
fn a_folder_lists_complete_files_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.CSV", "a.csv", ".c.csv", "d.csv.part", "e.tmp", "f.xml"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    fs::create_dir(folder.path().join("g.csv")).unwrap();
    let list = |suffixes: &[&str]| list_folder(folder.path(), suffixes).unwrap();
    let named = |names: &[&str]| names.iter().map(|name| folder.path().join(name)).collect::<Vec<_>>();
    assert_eq!(list(&["csv"]), named(&["a.csv", "b.CSV"]));
    assert_eq!(list(&[]), named(&["a.csv", "b.CSV", "f.xml"]));
    let error = list_folder(&folder.path().join("none"), &[]).unwrap_err();
    assert_eq!((error.kind, error.advice), (ErrorKind::Local, Advice::FixConfiguration));
}
