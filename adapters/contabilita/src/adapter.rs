//! The role of the accounting system: a source, over the service or from saved answers.
//!
//! Every read asks everything again: the service has no "changed since", and the rows of a past year
//! change as they are paid. There is therefore no cursor. Answers are digested, so that one that did
//! not change costs nothing further on.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use async_trait::async_trait;
use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::{Digest, Kind};
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, ContractStatus, ErrorKind, Normalized, RawRecord,
    RawSink, ReadRequest, Received, Refusal, Settings, SettingsError, Source,
};
use kit::documents::not_readable;
use kit::{Closed, Document, Give, Links, Looks, Occurrences, hand_over, list_folder, refuse, shown};

use crate::client::Client;
use crate::config::Config;
use crate::envelope::{self, Envelope};
use crate::intake::document;
use crate::wire::{Code, Operation, Question};
use crate::{SYSTEM, read, simulator};

/// How the daemon makes the adapter.
pub const FACTORY: AdapterFactory =
    AdapterFactory { capability, build, simulate: Some(|options| simulator::start(&options)) };

/// The longest list of lots.
const LONGEST_LIST: u64 = 4 << 20;

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "Contabilità dell'ente: impegni e mandati per CIG e CUP",
        contract: "FinanziariaAPK_service (SOAP 1.1)",
        status: ContractStatus::Public,
        reads: &[Kind::Pagamento],
        accepts: &[],
        observes: false,
        parallel_requests: 1,
        collapse_seconds: 0,
        requires_adesione: false,
    }
}

fn build(settings: Settings) -> Result<Box<dyn Adapter>, SettingsError> {
    Ok(Box::new(Contabilita { config: Config::parse(settings)? }))
}

#[derive(Debug)]
struct Contabilita {
    config: Config,
}

impl Adapter for Contabilita {
    fn capability(&self) -> Capability {
        capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

#[async_trait]
impl Source for Contabilita {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let Config { ente, folder, max_bytes, client, .. } = &self.config;
        let (ente, max_bytes) = (*ente, *max_bytes);
        if let Some(files) = request.files {
            let give = move |give: &mut Give<'_>| -> Result<(), AdapterError> {
                files.iter().try_for_each(|file| Ok(give_file(file, Links::Follow, ente, max_bytes, give)?))
            };
            return hand_over(sink, give).await;
        }
        if folder.is_none() && client.is_none() {
            let attempted = format!("{SYSTEM} read, with neither base_url nor folder in the settings");
            return Err(AdapterError::new(ErrorKind::Local, attempted).advice(Advice::FixConfiguration));
        }
        if let Some(folder) = folder.clone() {
            let give = move |give: &mut Give<'_>| -> Result<(), AdapterError> {
                let files = list_folder(&folder, &["xml"])?;
                files.iter().try_for_each(|file| Ok(give_file(file, Links::Refuse, ente, max_bytes, give)?))
            };
            hand_over(sink.clone(), give).await?;
        }
        match client {
            Some(client) => self.ask_service(client, &sink).await,
            None => Ok(()),
        }
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        read::normalize(raw)
    }
}

impl Contabilita {
    /// One question after the other: the accounts of a Province run on small machines.
    async fn ask_service(&self, client: &Client, sink: &RawSink) -> Result<(), AdapterError> {
        let (listed, refused) = match &self.config.cig_file {
            Some(file) => cig_of_file(file)?,
            None => (Vec::new(), Vec::new()),
        };
        for received in refused {
            send(sink, received).await?;
        }
        let lots: BTreeSet<Cig> = self.config.cig.iter().copied().chain(listed).collect();
        let (mut of_projects, nothing) = (Occurrences::default(), BTreeSet::new());
        let (mut is_any_understood, mut failure) = (false, None);
        for question in self.questions(&lots) {
            let remote_id = question.remote_id();
            let (bytes, rows) = match client.ask(&question).await {
                Ok(answer) => answer,
                Err(error) => {
                    let Some(refusal) = refusal_of(&error) else { return Err(error) };
                    send(sink, Received::Refused { remote_id, refusal }).await?;
                    failure.get_or_insert(error);
                    continue;
                }
            };
            is_any_understood = true;
            let digest = Digest::of(&bytes).to_string();
            let mut of_lot = Occurrences::default();
            // The orders of a lot are told by the questions about it, which alone see all of an act:
            // one without a CUP is in no answer about a project. What remains of such answers has
            // one CUP each, so that a number and a lot that come again in another are no repetition.
            let (seen, told) = match question.code {
                Code::Cig(_) => (&mut of_lot, &nothing),
                Code::Cup(_) => (&mut of_projects, &lots),
            };
            // The whole answer is in memory, bounded by `max_answer_bytes`.
            for received in document(remote_id, digest, self.config.ente, question.operation, rows, seen, told) {
                send(sink, received).await?;
            }
        }
        // A service of which nothing is understood was not read.
        failure.filter(|_| !is_any_understood).map_or(Ok(()), Err)
    }

