//! Promises of the program where the machine gives no more: disk, queue, a database that fails.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{PROGRAM, code, get, json, raccordo, samples, terminate};

const FILE: &str = "sito-2022-200lotti.xml";
const SUSPENDED: &str = "Lettura delle fonti sospesa";

/// A folder of its own with this configuration, where 200 lots are to be read.
fn configure(folder: &Path, configuration: &str) {
    let arriving = folder.join("in-arrivo");
    if !arriving.is_dir() {
        std::fs::create_dir(&arriving).expect("a folder");
        std::fs::copy(samples().join(FILE), arriving.join(FILE)).expect("copied");
    }
    let source = "[systems.file-drop]\nsettings = { folder = \"in-arrivo\" }\n[http]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(folder.join("raccordo.toml"), format!("{source}{configuration}")).expect("written");
}

/// A daemon that is running; killed when a test ends before it.
pub(super) struct Daemon {
    child: Child,
    pub(super) address: String,
}

impl Daemon {
    /// Starts it; where a limit is given, no file of it may grow beyond so many KiB.
    pub(super) fn start(folder: &Path, file_limit: Option<u64>) -> Self {
        let limit = file_limit.map(|kib| format!("trap '' XFSZ; ulimit -f {kib}; ")).unwrap_or_default();
        let mut child = Command::new("bash")
            .args(["-c", &format!("{limit}exec \"$0\" serve --json --folder \"$1\""), PROGRAM])
            .arg(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let facts: Value = serde_json::from_str(&line).expect("JSON");
        let page = facts["page"].as_str().expect("an address");
        let address = page.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { child, address }
    }

    /// Asks until the answer is as expected.
    pub(super) fn until(&self, path: &str, is_expected: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = get(&self.address, path);
            if is_expected(&answer) {
                return answer;
            }
            assert!(Instant::now() < end, "{path} never answered as expected: {answer}");
            std::thread::yield_now();
        }
    }

    /// The exit code, when it ends in time.
    pub(super) fn ended(&mut self) -> Option<i32> {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < end, "the daemon did not end");
            std::thread::yield_now();
        }
    }

    pub(super) fn stop(mut self) {
        terminate(&self.child);
        assert_eq!(self.ended(), Some(0));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_unavailable(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 503") && answer.to_ascii_lowercase().contains("retry-after: ")
}

#[test]
fn without_room_nothing_is_read_and_everybody_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    configure(folder, "[storage]\nhold_below_mebibytes = 4_000_000_000\nresume_above_mebibytes = 4_000_000_000\n");
    let daemon = Daemon::start(folder, None);
    let answer = daemon.until("/readyz", is_unavailable);
    assert!(answer.contains(SUSPENDED) && answer.contains("MiB liberi"), "{answer}");
    let page = get(&daemon.address, "/");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains(SUSPENDED) && page.contains("Nessuna lettura"), "{page}");
    assert!(get(&daemon.address, "/healthz").starts_with("HTTP/1.1 200"), "it is alive");
    daemon.stop();

    let file = samples().join(FILE);
    let import = raccordo(folder, &["import", "file-drop", file.to_str().expect("a path")]);
    assert_eq!(code(&import), 4);
    let message = String::from_utf8_lossy(&import.stderr).into_owned();
    assert!(message.contains("MiB are free") && message.contains("make room"), "{message}");
    assert_eq!(code(&raccordo(folder, &["sync"])), 4);

    configure(folder, "");
    let sync = raccordo(folder, &["sync", "--json"]);
    assert_eq!((code(&sync), &json(&sync)["read"]), (0, &200.into()));
}

