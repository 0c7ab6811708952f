//! `raccordo adapters`: the capability table.

use contract::{Capability, ContractStatus};

use super::Exit;
use super::output::Output;
use crate::node::Parts;

pub(super) fn run(parts: &Parts, output: &Output) -> Exit {
    let capabilities = parts.capabilities();
    if output.is_json() {
        for capability in &capabilities {
            output.json(capability);
        }
        return Exit::Done;
    }
    let words = output.words;
    let rows = capabilities
        .iter()
        .map(|capability| {
            vec![
                capability.system.to_owned(),
                roles(capability),
                capability.contract.to_owned(),
                status(capability.status).to_owned(),
                capability.title.to_owned(),
            ]
        })
        .collect();
    let headers = [words.system, words.roles, words.contract, words.status, words.what_it_is];
    output.table(words.systems, &headers, rows, 5);
    if capabilities.iter().any(|capability| capability.status == ContractStatus::Assumed) {
        output.line(words.assumed_note);
    }
    Exit::Done
}

fn roles(capability: &Capability) -> String {
    let roles = [
        (!capability.reads.is_empty(), "source"),
        (!capability.accepts.is_empty(), "target"),
        (capability.observes, "observer"),
    ];
    roles.iter().filter(|(has, _)| *has).map(|(_, role)| *role).collect::<Vec<_>>().join(", ")
}

fn status(status: ContractStatus) -> &'static str {
    match status {
        ContractStatus::Public => "PUBLIC",
        ContractStatus::Assumed => "ASSUMED",
    }
}
