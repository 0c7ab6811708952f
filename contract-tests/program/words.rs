//! What people read: the same words in tables and on the page, the time of Italy, reasons in Italian.

use super::limits::Daemon;
use super::{code, get, json, raccordo};

fn text(output: &std::process::Output) -> String {
    assert_eq!(code(output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn tables_and_page_use_the_same_words_and_the_time_of_italy() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let demo = text(&raccordo(folder, &["demo", "--once"]));
    let trace = text(&raccordo(folder, &["trace", "5044003AF1"]));
    let facts = json(&raccordo(folder, &["trace", "5044003AF1", "--json"]));
    let stored = facts["versions"][0]["stored_at"].as_str().expect("an instant");
    assert!(stored.ends_with('Z'), "machines are told UTC: {stored}");
    assert!(!trace.contains("UTC") && !trace.contains(&stored[..16]), "{trace}");
    for title in ["Versioni (ora italiana)", "Tentativi (ora italiana)", "consegnata con ricevuta"] {
        assert!(trace.contains(title), "`{title}` is not in {trace}");
    }

    let parked = text(&raccordo(folder, &["parked", "list", "--limit", "3"]));
    assert!(parked.contains("ora italiana") && parked.contains("[R05] CIG nullo o assente →"), "{parked}");
    assert!(!parked.contains(" the "), "no English: {parked}");
    assert!(parked.lines().all(|line| line.chars().count() <= 100), "{parked}");
    let item = raccordo(folder, &["parked", "list", "--reason", "R05", "--json"]);
    assert!(String::from_utf8_lossy(&item.stdout).contains("null CIG"), "machines are told the original words");
    let english = text(&raccordo(folder, &["--lang", "en", "parked", "list", "--reason", "R05", "--limit", "1"]));
    assert!(english.contains("null CIG"), "{english}");

    let daemon = Daemon::start(folder, None);
    let page = get(&daemon.address, "/");
    for words in ["consegnate con ricevuta", "Che cosa non è stato dato, e perché"] {
        assert!(demo.contains(words) && page.contains(words), "`{words}` is not in both: {demo}\n{page}");
    }
    assert!(page.contains("(ora italiana)"), "{page}");
    daemon.stop();
}
