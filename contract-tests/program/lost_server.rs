//! A daemon whose PostgreSQL goes away while it works.

use std::process::Command;
use std::time::{Duration, Instant};

use super::limits::Daemon;
use super::private_postgres::{PrivatePostgres, REMEDY, programs};

#[test]
fn a_daemon_whose_server_is_lost_ends_with_4_and_one_whose_server_comes_back_goes_on() {
    assert!(programs().is_some(), "{REMEDY}");
    let mut server = PrivatePostgres::start().expect("a server");
    let folder = tempfile::tempdir().expect("a folder");
    let url = server.url();
    let configure = |seconds: u16| {
        let storage = format!("[storage]\nurl = \"{url}\"\nexit_after_failure_seconds = {seconds}\n");
        let configuration = format!("{storage}[http]\nlisten = \"127.0.0.1:0\"\n");
        std::fs::write(folder.path().join("raccordo.toml"), configuration).expect("written");
    };
    let is_ready = |answer: &str| answer.starts_with("HTTP/1.1 200");
    configure(60);
    let daemon = Daemon::start(folder.path(), None);
    daemon.until("/readyz", is_ready);
    server.stop().expect("stopped");
    daemon.until("/readyz", |answer| answer.starts_with("HTTP/1.1 503"));
    server.restart().expect("started again");
    daemon.until("/readyz", is_ready);
    daemon.stop();

    configure(3);
    let mut daemon = Daemon::start(folder.path(), None);
    daemon.until("/readyz", is_ready);
    server.stop().expect("stopped");
    let begun = Instant::now();
    assert_eq!(daemon.ended(), Some(4), "to be started again");
    assert!(begun.elapsed() >= Duration::from_secs(2), "not before its time: {:?}", begun.elapsed());
}

/// Changes a setting of a running server.
fn set(url: &str, change: &str) {
    for statement in [change, "select pg_reload_conf()"] {
        let psql = programs().expect("installed").join("psql");
        let done = Command::new(psql).args(["-X", "-q", "-c", statement, url]).output().expect("psql starts");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn a_daemon_whose_server_takes_no_writes_any_more_ends_with_4_after_its_grace() {
    assert!(programs().is_some(), "{REMEDY}");
    let server = PrivatePostgres::start().expect("a server");
    let folder = tempfile::tempdir().expect("a folder");
    let storage = format!("[storage]\nurl = \"{}\"\nexit_after_failure_seconds = 3\n", server.url());
    let configuration = format!("{storage}[http]\nlisten = \"127.0.0.1:0\"\n");
    std::fs::write(folder.path().join("raccordo.toml"), configuration).expect("written");
    let mut daemon = Daemon::start(folder.path(), None);
    daemon.until("/readyz", |answer| answer.starts_with("HTTP/1.1 200"));
    set(&server.url(), "alter system set default_transaction_read_only = on");
    assert_eq!(daemon.ended(), Some(4), "to be started again");
}
