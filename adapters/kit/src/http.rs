//! HTTP towards one system: every deadline set, no redirects, no proxies, bounded answers.
//!
//! A [`Request`] is made in one place and exchanged in another, once: there is no retry here.
//! An error says how far the request got: what fails before the connection stands was never sent;
//! everything later may have taken effect. Addresses with their queries, tokens and bodies appear
//! in no error, no log line and no `Debug`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use contract::{AdapterError, Advice, ErrorKind, SettingsError};
pub use reqwest::Method;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Response, Url};
use serde::Deserialize;

use crate::Secret;
pub use crate::answer::Answer;
use crate::oauth::settings::Registration;
use crate::pause::asked_pause;
use crate::pdnd::settings::Connection;

mod alert;
mod entitled;
mod guard;
mod head;

use entitled::Access;
pub use guard::NotAllowed;
use guard::{Allowed, GuardedResolver, LookUp, check_host, of_the_machine, refusal_under};

/// Where a system is and how long we wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address under which the paths of the contract begin. Only `https`, save on loopback.
    pub base_url: String,
    /// Seconds to connect, name resolution and TLS included.
    #[serde(default = "connect_seconds")]
    pub connect_seconds: u64,
    /// Seconds between two pieces of an answer.
    #[serde(default = "read_seconds")]
    pub read_seconds: u64,
    /// Seconds for the whole exchange.
    #[serde(default = "total_seconds")]
    pub total_seconds: u64,
    /// The longest body that an answer may have.
    #[serde(default = "max_answer_bytes")]
    pub max_answer_bytes: usize,
    /// PEM file with the authorities of this system, instead of those of the machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether its name may lead to a machine of our own networks. An address that is written as
    /// such, like `http://127.0.0.1:8080`, needs no permission.
    #[serde(default)]
    pub allow_private: bool,
    /// How the system is reached as an e-service of the national platform; absent where it is none. It
    /// comes from `[systems.NAME.pdnd]`.
    #[serde(default)]
    pub pdnd: Option<Box<Connection>>,
    /// How we are registered with the authorization server that gives tokens for the system; absent
    /// where there is none. It comes from `[systems.NAME.oauth]`, and never stands beside `pdnd`.
    #[serde(default)]
    pub oauth: Option<Box<Registration>>,
}

fn connect_seconds() -> u64 {
    5
}

fn read_seconds() -> u64 {
    15
}

fn total_seconds() -> u64 {
    30
}

fn max_answer_bytes() -> usize {
    20 * 1024 * 1024
}

impl HttpSettings {
    /// The usual deadlines and limits, for this address.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            connect_seconds: connect_seconds(),
            read_seconds: read_seconds(),
            total_seconds: total_seconds(),
            max_answer_bytes: max_answer_bytes(),
            ca_file: None,
            allow_private: false,
            pdnd: None,
            oauth: None,
        }
    }

    /// The same settings for another address of the system. What gives access stays with the host that
    /// it is for: nobody else is shown a voucher or a token.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        let is_same = base_url(address).and_then(|other| Ok(base_url(&self.base_url)?.origin() == other.origin()));
        let is_same = is_same.unwrap_or(false);
        let (pdnd, oauth) = (self.pdnd.clone().filter(|_| is_same), self.oauth.clone().filter(|_| is_same));
        Self { base_url: address.to_owned(), pdnd, oauth, ..self.clone() }
    }

    /// Refuses a voucher, or a token, where a system asks for credentials of its own in the header in which
    /// it stands.
    pub fn refuse_voucher(&self, system: &'static str) -> Result<(), SettingsError> {
        let (key, what) = match (&self.pdnd, &self.oauth) {
            (None, None) => return Ok(()),
            (Some(_), _) => ("pdnd", "voucher"),
            (None, Some(_)) => ("oauth", "token"),
        };
        let problem =
            format!("{key}: its requests carry credentials of its own where a {what} would stand; take {key} away");
        Err(SettingsError { system, problem })
    }

    /// Whether a request may be sent to the address, as far as it says it itself.
    pub fn check_address(&self) -> Result<(), String> {
        base_url(&self.base_url).map(drop)
    }

    /// What is wrong with an address that somebody else told us, as far as it says itself.
    pub fn check_address_of_others(&self) -> Result<(), String> {
        let allowed = Allowed { private: self.allow_private, as_named: false };
        let base = base_url(&self.base_url)?;
        allowed.check_literal(&base).map_err(|refused| refused.to_string())
    }
}

