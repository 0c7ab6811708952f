//! The roles of the adapter, by composing the rest.

use async_trait::async_trait;
use canonical::{Kind, Record};
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, Composed, ContractStatus, ErrorKind, Held,
    InventoryPage, Observer, Outcome, Phase, Placement, Settings, SettingsError, Shipment, Target, UnitKey,
};
use kit::Secret;
use kit::http::HttpClient;

use crate::client::{Client, Reply};
use crate::config::Config;
use crate::wire::BozzaInviata;
use crate::{SYSTEM, read, simulator, write};

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
        reads: &[],
        accepts: &[Kind::Contratto, Kind::EventoEsecuzione],
        observes: true,
        parallel_requests: 8,
        collapse_seconds: 0,
    }
}

/// SCP Esecuzione: takes drafts of schede and says which ones it holds.
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

    fn target(&self) -> Option<&dyn Target> {
        Some(self)
    }

    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
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

    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        let sent = sent(shipment)?;
        match self.client.submit(shipment, sent.versione).await? {
            Reply::Taken(receipt) => Ok(Outcome::Acknowledged(receipt)),
            Reply::Refused { code, message } => Ok(Outcome::Refused { code, message }),
            // Whatever becomes of the question, the draft was sent: only what is seen settles it.
            Reply::Newer(doubt) => {
                let held = self.client.draft(&shipment.unit).await.map_err(|error| error.phase(Phase::Unknown))?;
                match held {
                    Some((held, receipt)) if read::is_same(&sent, &held) => Ok(Outcome::Acknowledged(receipt)),
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
            Some((held, receipt)) if read::is_same(&sent, &held) => Held::Same(receipt),
            Some(_) => Held::Other,
        })
    }
}

#[async_trait]
impl Observer for ScpEsecuzione {
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        let (page, answer) = self.client.drafts(from, self.page_size).await?;
        let (units, next) = read::page(page, from).map_err(|problem| answer.not_understood(problem))?;
        Ok(InventoryPage { units, next })
    }
}

/// The draft inside a shipment, which is what we composed.
fn sent(shipment: &Shipment) -> Result<BozzaInviata, AdapterError> {
    serde_json::from_slice(&shipment.body).map_err(|_| {
        let attempted = format!("{SYSTEM} read the stored draft of {}", shipment.unit);
        AdapterError::new(ErrorKind::Local, attempted).advice(Advice::AskPerson)
    })
}
