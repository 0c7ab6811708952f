//! The simulated system, slower than it is, or with a mapping that panics on one unit.

use std::time::Duration;

use async_trait::async_trait;
use canonical::Record;
use contract::{
    Adapter, AdapterError, Capability, Composed, ErrorKind, Explanation, Held, Neighbour, NotYet, Observer, Outcome,
    Placement, Shipment, Target, UnitKey,
};
use simulated::Simulated;

/// A system around another.
pub(crate) struct Wrapped {
    pub(crate) inner: Simulated,
    /// Every answer takes so long.
    pub(crate) answers_after: Option<Duration>,
    /// There is no answer, and so long passes until nobody waits for it any more.
    pub(crate) hangs_for: Option<Duration>,
    pub(crate) panics_in_place: Option<UnitKey>,
    pub(crate) panics_in_compose: Option<UnitKey>,
    pub(crate) panics_in_admit: Option<UnitKey>,
}

impl Wrapped {
    /// The same system.
    pub(crate) fn around(inner: &Simulated) -> Self {
        Self {
            inner: inner.clone(),
            answers_after: None,
            hangs_for: None,
            panics_in_place: None,
            panics_in_compose: None,
            panics_in_admit: None,
        }
    }

    fn target(&self) -> &dyn Target {
        &self.inner
    }

    async fn pass_time(&self) -> Result<(), AdapterError> {
        tokio::time::sleep(self.answers_after.unwrap_or_default()).await;
        let Some(hangs_for) = self.hangs_for else { return Ok(()) };
        tokio::time::sleep(hangs_for).await;
        Err(AdapterError::new(ErrorKind::Timeout, "speaking with a system that hangs"))
    }
}

impl Adapter for Wrapped {
    fn capability(&self) -> Capability {
        Capability { parallel_requests: 4, ..self.inner.capability() }
    }

    fn target(&self) -> Option<&dyn Target> {
        Some(self)
    }

    fn observer(&self) -> Option<&dyn Observer> {
        self.inner.observer()
    }
}

#[async_trait]
impl Target for Wrapped {
    fn place(&self, record: &Record) -> Placement {
        let placement = self.target().place(record);
        if let Placement::Unit(unit) = &placement {
            assert_ne!(self.panics_in_place.as_ref(), Some(&unit.key), "a panic was asked for");
        }
        placement
    }

    fn compose(&self, unit: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String> {
        assert_ne!(self.panics_in_compose.as_ref(), Some(unit), "a panic was asked for");
        self.target().compose(unit, revision, members)
    }

    fn watches_lane(&self) -> bool {
        self.panics_in_admit.is_some()
    }

    fn admit(&self, unit: &UnitKey, members: &[Record], lane: &[Neighbour]) -> Result<(), NotYet> {
        assert_ne!(self.panics_in_admit.as_ref(), Some(unit), "a panic was asked for");
        self.target().admit(unit, members, lane)
    }

    fn explain(&self, unit: &UnitKey, members: &[Record]) -> Vec<Explanation> {
        self.target().explain(unit, members)
    }

    fn mapping_version(&self) -> &'static str {
        self.target().mapping_version()
    }

    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        self.pass_time().await?;
        self.target().send(shipment).await
    }

    async fn look_up(&self, shipment: &Shipment) -> Result<Held, AdapterError> {
        self.pass_time().await?;
        self.target().look_up(shipment).await
    }
}
