//! A certified `OpenID` provider in a process of its own: it knows nothing of our code.
//!
//! Needs npm, which `cargo xtask test` installs, and fetches the provider by its lock file.
//! `RACCORDO_PROVIDER_MODULES` may name a folder where `npm ci` was done before.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A process, which ends with this.
pub(crate) struct Process {
    child: Child,
    /// Where it answers.
    pub(crate) address: String,
    _folder: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts it as this script has it.
    pub(crate) fn start(script: &str) -> Self {
        let source = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/provider"));
        let folder = tempfile::tempdir().expect("a folder");
        for file in ["package.json", "package-lock.json", script] {
            std::fs::copy(source.join(file), folder.path().join(file)).expect("copied");
        }
        if let Some(modules) = std::env::var_os("RACCORDO_PROVIDER_MODULES") {
            let modules = PathBuf::from(modules).join("node_modules");
            std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).expect("linked");
        } else {
            let mut npm = Command::new("npm");
            npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder.path());
            assert!(npm.status().expect("npm").success(), "npm ci");
        }
        let mut node = Command::new("node");
        node.arg(script).arg(source.with_file_name("pdnd").join("keys/keys.json")).current_dir(folder.path());
        let mut process = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("node");
        let mut address = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut address).expect("an address");
        Self { child: process, address: address.trim().to_owned(), _folder: folder }
    }
}
