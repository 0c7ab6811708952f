//! Tokens, kept in memory: one request at a time, renewed before they end.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use canonical::values::UtcInstant;

use super::grant::{TokenError, ask};
use super::settings::{Proof, Registration, RegistrationError};
use crate::Secret;
use crate::flight::{Flight, Lasting, Life};
use crate::http::HttpClient;

/// A token that we hold. In memory only.
#[derive(Clone)]
pub struct Held {
    token: Secret,
    number: u64,
    life: Life,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Held {
    /// The token, for the header of a request.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The how many-eth it is of its registration: what logs know it by.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Lasting for Held {
    fn life(&self) -> Life {
        self.life
    }

    fn is_same(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

/// The tokens of one registration.
pub struct Tokens {
    registration: Registration,
    proof: Proof,
    endpoint: HttpClient,
    flight: Flight<Held, TokenError>,
    given: AtomicU64,
    new_name: fn() -> String,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("client_id", &self.registration.client_id).finish_non_exhaustive()
    }
}

impl Tokens {
    /// The tokens of a registration, when it has no mistakes. Its files are read, nothing is sent.
    pub fn open(registration: &Registration) -> Result<Self, RegistrationError> {
        let proof = registration.proof()?;
        let not_usable = |problem: String| RegistrationError::Endpoint(problem.replacen("base_url", "token_url", 1));
        let endpoint = HttpClient::new("oauth", &registration.http()).map_err(|error| not_usable(error.problem))?;
        let (flight, given) = (Flight::default(), AtomicU64::new(0));
        Ok(Self { registration: registration.clone(), proof, endpoint, flight, given, new_name })
    }

    /// A token: the one at hand, or a new one. However many ask, one request is under way.
    pub async fn token(&self, now: UtcInstant) -> Result<Held, TokenError> {
        self.flight.held(None, now, self.ask(now)).await
    }

    /// Another token, after the system refused this one. Whoever asks second gets the one that the
    /// first fetched.
    pub async fn renewed(&self, refused: &Held, now: UtcInstant) -> Result<Held, TokenError> {
        self.flight.held(Some(refused), now, self.ask(now)).await
    }

    async fn ask(&self, now: UtcInstant) -> Result<Held, TokenError> {
        let client_id = self.registration.client_id.as_str();
        match ask(&self.endpoint, &self.registration, &self.proof, &(self.new_name)(), now).await {
            Ok(given) => {
                let number = self.given.fetch_add(1, Ordering::Relaxed) + 1;
                let life = Life::of(given.life, now);
                tracing::debug!(client_id, number, until = life.expires_at(), "token given");
                Ok(Held { token: given.token, number, life })
            }
            Err(error) => {
                tracing::warn!(client_id, %error, "no token");
                Err(error)
            }
        }
    }
}

fn new_name() -> String {
    uuid::Uuid::new_v4().to_string()
}
