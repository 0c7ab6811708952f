//! What every operation begins with: who asks, with which parameters, in which media type.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::Api;
use super::caller::Caller;
use super::problem::{Code, Problem};
use super::query::Query;

/// A call that the guard let pass. What stands in its address is read by [`Self::with`], or refused by
/// [`Self::alone`]: one of them is the first step of every operation.
#[derive(Debug)]
pub(super) struct Call {
    api: Arc<Api>,
    caller: Arc<Caller>,
    query: Option<String>,
}

impl FromRequestParts<Arc<Api>> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        // The guard puts him there; without it nobody is let in.
        let caller = parts.extensions.get::<Arc<Caller>>().cloned().ok_or(Problem::from(Code::Failed))?;
        Ok(Self { api: Arc::clone(api), caller, query: parts.uri.query().map(str::to_owned) })
    }
}

impl Call {
    /// Who asks of whom, where no parameter is known.
    pub(super) fn alone(self) -> Result<(Arc<Api>, Arc<Caller>), Problem> {
        self.with(&[]).map(|(api, caller, _)| (api, caller))
    }

    /// The same with the parameters; only these may stand in the address.
    pub(super) fn with(self, known: &[&str]) -> Result<(Arc<Api>, Arc<Caller>, Query), Problem> {
        let query = Query::read(self.query.as_deref(), known)?;
        Ok((self.api, self.caller, query))
    }
}

/// Refuses what comes in another media type.
pub(super) fn is_of_type(headers: &HeaderMap, media_type: &str) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type) {
        return Ok(());
    }
    Err(Problem::from(Code::MediaType).detail(format!("Il Content-Type ammesso è {media_type}.")))
}
