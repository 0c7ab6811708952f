//! `parked` and `audit`, as a person uses them.

use std::path::{Path, PathBuf};

use raccordo::storage::sqlite::bare;
use serde_json::Value;

use super::limits::Daemon;
use super::{PROGRAM, code, json, raccordo, samples};

/// A folder with records in quarantine and a refused document.
fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("raccordo.toml"), "[systems.file-drop]\n").expect("written");
    let half = folder.path().join("half.xml");
    std::fs::write(&half, "<a:pubblicazione xmlns:a=\"legge190_1_0\"><metadata>").expect("written");
    let files = [samples().join("ricostruito-2020-messina.xml"), half];
    let files: Vec<_> = files.iter().map(|file| file.to_str().expect("a path")).collect();
    let output = raccordo(folder.path(), &["import", "file-drop", files[0], files[1], "--json"]);
    assert_eq!(code(&output), 1, "one is refused: {}", String::from_utf8_lossy(&output.stderr));
    folder
}

fn lines(folder: &Path, arguments: &[&str]) -> (i32, Vec<Value>) {
    let output = raccordo(folder, arguments);
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let lines = text.lines().map(|line| serde_json::from_str(line).expect("one JSON value per line"));
    (code(&output), lines.collect())
}

fn ids(folder: &Path) -> Vec<String> {
    let (exit, items) = lines(folder, &["parked", "list", "--json"]);
    assert_eq!(exit, 0);
    items.iter().map(|item| item["id"].as_str().expect("a number").to_owned()).collect()
}

