//! Comparisons with a list in a file, as a person makes them: what the codes say, and what a list cannot
//! say.

use std::path::Path;

use super::{code, json, raccordo, with_a_target};

/// A folder whose target holds what it should, and the list of it.
fn with_a_list() -> (tempfile::TempDir, String) {
    let folder = with_a_target();
    let path = folder.path();
    let list = path.join("elenco.ndjson");
    let written = raccordo(path, &["--json", "reconcile", "scp-esecuzione", "--expected", &list.to_string_lossy()]);
    assert_eq!(code(&written), 0, "{}", String::from_utf8_lossy(&written.stderr));
    let text = std::fs::read_to_string(&list).expect("a list");
    assert_eq!(json(&written)["rows"].as_u64(), Some(text.lines().count() as u64 - 1));
    (folder, text)
}

/// The moment that the program itself writes on a list now.
fn now(folder: &Path) -> String {
    let file = folder.join("adesso.ndjson");
    let written = raccordo(folder, &["reconcile", "scp-esecuzione", "--expected", &file.to_string_lossy()]);
    assert_eq!(code(&written), 0);
    let text = std::fs::read_to_string(&file).expect("a list");
    std::fs::remove_file(&file).expect("removed");
    let end: serde_json::Value = serde_json::from_str(text.lines().next_back().expect("its end")).expect("JSON");
    end["inventario"]["al"].as_str().expect("a moment").to_owned()
}

fn compare(folder: &Path, name: &str, text: &str, more: &[&str]) -> std::process::Output {
    let list = folder.join(name);
    std::fs::write(&list, text).expect("written");
    let list = list.to_string_lossy();
    let arguments = ["--json", "reconcile", "scp-esecuzione", "--inventory", list.as_ref()];
    raccordo(folder, &[&arguments[..], more].concat())
}

#[test]
fn a_list_in_a_file_agrees_differs_or_is_not_whole() {
    let (folder, list) = with_a_list();
    let folder = folder.path();
    let rows = list.lines().count() as u64 - 1;
    assert!(rows > 5, "{list}");
    // The system itself is not asked.
    std::fs::remove_dir_all(folder.join("simulators/scp-esecuzione")).expect("it was there");
    let agreed = compare(folder, "uguale.ndjson", &list, &[]);
    assert_eq!(code(&agreed), 0, "{}", String::from_utf8_lossy(&agreed.stderr));
    assert_eq!(json(&agreed)["counts"]["equal"].as_u64(), Some(rows));

    let (first, rest) = list.split_once('\n').expect("two lines");
    let shorter = rest.replace(&format!("\"righe\":{rows}"), &format!("\"righe\":{}", rows - 1));
    let missing = compare(folder, "senza.ndjson", &shorter, &["--as-of", &now(folder)]);
    assert_eq!((code(&missing), json(&missing)["counts"]["missing_there"].as_u64()), (5, Some(1)), "without {first}");
    let cut = compare(folder, "tagliato.ndjson", rest, &["--as-of", &now(folder)]);
    assert_eq!((code(&cut), json(&cut)["counts"]["missing_there"].as_u64()), (4, Some(0)));
    assert_eq!(json(&cut)["complete"], false);
    let without_end: Vec<&str> = list.lines().take(3).collect();
    let cut = compare(folder, "senza_fine.ndjson", &without_end.join("\n"), &[]);
    assert_eq!(code(&cut), 2, "nobody knows of which moment it is");
    let cut = compare(folder, "senza_fine.ndjson", &without_end.join("\n"), &["--as-of", &now(folder)]);
    assert_eq!((code(&cut), json(&cut)["counts"]["missing_there"].as_u64()), (4, Some(0)), "nobody knows its length");
    for moment in ["2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z"] {
        let refused = compare(folder, "altro_tempo.ndjson", &shorter, &["--as-of", moment]);
        assert_eq!(code(&refused), 2, "before the last comparison, or not yet");
    }

    let again = raccordo(
        folder,
        &["reconcile", "scp-esecuzione", "--expected", &folder.join("elenco.ndjson").to_string_lossy()],
    );
    assert_eq!(code(&again), 1, "a list that is there is not replaced");
}

