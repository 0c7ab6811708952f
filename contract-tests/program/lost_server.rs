//! A daemon whose PostgreSQL goes away while it works.

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