#[test]
fn what_waits_is_listed_tried_again_and_closed_with_a_reason() {
    let folder = prepared();
    let folder = folder.path();
    let before = ids(folder);
    let (record, document) = (before[0].as_str(), before.last().expect("some").as_str());
    assert!(before.len() > 2 && record.starts_with('R') && document.starts_with('D'), "{before:?}");
    let (_, refused) = lines(folder, &["parked", "list", "--kind", "document", "--json"]);
    assert_eq!(refused.len(), 1);
    let (_, null) = lines(folder, &["parked", "list", "--reason", "R05", "--json"]);
    assert!(null.iter().all(|item| item["code"] == "R05") && !null.is_empty());

    let table = raccordo(folder, &["parked", "list"]);
    let table = String::from_utf8(table.stdout).expect("UTF-8");
    for expected in ["Che cosa aspetta una persona", "[R05] CIG", "discard", "documento rifiutato"] {
        assert!(table.contains(expected), "`{expected}` is not in {table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");

    let (exit, told) = lines(folder, &["parked", "replay", record, "--json"]);
    assert_eq!((exit, &told[0]["result"]), (5, &"quarantined".into()), "the mappings are the same: {told:?}");
    let (exit, told) = lines(folder, &["parked", "replay", document, "--json"]);
    assert_eq!((exit, &told[0]["result"]), (1, &"not_done".into()), "its text is not kept");
    let why = told[0]["message"].as_str().expect("what to do");
    assert!(why.contains("raccordo import file-drop FILE"), "{why}");
    assert_eq!(lines(folder, &["parked", "replay", "R999999", "--json"]).0, 1);
    assert_eq!(ids(folder), before);

    let discard = ["parked", "discard", record, "--reason", "riga di prova", "--json"];
    let (exit, told) = lines(folder, &[&discard[..], &["--dry-run"]].concat());
    assert_eq!((exit, told.len()), (0, 1));
    assert_eq!(ids(folder), before, "a dry run changes nothing");
    assert_eq!(lines(folder, &discard).0, 0);
    assert_eq!(ids(folder), before[1..]);
    assert_eq!(lines(folder, &discard).0, 1, "it waits no more");

    let all = ["parked", "discard", "--all", "--system", "file-drop", "--reason", "prova", "--by", "Maria", "--json"];
    assert_eq!(lines(folder, &all).0, 2, "nobody is there to say yes");
    assert_eq!(ids(folder).len(), before.len() - 1);
    let (exit, told) = lines(folder, &[&all[..], &["--yes"]].concat());
    assert_eq!((exit, told.len()), (0, before.len() - 1));
    assert!(ids(folder).is_empty());
    assert_eq!(lines(folder, &["audit", "verify", "--json"]).0, 0);
}

#[test]
fn a_dry_run_promises_exactly_what_the_run_does() {
    let folder = prepared();
    let folder = folder.path();
    let records: Vec<_> = ids(folder).into_iter().filter(|id| id.starts_with('R')).collect();
    let told = |more: &[&str]| {
        let (exit, told) = lines(folder, &[&["parked", "replay", "--all", "--json"][..], more].concat());
        let told: Vec<_> = told.iter().map(|told| [told["id"].to_string(), told["result"].to_string()]).collect();
        (exit, told)
    };
    let promised = told(&["--dry-run"]);
    assert_eq!((promised.0, promised.1.len()), (5, records.len()), "{promised:?}");
    assert_eq!(promised, told(&["--yes"]));
    let table = raccordo(folder, &["parked", "replay", "--all", "--dry-run"]);
    let (table, note) = (String::from_utf8_lossy(&table.stdout), String::from_utf8_lossy(&table.stderr));
    assert!(table.contains(&format!("{}: resta in quarantena", records.len())), "{table}");
    assert!(note.contains("1 documenti rifiutati non sono fra questi"), "{note}");
}

#[test]
fn a_refused_document_stands_on_the_page_and_is_read_again_from_where_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::create_dir(folder.join("in-arrivo")).expect("a folder");
    let file = folder.join("in-arrivo/dati.xml");
    std::fs::write(&file, "<html><body>Request Rejected</body></html>").expect("written");
    let configuration =
        "[http]\nlisten = \"127.0.0.1:0\"\n[systems.file-drop]\nsettings = { folder = \"in-arrivo\" }\n";
    std::fs::write(folder.join("raccordo.toml"), configuration).expect("written");
    assert_eq!(code(&raccordo(folder, &["sync"])), 1);
    let (_, items) = lines(folder, &["parked", "list", "--json"]);
    let id = items[0]["id"].as_str().expect("a number");
    let listed = raccordo(folder, &["parked", "list"]);
    let listed = String::from_utf8_lossy(&listed.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [id, "in-arrivo/dati.xml", "«raccordo sync file-drop»"] {
        assert!(listed.contains(expected), "`{expected}` is not in {listed}");
    }
    let daemon = Daemon::start(folder, None);
    let page = super::get(&daemon.address, "/");
    for expected in ["Documenti rifiutati per intero: 1", &format!(">{id}<"), "dati.xml", "html_page"] {
        assert!(page.contains(expected), "`{expected}` is not on the page: {page}");
    }
    daemon.stop();
    std::fs::copy(samples().join("terracina-2013.xml"), &file).expect("corrected");
    assert_eq!(code(&raccordo(folder, &["sync", "file-drop"])), 0);
    let (_, left) = lines(folder, &["parked", "list", "--kind", "document", "--json"]);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn wrong_use_of_the_commands_is_a_usage_error() {
    let folder = prepared();
    for wrong in [
        &["parked", "discard", "R1"][..],
        &["parked", "discard", "--reason", "x"],
        &["parked", "replay", "R1", "--sent"],
        &["parked", "replay", "R1", "--sent", "--not-sent", "--reason", "x"],
        &["parked", "replay", "R1", "--system", "pico"],
        &["parked", "replay", "12"],
        &["parked", "list", "--kind", "lotto"],
        &["audit", "verify", "--head", "12"],
    ] {
        assert_eq!(code(&raccordo(folder.path(), wrong)), 2, "{wrong:?}");
    }
}

/// Changes the database behind the back of the program.
fn tamper(folder: &Path, sql: &str) {
    let database: PathBuf = folder.join("raccordo.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(bare::execute(&database, sql)).expect("whoever holds the file can do this");
}

#[test]
fn a_chain_that_was_tampered_with_is_found_and_a_cut_tail_by_the_kept_head() {
    let folder = prepared();
    let folder = folder.path();
    let head = raccordo(folder, &["audit", "head"]);
    let head = String::from_utf8(head.stdout).expect("UTF-8").trim().to_owned();
    let with_head = ["audit", "verify", "--head", &head, "--json"];
    let (exit, report) = lines(folder, &with_head);
    assert_eq!((exit, &report[0]["stands"], &report[0]["broken"]), (0, &true.into(), &Value::Null));

    tamper(folder, "drop trigger audit_is_append_only_d; delete from audit where seq = (select max(seq) from audit)");
    assert_eq!(lines(folder, &["audit", "verify", "--json"]).0, 0, "alone the chain cannot know");
    let (exit, report) = lines(folder, &with_head);
    assert_eq!((exit, &report[0]["stands"]), (6, &false.into()), "{report:?}");

    tamper(folder, "drop trigger audit_is_append_only_u; update audit set detail = '{}' where seq = 2");
    let output = raccordo(folder, &["audit", "verify"]);
    assert_eq!(code(&output), 6);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("voce 2 è stata cambiata"), "{message}");
}

#[test]
fn the_daemon_leaves_the_head_of_the_chain_in_its_log() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let folder = prepared();
    let mut daemon = std::process::Command::new(PROGRAM)
        .args(["serve", "--json", "--folder"])
        .arg(folder.path())
        .env_remove("RACCORDO_LOG")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(daemon.stdout.take().expect("piped")).read_line(&mut line).expect("it serves");
    let facts: Value = serde_json::from_str(&line).expect("JSON");
    let address = facts["page"].as_str().and_then(|page| page.strip_prefix("http://")).expect("an address");
    // Whoever answers has been told how to stop.
    assert!(super::get(address.trim_end_matches('/'), "/readyz").starts_with("HTTP/1.1 200"));
    super::terminate(&daemon);
    let mut log = String::new();
    daemon.stderr.take().expect("piped").read_to_string(&mut log).expect("a log");
    assert!(daemon.wait().expect("reaped").success());
    let told: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told = told.iter().find(|told| told["message"] == "head of the audit chain").expect("the head is told");
    let head = json(&raccordo(folder.path(), &["audit", "head", "--json"]));
    assert_eq!((&told["head"], &told["entries"], &told["level"]), (&head["head"], &head["entries"], &"INFO".into()));
}
