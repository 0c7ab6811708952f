//! How a request leaves: as it was made; where the system is an e-service of the national platform, with
//! all that such a request carries; where an authorization server stands before it, with a token.
//!
//! All of it, voucher or token included, lasts no longer than one exchange may. What is needed for a request
//! takes half of the time that is left at most, and until then nothing was sent.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use canonical::values::UtcInstant;
use contract::{AdapterError, Advice, ErrorKind, Phase};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::Response;
use tokio::time::{Instant, timeout};

use super::{Answer, HttpClient, HttpSettings, Request};
use crate::modi::gateway;
use crate::oauth::tokens::{self, Tokens};
use crate::pdnd;

/// What gives access to a system.
pub(super) enum Access {
    /// What e-services ask for, the voucher among it.
    Eservice(Box<pdnd::access::Access>),
    /// A token.
    Token(Box<Tokens>),
}

/// What a request was given, to be told from another.
enum Carried {
    Voucher(pdnd::token::Held),
    Token(tokens::Held),
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Voucher(held) => write!(f, "voucher {}", held.token_id()),
            Self::Token(held) => write!(f, "token {}", held.number()),
        }
    }
}

impl Access {
    /// A request with all that it must carry: another voucher or token than the one that was `refused`.
    async fn entitle(
        &self,
        request: Request,
        refused: Option<&Carried>,
        now: impl Fn() -> Result<UtcInstant, AdapterError>,
    ) -> Result<(Request, Carried), AdapterError> {
        match self {
            Self::Eservice(access) => {
                let refused = refused.and_then(Carried::voucher);
                let (request, held) = access.entitle(request, None, refused, now).await?;
                Ok((request, Carried::Voucher(held)))
            }
            Self::Token(tokens) => {
                let held = match refused.and_then(Carried::token) {
                    None => tokens.token(now()?).await?,
                    Some(refused) => tokens.renewed(refused, now()?).await?,
                };
                Ok((request.bearer(held.token()), Carried::Token(held)))
            }
        }
    }
}

impl Access {
    /// Tells whoever counts calls with vouchers that one was answered.
    fn answered(&self, carried: &Carried, status: u16) {
        if let (Self::Eservice(access), Carried::Voucher(held)) = (self, carried) {
            access.answered(held, status);
        }
    }
}

impl Carried {
    fn voucher(&self) -> Option<&pdnd::token::Held> {
        if let Self::Voucher(held) = self { Some(held) } else { None }
    }

    fn token(&self) -> Option<&tokens::Held> {
        if let Self::Token(held) = self { Some(held) } else { None }
    }
}

impl HttpClient {
    /// Sends a request: once; twice where the system says that it does not take the voucher or token, with
    /// another one.
    pub(super) async fn execute(&self, request: Request) -> Result<Response, AdapterError> {
        match &self.access {
            None => self.execute_once(request).await,
            Some(access) => self.execute_entitled(access, request).await,
        }
    }

    /// Boxed, because vouchers and tokens are asked for by a client like this one, which needs none.
    fn execute_entitled<'a>(
        &'a self,
        access: &'a Access,
        request: Request,
    ) -> BoxFuture<'a, Result<Response, AdapterError>> {
        let entitled = async move {
            let deadline = Instant::now() + self.total;
            let (attempted, again) = (request.attempted.clone(), request.again());
            let now = || self.instant(&attempted);
            let entitled = access.entitle(request, None, now);
            let (request, carried) = before_sending(deadline, &attempted, entitled).await?;
            let response = self.execute_once(request.until(deadline)).await?;
            let status = response.status().as_u16();
            tracing::debug!(attempted, %carried, status, "system called");
            access.answered(&carried, status);
            let Some(request) = again.filter(|_| status == 401) else { return Ok(response) };
            drop(response);
            let entitled = access.entitle(request, Some(&carried), now);
            let (request, carried) = before_sending(deadline, &attempted, entitled).await?;
            let response = self.execute_once(request.until(deadline)).await?;
            let status = response.status().as_u16();
            tracing::debug!(attempted, %carried, status, "system called once more");
            access.answered(&carried, status);
            Ok(response)
        };
        entitled.boxed()
    }

    /// An answer of the service itself: what a gateway before an e-service says in its place is an error.
    pub(super) fn of_the_service(&self, answer: Answer) -> Result<Answer, AdapterError> {
        let is_eservice = matches!(self.access.as_deref(), Some(Access::Eservice(_)));
        match is_eservice.then(|| gateway::error_of(&answer)).flatten() {
            // It is of the connection, and no record waits for a person because of it.
            Some(error) if error.kind == ErrorKind::Authentication => Err(error.advice(Advice::FixConfiguration)),
            Some(error) => Err(error),
            None => Ok(answer),
        }
    }

    async fn execute_once(&self, request: Request) -> Result<Response, AdapterError> {
        let Request { attempted, problem, inner } = request;
        // Among what it was given may be something that no header admits.
        if let Some(problem) = problem {
            return Err(super::not_sendable(attempted, problem));
        }
        let response = self.client.execute(inner).await.map_err(|error| self.transport_error(&attempted, error))?;
        self.has_answered.store(true, Ordering::Relaxed);
        Ok(response)
    }

    /// Now, as signatures count it.
    fn instant(&self, attempted: &str) -> Result<UtcInstant, AdapterError> {
        let since = (self.now)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        let no_instant = |error| AdapterError::new(ErrorKind::Local, attempted).caused_by(error);
        UtcInstant::from_unix_micros(micros).map_err(no_instant)
    }
}

impl Request {
    /// The same request once more. Bodies are bytes here, so that there always is one.
    fn again(&self) -> Option<Self> {
        Some(Self { attempted: self.attempted.clone(), problem: self.problem, inner: self.inner.try_clone()? })
    }

    /// The same request, which ends by then.
    fn until(mut self, deadline: Instant) -> Self {
        *self.inner.timeout_mut() = Some(left(deadline));
        self
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// What is needed for a request, which was not sent yet.
async fn before_sending<T>(
    deadline: Instant,
    attempted: &str,
    doing: impl Future<Output = Result<T, AdapterError>>,
) -> Result<T, AdapterError> {
    match timeout(left(deadline) / 2, doing).await {
        Ok(done) => done,
        Err(_) => Err(AdapterError::new(ErrorKind::Timeout, attempted).phase(Phase::BeforeSending)),
    }
}

/// What gives access to the system, where its settings say that something must.
pub(super) fn access(settings: &HttpSettings) -> Result<Option<Access>, String> {
    match (&settings.pdnd, &settings.oauth) {
        (None, None) => Ok(None),
        (Some(connection), None) => {
            let access = pdnd::access::Access::open(connection).map_err(|error| problem("pdnd", &error))?;
            Ok(Some(Access::Eservice(Box::new(access))))
        }
        (None, Some(registration)) => {
            let tokens = Tokens::open(registration).map_err(|error| problem("oauth", &error))?;
            Ok(Some(Access::Token(Box::new(tokens))))
        }
        (Some(_), Some(_)) => {
            Err("oauth: together with pdnd: one header has no place for two; take one of them away".to_owned())
        }
    }
}

/// The certificates that are shown to it.
pub(super) fn identity(settings: &HttpSettings) -> Result<Option<reqwest::Identity>, String> {
    let Some(connection) = &settings.pdnd else { return Ok(None) };
    connection.identity().map_err(|error| problem("pdnd", &error))
}

/// Begins as nothing else does, so that whoever knows the configuration can say the line.
fn problem(key: &str, error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(format!("{key}: {error}"), |told, source| format!("{told}: {source}"))
}
