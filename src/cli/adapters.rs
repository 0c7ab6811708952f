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
                contract(capability, words),
                status(capability.status).to_owned(),
                title(capability, words).to_owned(),
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

/// What a system is: each says it in Italian itself.
fn title(capability: &Capability, words: &Words) -> &'static str {
    if words.are_italian() { capability.title } else { english_title(capability.system).unwrap_or(capability.title) }
}

fn english_title(system: &str) -> Option<&'static str> {
    Some(match system {
        "file-drop" => "Exchange folder: datasets of Law 190/2012 and canonical records",
        "pad-file" => "Tables exported by procurement platforms (CSV and XLSX with a mapping file)",
        "pad-maggioli" => "Appalti & Contratti, platform of a Province: procedures, awards, contracts",
        "contabilita" => "Accounting of the body: commitments and payment orders by CIG and CUP",
        "scp-programmi" => "SCP of the Ministry: publication of three-year programmes of works, supplies and services",
        "scp-tabelle" => "Context tables of SCP: the codes that the portal of the Ministry takes",
        "scp-opendata" => "Open data of SCP: notices published on the portal of the Ministry",
        "scp-esecuzione" => "SCP Esecuzione, platform of the Ministry for the execution of contracts",
        "pico" => "Pi.Co., shared platform of the Provinces (UPI)",
        "hub" => "HUB Contratti Pubblici (MIT), support for the qualification of authorities",
        "osservatorio" => "Regional observatory of public contracts",
        "anac-opendata" => "ANAC: open data (BDNCP), OCDS releases and legal notices",
        "mop-regis" => "Open data of works: OpenCUP, OpenBDAP, MOP, PNC and ReGiS",
        "registri" => "Public registries: territories (ISTAT) and bodies (IPA)",
        _ => return None,
    })
}

/// The contract, with its few words in the language of the reader.
fn contract(capability: &Capability, words: &Words) -> String {
    let english = [
        ("canonical NDJSON v1", "NDJSON canonico v1"),
        ("CSV and XLSX by mapping file v1", "CSV e XLSX con file di mappatura v1"),
    ];
    let italian = [
        ("(pubblico); pacchetti v0 (assunto)", "(public); packages v0 (assumed)"),
        ("(61 colonne), JSON per CIG", "(61 columns), JSON by CIG"),
        ("avvisi PVL", "PVL notices"),
    ];
    let others: &[_] = if words.are_italian() { &english } else { &italian };
    others.iter().fold(capability.contract.to_owned(), |told, (from, to)| told.replace(from, to))
}

fn status(status: ContractStatus) -> &'static str {
    match status {
        ContractStatus::Public => "PUBLIC",
        ContractStatus::Assumed => "ASSUMED",
    }
}
