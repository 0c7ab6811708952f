//! `raccordo simulate`: runs the simulator of a system until stopped.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Error};
use contract::SimulatorOptions;

use super::Exit;
use super::exit::Misused;
use super::output::Output;
use super::serve::stop_signal;
use crate::node::{NodeError, Parts};

/// Run the simulator of a system until stopped.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The system, for instance pico
    system: String,
    /// Address and port; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    listen: SocketAddr,
    /// Folder that keeps what the simulator receives, so that a restart remembers
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Faults on request: a JSON file in the simulator's words
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

pub(super) async fn run(parts: &Parts, arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let options = options(arguments)?;
    // No configuration has a part in this: the name stands on the command line.
    let simulator = parts.simulate(&arguments.system, options).map_err(|error| match error {
        NodeError::UnknownAdapter { .. } | NodeError::NoSimulator { .. } => Error::from(Misused(error.to_string())),
        error => error.into(),
    })?;
    let facts = serde_json::json!({
        "system": arguments.system,
        "address": simulator.address.to_string(),
        "settings": simulator.settings,
    });
    if output.is_json() {
        output.json(&facts);
    } else {
        output.line(&format!("{} {} {}", arguments.system, output.words.listening, simulator.address));
        output.line(&format!("settings: {}", simulator.settings));
        output.note(output.words.stop_hint);
    }
    stop_signal().await?;
    simulator.stop().await;
    Ok(Exit::Done)
}

/// What was asked for. The settings that are printed name files of the folder: they hold wherever they are used.
fn options(arguments: &Arguments) -> anyhow::Result<SimulatorOptions> {
    let faults = match &arguments.faults {
        None => None,
        Some(file) => {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("reading faults from {}", file.display()))?;
            let faults =
                serde_json::from_str(&text).with_context(|| format!("understanding faults of {}", file.display()))?;
            Some(faults)
        }
    };
    let state = arguments.state.as_ref().map(std::path::absolute).transpose().context("finding the folder")?;
    Ok(SimulatorOptions { listen: arguments.listen, state, faults })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_name_files_that_are_found_from_everywhere() {
        let listen = ([127, 0, 0, 1], 0).into();
        let arguments = Arguments { system: "pico".to_owned(), listen, state: Some("stato".into()), faults: None };
        let state = options(&arguments).expect("options").state.expect("a folder");
        assert!(state.is_absolute() && state.ends_with("stato"), "{}", state.display());
    }
}
