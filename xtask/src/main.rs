//! Developer commands: `cargo xtask test`, `cargo xtask schemas`, `cargo xtask bench`,
//! `cargo xtask faults`.
//!
//! Nothing here is part of the product. The commands say what they do, what they install and what
//! they could not check; the exit code is 0 only when everything that was asked for is well.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks to its terminal")]

mod bench;
mod faults;
mod schemas;
mod schemathesis;
mod step;
mod tables;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = "Developer commands of Raccordo")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check: formatting, generated files, lints, tests, licences, advisories.
    Test(test::Test),
    /// Write the generated JSON Schemas, or compare them.
    Schemas(schemas::Schemas),
    /// Write the tables that say what the adapters do: README and certificate.
    Tables,
    /// Measure our code beside the bare library, in one run, and compare the ratio with its bar.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Make the real program fail in every way, and compare what it promised with what happened.
    Faults(faults::Faults),
}

fn main() -> ExitCode {
    #[cfg(feature = "bench")]
    if let Some(code) = bench::processes::as_product() {
        return code;
    }
    let result = match Arguments::parse().command {
        Command::Test(test) => Ok(test.run()),
        Command::Schemas(schemas) => schemas.run(),
        Command::Tables => tables::run(),
        Command::Bench(bench) => bench.run(),
        Command::Faults(faults) => faults.run(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace: where cargo runs this program from, because a program that was built
/// in one clone may be found again from another when they share a target folder.
fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&package).parent().unwrap_or(Path::new(".")).to_path_buf()
}
