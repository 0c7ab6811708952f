//! What a platform decides later: `sync` asks, and says what is not finished.

use super::{code, json, raccordo};

#[test]
fn a_later_sync_asks_what_the_platform_decided_and_the_comparison_agrees() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::create_dir(folder.join("in-arrivo")).expect("a folder");
    let story = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/samples/esecuzione/storia.ndjson");
    std::fs::copy(story, folder.join("in-arrivo/storia.ndjson")).expect("copied");
    let configuration =
        "[systems.file-drop]\nsettings = { folder = \"in-arrivo\" }\n[systems.scp-esecuzione]\nsimulated = true\n";
    std::fs::write(folder.join("raccordo.toml"), configuration).expect("written");

    // The platform may have decided already, or be asked by the second one; held steps follow.
    let mut states = serde_json::Value::Null;
    for _ in 0..5 {
        let sync = raccordo(folder, &["sync"]);
        assert_eq!(code(&sync), 0, "{}", String::from_utf8_lossy(&sync.stderr));
        let (table, notes) = (String::from_utf8_lossy(&sync.stdout), String::from_utf8_lossy(&sync.stderr));
        let is_waiting = table.contains("prese in carico") || table.contains("trattenute");
        let says_so = notes.contains("prese in carico") || notes.contains("trattenute");
        assert_eq!(is_waiting, says_so, "the notes speak of what the table shows: {table}\n{notes}");
        states = json(&raccordo(folder, &["sync", "--json"]))["deliveries"]["scp-esecuzione"].clone();
        if states.as_object().is_some_and(|states| states.keys().eq(["acknowledged"])) {
            assert_eq!(code(&raccordo(folder, &["reconcile"])), 0, "both sides agree");
            return;
        }
    }
    panic!("sync never asked: {states}");
}
