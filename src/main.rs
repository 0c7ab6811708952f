//! The `raccordo` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    raccordo::cli::main(&raccordo::registry::PARTS)
}