/// Who says where a system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameIs {
    /// Whoever runs this program: an address in its configuration is meant.
    Configured,
    /// Somebody else: a partner, or an answer.
    Told,
}

/// A client of one system.
#[derive(Clone)]
pub struct HttpClient {
    system: &'static str,
    base: Url,
    client: Client,
    max_answer_bytes: usize,
    /// The longest that an exchange may last.
    total: Duration,
    /// What its requests carry, where a voucher or a token opens it; shared by all clones.
    access: Option<Arc<Access>>,
    /// When an answer came that does not say it itself.
    now: fn() -> SystemTime,
    /// The longest pause asked for since somebody looked; shared by all clones.
    asked: Arc<Mutex<Option<Duration>>>,
    /// Whether an answer ever came; shared by all clones, as their connections are.
    has_answered: Arc<AtomicBool>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("system", &self.system).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// A client with these settings. Nothing is sent.
    pub fn new(system: &'static str, settings: &HttpSettings) -> Result<Self, SettingsError> {
        Self::with_names(system, settings, NameIs::Configured, of_the_machine())
    }

    /// A client for an address that somebody else told us, a partner or an answer. It never leads to
    /// machines of our own networks, however it is written, unless `allow_private` says so.
    pub fn of_others(system: &'static str, settings: &HttpSettings) -> Result<Self, SettingsError> {
        Self::with_names(system, settings, NameIs::Told, of_the_machine())
    }

