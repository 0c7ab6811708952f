//! Promises of the real program, run as a user runs it: processes, files, exit codes, kills.

mod decisions;
mod endings;
mod eservice;
mod figures;
mod inventory;
mod limits;
mod lost_server;
mod parked;
mod repair;
mod signals;
mod report;
mod tracing;
mod tokens;
mod webhooks;
mod words;
#[allow(dead_code, unreachable_pub, reason = "shared with the other suites, which need more of it")]
#[path = "../src/private_postgres.rs"]
mod private_postgres;
#[allow(dead_code, unreachable_pub, reason = "shared with the other suites, which need more of it")]
#[path = "../src/signal_hub.rs"]
mod signal_hub;
#[allow(dead_code, unreachable_pub, reason = "shared with the other suites, which need more of it")]
#[path = "../src/rest.rs"]
mod rest;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_raccordo");

/// A folder of one's own as a demo leaves it, and what the demo said: it is run once for all tests.
fn after_demo() -> (tempfile::TempDir, &'static Output) {
    static DEMO: OnceLock<(PathBuf, Output)> = OnceLock::new();
    let (left, demo) = DEMO.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("after-demo");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        let demo = raccordo(&folder, &["demo", "--once"]);
        assert_eq!(code(&demo), 0, "{}", String::from_utf8_lossy(&demo.stderr));
        (folder, demo)
    });
    let folder = tempfile::tempdir().expect("a folder");
    copy_all(left, folder.path());
    (folder, demo)
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let copy = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir(&copy).expect("a folder");
            copy_all(&entry.path(), &copy);
        } else {
            std::fs::copy(entry.path(), copy).expect("copied");
        }
    }
}

fn raccordo(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("--folder")
        .arg(folder)
        .args(arguments)
        .env_remove("RACCORDO_LOG")
        .output()
        .expect("the program starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "not one JSON value ({error}): {}\n{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

/// A folder whose only target holds what it should.
fn with_a_target() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    std::fs::create_dir(path.join("in-arrivo")).expect("a folder");
    let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/samples/esecuzione/storia.ndjson");
    std::fs::copy(story, path.join("in-arrivo/storia.ndjson")).expect("copied");
    let configuration =
        "[systems.file-drop]\nsettings = { folder = \"in-arrivo\" }\n[systems.scp-esecuzione]\nsimulated = true\n";
    std::fs::write(path.join("raccordo.toml"), configuration).expect("written");
    for _ in 0..5 {
        assert_eq!(code(&raccordo(path, &["sync"])), 0);
        if code(&raccordo(path, &["reconcile", "scp-esecuzione"])) == 0 {
            break;
        }
    }
    folder
}

/// The targets of the demo whose simulators count revisions.
const TARGETS: [&str; 4] = ["pico", "scp-esecuzione", "hub", "osservatorio"];

/// The unit and the revision of an effect, in the words of each simulator. None for what is not the
/// delivery of a revision, for instance a step that the platform itself takes.
fn unit_and_revision(target: &str, effect: &Value) -> Option<(String, u64)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match target {
        "pico" => {
            let published = &effect["published"];
            Some((text(&published["key"])?, published["versione"].as_u64()?))
        }
        "hub" => Some((text(&effect["chiave"])?, effect["revisione"].as_u64()?)),
        "osservatorio" => {
            let manifesto = &effect["package"]["manifesto"];
            let unit = format!("{}/{}", text(&manifesto["ente"])?, text(&manifesto["periodo"])?);
            Some((unit, manifesto["versione"].as_u64()?))
        }
        _ => Some((text(&effect["key"])?, effect["versione"].as_u64()?)),
    }
}

/// The effects that the simulators of a folder wrote down, by target.
fn effects(folder: &Path) -> BTreeMap<String, Vec<Value>> {
    TARGETS
        .iter()
        .map(|&target| {
            let journal = folder.join("simulators").join(target).join("effects.ndjson");
            let lines = std::fs::read_to_string(&journal).unwrap_or_default();
            let effects = lines.lines().map(|line| serde_json::from_str(line).expect("a whole line")).collect();
            (target.to_owned(), effects)
        })
        .collect()
}

/// Every revision of every unit took effect once, and units moved forward only.
fn assert_one_effect_per_revision(folder: &Path) {
    for (target, effects) in effects(folder) {
        let mut last: BTreeMap<String, u64> = BTreeMap::new();
        for effect in effects {
            let Some((key, revision)) = unit_and_revision(&target, &effect) else { continue };
            let before = last.insert(key.clone(), revision);
            assert!(
                before.is_none_or(|before| before < revision),
                "{target}: unit {key} took effect with revision {revision} after {before:?}"
            );
        }
        assert!(!last.is_empty(), "{target} received nothing");
    }
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/samples/l190")
}

#[test]
fn the_demo_balances_and_a_second_one_delivers_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = raccordo(folder.path(), &["demo", "--once", "--json"]);
    assert_eq!(code(&first), 0, "{}", String::from_utf8_lossy(&first.stderr));
    let facts = json(&first);
    assert_eq!(facts["balanced"], true);
    assert!(facts["new"].as_u64() > Some(2000), "{facts}");
    for target in TARGETS.into_iter().chain(["pad-provincia"]) {
        assert!(facts["deliveries"][target]["acknowledged"].as_u64() > Some(0), "{facts}");
        let comparison = &facts["reconciliation"][target];
        assert_eq!(comparison["complete"], true);
        assert_eq!(comparison["expected"], comparison["equal"], "{facts}");
        assert_eq!(comparison["observed"], comparison["equal"], "{facts}");
    }
    assert!(facts["deliveries"]["scp-programmi"]["acknowledged"].as_u64() > Some(0), "{facts}");
    assert!(facts["withheld"]["pico"]["senza_adesione"].as_u64() > Some(0), "a body that has not joined: {facts}");
    let planted = facts["planted"].as_array().expect("a list");
    assert!(planted.len() == 3 && planted.iter().all(|planted| planted["found"] == true), "{facts}");
    assert_eq!(facts["mended"], true);
    assert_one_effect_per_revision(folder.path());
    let before = effects(folder.path());

    let second = raccordo(folder.path(), &["demo", "--once", "--json"]);
    assert_eq!(code(&second), 0);
    let again = json(&second);
    assert_eq!(again["new"], 0, "{again}");
    assert_eq!(again["sources"]["file-drop"]["read"], facts["sources"]["file-drop"]["read"]);
    assert_eq!(again["quarantined"], facts["quarantined"]);
    assert_eq!(again["deliveries"], facts["deliveries"]);
    assert_eq!(effects(folder.path()), before, "a second run changed a target");
}

