//! The figures of one ledger: whoever looks, and wherever, adds up to the same sums.

use serde_json::Value;

use super::limits::Daemon;
use super::{after_demo, code, get, json, raccordo};

/// What was printed, with one blank wherever a line was broken.
fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number as Italian pages write it, below a million.
fn italian(number: u64) -> String {
    if number < 1_000 { number.to_string() } else { format!("{}.{:03}", number / 1_000, number % 1_000) }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

#[test]
fn the_table_the_pages_and_the_report_of_one_ledger_give_the_same_sums() {
    let (folder, demo) = after_demo();
    let folder = folder.path();
    let demo = said(demo);
    assert!(demo.contains("Fra le fonti una riga è tutto ciò che si dice di una cosa"), "{demo}");
    assert!(demo.contains("– │ –") || demo.contains("– –"), "no zero that is contradicted below: {demo}");
    assert!(demo.contains("fonti 19") && demo.contains("«raccordo reconcile» su questi dati esce con 5"), "{demo}");

    let open = raccordo(folder, &["discrepancies", "list", "--items", "--state", "open", "--json"]);
    let first = String::from_utf8_lossy(&open.stdout).lines().next().map(str::to_owned).expect("some");
    let id = serde_json::from_str::<Value>(&first).expect("JSON")["id"].to_string();
    assert_eq!(code(&raccordo(folder, &["discrepancies", "accept", &id, "--reason", "prova"])), 0);

    let compared = raccordo(folder, &["reconcile", "--json"]);
    assert_eq!(code(&compared), 5);
    let (mut open, mut explained, mut accepted, mut rows) = (0, 0, 0, 0);
    for line in String::from_utf8_lossy(&compared.stdout).lines() {
        let result: Value = serde_json::from_str(line).expect("JSON");
        open += number(&result["standing"]["open"]);
        explained += number(&result["standing"]["explained"]);
        accepted += number(&result["standing"]["accepted"]);
        let classes =
            ["equal", "different", "explained", "missing_there", "missing_here", "on_its_way", "stopped", "not_read"];
        rows += classes.iter().map(|class| number(&result["counts"][class])).sum::<u64>();
    }
    assert!(open > 0 && explained > 0 && accepted == 1, "{open} {explained} {accepted}");
    let sum = format!(
        "{} = {} aperte + {} spiegate + {} accettate",
        italian(open + explained + accepted),
        italian(open),
        italian(explained),
        italian(accepted)
    );
    let all_rows = format!("Righe in tutto: {} = ", italian(rows));

    let report = raccordo(folder, &["report", "--format", "json"]);
    let by_state = json(&report)["totals"]["by_state"].clone();
    let of = |state: &str| by_state.as_array().and_then(|sums| sums.iter().find(|sum| sum["of"] == state).cloned());
    let counted = ["open", "explained", "accepted"].map(|state| of(state).map_or(0, |sum| number(&sum["count"])));
    assert_eq!(counted, [open, explained, accepted]);
    for command in [&["reconcile"][..], &["discrepancies", "list"], &["report"]] {
        let told = said(&raccordo(folder, command));
        assert!(told.contains(&sum), "`{sum}` is not in what {command:?} says: {told}");
    }
    assert!(said(&raccordo(folder, &["report"])).contains(&all_rows), "the report");
    let daemon = Daemon::start(folder, None);
    for address in ["/", "/reconciliation?state=standing", "/reconciliation?new=last"] {
        let page = get(&daemon.address, address);
        assert!(page.contains(&sum), "`{sum}` is not on {address}: {page}");
    }
    assert!(get(&daemon.address, "/reconciliation?state=standing").contains(&all_rows), "the page");
    daemon.stop();
}

#[test]
fn a_demo_that_has_no_time_to_deliver_says_so_and_ends_with_4() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = raccordo(folder.path(), &["demo", "--once", "--wait", "0"]);
    assert_eq!(code(&demo), 4, "{}", String::from_utf8_lossy(&demo.stderr));
    let told = said(&demo);
    assert!(told.contains("--wait") && !told.contains("Tutto quadra"), "{told}");
    let again = raccordo(folder.path(), &["demo", "--once"]);
    assert_eq!(code(&again), 0, "{}", said(&again));
}
