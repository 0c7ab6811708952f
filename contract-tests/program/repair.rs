//! Repairs, as a person orders them: who ordered them stands in the chain, and a process that dies after
//! the order loses none.

use std::path::Path;

use raccordo::storage::sqlite::bare;

use super::{code, raccordo, with_a_target};

/// A folder whose target has forgotten all that it took.
fn with_a_forgetful_target() -> tempfile::TempDir {
    let folder = with_a_target();
    let path = folder.path();
    std::fs::remove_dir_all(path.join("simulators/scp-esecuzione")).expect("it was there");
    assert_eq!(code(&raccordo(path, &["reconcile", "scp-esecuzione"])), 5, "the target has forgotten");
    folder
}

fn number(folder: &Path, sql: &str) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(bare::number(&folder.join("raccordo.db"), sql)).expect("a number")
}

#[test]
fn a_repair_beside_a_comparison_is_a_decision_of_somebody() {
    let folder = with_a_forgetful_target();
    let folder = folder.path();
    let shown = raccordo(folder, &["reconcile", "scp-esecuzione", "--repair", "--dry-run"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(text.contains("10 unità da inviare, ognuna intera"), "{text}");
    assert_eq!(number(folder, "select count(*) from audit where kind = 'decided'"), 0, "a preview decides nothing");

    let repaired = raccordo(folder, &["reconcile", "scp-esecuzione", "--repair"]);
    assert_eq!(code(&repaired), 5, "{}", String::from_utf8_lossy(&repaired.stderr));
    let decided = "select count(*) from audit where kind = 'decided' and detail like '%\"decision\":\"repair\"%'
                      and detail like '%reconcile --repair%' and detail not like '%\"by\":\"\"%'";
    assert!(number(folder, decided) > 0);
    let events = "select count(*) from discrepancy_event where kind = 'repaired' and who <> ''";
    assert!(number(folder, events) > 0);
    assert!(number(folder, "select count(*) from audit where kind = 'delivery_reopened'") > 0);
    assert_eq!(number(folder, "select count(*) from begun_repair"), 0);
    assert_eq!(code(&raccordo(folder, &["audit", "verify"])), 0);
}

#[cfg(feature = "failpoints")]
#[test]
fn a_process_that_is_killed_after_the_decision_or_after_a_delivery_loses_no_repair() {
    for place in ["repair.decided", "repair.sent"] {
        let folder = with_a_forgetful_target();
        let folder = folder.path();
        let open = number(folder, "select count(distinct unit_key) from discrepancy where act = 'send_again'");
        assert!(open > 0);
        let killed = std::process::Command::new(super::PROGRAM)
            .arg("--folder")
            .arg(folder)
            .args(["discrepancies", "repair", "--all", "--yes", "--reason", "riparare"])
            .env("FAILPOINTS", format!("{place}=1*return(kill)"))
            .output()
            .expect("the program starts");
        assert_eq!(killed.status.code(), None, "{place}: {}", String::from_utf8_lossy(&killed.stderr));
        let begun = "select count(*) from begun_repair";
        assert!(number(folder, begun) > 0, "{place}: what was decided is on disk");

        // Whoever comes next, for another matter.
        let next =
            raccordo(folder, &["discrepancies", "repair", "--all", "--key", "nessuna", "--yes", "--reason", "x"]);
        assert_eq!(code(&next), 0, "{}", String::from_utf8_lossy(&next.stderr));
        assert_eq!(number(folder, begun), 0, "{place}");
        let reopened = "select count(distinct subject) from audit where kind = 'delivery_reopened'";
        assert_eq!(number(folder, reopened), open, "{place}: every unit, once");
        assert_eq!(number(folder, "select count(*) from audit where kind = 'delivery_reopened'"), open, "{place}");
    }
}