/// How many effects a simulator of the folder has on disk.
fn effect_count(folder: &Path, target: &str) -> usize {
    let journal = folder.join("simulators").join(target).join("effects.ndjson");
    std::fs::read_to_string(journal).map_or(0, |text| text.lines().count())
}

/// A moment to kill, and how to know that it has come.
type Moment = (&'static str, fn(&Path) -> bool);

/// Each of them comes somewhere in the middle of the work.
const MOMENTS: [Moment; 4] = [
    ("while reading", |folder| {
        std::fs::metadata(folder.join("raccordo.db-wal")).is_ok_and(|file| file.len() > 500_000)
    }),
    ("at the first delivery", |folder| effect_count(folder, "scp-esecuzione") > 0),
    ("at the first dataset", |folder| effect_count(folder, "pico") > 0),
    ("among the deliveries", |folder| effect_count(folder, "scp-esecuzione") > 60),
];

#[test]
fn killed_in_the_middle_the_work_is_finished_by_sync_without_a_second_effect() {
    let mut interrupted = 0;
    for (moment, has_come) in MOMENTS {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let mut demo = Command::new(PROGRAM)
            .args(["demo", "--once", "--json", "--folder"])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let end = Instant::now() + Duration::from_mins(1);
        while Instant::now() < end && demo.try_wait().expect("a child").is_none() && !has_come(folder) {
            std::thread::yield_now();
        }
        demo.kill().expect("killed");
        demo.wait().expect("reaped");
        let before = effect_count(folder, "scp-esecuzione") + effect_count(folder, "pico");

        let sync = raccordo(folder, &["sync", "--json"]);
        let facts = json(&sync);
        // A first publication on SCP whose answer died with the process cannot be asked about: the
        // published contract makes it a question for a person, and it is told as such.
        let asks_a_person = facts["deliveries"]["scp-programmi"]["in_doubt"].is_u64();
        let expected = if asks_a_person { 4 } else { 0 };
        assert_eq!(code(&sync), expected, "{moment}: {facts} {}", String::from_utf8_lossy(&sync.stderr));
        assert_eq!(facts["balanced"], true, "{moment}");
        for (target, states) in facts["deliveries"].as_object().into_iter().flatten() {
            let names: Vec<_> = states.as_object().into_iter().flatten().map(|(name, _)| name).collect();
            let is_settled = |name: &&String| ["acknowledged", "submitted"].contains(&name.as_str());
            let is_question = target == "scp-programmi" && asks_a_person;
            assert!(is_question || names.iter().all(is_settled), "{moment}: {target} in {facts}");
        }
        assert_one_effect_per_revision(folder);
        // The demo waits for what the platforms decide, and compares.
        let end = raccordo(folder, &["demo", "--once", "--json"]);
        assert_eq!(code(&end), expected, "{moment}: {}", String::from_utf8_lossy(&end.stdout));
        assert_one_effect_per_revision(folder);
        let after = effect_count(folder, "scp-esecuzione") + effect_count(folder, "pico");
        interrupted += usize::from(before < after);
    }
    assert!(interrupted >= 2, "the kills came too late to prove anything: {interrupted} interrupted the work");
}

#[test]
fn inspect_says_what_a_file_is_and_refuses_what_is_not_a_dataset() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.xml");
    std::fs::write(&page, "<!DOCTYPE html><html><body>Request Rejected</body></html>").expect("written");
    let good = samples().join("terracina-2013.xml");
    let output = Command::new(PROGRAM).args(["inspect", "--json"]).arg(&good).arg(&page).output().expect("starts");
    assert_eq!(code(&output), 1, "one file is refused");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let facts: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(facts[0]["format"], "l190");
    assert_eq!(facts[0]["counts"]["lotti"], 87);
    assert_eq!(facts[0]["refused"], Value::Null);
    assert_eq!(facts[1]["refused"]["code"], "html_page");

    let output = Command::new(PROGRAM).args(["inspect"]).arg(&good).output().expect("starts");
    assert_eq!(code(&output), 5, "the file has invalid CIG: findings of severity error");
}

