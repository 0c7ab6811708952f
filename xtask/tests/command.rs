//! The command as it is called. That the program is built for these tests has a second use: `cargo
//! xtask test` runs the fault programme with it, and nothing is built anew.

use std::process::{Command, Output};

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().expect("it starts")
}

#[test]
fn what_it_can_do_is_said() {
    let output = xtask(&["--help"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    for command in ["test", "schemas", "tables", "bench", "faults"] {
        assert!(said.contains(&format!("\n  {command} ")), "{command}: {said}");
    }
}

#[test]
fn a_command_that_is_not_there_is_refused() {
    let output = xtask(&["repair"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unrecognized subcommand 'repair'"));
}

#[cfg(feature = "faults")]
#[test]
fn a_fault_that_is_not_there_is_refused_by_name() {
    let output = xtask(&["faults", "--only", "F999"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("there is no fault F999; there are F1, "), "{said}");
}
