//! How commands end: the configuration and what it names, what is away now, and what is left behind.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use ::raccordo::storage::sqlite::bare;

use super::{after_demo, code, raccordo};

/// A folder with this configuration.
fn configured(configuration: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("raccordo.toml"), configuration).expect("written");
    folder
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The command ends so, and says all of this.
fn check(configuration: &str, arguments: &[&str], exit: i32, expected: &[&str]) {
    let folder = configured(configuration);
    let output = raccordo(folder.path(), arguments);
    let told = told(&output);
    assert_eq!(code(&output), exit, "{configuration}\n{told}");
    for expected in expected {
        assert!(told.contains(expected), "`{expected}` is not in {told}");
    }
}

#[test]
fn what_the_configuration_says_wrongly_ends_with_3_and_its_line() {
    let shared = "[storage]\nurl = \"postgres://u@127.0.0.1:9/x\"\n";
    check(
        &format!("{shared}\n[systems.pico]\nsimulated = true\n"),
        &["serve"],
        3,
        &["line 5", "simulated", "raccordo simulate pico"],
    );
    check(&format!("{shared}path = \"a.db\"\n"), &["sync"], 3, &["line 3", "storage.path", "take the other away"]);
    let settings = "[systems.file-drop]\nsettings = { folder = \".\", foldr = \"x\" }\n";
    check(settings, &["sync"], 3, &["raccordo.toml, line 2", "foldr"]);
    let settings = "[http]\n\n[systems.file-drop.settings]\nfolder = \".\"\nfoldr = \"x\"\n";
    check(settings, &["sync"], 3, &["raccordo.toml, line 5", "foldr"]);
    check("[systems.pcio]\n", &["sync"], 3, &["raccordo.toml, line 1", "pcio"]);
    let hub =
        "[systems.hub]\nsettings = { base_url = \"http://127.0.0.1:9\", key_file = \"key\", total_seconds = 120 }\n";
    let work = "[work]\nresend_after_seconds = 100\n";
    let folder = configured(&format!("{work}{hub}"));
    let key = folder.path().join("key");
    std::fs::write(&key, "chiave").expect("written");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("set");
    let output = raccordo(folder.path(), &["sync", "hub", "--wait", "0"]);
    assert_eq!(code(&output), 3, "{}", told(&output));
    let said = told(&output);
    assert!(said.contains("line 2") && said.contains("120 seconds") && said.contains("at least 180"), "{said}");
    let pairs = "[systems.file-drop]\n[reconciliation.pairs]\nfonti = \"03:00\"\nfile-dorp = \"never\"\n";
    check(pairs, &["sync"], 3, &["raccordo.toml, line 4", "file-dorp", "known are", "file-drop, fonti"]);
    let late = "[systems.file-drop]\n[reconciliation.sources.flie-drop]\ngrace_days = 3\n";
    check(late, &["sync"], 3, &["raccordo.toml, line 2", "flie-drop"]);
    let unknown = "[systems.file-drop]\n[systems.pico]\nsimulated = true\ndeliver = { from = [\"flie\"] }\n";
    check(unknown, &["sync"], 3, &["line 4", "flie"]);
}

#[test]
fn what_the_configuration_names_and_cannot_be_used_ends_with_3() {
    for command in [&["sync"][..], &["parked", "list"]] {
        check("[storage]\npath = \"absent/raccordo.db\"\n", command, 3, &["absent", "does not exist"]);
        check("[storage]\npath = \".\"\n", command, 3, &["line 2", "is a folder"]);
    }
    let shared = "[storage]\nurl = \"postgres://u@127.0.0.1:9/x\"\npassword_file = \"raccordo.toml\"\n";
    check(shared, &["sync"], 3, &["line 3", "0600"]);
    check(&shared.replace("raccordo.toml", "absent"), &["sync"], 3, &["line 3", "cannot be read"]);
    let key = "[systems.pico]\nsettings = { base_url = \"http://127.0.0.1:9\", key_file = \"raccordo.toml\" }\n";
    check(key, &["sync"], 3, &["line 2", "0600"]);
    check("[http]\nlisten = \"203.0.113.9:8470\"\n", &["serve"], 3, &["203.0.113.9", "no such address"]);
}