    /// The questions, in a fixed order: by code, then by year, commitments before orders.
    fn questions(&self, lots: &BTreeSet<Cig>) -> Vec<Question> {
        let cup: BTreeSet<_> = self.config.cup.iter().copied().collect();
        let esercizi: BTreeSet<Option<u16>> = self.config.esercizi.iter().copied().map(Some).collect();
        let esercizi = if esercizi.is_empty() { BTreeSet::from([None]) } else { esercizi };
        let codes = lots.iter().copied().map(Code::Cig).chain(cup.into_iter().map(Code::Cup));
        let mut questions = Vec::new();
        for code in codes {
            for esercizio in &esercizi {
                let operations = Operation::ALL.into_iter();
                // Commitments cannot be asked by CUP.
                let asked = operations.filter(|it| *it == Operation::Mandati || matches!(code, Code::Cig(_)));
                questions.extend(asked.map(|operation| Question { operation, code, esercizio: *esercizio }));
            }
        }
        questions
    }
}

/// The refusal of one answer that is not understood: the others are asked for. None where nothing can
/// be had, or where the address is wrong, which no other question would mend.
fn refusal_of(error: &AdapterError) -> Option<Refusal> {
    let is_fault = error.remote_code.as_deref().is_some_and(|code| code.starts_with("soap:"));
    let is_elsewhere = error.advice == Advice::FixConfiguration && !is_fault;
    if error.kind != ErrorKind::NotUnderstood || is_elsewhere {
        return None;
    }
    let cause = error.source.as_ref().map(|cause| format!(", {cause}")).unwrap_or_default();
    let code = if is_fault { "soap_fault" } else { "not_understood" };
    Some(refuse(code, format!("{error}{cause}: ask for this answer by hand, and tell who runs the service")))
}

async fn send(sink: &RawSink, received: Received) -> Result<(), AdapterError> {
    sink.send(received).await.map_err(|_| Closed.into())
}

/// The lots of a list, and the lines that are none. What cannot be read as a whole is an error:
/// without its list the reading would look complete and be empty.
fn cig_of_file(path: &Path) -> Result<(Vec<Cig>, Vec<Received>), AdapterError> {
    let failed = |problem: String| {
        let attempted = format!("{SYSTEM} read the list of lots {} (correct `cig_file`)", path.display());
        AdapterError::new(ErrorKind::Local, attempted).advice(Advice::FixConfiguration).caused_by(problem)
    };
    let document = Document::open(path, Links::Follow, LONGEST_LIST).map_err(|refusal| failed(refusal.message))?;
    let mut text = String::new();
    let bytes = document.bytes().map_err(|refusal| failed(refusal.message))?;
    bytes.take(LONGEST_LIST).read_to_string(&mut text).map_err(|error| failed(error.kind().to_string()))?;
    let (mut listed, mut refused) = (Vec::new(), Vec::new());
    for (line, written) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let written = written.trim();
        if written.is_empty() || written.starts_with('#') {
            continue;
        }
        if let Some(cig) = Cig::read(written).value.filter(|cig| !cig.is_null()) {
            listed.push(cig);
            continue;
        }
        let message = format!("`{}` is no CIG: correct the line", shown(written));
        let refusal = Refusal { line: Some(line), ..refuse("not_a_cig", message) };
        refused.push(Received::Refused { remote_id: format!("{}:{line}", document.name()), refusal });
    }
    Ok((listed, refused))
}

/// A saved answer.
fn give_file(
    path: &Path,
    links: Links,
    ente: CodiceFiscale,
    max_bytes: u64,
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let read = Document::open(path, links, max_bytes).and_then(|document| {
        if document.looks() != Looks::Xml {
            return Err(refuse("not_xml", "the file is no XML: save the whole SOAP answer of the service"));
        }
        let mut bytes = Vec::new();
        document.bytes()?.read_to_end(&mut bytes).map_err(|error| not_readable(&error))?;
        document.ensure_unchanged()?;
        match envelope::read(&bytes)? {
            Envelope::Rows(operation, rows) => Ok((document.digest().to_owned(), operation, rows)),
            Envelope::Fault(code) => {
                Err(refuse("soap_fault", format!("the answer is a fault of the service ({code}): ask again")))
            }
        }
    });
    match read {
        Ok((digest, operation, rows)) => {
            let (mut seen, told) = (Occurrences::default(), BTreeSet::new());
            document(name, digest, ente, operation, rows, &mut seen, &told).into_iter().try_for_each(give)
        }
        Err(refusal) => give(Received::Refused { remote_id: name, refusal }),
    }
}
