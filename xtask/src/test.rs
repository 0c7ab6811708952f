//! `cargo xtask test`: what the README and the continuous integration run.
//!
//! Cheap checks come first, the installation that takes minutes comes last. What is missing is
//! installed and said; what cannot be checked for want of a network is said too, in the summary.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::Result;
use clap::Args;

use crate::schemathesis;
use crate::step::{self, Outcome};

/// The version that this project's settings were written for. A newer one that is already
/// installed is used as it is.
const CARGO_DENY: &str = "0.20.2";

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Go on after a failure, to see all of them in one run.
    #[arg(long)]
    keep_going: bool,
}

/// Those in which the database itself has a part: what the target alone decides is made on SQLite.
const FAULTS_OF_A_SERVER: &str = "F1,F2,F10,F26,F27,F28";

/// This program, as it was found when it began: the tests put another in its place.
static THIS_PROGRAM: LazyLock<Option<PathBuf>> = LazyLock::new(|| env::current_exe().ok());

impl Test {
    pub(crate) fn run(&self) -> bool {
        LazyLock::force(&THIS_PROGRAM);
        let steps: &[step::Step] = &[
            ("tools", tools),
            ("companions of the tests", companions),
            ("formatting", || step::passes("cargo fmt --all --check")),
            ("lints", || step::passes("cargo clippy --workspace --all-targets --all-features --locked -- -D warnings")),
            ("tests", tests),
            ("exchange API, Schemathesis", schemathesis::exchange_api),
            ("faults on SQLite", || faults(&["--database", "sqlite"])),
            ("faults on PostgreSQL", || faults(&["--database", "postgres", "--only", FAULTS_OF_A_SERVER])),
            ("licences, bans, sources", licences),
            ("advisories", advisories),
        ];
        step::run(steps, self.keep_going)
    }
}

/// Many of them wait, for a lease, a server or a browser: two for each core.
fn tests() -> Result<Outcome> {
    let threads = 2 * std::thread::available_parallelism()?.get();
    let cargo = "cargo test --workspace --all-features --locked --no-fail-fast";
    step::passes(&format!("{cargo} -- --test-threads {threads}"))
}

/// The fault programme, by the programs that the tests have left: to build them with fewer features would
/// take minutes.
fn faults(arguments: &[&str]) -> Result<Outcome> {
    let program = THIS_PROGRAM.as_deref().unwrap_or(Path::new("target/debug/xtask"));
    step::passes_by(program, &[&["faults"], arguments].concat())
}

fn tools() -> Result<Outcome> {
    for (component, probe) in [("rustfmt", "cargo fmt --version"), ("clippy", "cargo clippy --version")] {
        if step::is_there(probe) {
            println!("{component}: there");
            continue;
        }
        println!("{component}: missing; installing it with rustup, because a later step runs it");
        if let failed @ Outcome::Failed(_) = step::passes(&format!("rustup component add {component}"))? {
            return Ok(failed);
        }
    }
    if !step::is_there("cc --version") {
        return Ok(Outcome::Failed(
            "no C compiler: SQLite and the cryptography are built from C; on Debian `apt-get install build-essential`"
                .into(),
        ));
    }
    println!("C compiler: there");
    println!("cargo-deny: {}", if has_cargo_deny() { "there" } else { "missing; a later step will install it" });
    Ok(Outcome::Passed)
}

/// What tests start beside our own program: its name, the Debian package, whether it is there.
type Companion = (&'static str, &'static str, fn() -> bool);

const COMPANIONS: &[Companion] = &[
    ("PostgreSQL", "postgresql", has_postgres),
    ("libfaketime", "faketime", has_faketime),
    ("LibreOffice", "libreoffice-calc", || step::is_there("soffice --version")),
    // The pages are drawn under the rules of accessibility, which npm brings: axe-core, pinned by its hash.
    ("Chromium", "chromium", || step::is_there("chromium --version")),
    ("npm", "npm", || step::is_there("npm --version")),
    // What we sign in XML is verified by code that is not ours.
    ("xmlsec1", "xmlsec1", || step::is_there("xmlsec1 --version")),
    ("Python", "python3-venv", schemathesis::has_python),
];

