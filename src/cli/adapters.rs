//! `raccordo adapters`: the capability table.

use contract::{Capability, ContractStatus};

use super::Exit;
use super::output::Output;
use super::table::{name, sentence};
use super::words::Words;
use crate::node::Parts;

/// Show the systems: roles, contract, and whether the contract is PUBLIC or ASSUMED.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print the table as Markdown, as it stands in the README
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

pub(super) fn run(parts: &Parts, arguments: &Arguments, output: &Output) -> Exit {
    let capabilities = parts.capabilities();
    if arguments.markdown {
        output.line(&markdown(&capabilities));
        return Exit::Done;
    }
    if output.is_json() {
        for capability in &capabilities {
            output.json(capability);
        }
        return Exit::Done;
    }
    let words = output.words;
    let rows: Vec<_> = capabilities
        .iter()
        .map(|capability| {
            vec![
                capability.system.to_owned(),
                roles_in(capability, words),
                capability.contract.to_owned(),
                status(capability.status).to_owned(),
                capability.title.to_owned(),
            ]
        })
        .collect();
    let columns = [
        name(words.system),
        sentence(words.roles),
        sentence(words.contract),
        name(words.status),
        sentence(words.what_it_is),
    ];
    output.table(words.systems, &columns, &rows);
    if capabilities.iter().any(|capability| capability.status == ContractStatus::Assumed) {
        output.paragraph(words.assumed_note);
    }
    Exit::Done
}

/// The table of the README: a test compares the two.
fn markdown(capabilities: &[Capability]) -> String {
    let head = ["| system | roles | contract | status |".to_owned(), "|---|---|---|---|".to_owned()];
    let rows = capabilities.iter().map(|capability| {
        let Capability { system, contract, .. } = capability;
        let status = match capability.status {
            ContractStatus::Public => "PUBLIC",
            ContractStatus::Assumed => "**ASSUMED**",
        };
        format!("| `{system}` | {} | {contract} | {status} |", roles(capability))
    });
    head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

fn roles(capability: &Capability) -> String {
    let roles = [
        (!capability.reads.is_empty(), "source"),
        (!capability.accepts.is_empty(), "target"),
        (capability.observes, "observer"),
    ];
    roles.iter().filter(|(has, _)| *has).map(|(_, role)| *role).collect::<Vec<_>>().join(", ")
}

fn roles_in(capability: &Capability, words: &Words) -> String {
    let named = [("source", words.roles_source), ("target", words.roles_target), ("observer", words.roles_observer)];
    named.iter().fold(roles(capability), |roles, (role, word)| roles.replace(role, word))
}

fn status(status: ContractStatus) -> &'static str {
    match status {
        ContractStatus::Public => "PUBLIC",
        ContractStatus::Assumed => "ASSUMED",
    }
}
