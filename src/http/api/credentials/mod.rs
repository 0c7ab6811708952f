//! The ways in which a caller proves who he is, as the configuration has them.

mod oidc;
mod pdnd;
mod published_keys;

use std::sync::Arc;

use canonical::Kind;

pub use oidc::Tokens;
pub use pdnd::Vouchers;
pub use published_keys::{Fetch, Fetched, PublishedKeys};

use super::caller::{Caller, Credentials, Demands, FirstOf, Nobody, Quota, Refusal};
use crate::clock::Clock;
use crate::config::ExchangeConfig;
use crate::config::exchange::PartnerConfig;
use crate::storage::Store;

/// The partners of a configuration, as callers.
#[derive(Debug, Clone, Default)]
pub struct Partners(Arc<Vec<(PartnerConfig, Caller)>>);

impl Partners {
    /// Those of a configuration.
    pub fn of(config: &ExchangeConfig) -> Self {
        let partners = config.partners.iter();
        Self(Arc::new(partners.map(|(name, partner)| (partner.clone(), caller(name, partner))).collect()))
    }

    /// Whoever holds a voucher of a consumer, for a purpose.
    pub fn consumer(&self, consumer: &str, purpose: &str) -> Result<Caller, Refusal> {
        let (partner, caller) = self
            .find(|partner| partner.consumer_id.as_deref() == Some(consumer))
            .ok_or(Refusal::NotAllowed("consumer"))?;
        if !partner.purposes.is_empty() && !partner.purposes.contains(purpose) {
            return Err(Refusal::NotAllowed("purpose"));
        }
        Ok(Caller { counted_as: format!("pdnd/{purpose}"), ..caller })
    }

    /// Whoever holds a token of a client.
    pub fn client(&self, client: &str) -> Result<Caller, Refusal> {
        let found = self.find(|partner| partner.client_id.as_deref() == Some(client));
        let (_, caller) = found.ok_or(Refusal::NotAllowed("client"))?;
        Ok(Caller { counted_as: format!("oidc/{client}"), ..caller })
    }

    fn find(&self, is_it: impl Fn(&PartnerConfig) -> bool) -> Option<(PartnerConfig, Caller)> {
        self.0.iter().find(|(partner, _)| is_it(partner)).cloned()
    }
}

fn caller(name: &str, partner: &PartnerConfig) -> Caller {
    let usual = Quota::default();
    Caller {
        who: name.to_owned(),
        scope: partner.scope(),
        roles: partner.roles.clone(),
        counted_as: name.to_owned(),
        quota: Quota {
            per_minute: partner.requests_per_minute.unwrap_or(usual.per_minute),
            per_day: partner.requests_per_day.unwrap_or(usual.per_day),
        },
        system: partner.system.clone(),
        client: None,
        demands: Demands { integrity: partner.integrity, audit: partner.audit },
        kinds: Kind::ALL.iter().copied().filter(|kind| partner.may_send(*kind)).collect(),
    }
}

/// The credentials that a configuration asks for; nobody's, where it asks for none.
pub fn of(
    config: &ExchangeConfig,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Credentials>, contract::SettingsError> {
    let partners = Partners::of(config);
    let mut ways: Vec<Box<dyn Credentials>> = Vec::new();
    if let Some(pdnd) = &config.pdnd {
        ways.push(Box::new(Vouchers::new(
            pdnd,
            config.address.clone(),
            partners.clone(),
            store.clone(),
            clock.clone(),
        )?));
    }
    if let Some(oidc) = &config.oidc {
        ways.push(Box::new(Tokens::new(oidc, partners, clock.clone())?));
    }
    Ok(if ways.is_empty() { Arc::new(Nobody) } else { Arc::new(FirstOf(ways)) })
}

/// What was refused, as the API refuses.
fn refused(refusal: &kit::jose::Refusal) -> Refusal {
    match refusal.status() {
        400 => Refusal::Broken(refusal.code()),
        403 => Refusal::NotAllowed(refusal.code()),
        503 => Refusal::Unavailable(refusal.code()),
        _ => Refusal::Unknown(refusal.code()),
    }
}