#[test]
fn a_database_of_another_program_ends_with_3_and_a_damaged_one_with_1_and_its_cause_is_told_once() {
    let folder = configured("[systems.file-drop]\n");
    let database = folder.path().join("raccordo.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(bare::execute(&database, "create table pratiche (numero integer)")).expect("made");
    for command in [&["sync"][..], &["parked", "list"]] {
        let output = raccordo(folder.path(), command);
        assert_eq!(code(&output), 3, "{}", told(&output));
        assert!(told(&output).contains("another program") && told(&output).contains("pratiche"), "{}", told(&output));
    }
    let untouched = runtime.block_on(bare::number(&database, "select count(*) from sqlite_schema"));
    assert_eq!(untouched, Ok(1), "nothing was made in it");

    let whole = configured("[systems.file-drop]\n");
    assert_eq!(code(&raccordo(whole.path(), &["parked", "list"])), 0);
    let mut damaged = std::fs::read(whole.path().join("raccordo.db")).expect("a database");
    for page in damaged.chunks_mut(4096).skip(1) {
        page.fill(0xa5);
    }
    for bytes in [b"this is a letter, and no database at all".repeat(200), damaged] {
        let folder = configured("[systems.file-drop]\n");
        std::fs::write(folder.path().join("raccordo.db"), bytes).expect("written");
        let output = raccordo(folder.path(), &["parked", "list"]);
        let told = told(&output);
        assert_eq!(code(&output), 1, "{told}");
        assert!(told.contains("damaged") && told.lines().filter(|line| !line.is_empty()).count() <= 2, "{told}");
        assert_eq!(told.matches("restore a backup").count(), 1, "{told}");
    }
}

#[test]
fn what_is_away_now_ends_with_4() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address");
    check(&format!("[http]\nlisten = \"{address}\"\n"), &["serve"], 4, &[&address.to_string(), "another program"]);
    check("[storage]\nurl = \"postgres://u@127.0.0.1:9/x\"\n", &["sync"], 4, &["not available"]);
    check("[storage]\nurl = \"postgres://u@127.0.0.1:9/x\"\n", &["parked", "list"], 4, &["not available"]);
}

#[test]
fn what_stands_wrongly_on_the_command_line_ends_with_2() {
    let simulated = "[systems.scp-esecuzione]\nsimulated = true\n";
    check(simulated, &["inspect", "/nowhere/dataset.xml"], 2, &[]);
    check(simulated, &["inspect", "/"], 2, &[]);
    check(simulated, &["map", "test", "/nowhere"], 2, &["/nowhere"]);
    check(simulated, &["report", "--output", "/nowhere/rapporto.html"], 2, &["/nowhere/rapporto.html"]);
    check(
        simulated,
        &["reconcile", "scp-esecuzione", "--expected", "/nowhere/elenco.csv"],
        2,
        &["/nowhere/elenco.csv"],
    );
    check(simulated, &["report", "--filter", "regola=R02"], 2, &["regola"]);
    check(simulated, &["report", "--output", "r.doc"], 2, &[".doc", ".html", ".xlsx", ".csv", ".json", "--format"]);
    check(simulated, &["discrepancies", "list", "--filter", "regola=R02"], 2, &["regola"]);
    check(simulated, &["discrepancies", "list", "--rule", "R99x"], 2, &["R99x"]);
    check(simulated, &["simulate", "pcio"], 2, &["pcio", "scp-esecuzione"]);
    check(simulated, &["demo", "--once", "--folder", "/proc/nowhere"], 2, &["/proc/nowhere"]);
}

#[test]
fn a_folder_that_the_settings_name_and_a_client_that_nobody_configured_end_with_3() {
    check("[systems.file-drop]\nsettings = { folder = \"absent\" }\n", &["sync"], 3, &["absent", "create it"]);
    check("[systems.file-drop]\n", &["pdnd", "assertion"], 3, &["[pdnd.NOME]", "private_key_file"]);
}

#[test]
fn an_import_of_what_is_no_file_is_a_misuse_and_leaves_nothing_behind() {
    let folder = configured("[systems.file-drop]\n");
    for name in ["absent.xml", "."] {
        let path = folder.path().join(name);
        let output = raccordo(folder.path(), &["import", "file-drop", path.to_str().expect("a path")]);
        assert_eq!(code(&output), 2, "{}", told(&output));
        assert!(told(&output).contains("nothing was read"), "{}", told(&output));
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("one")).collect();
    assert_eq!(left.len(), 1, "only the configuration: {left:?}");
}

/// Everything below a folder.
fn everything(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            everything(&path, found);
        }
        found.push(path);
    }
}

#[test]
fn what_the_program_writes_is_its_owners_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(code(&raccordo(folder.path(), &["demo", "--once"])), 0);
    let mut found = Vec::new();
    everything(folder.path(), &mut found);
    assert!(found.iter().any(|path| path.ends_with("simulators/pico/effects.ndjson")), "{found:?}");
    // The lock holds nothing.
    found.retain(|path| !path.ends_with("raccordo.db.lock"));
    for path in found {
        let mode = std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

#[test]
fn a_folder_is_told_as_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().to_str().expect("a path");
    let of = |language: &str| {
        let output = raccordo(folder.path(), &["--lang", language, "inspect", name]);
        String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(of("it").contains("cartella: indicare i file") && !of("it").contains("permessi"), "{}", of("it"));
    assert!(of("en").contains("a folder: name the files in it"), "{}", of("en"));
}

#[test]
fn the_filter_of_the_page_chooses_the_same_in_every_command() {
    let (folder, _) = after_demo();
    let listed = |arguments: &[&str]| {
        let output = raccordo(folder.path(), &[&["--json", "discrepancies", "list", "--items"], arguments].concat());
        assert_eq!(code(&output), 0, "{}", told(&output));
        String::from_utf8_lossy(&output.stdout).lines().count()
    };
    let (all, missing) = (listed(&[]), listed(&["--rule", "R01"]));
    assert!(missing > 0 && missing < all, "{missing} of {all}");
    assert_eq!(listed(&["--filter", "rule=R01"]), missing);
    assert_eq!(listed(&["--filter", "comparison=fonti", "--rule", "R01"]), missing, "options choose among them");
}
