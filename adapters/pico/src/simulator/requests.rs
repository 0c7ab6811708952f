//! What a request to the simulator carries.

use axum::body::Bytes;
use serde::Deserialize;

use crate::unit::Unit;

use super::checks::Objection;

/// The longest page of a list, and the usual one.
const LONGEST_PAGE: usize = 100;

/// One publication, as it arrived.
pub(super) struct Sent {
    /// None when the path names no unit.
    pub(super) unit: Option<Unit>,
    pub(super) versione: String,
    pub(super) idempotency_key: Option<String>,
    pub(super) body: Bytes,
}

/// The parameters of a list.
#[derive(Deserialize)]
pub(super) struct ListQuery {
    pub(super) dopo: Option<String>,
    limite: Option<String>,
}

impl ListQuery {
    /// How many elements; none when that is not a number from 1 to 100.
    pub(super) fn limit(&self) -> Option<usize> {
        let limit = self.limite.as_ref().map_or(Some(LONGEST_PAGE), |limite| limite.parse().ok());
        limit.filter(|limit| (1..=LONGEST_PAGE).contains(limit))
    }

    /// How many resources were already read; none when the cursor is not one of ours.
    pub(super) fn cursor(&self) -> Option<usize> {
        self.dopo.as_ref().map_or(Some(0), |dopo| dopo.parse().ok())
    }
}

pub(super) fn bad_limit() -> Objection {
    Objection::bad_request("limite deve stare fra 1 e 100")
}
