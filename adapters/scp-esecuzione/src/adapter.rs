//! The roles of the adapter, by composing the rest.

use std::time::Duration;

use async_trait::async_trait;
use canonical::{Kind, Record};
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, Composed, ContractStatus, ErrorKind, Explanation,
    Followed, Held, InventoryPage, Neighbour, Normalized, NotYet, Observer, Outcome, Phase, Placement, RawRecord,
    RawSink, ReadRequest, Receipt, Settings, SettingsError, Shipment, Source, Target, UnitKey,
};
use kit::Secret;
use kit::http::HttpClient;

use crate::client::{Client, Reply, receipt, standing};
use crate::config::Config;
use crate::names::Names;
use crate::wire::BozzaInviata;
use crate::{SYSTEM, admit, explain, inventory, read, simulator, source, write};

/// How the daemon makes this adapter.
pub const FACTORY: AdapterFactory = AdapterFactory {
    capability,
    build: |settings| Ok(Box::new(ScpEsecuzione::new(settings)?)),
    simulate: Some(simulator::simulate),
};

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "SCP Esecuzione, piattaforma del Ministero per la fase di esecuzione",
        contract: "v0",
        status: ContractStatus::Assumed,
        reads: &[Kind::Contratto, Kind::EventoEsecuzione],
        accepts: &[Kind::Contratto, Kind::EventoEsecuzione],
        observes: true,
        parallel_requests: 8,
        collapse_seconds: 0,
        requires_adesione: false,
    }
}

/// SCP Esecuzione: takes drafts of schede, says which ones it holds and where each stands, and gives
/// back what was sent to the authority.
#[derive(Debug)]
pub struct ScpEsecuzione {
    client: Client,
    page_size: u16,
}

impl ScpEsecuzione {
    /// The adapter with these settings. Nothing is sent.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let config = Config::parse(settings)?;
        let key = Secret::from_file(&config.key_file).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            SettingsError { system: SYSTEM, problem: format!("{error}{cause}") }
        })?;
        let http = HttpClient::new(SYSTEM, &config.http)?;
        Ok(Self { client: Client { http, key }, page_size: config.page_size.get() })
    }

    /// The adapter over a client already made.
    #[cfg(test)]
    pub(crate) fn over(client: Client, page_size: u16) -> Self {
        Self { client, page_size }
    }
}

impl Adapter for ScpEsecuzione {
    fn capability(&self) -> Capability {
        capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }

    fn target(&self) -> Option<&dyn Target> {
        Some(self)
    }

    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
    }
}

#[async_trait]
impl Source for ScpEsecuzione {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        source::read(&self.client, request, sink).await
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        read::normalize(&raw.text)
    }
}

#[async_trait]
impl Target for ScpEsecuzione {
    fn place(&self, record: &Record) -> Placement {
        write::place(record)
    }

    fn compose(&self, unit: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String> {
        write::compose(unit, revision, members)
    }

    /// The order of the schede is part of the contract of the national platform.
    fn watches_lane(&self) -> bool {
        true
    }

    fn admit(&self, unit: &UnitKey, members: &[Record], lane: &[Neighbour]) -> Result<(), NotYet> {
        admit::admit(unit, members, lane)
    }

    fn explain(&self, unit: &UnitKey, members: &[Record]) -> Vec<Explanation> {
        explain::explain(unit, members)
    }

    fn mapping_version(&self) -> &'static str {
        "2"
    }

    fn pause_asked(&self) -> Option<Duration> {
        self.client.http.take_pause()
    }

    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        let sent = sent(shipment)?;
        match self.client.submit(shipment, &sent).await? {
            Reply::Taken(outcome) => Ok(outcome),
            Reply::Refused { code, message } => Ok(Outcome::Refused { code, message }),
            // Whatever becomes of the question, the draft was sent: only what is seen settles it.
            Reply::Newer(doubt) => {
                let held = self.client.draft(&shipment.unit).await.map_err(|error| error.phase(Phase::Unknown))?;
                match held {
                    // Rejected or not, what is held is what was sent.
                    Some((held, receipt)) if inventory::is_same(&sent, &held) => {
                        standing(&held.stato, &[], &Names::of(&sent), receipt).ok_or(doubt)
                    }
                    Some((held, _)) if held.versione >= sent.versione => Ok(Outcome::Refused {
                        code: "newer_draft".to_owned(),
                        message: "the platform holds a newer draft with other content".to_owned(),
                    }),
                    _ => Err(doubt),
                }
            }
        }
    }

    async fn look_up(&self, shipment: &Shipment) -> Result<Held, AdapterError> {
        let sent = sent(shipment)?;
        Ok(match self.client.draft(&shipment.unit).await? {
            None => Held::Nothing,
            Some((held, receipt)) if inventory::is_same(&sent, &held) => Held::Same(receipt),
            Some(_) => Held::Other,
        })
    }

    async fn follow(&self, shipment: &Shipment, taken: &Receipt) -> Result<Followed, AdapterError> {
        let refused = |code: &str, message: &str| {
            Ok(Followed::Ended(Outcome::Refused { code: code.to_owned(), message: message.to_owned() }))
        };
        let sent = sent(shipment)?;
        let Some(id_bozza) = &taken.remote_id else {
            let attempted = format!("{SYSTEM} follow the draft of {}", shipment.unit);
            let error = AdapterError::new(ErrorKind::Local, attempted).advice(Advice::AskPerson);
            return Err(error.caused_by("its receipt has no identifier"));
        };
        let Some((held, answer)) = self.client.state(id_bozza).await? else {
            return refused("draft_gone", "the platform does not know the draft any more");
        };
        if held.versione > sent.versione {
            return refused("newer_draft", "the platform holds a newer draft in its place");
        }
        if held.versione < sent.versione {
            return Err(answer.not_understood("an older version than the one that was taken"));
        }
        match standing(&held.stato, &held.esiti, &Names::of(&sent), receipt(&answer, id_bozza)) {
            Some(Outcome::Submitted { state, .. }) => Ok(Followed::Pending(state)),
            Some(outcome) => Ok(Followed::Ended(outcome)),
            None => Err(answer.not_understood("a state outside the contract")),
        }
    }
}

#[async_trait]
impl Observer for ScpEsecuzione {
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        let (page, answer) = self.client.drafts(from, self.page_size).await?;
        let (units, next) = inventory::page(page, from).map_err(|problem| answer.not_understood(problem))?;
        Ok(InventoryPage { units, next, extent: None })
    }
}

/// The draft inside a shipment, which is what we composed.
fn sent(shipment: &Shipment) -> Result<BozzaInviata, AdapterError> {
    serde_json::from_slice(&shipment.body).map_err(|_| {
        let attempted = format!("{SYSTEM} read the stored draft of {}", shipment.unit);
        AdapterError::new(ErrorKind::Local, attempted).advice(Advice::AskPerson)
    })
}