#[test]
fn an_import_counts_what_it_read_and_a_second_one_says_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("raccordo.toml"), "[systems.file-drop]\n").expect("written");
    let file = samples().join("sito-2022-200lotti.xml");
    let file = file.to_str().expect("a path");
    let first = raccordo(folder.path(), &["import", "file-drop", file, "--json"]);
    assert_eq!(code(&first), 0);
    assert_eq!(json(&first)["read"], 200);
    let second = json(&raccordo(folder.path(), &["import", "file-drop", file, "--json"]));
    assert_eq!(second["new"], 0);
    assert_eq!(second["unchanged"].as_u64().zip(second["quarantined"].as_u64()).map(|(a, b)| a + b), Some(200));
}

#[test]
fn a_refused_import_says_why_and_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("raccordo.toml"), "[systems.file-drop]\n").expect("written");
    let file = folder.path().join("half.xml");
    std::fs::write(&file, "<a:pubblicazione xmlns:a=\"legge190_1_0\"><metadata>").expect("written");
    let output = raccordo(folder.path(), &["import", "file-drop", file.to_str().expect("a path"), "--json"]);
    assert_eq!(code(&output), 1);
    let facts = json(&output);
    assert_eq!((&facts["read"], &facts["refused"], &facts["balanced"]), (&1.into(), &1.into(), &true.into()));
    assert!(facts["refused_documents"][0]["refusal"]["message"].is_string());
}

#[test]
fn errors_have_the_documented_exit_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(code(&raccordo(folder.path(), &["sync"])), 3, "no configuration");
    assert_eq!(code(&raccordo(folder.path(), &["no-such-command"])), 2, "usage");
    std::fs::write(folder.path().join("raccordo.toml"), "[systems.pcio]\n").expect("written");
    let output = raccordo(folder.path(), &["sync"]);
    assert_eq!(code(&output), 3, "unknown adapter");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("pcio") && message.contains("scp-esecuzione"), "{message}");
}

