//! One signed message to a partner, sent once, and what came of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use canonical::values::UtcInstant;
use contract::{AdapterError, SettingsError};
use kit::http::{Answer, HttpClient, HttpSettings, Method, NotAllowed};
use kit::webhook::{ID, SIGNATURE, SigningSecrets, TIMESTAMP};

use crate::flow::deliver::gate::Answered;

/// Messages under way to one host.
pub(super) const AT_ONCE: u16 = 4;
/// Why a message was not taken, beside the statuses and the kinds of errors.
pub(super) const NO_SECRET: &str = "secret_unusable";
const NOT_ALLOWED: &str = "address_refused";

/// Where a partner is told something, and with what it is signed.
pub(super) struct Endpoint {
    pub(super) client: HttpClient,
    pub(super) secret_file: PathBuf,
    /// The name of the gate before his host.
    pub(super) gate: String,
}

impl Endpoint {
    /// The one that stands at this place of the configuration. Its secret is read once, so that what is
    /// wrong with it is known at the start; nothing is sent.
    pub(super) fn new(place: &str, settings: &HttpSettings, secret_file: &Path) -> Result<Self, SettingsError> {
        let wrong = |problem| SettingsError { system: "webhook", problem: format!("{place}: {problem}") };
        SigningSecrets::from_file(secret_file).map_err(|error| wrong(format!("secret_file: {error}")))?;
        let client = HttpClient::of_others("webhook", settings).map_err(|error| wrong(error.problem))?;
        Ok(Self { gate: format!("webhook {}", client.host()), client, secret_file: secret_file.to_owned() })
    }
}

/// A message.
#[derive(Debug)]
pub(super) struct Signed<'m> {
    /// Its name: the same at every attempt.
    pub(super) id: &'m str,
    /// What it says, to the byte.
    pub(super) body: &'m str,
    /// By which id the partner knows what it answers.
    pub(super) correlation: Option<&'m str>,
}

/// Sends it.
pub(super) async fn send(client: &HttpClient, message: &Signed<'_>, secrets: &SigningSecrets, now: UtcInstant) -> Told {
    let body = message.body.as_bytes().to_vec();
    let timestamp = now.unix_micros() / 1_000_000;
    let request = client.request_base(Method::POST);
    let request = request.header(ID, message.id).header(TIMESTAMP, &timestamp.to_string());
    let mut request = request.header(SIGNATURE, &secrets.sign(message.id, timestamp, &body));
    if let Some(correlation) = message.correlation {
        request = request.header("x-correlation-id", correlation);
    }
    match client.notify(request.json_body(body)).await {
        Ok(answer) => Told::by_answer(&answer),
        Err(error) => Told::by_error(error),
    }
}

/// What came of sending.
pub(super) struct Told {
    pub(super) is_taken: bool,
    pub(super) is_gone: bool,
    /// A stable code where it was not taken.
    pub(super) code: String,
    /// The cause, for the log.
    pub(super) why: String,
    pub(super) asked: Option<Duration>,
    pub(super) answered: Answered,
}

impl Told {
    pub(super) fn not_sent(code: &str) -> Self {
        let (code, why) = (code.to_owned(), String::new());
        Self { is_taken: false, is_gone: false, code, why, asked: None, answered: Answered::Well }
    }

    fn by_answer(answer: &Answer) -> Self {
        let asked = answer.retry_after;
        let answered = match answer.status {
            429 => Answered::Busy("rate_limited", asked),
            503 if asked.is_some() => Answered::Busy("unavailable", asked),
            500.. => Answered::Ill("unavailable"),
            _ => Answered::Well,
        };
        Self {
            is_taken: (200..300).contains(&answer.status),
            is_gone: answer.status == 410,
            code: format!("status_{}", answer.status),
            why: String::new(),
            asked,
            answered,
        }
    }

    fn by_error(error: AdapterError) -> Self {
        let refused = error.source.as_ref().is_some_and(|source| source.downcast_ref::<NotAllowed>().is_some());
        let code = if refused { NOT_ALLOWED } else { error.kind.code() };
        let why = root(&error);
        Self { why, answered: Answered::of(&Err::<(), _>(error)), ..Self::not_sent(code) }
    }
}

/// The innermost cause: of all of them the one without an address.
fn root(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}
