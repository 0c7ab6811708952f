//! The roles of the adapter, by composing the rest.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use canonical::{Kind, Record};
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, Composed, ContractStatus, ErrorKind, Explanation, Held,
    Outcome, Phase, Placement, Receipt, Settings, SettingsError, Shipment, Target, UnitKey,
};
use kit::http::HttpClient;
use serde_json::value::to_raw_value;

use crate::client::{Client, Reply, receipt};
use crate::config::Config;
use crate::read::without_persons;
use crate::wire::{Genere, ID_RICEVUTO, Modalita, ValidateEntry, Voce};
use crate::{SYSTEM, read, simulator, write};

/// Characters kept of a text of the service.
const LONGEST_TEXT: usize = 1_000;
/// Remarks kept in a receipt, beside what we add ourselves.
const MOST_REMARKS: usize = 48;

/// How the daemon makes this adapter.
pub const FACTORY: AdapterFactory = AdapterFactory {
    capability,
    build: |settings| Ok(Box::new(ScpProgrammi::new(settings)?)),
    simulate: Some(simulator::simulate),
};

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "SCP del Ministero: pubblicazione dei programmi triennali di lavori, forniture e servizi",
        contract: "WSProgrammi 5.2.0, WSLogin 1.0.0",
        status: ContractStatus::Public,
        reads: &[],
        accepts: &[Kind::Programma, Kind::Intervento],
        // The service lists nothing: what it holds is read back by an identifier already known.
        observes: false,
        parallel_requests: 2,
        collapse_seconds: 300,
        requires_adesione: false,
    }
}

/// The programmes of SCP: publishes them, and reads one back by its identifier.
#[derive(Debug)]
pub struct ScpProgrammi {
    client: Client,
}

impl ScpProgrammi {
    /// The adapter with these settings. Nothing is sent.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let config = Config::parse(settings)?;
        let credentials = config.credentials()?;
        let programmi = HttpClient::new(SYSTEM, &config.http)?;
        let login = HttpClient::new(SYSTEM, &config.login())?;
        Ok(Self { client: Client::new(programmi, login, credentials) })
    }

    /// The adapter over a client already made.
    #[cfg(test)]
    pub(crate) fn over(client: Client) -> Self {
        Self { client }
    }
}

impl Adapter for ScpProgrammi {
    fn capability(&self) -> Capability {
        capability()
    }

    fn target(&self) -> Option<&dyn Target> {
        Some(self)
    }
}

#[async_trait]
impl Target for ScpProgrammi {
    fn place(&self, record: &Record) -> Placement {
        write::place(record)
    }

    fn compose(&self, unit: &UnitKey, _revision: u64, members: &[Record]) -> Result<Composed, String> {
        write::compose(unit, members)
    }

    fn explain(&self, unit: &UnitKey, members: &[Record]) -> Vec<Explanation> {
        write::explain(unit, members)
    }

    fn mapping_version(&self) -> &'static str {
        "1"
    }

    fn pause_asked(&self) -> Option<Duration> {
        self.client.take_pause()
    }

    /// Checks, then publishes. What the check finds wrong is never published.
    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        let Sent { genere, programma, body, id_ricevuto } = Sent::of(shipment)?;
        let refused = |code, message: &str| Ok(Outcome::Refused { code, message: bearable(message, &programma) });
        let warnings = match self.client.publish(genere, Modalita::Controllo, body.clone()).await? {
            Reply::Refused { code, message } => return refused(code, &message),
            Reply::Taken { warnings, .. } => warnings,
        };
        match self.client.publish(genere, Modalita::Pubblicazione, body).await? {
            Reply::Refused { code, message } => refused(code, &message),
            Reply::Taken { id, mut receipt, warnings: again } => {
                // It was published, and from now on answers to the number that SCP gives.
                receipt.warnings.extend(id_ricevuto.zip(id).filter(|(sent, given)| sent != given).map(changed));
                receipt.warnings.extend(remarks(warnings.iter().chain(&again), &programma));
                Ok(Outcome::Acknowledged(receipt))
            }
        }
    }

    /// Reads the publication back by its identifier. Without one SCP cannot be asked: whether the
    /// first publication arrived is a question for a person.
    async fn look_up(&self, shipment: &Shipment) -> Result<Held, AdapterError> {
        let Sent { genere, programma, id_ricevuto, .. } = Sent::of(shipment)?;
        let Some(id) = id_ricevuto else {
            return Err(in_doubt(shipment, "first publication: without idRicevuto SCP cannot be asked"));
        };
        let Some((held, answer)) = self.client.detail(genere, id).await? else {
            return Ok(Held::Nothing);
        };
        let held = read::pubblicato(genere, &held)
            .map_err(|field| answer.not_understood(&format!("field {field} not readable")))?;
        let sent = read::pubblicato(genere, &programma).map_err(|_| not_ours(shipment))?;
        let receipt: Receipt = receipt(&answer, Some(id));
        Ok(if held == sent { Held::Same(receipt) } else { Held::Other })
    }
}