/// Installs the Debian packages of what is missing, and says so.
fn companions() -> Result<Outcome> {
    let mut missing = Vec::new();
    for (name, package, is_there) in COMPANIONS {
        if !is_there() && !installed(package, *is_there)? {
            missing.push(*name);
            continue;
        }
        println!("{name}: there");
    }
    if missing.is_empty() {
        return Ok(Outcome::Passed);
    }
    let missing = missing.join(" and ");
    Ok(not_done(&format!("{missing} could not be installed: what needs it will fail, or say that it was not done")))
}

fn installed(package: &str, is_there: fn() -> bool) -> Result<bool> {
    if !step::is_there("apt-get --version") {
        return Ok(false);
    }
    println!("the Debian package {package} is missing; installing it, because tests need it");
    let is_root = step::says("id -u").is_some_and(|id| id == "0");
    let before = if is_root { "" } else { "sudo -n " };
    step::passes(&format!("{before}apt-get update -qq"))?;
    step::passes(&format!("{before}apt-get install -y -qq --no-install-recommends {package}"))?;
    Ok(is_there())
}

fn has_postgres() -> bool {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    debian.map(|entry| entry.path().join("bin/postgres")).any(|server| server.is_file())
        || step::is_there("postgres --version")
}

fn has_faketime() -> bool {
    let machines = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    machines.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).any(|library| library.is_file())
}

fn has_cargo_deny() -> bool {
    step::is_there("cargo deny --version")
}

/// Installs cargo-deny where `cargo install` puts it, so that the next run finds it. None when it
/// is there in the end.
fn install_cargo_deny() -> Result<Option<Outcome>> {
    if has_cargo_deny() {
        return Ok(None);
    }
    println!("cargo-deny checks licences, bans and sources of every dependency, and is not installed.");
    println!("Building it from source, once per machine: about three minutes on two cores.");
    let cargo = "cargo install --debug --locked --version";
    let (succeeded, said) = step::overheard(&format!("{cargo} {CARGO_DENY} cargo-deny"))?;
    Ok(match succeeded {
        true => None,
        false if is_want_of_network(&said) => {
            Some(not_done("cargo-deny is not installed and there is no network to install it"))
        }
        false => Some(Outcome::Failed("cargo-deny could not be installed".into())),
    })
}

fn licences() -> Result<Outcome> {
    if let Some(ended) = install_cargo_deny()? {
        return Ok(ended);
    }
    step::passes("cargo deny --locked check --hide-inclusion-graph bans licenses sources")
}

fn advisories() -> Result<Outcome> {
    if !has_cargo_deny() {
        return Ok(not_done("advisories not checked: cargo-deny is not installed"));
    }
    let (fetched, said) = step::overheard("cargo deny --locked fetch db")?;
    match fetched {
        true => step::passes("cargo deny --locked check --hide-inclusion-graph advisories"),
        false if is_want_of_network(&said) => {
            Ok(not_done("advisories not checked: the advisory database cannot be fetched from here"))
        }
        false => Ok(Outcome::Failed("the advisory database could not be fetched".into())),
    }
}

pub(crate) fn not_done(why: &str) -> Outcome {
    println!("NOTICE: {why}");
    Outcome::NotDone(why.to_owned())
}

/// Whether a tool complained about the network, in the words of cargo, git and curl.
pub(crate) fn is_want_of_network(said: &str) -> bool {
    let said = said.to_lowercase();
    let words = [
        "could not resolve host",
        "couldn't resolve host",
        "failed to connect",
        "couldn't connect",
        "could not connect",
        "connection refused",
        "connection timed out",
        "network is unreachable",
        "network failure",
        "operation timed out",
        "temporary failure in name resolution",
        "spurious network error",
        "but --offline was specified",
    ];
    words.iter().any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_network_is_told_from_other_failures() {
        assert!(is_want_of_network("fatal: unable to access: Could not resolve host: example.org"));
        assert!(is_want_of_network(
            "warning: spurious network error (3 tries remaining): [7] Couldn't connect to server"
        ));
        assert!(!is_want_of_network("error[E0308]: mismatched types"));
        assert!(!is_want_of_network("error: could not compile `cargo-deny` (lib)"));
    }
}
