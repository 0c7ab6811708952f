//! What stands before every operation: who calls, what he may, how often he asked. And what stands on
//! every answer: the correlation id, what is left of the quota, one line in the log.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use kit::pdnd::counted::Call;

use super::Api;
use super::caller::{Caller, Client, Refusal, Refused, Role};
use super::limits::{STRANGERS, Standing};
use super::problem::{Code, Problem};

/// By which a caller and we speak of the same call.
pub(super) const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const LONGEST_CORRELATION: usize = 64;

/// The id that came, where it is one, or a new one.
pub(super) fn correlation(headers: &HeaderMap) -> String {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let given = headers.get(CORRELATION).and_then(|value| value.to_str().ok());
    let given = given.filter(|id| (1..=LONGEST_CORRELATION).contains(&id.len()) && id.bytes().all(is_sign));
    given.map_or_else(|| format!("{:032x}", fastrand::u128(..)), str::to_owned)
}

/// The id of this exchange, for operations that go on after their answer.
#[derive(Debug, Clone)]
pub(super) struct Correlation(pub(super) String);

/// What an operation asks of whoever calls it.
#[derive(Clone)]
pub(super) struct Needs {
    pub(super) api: Arc<Api>,
    pub(super) role: Option<Role>,
}

/// Lets a caller through to an operation, or tells him why not.
pub(super) async fn guard(State(Needs { api, role }): State<Needs>, request: Request, next: Next) -> Response {
    let correlation = correlation(request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (mut parts, body) = request.into_parts();
    let verified = match role {
        Some(_) => Some(api.credentials.verify(&parts).await),
        None => None,
    };
    let (counted_as, quota) = match &verified {
        Some(Ok(caller)) => (caller.counted_as.as_str(), caller.quota),
        Some(Err(_)) | None => ("", STRANGERS),
    };
    let standing = api.limits.count(counted_as, quota, api.clock.now());
    let who = verified.as_ref().and_then(|verified| Some(verified.as_ref().ok()?.who.clone())).unwrap_or_default();
    let counted_as = counted_as.to_owned();
    let client = verified.as_ref().and_then(client_of).cloned();
    let mut response = match allowed(verified, role, standing) {
        Err(problem) => problem.into_response(),
        Ok(caller) => {
            if let Some(caller) = caller {
                parts.extensions.insert(Arc::new(caller));
            }
            parts.extensions.insert(Correlation(correlation.clone()));
            next.run(Request::from_parts(parts, body)).await
        }
    };
    mark(&mut response, standing, &correlation);
    if let (Some(counter), Some(Client { purpose_id, token_id, .. })) = (&api.counter, &client) {
        counter.count(Call { purpose_id, token_id, status: response.status().as_u16() });
    }
    tracing::info!(
        method = %method, path, status = response.status().as_u16(), who, counted_as, correlation_id = correlation,
        "api call"
    );
    response
}

/// Whose voucher was accepted, whatever became of his call.
fn client_of(verified: &Result<Caller, Refused>) -> Option<&Client> {
    match verified {
        Ok(caller) => caller.client.as_ref(),
        Err(refused) => refused.client.as_ref(),
    }
}

fn allowed(
    verified: Option<Result<Caller, Refused>>,
    role: Option<Role>,
    standing: Standing,
) -> Result<Option<Caller>, Problem> {
    if standing.is_above {
        return Err(Problem::from(Code::TooMany).after(standing.reset.max(1)));
    }
    let Some(verified) = verified else { return Ok(None) };
    let caller = verified.map_err(|Refused { refusal, .. }| {
        tracing::warn!(code = refusal.code(), "a caller was refused");
        Problem::from(match refusal {
            Refusal::Unknown(_) => Code::NotAuthenticated,
            Refusal::NotAllowed(_) => Code::Refused,
            Refusal::Broken(_) => Code::Malformed,
            Refusal::Unavailable(_) => Code::Unavailable,
        })
    })?;
    if role.is_some_and(|role| !caller.roles.contains(&role)) {
        return Err(Code::Refused.into());
    }
    Ok(Some(caller))
}

fn mark(response: &mut Response, standing: Standing, correlation: &str) {
    let headers = response.headers_mut();
    headers.insert(LIMIT, standing.limit.into());
    headers.insert(REMAINING, standing.remaining.into());
    headers.insert(RESET, standing.reset.into());
    if let Ok(correlation) = HeaderValue::from_str(correlation) {
        headers.insert(CORRELATION, correlation);
    }
}