#[test]
fn a_target_that_cannot_be_read_is_incomplete_and_never_missing() {
    let (folder, _) = after_demo();
    // The same records, and a Pi.Co. that does not answer.
    let key = folder.path().join("key");
    std::fs::write(&key, "secret").expect("written");
    let mut permissions = std::fs::metadata(&key).expect("metadata").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(&key, permissions).expect("permissions");
    let configuration = "[systems.pico]\nsettings = { base_url = \"http://127.0.0.1:9\", key_file = \"key\" }\n";
    std::fs::write(folder.path().join("raccordo.toml"), configuration).expect("written");
    let output = raccordo(folder.path(), &["reconcile", "pico", "--json"]);
    assert_eq!(code(&output), 4, "{}", String::from_utf8_lossy(&output.stderr));
    let facts = json(&output);
    assert_eq!(facts["complete"], false);
    assert_eq!(facts["counts"]["missing_there"], 0);
}

#[test]
fn the_trace_of_a_cig_shows_versions_and_receipts() {
    let (folder, _) = after_demo();
    let output = raccordo(folder.path(), &["trace", "5044003AF1", "--json"]);
    assert_eq!(code(&output), 0);
    let facts = json(&output);
    assert!(facts["versions"].as_array().is_some_and(|versions| versions.len() >= 3), "{facts}");
    let attempts =
        facts["deliveries"].as_array().into_iter().flatten().filter_map(|d| d["attempts"].as_array()).flatten();
    assert!(attempts.clone().count() > 0);
    for attempt in attempts {
        assert!(attempt["receipt"]["status"].is_u64(), "{attempt}");
    }
    assert_eq!(code(&raccordo(folder.path(), &["trace", "Z000000000"])), 1, "nothing is known about it");
}

#[test]
fn the_readme_shows_the_capability_table_of_the_program() {
    let output = Command::new(PROGRAM).args(["adapters", "--json"]).output().expect("starts");
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a README");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut systems = 0;
    for capability in text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")) {
        let has = |field: &str| capability[field].as_array().is_some_and(|kinds| !kinds.is_empty());
        let roles =
            [(has("reads"), "source"), (has("accepts"), "target"), (capability["observes"] == true, "observer")];
        let roles: Vec<_> = roles.iter().filter(|(has, _)| *has).map(|(_, role)| *role).collect();
        let text = |field: &str| capability[field].as_str().expect("a text").to_owned();
        let status = if text("status") == "ASSUMED" { "**ASSUMED**".to_owned() } else { text("status") };
        let row = format!("| `{}` | {} | {} | {status} |", text("system"), roles.join(", "), text("contract"));
        assert!(readme.contains(&row), "the README lacks the row\n{row}");
        systems += 1;
    }
    let begin = readme.find("<!-- adapters").expect("the table");
    let end = readme[begin..].find("<!-- end").expect("its end");
    assert_eq!(readme[begin..begin + end].matches("| `").count(), systems, "the README shows other systems");
}

#[test]
fn the_daemon_serves_its_page_and_stops_when_told() {
    let (folder, _) = after_demo();
    let mut daemon = Command::new(PROGRAM)
        .args(["serve", "--json", "--folder"])
        .arg(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    let stdout = daemon.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let facts: Value = serde_json::from_str(&line).expect("JSON");
    let address = facts["page"].as_str().and_then(|page| page.strip_prefix("http://")).expect("an address");
    let address = address.trim_end_matches('/').to_owned();
    let page = get(&address, "/");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    for expected in ["Riepilogo", "ASSUMED", "le due parti concordano", "content-security-policy"] {
        assert!(page.contains(expected), "`{expected}` is not in {page}");
    }
    assert!(get(&address, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/etc/passwd").starts_with("HTTP/1.1 404"));

    // A second daemon on the same records is refused, and says so.
    let second = raccordo(folder.path(), &["serve"]);
    assert_eq!(code(&second), 4, "in use");
    terminate(&daemon);
    let end = Instant::now() + Duration::from_secs(10);
    let status = loop {
        if let Some(status) = daemon.try_wait().expect("a child") {
            break status;
        }
        if Instant::now() > end {
            daemon.kill().expect("killed");
            panic!("the daemon did not stop within ten seconds");
        }
        std::thread::yield_now();
    };
    assert!(status.success(), "{status}");
}

fn terminate(child: &Child) {
    let done = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(done.success());
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
