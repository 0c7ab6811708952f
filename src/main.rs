//! The `raccordo` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _armed = raccordo::failpoints::arm();
    raccordo::cli::main(&raccordo::registry::PARTS)
}
