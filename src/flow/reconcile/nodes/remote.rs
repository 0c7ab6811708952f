//! Another node, as it is asked: over its exchange API, with whatever proves there who we are.

use std::time::Duration;

use canonical::identifiers::CodiceFiscale;
use contract::{AdapterError, Advice, ErrorKind, SettingsError};
use kit::answer::{Answer, common_error};
use kit::http::{HttpClient, HttpSettings, Method, Request};

use super::wire::{About, AllTheirs, FORM, MESSAGE, Opening, Status, Theirs, Told, Wanted, hexadecimal, written};
use crate::flow::reconcile::inventory::ranges::Salt;

/// Under which all of it stands.
const PATH: [&str; 3] = ["api", "v1", "comparisons"];
/// How often a node is asked whether it has read its records: five minutes in all.
const LOOKS: u32 = 150;
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// A pause that is waited for; a node that asks for a longer one is compared another time.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
const PAUSES: u32 = 5;

/// Another node.
#[derive(Debug, Clone)]
pub struct RemoteNode {
    client: HttpClient,
    bodies: Vec<CodiceFiscale>,
    grace: Duration,
}

impl RemoteNode {
    /// A node that is reached like this, with which the records of these bodies are compared: of every
    /// one, when there is none. Nothing is sent.
    pub fn new(http: &HttpSettings, bodies: Vec<CodiceFiscale>, grace: Duration) -> Result<Self, SettingsError> {
        Ok(Self { client: HttpClient::new("node", http)?, bodies, grace })
    }

    /// What it does not speak of although it was asked: then nothing is missing, and nothing has ended.
    /// It must speak of nothing else.
    pub(super) fn not_told(&self, told: &Told) -> Result<Option<String>, AdapterError> {
        if self.bodies.is_empty() {
            let is_less = !told.everything;
            return Ok(is_less.then(|| "l'altro nodo non lascia leggere i record di ogni ente".to_owned()));
        }
        if told.everything || told.bodies.iter().any(|body| !self.bodies.contains(body)) {
            let error = AdapterError::new(ErrorKind::NotUnderstood, "compare with the other node");
            return Err(error.caused_by("it speaks of bodies that it was not asked about".to_owned()));
        }
        let lacking: Vec<_> = self.bodies.iter().filter(|body| !told.bodies.contains(body)).collect();
        let named: Vec<_> = lacking.iter().map(|body| body.masked()).collect();
        let why = || format!("l'altro nodo non lascia leggere i record di {}", named.join(", "));
        Ok((!lacking.is_empty()).then(why))
    }

    /// For how long what was stored on one side is not expected on the other yet.
    pub(super) fn grace(&self) -> Duration {
        self.grace
    }

    /// Opens a comparison, and waits until it is answered.
    pub(super) async fn open(&self, salt: Salt) -> Result<About, AdapterError> {
        let opening = Opening { form: FORM, salt: written(salt), bodies: self.bodies.clone() };
        // Numbers and texts: this always has a JSON form.
        let body = serde_json::to_vec(&opening).unwrap_or_default();
        let about = self.about(|| self.client.request(Method::POST, &PATH, &[]).json_body(body.clone())).await?;
        let id = about.comparison_id.clone();
        let ready = self.ready(about).await;
        if ready.is_err() {
            self.close(&id).await;
        }
        ready
    }

    async fn ready(&self, mut about: About) -> Result<About, AdapterError> {
        let mut pause = FIRST_LOOK;
        for _ in 0..LOOKS {
            match about.status {
                Status::Ready => return Ok(about),
                Status::Failed => {
                    let failed = AdapterError::new(ErrorKind::Unavailable, "read the records of the other node");
                    return Err(failed.advice(Advice::Retry { after: None }));
                }
                Status::Building => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(BETWEEN_LOOKS);
            let path = [&PATH[..], &[&about.comparison_id]].concat();
            about = self.about(|| self.client.request(Method::GET, &path, &[])).await?;
        }
        Err(AdapterError::new(ErrorKind::Timeout, "wait for the records of the other node"))
    }

    /// Sends a message, and gives the answer; none when both sides know everything.
    pub(super) async fn tell(&self, comparison: &str, message: &[u8]) -> Result<Option<Vec<u8>>, AdapterError> {
        let path = [&PATH[..], &[comparison, "messages"]].concat();
        let answer = self
            .ask(|| self.client.request(Method::POST, &path, &[]).body(MESSAGE, message.to_vec()), &[200, 204])
            .await?;
        match (answer.status, answer.media_type().as_deref()) {
            (204, _) => Ok(None),
            (_, Some(MESSAGE)) if answer.defect.is_none() => Ok(Some(answer.body.to_vec())),
            _ => Err(answer.not_understood("no message")),
        }
    }

    /// The records behind these keys, without those that it holds no more.
    pub(super) async fn records(&self, comparison: &str, keys: &[u128]) -> Result<Vec<Theirs>, AdapterError> {
        let path = [&PATH[..], &[comparison, "records"]].concat();
        let wanted = Wanted { keys: keys.iter().copied().map(hexadecimal).collect() };
        let body = serde_json::to_vec(&wanted).unwrap_or_default();
        let request = || self.client.request(Method::POST, &path, &[]).json_body(body.clone());
        Ok(self.ask(request, &[200]).await?.object::<AllTheirs>()?.items)
    }

    /// Says that nothing more will be asked. Where that is not heard, the session ends by itself.
    pub(super) async fn close(&self, comparison: &str) {
        let path = [&PATH[..], &[comparison]].concat();
        if let Err(error) = self.client.exchange(self.client.request(Method::DELETE, &path, &[])).await {
            tracing::debug!(%error, "the other node was not told that a comparison has ended");
        }
    }

    async fn about(&self, request: impl Fn() -> Request) -> Result<About, AdapterError> {
        self.ask(request, &[200, 202]).await?.object()
    }

    /// An answer with one of these statuses. Nothing that is asked changes anything there, so that it is
    /// asked again where the node only asks for a pause.
    async fn ask(&self, request: impl Fn() -> Request, expected: &[u16]) -> Result<Answer, AdapterError> {
        let mut pauses = 0;
        loop {
            let answer = self.client.exchange(request()).await?;
            if expected.contains(&answer.status) {
                return Ok(answer);
            }
            let pause = answer.retry_after.filter(|pause| *pause <= LONGEST_PAUSE && pauses < PAUSES);
            pauses += 1;
            match pause.filter(|_| matches!(answer.status, 429 | 503)) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error_of(&answer)),
            }
        }
    }
}

fn error_of(answer: &Answer) -> AdapterError {
    common_error(&answer.attempted, answer)
        .unwrap_or_else(|| answer.not_understood("an answer that no comparison has").advice(Advice::FixConfiguration))
}