    pub(crate) fn with_names(
        system: &'static str,
        settings: &HttpSettings,
        name_is: NameIs,
        look_up: LookUp,
    ) -> Result<Self, SettingsError> {
        let unusable = |problem: String| SettingsError { system, problem };
        let base = base_url(&settings.base_url).map_err(unusable)?;
        if settings.connect_seconds == 0 || settings.read_seconds == 0 {
            return Err(unusable("connect_seconds and read_seconds must be at least 1".to_owned()));
        }
        if settings.total_seconds < settings.connect_seconds.max(settings.read_seconds) {
            return Err(unusable("total_seconds must not be below connect_seconds and read_seconds".to_owned()));
        }
        let allowed = Allowed { private: settings.allow_private, as_named: name_is == NameIs::Configured };
        allowed.check_literal(&base).map_err(|refused| unusable(refused.to_string()))?;
        let host = base.host_str().unwrap_or_default().to_owned();
        let mut builder = Client::builder()
            .dns_resolver(Arc::new(GuardedResolver { host, allowed, look_up }))
            .user_agent(concat!("raccordo/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(settings.connect_seconds))
            .read_timeout(Duration::from_secs(settings.read_seconds))
            .timeout(Duration::from_secs(settings.total_seconds))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            // Whatever other crates of the build ask of the library: a body is as long as what arrives.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd();
        if let Some(path) = &settings.ca_file {
            builder = builder.tls_certs_only(authorities(path).map_err(unusable)?);
        } else if base.scheme() == "http" {
            // No TLS, no authorities to load.
            builder = builder.tls_certs_only([]);
        }
        let access = entitled::access(settings).map_err(unusable)?.map(Arc::new);
        if let Some(identity) = entitled::identity(settings).map_err(unusable)? {
            builder = builder.identity(identity);
        }
        let client = builder.build().map_err(|error| unusable(format!("no HTTP client: {}", root_cause(&error))))?;
        let (now, asked): (fn() -> SystemTime, _) = (arrival, Arc::default());
        let (max_answer_bytes, total) = (settings.max_answer_bytes, Duration::from_secs(settings.total_seconds));
        Ok(Self { system, base, client, max_answer_bytes, total, access, now, asked, has_answered: Arc::default() })
    }

    /// A request to a path below the base address. Segments and query are encoded here; a segment
    /// that is empty or made of dots cannot be, and the exchange will say so.
    pub fn request(&self, method: Method, path_segments: &[&str], query: &[(&str, &str)]) -> Request {
        let mut url = self.base.clone();
        let mut problem = None;
        if path_segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            problem = Some("a path segment is empty or made of dots");
        }
        match url.path_segments_mut() {
            Ok(mut path) => drop(path.pop_if_empty().extend(path_segments)),
            Err(()) => problem = Some("the base address admits no path"),
        }
        let attempted = format!("{} {method} {}", self.system, url.path());
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Request { attempted, problem, inner: reqwest::Request::new(method, url) }
    }

    /// The host that it speaks with, and its port where it is not the usual one.
    pub fn host(&self) -> &str {
        self.base.authority()
    }

    /// A request to the base address itself, as it is written.
    pub fn request_base(&self, method: Method) -> Request {
        let attempted = format!("{} {method} {}", self.system, self.base.path());
        Request { attempted, problem: None, inner: reqwest::Request::new(method, self.base.clone()) }
    }

    /// The longest pause that the answers since the last question asked for, whatever became of
    /// them: one that was taken may say that it was the last for now.
    pub fn take_pause(&self) -> Option<Duration> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Sends a request once and reads the whole answer, up to the limit.
    pub async fn exchange(&self, request: Request) -> Result<Answer, AdapterError> {
        let (answer, mut response) = self.send(request).await?;
        let headers = std::mem::take(response.headers_mut());
        let body = self.body(response, &answer.attempted).await?;
        self.of_the_service(Answer { headers, body, ..answer })
    }

    /// Sends a request once and reads of the answer only its head: its body says nothing to us.
    pub async fn notify(&self, request: Request) -> Result<Answer, AdapterError> {
        self.send(request).await.map(|(answer, _)| answer)
    }

    /// Sends a request once. The body of the answer still has to be read.
    pub(crate) async fn send(&self, request: Request) -> Result<(Answer, Response), AdapterError> {
        let attempted = request.attempted.clone();
        if let Some(problem) = request.problem {
            return Err(not_sendable(attempted, problem));
        }
        if let Err(refused) = check_host(request.inner.url(), &self.base) {
            return Err(not_sendable(attempted, refused));
        }
        let response = self.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers());
        let retry_after = asked_pause(status, headers, (self.now)());
        if retry_after.is_some() {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            *asked = retry_after.max(*asked);
        }
        tracing::debug!(system = self.system, attempted, status, "answer received");
        let answer = Answer {
            attempted,
            status,
            content_type: text(headers, &header::CONTENT_TYPE),
            location: text(headers, &header::LOCATION),
            retry_after,
            retry_after_raw: text(headers, &header::RETRY_AFTER),
            is_delimited: head::is_delimited(response.version(), headers),
            defect: head::defect(headers),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        Ok((answer, response))
    }

    async fn body(&self, mut response: Response, attempted: &str) -> Result<Bytes, AdapterError> {
        let declared = response.content_length().unwrap_or(0);
        let mut is_too_long = usize::try_from(declared).map_or(true, |length| length > self.max_answer_bytes);
        let mut body = BytesMut::new();
        while !is_too_long {
            let Some(chunk) = response.chunk().await.map_err(|error| self.transport_error(attempted, error))? else {
                return Ok(body.freeze());
            };
            is_too_long = body.len() + chunk.len() > self.max_answer_bytes;
            body.extend_from_slice(&chunk);
        }
        let error = AdapterError::new(ErrorKind::NotUnderstood, attempted);
        let problem = format!("the answer is longer than {} bytes", self.max_answer_bytes);
        Err(error.remote_code(response.status().as_u16().to_string()).caused_by(problem))
    }

    /// The error of a connection: what fails before it stands was never sent, and whom the certificate
    /// never let in was not read.
    pub(crate) fn transport_error(&self, attempted: &str, error: reqwest::Error) -> AdapterError {
        if let Some(alert) = alert::about_our_certificate(&error) {
            let phase = alert::phase(error.is_connect(), self.has_answered.load(Ordering::Relaxed));
            let refused = AdapterError::new(ErrorKind::Authentication, attempted).phase(phase).remote_code(alert);
            return refused.caused_by(error.without_url());
        }
        let kind = if error.is_connect() {
            ErrorKind::Unreachable
        } else if error.is_builder() {
            ErrorKind::Local
        } else if error.is_timeout() {
            ErrorKind::Timeout
        } else {
            ErrorKind::Broken
        };
        let failed = AdapterError::new(kind, attempted);
        match refusal_under(&error) {
            Some(refused) => failed.caused_by(refused),
            None => failed.caused_by(error.without_url()),
        }
    }
}

/// A request that was made and not yet sent.
pub struct Request {
    attempted: String,
    problem: Option<&'static str>,
    inner: reqwest::Request,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.attempted).finish()
    }
}

