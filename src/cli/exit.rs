//! How a command ends: one table from what went wrong to the exit code, the same for all commands.
//!
//! What stands in the configuration, or in a file that it names, is wrong until somebody corrects
//! it: 3. What is not there now, and may be there later, is worth another try: 4.

use std::io;
use std::net::SocketAddr;

use anyhow::Error;
use contract::{AdapterError, Advice, ErrorKind, SettingsError};
use tokio::net::TcpListener;

use crate::config::ConfigError;
use crate::flow::FlowError;
use crate::flow::report::file::FileError;
use crate::node::NodeError;
use crate::storage::{NotAFilter, StorageError};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It failed, or something was refused.
    Failed = 1,
    /// The command line was not understood. Clap uses the same number.
    Usage = 2,
    /// The configuration was not understood, or what it names cannot be used.
    Configuration = 3,
    /// Something is unavailable, or a side could not be read completely.
    Unavailable = 4,
    /// Differences, or findings of severity error, were found.
    Differences = 5,
    /// The audit chain does not stand.
    Broken = 6,
}

/// The table as `--help` shows it.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed, or a file was refused
  2  usage: the command line, or a file that it names, is wrong
  3  configuration: the file, or what it names, is wrong
  4  unavailable now, or a side could not be read completely
  5  differences or errors found in the data
  6  the audit chain is broken";

/// What stands on the command line was understood and means nothing here.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Misused(pub(super) String);

/// An address at which nothing can be served.
#[derive(Debug, thiserror::Error)]
#[error("not listening on {address}: {}", remedy(.source.kind()))]
pub(super) struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "another program holds the port; end it, or write another port in `[http]`, `listen`"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; correct `[http]`, `listen`",
        io::ErrorKind::PermissionDenied => {
            "this user may not take the port; write one above 1023 in `[http]`, `listen`"
        }
        _ => "see the cause",
    }
}

/// Takes the address of the pages.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, source })
}

/// The exit code that an error deserves.
pub(super) fn exit_of(error: &Error) -> Exit {
    error.chain().find_map(exit_of_cause).unwrap_or(Exit::Failed)
}

fn exit_of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if cause.is::<ConfigError>() || cause.is::<SettingsError>() {
        return Some(Exit::Configuration);
    }
    if cause.is::<Misused>() || cause.is::<NotAFilter>() {
        return Some(Exit::Usage);
    }
    if let Some(file) = cause.downcast_ref::<FileError>() {
        return Some(exit_of_file(file));
    }
    if let Some(node) = cause.downcast_ref::<NodeError>() {
        return Some(exit_of_opening(node));
    }
    if let Some(ListenError { source, .. }) = cause.downcast_ref::<ListenError>() {
        return Some(exit_of_address(source));
    }
    if let Some(flow) = cause.downcast_ref::<FlowError>() {
        return Some(match flow {
            FlowError::List { .. } => Exit::Usage,
            FlowError::NoRole { .. } | FlowError::UnknownSystem { .. } => Exit::Configuration,
            // A folder that the settings name and nobody made, not a system that says no.
            FlowError::Adapter(error) if is_of_settings(error) => Exit::Configuration,
            FlowError::Adapter(_) | FlowError::Held(_) | FlowError::Storage(StorageError::Unavailable { .. }) => {
                Exit::Unavailable
            }
            _ => Exit::Failed,
        });
    }
    matches!(cause.downcast_ref(), Some(StorageError::Unavailable { .. })).then_some(Exit::Unavailable)
}

/// Whether something on this machine that the settings name cannot be used.
pub(super) fn is_of_settings(error: &AdapterError) -> bool {
    error.kind == ErrorKind::Local && error.advice == Advice::FixConfiguration
}

/// The name of a file that is to be written stands on the command line.
fn exit_of_file(error: &FileError) -> Exit {
    use io::ErrorKind::{InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied};
    match error {
        FileError::Io { source, .. }
            if matches!(source.kind(), NotFound | NotADirectory | IsADirectory | PermissionDenied | InvalidInput) =>
        {
            Exit::Usage
        }
        FileError::Exists(_) | FileError::Io { .. } => Exit::Failed,
    }
}

fn exit_of_opening(error: &NodeError) -> Exit {
    match error {
        NodeError::Storage(StorageError::Unavailable { .. }) => Exit::Unavailable,
        NodeError::Storage(StorageError::Damaged { .. }) => Exit::Failed,
        NodeError::Simulator { source, .. } => exit_of_address(source),
        // A database that is refused at the start is not one that the configuration may name.
        NodeError::Storage(StorageError::Refused { .. })
        | NodeError::At { .. }
        | NodeError::UnknownAdapter { .. }
        | NodeError::UnknownName { .. }
        | NodeError::Settings { .. }
        | NodeError::OtherNode { .. }
        | NodeError::Resend { .. }
        | NodeError::NoSimulator { .. } => Exit::Configuration,
    }
}

/// A port that is taken may be free later; an address that is not ours stays so.
fn exit_of_address(error: &io::Error) -> Exit {
    match error.kind() {
        io::ErrorKind::AddrInUse => Exit::Unavailable,
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::PermissionDenied => Exit::Configuration,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_configuration_error_has_its_own_exit_code() {
        let error = Config::load(std::path::Path::new("/nowhere/raccordo.toml")).expect_err("there is no such file");
        assert_eq!(exit_of(&error.into()), Exit::Configuration);
    }

    #[test]
    fn what_stands_wrongly_on_the_command_line_is_usage_and_a_full_disk_is_a_failure() {
        let file = |kind: io::ErrorKind| Error::from(FileError::Io { path: "x".into(), source: kind.into() });
        assert_eq!(exit_of(&Misused("no such rule".to_owned()).into()), Exit::Usage);
        assert_eq!(exit_of(&file(io::ErrorKind::NotFound)), Exit::Usage);
        assert_eq!(exit_of(&file(io::ErrorKind::StorageFull)), Exit::Failed);
        assert_eq!(exit_of(&FileError::Exists("x".into()).into()), Exit::Failed, "refused, not misspelt");
    }

    #[test]
    fn a_folder_that_settings_name_is_configuration_and_a_system_that_is_away_is_not() {
        let local = || AdapterError::new(ErrorKind::Local, "list folder x");
        let code = |error: AdapterError| exit_of(&FlowError::Adapter(error).into());
        assert_eq!(code(local().advice(Advice::FixConfiguration)), Exit::Configuration);
        assert_eq!(code(local()), Exit::Unavailable);
        assert_eq!(code(AdapterError::new(ErrorKind::Authentication, "ask")), Exit::Unavailable);
    }

    #[test]
    fn what_the_configuration_names_wrongly_is_configuration_and_what_is_away_now_is_unavailable() {
        let refused = || StorageError::Refused { problem: "no folder".to_owned() };
        let away = || StorageError::Unavailable { attempted: "open", source: "no answer".into() };
        let code = |error: Error| exit_of(&error);
        assert_eq!(code(NodeError::Storage(refused()).into()), Exit::Configuration, "at the start");
        assert_eq!(code(FlowError::Storage(refused()).into()), Exit::Failed, "in the middle of work");
        assert_eq!(code(NodeError::Storage(away()).into()), Exit::Unavailable);
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let listen = |kind: io::ErrorKind| Error::from(ListenError { address, source: kind.into() });
        assert_eq!(code(listen(io::ErrorKind::AddrInUse)), Exit::Unavailable);
        assert_eq!(code(listen(io::ErrorKind::AddrNotAvailable)), Exit::Configuration);
    }
}