#[test]
fn a_long_queue_holds_reading_and_sync_delivers_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    configure(
        folder,
        "[work]\nhold_above_open = 1\nresume_below_open = 1\n[systems.scp-esecuzione]\nsimulated = true\n",
    );
    let file = samples().join(FILE);
    let import = ["import", "file-drop", file.to_str().expect("a path")];
    assert_eq!(code(&raccordo(folder, &import)), 0, "nothing waits yet");
    let held = raccordo(folder, &import);
    assert_eq!(code(&held), 4);
    let message = String::from_utf8_lossy(&held.stderr).into_owned();
    assert!(message.contains("deliveries are open") && message.contains("raccordo sync"), "{message}");

    let sync = raccordo(folder, &["sync", "--json"]);
    assert_eq!(code(&sync), 4, "the sources were not read");
    let facts = json(&sync);
    let there = |state: &str| facts["deliveries"]["scp-esecuzione"][state].as_u64().unwrap_or_default();
    assert!(there("submitted") + there("acknowledged") > 0, "{facts}");
    assert_eq!(code(&raccordo(folder, &import)), 0, "the queue is short again");
}

#[test]
fn a_database_that_fails_is_told_and_read_on_and_left_with_exit_code_4() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    configure(folder, "[storage]\nexit_after_failure_seconds = 3\n");
    assert_eq!(code(&raccordo(folder, &["trace", "Z000000000"])), 1, "the database is made");
    let size = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
    let largest = size("raccordo.db").max(size("raccordo.db-wal"));

    // The first source is read at once, and the disk refuses what it brings.
    let mut daemon = Daemon::start(folder, Some(largest / 1024 + 100));
    let answer = daemon.until("/readyz", is_unavailable);
    assert!(answer.contains("non è più scrivibile"), "{answer}");
    let page = get(&daemon.address, "/");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("non è più scrivibile"), "{page}");
    assert!(get(&daemon.address, "/healthz").starts_with("HTTP/1.1 200"), "it is alive");
    assert_eq!(daemon.ended(), Some(4), "to be started again");

    let sync = raccordo(folder, &["sync", "--json"]);
    assert_eq!((code(&sync), &json(&sync)["read"]), (0, &200.into()), "the next start finds all in order");
}

#[test]
fn a_process_without_free_descriptors_serves_again_when_it_has_some() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), "");
    let daemon = Daemon::start(folder.path(), None);
    daemon.until("/", |page| page.contains("<td>sì</td>"));
    let process = daemon.child.id().to_string();
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).expect("a process").count();
    let limit = format!("--nofile={}", open + 5);
    let limited = Command::new("prlimit").args(["--pid", &process, &limit]).status();
    assert!(limited.expect("prlimit runs").success());

    let greedy: Vec<_> = (0..40).map(|_| TcpStream::connect(&daemon.address).expect("queued by the system")).collect();
    // The first ones are accepted; the last one finds no descriptor, and hears nothing.
    let mut last = greedy.last().expect("forty");
    last.set_read_timeout(Some(Duration::from_millis(1500))).expect("set");
    write!(last, "GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", daemon.address).expect("sent");
    assert!(last.read(&mut [0]).is_err(), "the limit did not bite");
    drop(greedy);
    daemon.until("/healthz", |answer| answer.starts_with("HTTP/1.1 200"));
    daemon.stop();
}

/// A file system of its own in memory, gone with the test.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// None where this user may not mount.
    fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then(|| Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // What cannot be unmounted here goes with the machine.
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

#[test]
fn a_disk_that_fills_up_is_told_before_it_is_full_and_reading_goes_on_when_it_is_not() {
    let Some(disk) = Tmpfs::mount(32) else {
        eprintln!("not tried: only root may mount a file system");
        return;
    };
    let folder = disk.path();
    configure(folder, "[storage]\nhold_below_mebibytes = 8\nresume_above_mebibytes = 16\n");
    let filler = folder.join("filler");
    std::fs::write(&filler, vec![1; 26 * 1024 * 1024]).expect("there is room for it");
    let daemon = Daemon::start(folder, None);
    let answer = daemon.until("/readyz", is_unavailable);
    assert!(answer.contains(SUSPENDED), "{answer}");

    std::fs::remove_file(filler).expect("removed");
    daemon.until("/readyz", |answer| answer.starts_with("HTTP/1.1 200"));
    let page = daemon.until("/", |page| page.contains("<td>sì</td>"));
    assert!(!page.contains(SUSPENDED), "{page}");
    daemon.stop();
}
