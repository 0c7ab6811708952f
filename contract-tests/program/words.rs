//! What people read: the same words in tables and on the page, the time of Italy, reasons in Italian.

use super::limits::Daemon;
use super::{after_demo, code, get, json, raccordo};

fn text(output: &std::process::Output) -> String {
    assert_eq!(code(output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn tables_and_page_use_the_same_words_and_the_time_of_italy() {
    let (folder, demo) = after_demo();
    let folder = folder.path();
    let demo = text(demo);
    let trace = text(&raccordo(folder, &["trace", "5044003AF1"]));
    let facts = json(&raccordo(folder, &["trace", "5044003AF1", "--json"]));
    let stored = facts["versions"][0]["stored_at"].as_str().expect("an instant");
    assert!(stored.ends_with('Z'), "machines are told UTC: {stored}");
    assert!(!trace.contains("UTC") && !trace.contains(&stored[..16]), "{trace}");
    for title in ["Versioni (ora italiana)", "Consegne e tentativi (ora italiana)", "consegnata con ricevuta"] {
        assert!(trace.contains(title), "`{title}` is not in {trace}");
    }

    let (now, attempt) = ("adesso: consegnata con ricevuta", "tentativo 1: consegnata con ricevuta");
    assert!(trace.contains(now) && trace.contains(attempt), "the state is told apart from the attempts: {trace}");

    let project = text(&raccordo(folder, &["trace", "J59J21000150001"]));
    let found = json(&raccordo(folder, &["trace", "J59J21000150001", "--json"]));
    assert_eq!(found["discrepancies"][0]["comparison"], "fonti", "{found}");
    assert!(project.contains("Discordanze (") && project.contains("fonti · R05"), "what disagrees is told: {project}");

    let decided: Vec<_> = facts["deliveries"].as_array().into_iter().flatten().collect();
    let of_scp = decided.iter().find(|delivery| delivery["target"] == "scp-esecuzione").expect("a draft");
    assert_eq!(of_scp["state"]["state"], "acknowledged");
    let proof = of_scp["decided_by"]["remote_id"].as_str().expect("the receipt that decided");
    let line = trace.lines().find(|line| line.contains("scp-esecuzione") && line.contains("consegnata"));
    assert!(line.is_some_and(|line| line.contains(proof)), "`{proof}` is not beside the state: {trace}");

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

/// Words that only Italian tables have.
const ITALIAN: [&str; 22] = [
    "Fonte",
    "Destinatario",
    "Motivo",
    "Righe",
    "Campo",
    "Causa",
    "Stato",
    "Uguali",
    "Diverse",
    "Discordanz",
    "Confronto",
    "perché",
    " della ",
    " delle ",
    " dei ",
    "riga ",
    "ente senza",
    "giorni",
    "Regola ",
    "Gravità",
    "documento",
    "è stat",
];

#[test]
fn who_asks_for_english_is_told_nothing_in_italian_and_ids_stay_whole_on_a_narrow_screen() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let english = |arguments: &[&str]| {
        let output = std::process::Command::new(super::PROGRAM)
            .args(["--lang", "en", "--folder"])
            .arg(folder)
            .args(arguments)
            .env_remove("RACCORDO_LOG")
            .env("COLUMNS", "80")
            .output()
            .expect("the program starts");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!told.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        for word in ITALIAN {
            assert!(!told.contains(word), "`{word}` stands in what {arguments:?} says: {told}");
        }
        let too_wide = told.lines().find(|line| line.chars().count() > 80);
        assert_eq!(too_wide, None, "{arguments:?}");
        told
    };
    let demo = english(&["demo", "--once"]);
    for whole in ["rilevazioni/80098765433/personale/2025", "80098765433/appalti/2025", "B4A19C3958/1/5/1"] {
        assert!(demo.contains(whole), "`{whole}` was cut: {demo}");
    }
    // What a system is, it says itself.
    let systems = raccordo(folder, &["adapters", "--lang", "en"]);
    assert!(text(&systems).contains("What it is"), "{}", text(&systems));
    english(&["reconcile", "pico"]);
    english(&["parked", "list", "--limit", "3"]);
    english(&["parked", "replay", "--all", "--dry-run"]);
    english(&["discrepancies", "list"]);
    let listed = english(&["discrepancies", "list", "--items", "--limit", "3"]);
    english(&["discrepancies", "show", "1"]);
    assert!(listed.contains("working days"), "{listed}");
    english(&["trace", "5044003AF1"]);
    english(&["audit", "verify"]);
    english(&["sync"]);
}