#[test]
fn the_same_list_once_more_says_the_same_and_changes_nothing() {
    let (folder, list) = with_a_list();
    let folder = folder.path();
    let end = list.lines().next_back().expect("its end");
    let rows: Vec<&str> = list.lines().filter(|line| *line != end).collect();
    let shorter = end.replace(&format!("\"righe\":{}", rows.len()), &format!("\"righe\":{}", rows.len() - 1));
    let one_less = [&rows[1..], &[shorter.as_str()]].concat().join("\n");
    let first = compare(folder, "elenco-di-oggi.ndjson", &one_less, &[]);
    let again = compare(folder, "lo-stesso.ndjson", &one_less, &[]);
    let told = |output: &std::process::Output| {
        let told = json(output);
        (code(output), told["counts"].clone(), told["discrepancies"].clone(), told["standing"].clone())
    };
    assert_eq!(code(&first), 5, "{}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(told(&again), told(&first));
    assert_eq!(
        (json(&again)["changes"]["opened"].as_u64(), json(&again)["changes"]["closed"].as_u64()),
        (Some(0), Some(0))
    );
    let refused = compare(folder, "altro.ndjson", &list, &[]);
    assert_eq!(code(&refused), 2, "another list of before that comparison");
}

#[test]
fn a_column_that_the_target_has_not_is_told_and_not_compared() {
    let (folder, list) = with_a_list();
    let folder = folder.path();
    let more = list.replace("\"campi\":{", "\"campi\":{\"protocollo_interno\":\"7\",");
    let agreed = compare(folder, "di-piu.ndjson", &more, &[]);
    let told = String::from_utf8_lossy(&agreed.stderr);
    assert_eq!(code(&agreed), 0, "{told}");
    assert!(told.contains("1 campo del file che il destinatario non ha: protocollo_interno"), "{told}");
}

#[test]
fn a_list_that_is_written_as_a_table_is_read_as_the_same_list() {
    let (folder, list) = with_a_list();
    let folder = folder.path();
    let rows = list.lines().count() as u64 - 1;
    let file = folder.join("elenco.csv");
    let name = file.to_string_lossy();
    let written = raccordo(folder, &["--json", "reconcile", "scp-esecuzione", "--expected", &name]);
    assert_eq!(code(&written), 0, "{}", String::from_utf8_lossy(&written.stderr));
    let told = json(&written);
    assert_eq!((told["rows"].as_u64(), told["announced_rows"].as_u64()), (Some(rows), Some(rows)));
    let table = std::fs::read_to_string(&file).expect("a table");
    assert!(table.starts_with("unita;riga;") && !table.contains('{'), "{table}");
    let moment = told["as_of"].as_str().expect("a moment");
    let said = ["--as-of", moment, "--rows", &rows.to_string()];
    let agreed =
        raccordo(folder, &[&["--json", "reconcile", "scp-esecuzione", "--inventory", &name][..], &said].concat());
    let counts = &json(&agreed)["counts"];
    assert_eq!((code(&agreed), counts["equal"].as_u64()), (0, Some(rows)), "{counts}");
    assert_eq!((counts["different"].as_u64(), counts["missing_there"].as_u64()), (Some(0), Some(0)), "{counts}");
    let changed = table.replacen(";2026-", ";2025-", 1);
    assert_ne!(changed, table, "a day to change");
    let differs = compare(folder, "altro.csv", &changed, &["--as-of", &now(folder), "--rows", &rows.to_string()]);
    assert_eq!(code(&differs), 5, "{}", String::from_utf8_lossy(&differs.stderr));
    let left = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.file_name());
    assert!(!left.into_iter().any(|name| name.to_string_lossy().starts_with(".raccordo")), "nothing half written");
}

#[test]
fn what_is_no_list_is_a_mistake_of_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    std::fs::write(path.join("raccordo.toml"), "[systems.scp-esecuzione]\nsimulated = true\n").expect("written");
    let missing = raccordo(path, &["reconcile", "scp-esecuzione", "--inventory", "/nowhere/elenco.csv"]);
    assert_eq!(code(&missing), 2, "{}", String::from_utf8_lossy(&missing.stderr));
    assert!(!path.join("raccordo.db").exists(), "nothing is left behind");
    let table = compare(path, "elenco.csv", "chiave;importo\na;1\n", &["--as-of", "2026-11-20T08:00:00Z"]);
    assert_eq!(code(&table), 2);
    assert!(String::from_utf8_lossy(&table.stderr).contains("unita"));
    assert_eq!(code(&raccordo(path, &["reconcile", "--inventory", "elenco.csv"])), 2, "of which system");
    assert_eq!(code(&raccordo(path, &["reconcile", "scp-esecuzione", "--repair", "--inventory", "elenco.csv"])), 2);
}

#[test]
fn rows_that_an_incomplete_list_has_not_are_not_compared_and_nobody_is_told_to_send_them() {
    let (folder, list) = with_a_list();
    let folder = folder.path();
    let (_, rest) = list.split_once('\n').expect("two lines");
    let cut = compare(folder, "tagliato.ndjson", rest, &["--as-of", &now(folder)]);
    let counts = &json(&cut)["counts"];
    assert_eq!((counts["not_read"].as_u64(), counts["on_its_way"].as_u64()), (Some(1), Some(0)), "{counts}");
    let file = folder.join("tagliato.ndjson");
    let told = raccordo(
        folder,
        &["reconcile", "scp-esecuzione", "--inventory", &file.to_string_lossy(), "--as-of", &now(folder)],
    );
    let (table, notes) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert_eq!(code(&told), 4, "{notes}");
    assert!(notes.contains("Righe non confrontate: 1. Elenco incompleto"), "{notes}");
    assert!(!notes.contains("sync") && !notes.contains("in viaggio"), "{notes}");
    assert!(table.contains("Non lette"), "{table}");
}

#[test]
fn a_file_of_which_no_row_can_be_read_is_no_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    std::fs::write(path.join("raccordo.toml"), "[systems.scp-esecuzione]\nsimulated = true\n").expect("written");
    let moment = ["--as-of", "2026-11-20T08:00:00Z"];
    for (name, text) in [
        ("foto.ndjson", "\u{1}\u{2}PNG\n\u{3}\n"),
        ("pagina.csv", "unita;riga\n;\n;\n"),
        ("altro.ndjson", "{\"chiave\":\"a\"}\n"),
    ] {
        let refused = compare(path, name, text, &moment);
        let told = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(code(&refused), 2, "{name}: {told}");
        assert!(told.contains(name) && told.contains("nothing was compared"), "{told}");
    }
    assert!(!path.join("raccordo.db").exists(), "nothing is left behind");
}