/// A shipment as it leaves: the stored body, with the identifier that SCP gave to the programme.
struct Sent {
    genere: Genere,
    programma: Voce,
    body: Vec<u8>,
    id_ricevuto: Option<i64>,
}

impl Sent {
    fn of(shipment: &Shipment) -> Result<Self, AdapterError> {
        let genere = Genere::of_id(shipment.unit.as_str()).ok_or_else(|| not_ours(shipment))?;
        let mut programma: Voce = serde_json::from_slice(&shipment.body).map_err(|_| not_ours(shipment))?;
        // A receipt without its number would publish the programme once more.
        let number = |receipt: &Receipt| receipt.remote_id.as_deref()?.parse::<i64>().ok();
        let previous = shipment.previous_receipt.as_ref();
        let id_ricevuto = previous.map(|receipt| number(receipt).ok_or_else(|| not_ours(shipment))).transpose()?;
        if let Some(id) = id_ricevuto {
            let id = to_raw_value(&id).map_err(|_| not_ours(shipment))?;
            programma.insert(ID_RICEVUTO.to_owned(), id);
        }
        let body = serde_json::to_vec(&programma).map_err(|_| not_ours(shipment))?;
        Ok(Self { genere, programma, body, id_ricevuto })
    }
}

/// The words of remarks, for the receipt: each once, and no more of them than a person reads.
fn remarks<'a>(all: impl Iterator<Item = &'a ValidateEntry>, programma: &Voce) -> Vec<String> {
    let (mut met, mut kept) = (BTreeSet::new(), Vec::new());
    for remark in all.map(ValidateEntry::readable) {
        if met.insert(remark.clone()) && met.len() <= MOST_REMARKS {
            kept.push(bearable(&remark, programma));
        }
    }
    match met.len().saturating_sub(MOST_REMARKS) {
        0 => {}
        1 => kept.push("e un'altra osservazione, che qui non si conserva".to_owned()),
        more => kept.push(format!("e altre {more} osservazioni, che qui non si conservano")),
    }
    kept
}

/// What a person must know when SCP gives a publication another number than the one it was sent.
fn changed((sent, given): (i64, i64)) -> String {
    format!(
        "SCP ha cambiato l'identificativo della pubblicazione: idRicevuto era {sent}, ora è {given}; \
         verificare sul portale che il programma non risulti pubblicato due volte"
    )
}

/// A text of the service for people: no person in it, and of bearable length.
fn bearable(text: &str, programma: &Voce) -> String {
    without_persons(text, programma).chars().take(LONGEST_TEXT).collect()
}

/// A stored shipment that cannot be understood: not one that this adapter composed.
fn not_ours(shipment: &Shipment) -> AdapterError {
    let attempted = format!("{SYSTEM} read the stored publication of {}", shipment.unit);
    AdapterError::new(ErrorKind::Local, attempted).advice(Advice::AskPerson)
}

/// Whether the publication arrived is not known, and only a person can find out.
fn in_doubt(shipment: &Shipment, problem: &str) -> AdapterError {
    let attempted = format!("{SYSTEM} know whether {} was published", shipment.unit);
    let error = AdapterError::new(ErrorKind::NotUnderstood, attempted).phase(Phase::Unknown);
    error.advice(Advice::AskPerson).caused_by(problem.to_owned())
}
