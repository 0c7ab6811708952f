//! The private PostgreSQL keeps its word: a server of one's own, which can be killed and comes back
//! with what was committed, and leaves nothing behind.

use std::path::Path;
use std::process::Command;

use contract_tests::private_postgres::{PrivatePostgres, programs};

fn sql(url: &str, statement: &str) -> Result<String, String> {
    let psql = programs().expect("installed").join("psql");
    let output = Command::new(psql).args(["-X", "-At", "-c", statement, url]).output().expect("psql starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn what_was_committed_survives_a_kill_and_nothing_is_left_at_the_end() {
    let mut postgres = PrivatePostgres::start().expect("PostgreSQL starts");
    let url = postgres.new_database("proof").expect("a database");
    assert_eq!(sql(&url, "show fsync").unwrap(), "on");
    sql(&url, "create table kept (n int); insert into kept values (7)").unwrap();
    let pid = postgres.pid().expect("it runs");

    postgres.kill_hard().unwrap();
    assert!(sql(&url, "select 1").is_err(), "it was killed");
    postgres.restart().unwrap();
    assert_ne!(postgres.pid(), Some(pid));
    assert_eq!(sql(&url, "select n from kept").unwrap(), "7");

    postgres.restart().unwrap();
    assert_eq!(sql(&url, "select n from kept").unwrap(), "7");
    let pid = postgres.pid().expect("it runs");
    let folder = sql(&url, "show data_directory").unwrap();
    drop(postgres);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the server is still there");
    assert!(!Path::new(&folder).exists(), "its folder is still there");
}