impl Request {
    /// What it attempts, on what: system, method and path.
    pub fn attempted(&self) -> &str {
        &self.attempted
    }

    /// The same request with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => drop(self.inner.headers_mut().insert(name, value)),
            _ => self.problem = Some("a header has characters that headers do not admit"),
        }
        self
    }

    /// The same request with a bearer token.
    #[must_use]
    pub fn bearer(mut self, token: &Secret) -> Self {
        match HeaderValue::try_from(format!("Bearer {}", token.expose())) {
            Ok(mut value) => {
                value.set_sensitive(true);
                self.inner.headers_mut().insert(header::AUTHORIZATION, value);
            }
            Err(_) => self.problem = Some("the token has characters that headers do not admit"),
        }
        self
    }

    /// Its method, and its address without query and fragment: what a proof of possession is made for.
    pub(crate) fn target(&self) -> (&str, String) {
        let mut url = self.inner.url().clone();
        url.set_query(None);
        url.set_fragment(None);
        (self.inner.method().as_str(), url.into())
    }

    /// A header as it will be sent, where it is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// The bytes of its body, as they will be sent.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.inner.body().and_then(reqwest::Body::as_bytes).unwrap_or_default()
    }

    /// The same request with a header whose value is a secret.
    #[must_use]
    pub(crate) fn secret_header(mut self, name: &'static str, value: &str) -> Self {
        self = self.header(name, value);
        if let Some(value) = self.inner.headers_mut().get_mut(name) {
            value.set_sensitive(true);
        }
        self
    }

    /// The same request with a body of JSON.
    #[must_use]
    pub fn json_body(self, body: impl Into<Bytes>) -> Self {
        self.body("application/json", body)
    }

    /// The same request with a body of this type.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut request = self.header("content-type", content_type);
        *request.inner.body_mut() = Some(body.into().into());
        request
    }
}

fn not_sendable(attempted: String, problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AdapterError {
    AdapterError::new(ErrorKind::Local, attempted).advice(Advice::AskPerson).caused_by(problem)
}

/// When an answer came.
#[expect(clippy::disallowed_methods, reason = "counts a date in an answer that bears none of its own")]
fn arrival() -> SystemTime {
    SystemTime::now()
}

fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("base_url is not an address ({error})"))?;
    let is_loopback = match url.host_str() {
        None => return Err("base_url names no host".to_owned()),
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("base_url must not contain credentials: put them in their own file".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("base_url must end with its path".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        _ => {
            Err("base_url must begin with https:// (http:// only for this machine, as in http://127.0.0.1)".to_owned())
        }
    }
}

fn authorities(path: &std::path::Path) -> Result<Vec<Certificate>, String> {
    let pem = std::fs::read(path).map_err(|error| format!("cannot read ca_file {}: {error}", path.display()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(authorities) if !authorities.is_empty() => Ok(authorities),
        _ => Err(format!("ca_file {} holds no certificate in PEM form", path.display())),
    }
}

pub(crate) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn root_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

#[cfg(test)]
mod tests;
