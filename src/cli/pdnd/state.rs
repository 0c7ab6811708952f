//! `raccordo pdnd state`: what the platform itself knows of a client, asked for by a client api interop.
//!
//! A voucher is refused without a word when the key is not registered, or when purpose or agreement are
//! not active. Here it is said which. Only answers that the platform signed are shown; nothing is changed.

use std::sync::Arc;

use contract::{AdapterError, Advice};
use kit::jose::MemorySeen;
use kit::pdnd::api::{Agreement, PlatformApi, Purpose, Register, RemainingCalls};
use kit::pdnd::client::Quota;
use kit::pdnd::settings::Connection;

use super::chosen::{Clients, chosen};
use crate::cli::output::Output;
use crate::cli::{Exit, Language};
use crate::clock::{Clock as _, SystemClock};

/// Ask the platform how a client stands.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The client, as named in `[pdnd.NAME]`, `[systems.NAME.pdnd]` or `[nodes.NAME.pdnd]`; not needed when one alone
    /// has a purpose
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The client api interop that asks, as named in `[pdnd.NAME]`; not needed when there is one
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// Whether the key of a client is the platform's too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum KeyState {
    Registered,
    OfAnotherClient,
    Absent,
}

/// How a client stands.
#[derive(Debug)]
struct State {
    key: KeyState,
    /// None for a client without a purpose.
    purpose: Option<PurposeState>,
}

#[derive(Debug)]
struct PurposeState {
    id: String,
    purpose: Option<Purpose>,
    agreement: Option<Agreement>,
    calls: Option<RemainingCalls>,
}

impl State {
    /// Whether vouchers are given.
    fn is_good(&self) -> bool {
        let is_active = |of: &PurposeState| {
            of.purpose.as_ref().is_some_and(Purpose::is_active)
                && of.agreement.as_ref().is_some_and(Agreement::is_active)
        };
        self.key == KeyState::Registered && self.purpose.as_ref().is_none_or(is_active)
    }

    fn json(&self) -> serde_json::Value {
        let purpose = self.purpose.as_ref().map(|of| {
            serde_json::json!({
                "id": of.id,
                "state": of.purpose.as_ref().map(Purpose::state),
                "agreement": of.agreement.as_ref().map(|agreement| &agreement.state),
                "remaining_calls": of.calls.map(|calls| calls.per_consumer),
                "remaining_calls_of_all": of.calls.map(|calls| calls.total),
            })
        });
        serde_json::json!({ "key": self.key, "purpose": purpose, "is_good": self.is_good() })
    }

    fn lines(&self, language: Language) -> Vec<String> {
        let of = |italian: &'static str, english: &'static str| match language {
            Language::It => italian,
            Language::En => english,
        };
        let key = match self.key {
            KeyState::Registered => of("registrata per questo client", "registered for this client"),
            KeyState::OfAnotherClient => of("registrata per un altro client", "registered for another client"),
            KeyState::Absent => of("non registrata", "not registered"),
        };
        let mut lines = vec![format!("{:<11}{key}", of("chiave", "key"))];
        if let Some(purpose) = &self.purpose {
            let absent = || of("non trovata", "not found");
            let state = purpose.purpose.as_ref().map_or_else(absent, Purpose::state);
            lines.push(format!("{:<11}{state}", of("finalità", "purpose")));
            let state = purpose.agreement.as_ref().map_or_else(absent, |agreement| agreement.state.as_str());
            lines.push(format!("{:<11}{state}", of("fruizione", "agreement")));
            if let Some(calls) = purpose.calls {
                let left = of("rimaste oggi, di tutti i fruitori", "left today, of all consumers");
                lines.push(format!("{:<11}{} {left} {}", of("chiamate", "calls"), calls.per_consumer, calls.total));
            }
        }
        lines
    }
}

pub(super) async fn run(
    clients: &Clients,
    arguments: &Arguments,
    language: Language,
    output: &Output,
) -> anyhow::Result<Exit> {
    let is_asking = |connection: &Connection| connection.is_api_client && connection.scheme.is_dpop();
    let client = chosen(clients, arguments.name.as_deref(), |connection| !connection.is_api_client);
    let asking = chosen(clients, arguments.by.as_deref(), is_asking);
    let ((name, client), (by, asking)) = match (client, asking) {
        (Ok(client), Ok(asking)) => (client, asking),
        (client, asking) => {
            client.err().iter().for_each(|unclear| unclear.tell(output.words.client_with_purpose, output));
            asking.err().iter().for_each(|unclear| unclear.tell(output.words.client_that_asks, output));
            return Ok(Exit::Usage);
        }
    };
    let (own, keys) = match (client.keys(), asking.keys()) {
        (Ok(own), Ok(keys)) => (own, keys),
        (Err(error), _) | (_, Err(error)) => {
            output.problem(
                &anyhow::Error::new(error).context(format!("reading the keys of the clients {name} and {by}")),
            );
            return Ok(Exit::Configuration);
        }
    };
    let api = match PlatformApi::new(asking.clone(), keys, Quota::of(asking), Arc::new(MemorySeen::default())) {
        Ok(api) => api,
        Err(error) => {
            output.problem(&anyhow::Error::new(error).context(format!("reaching the platform as the client {by}")));
            return Ok(Exit::Configuration);
        }
    };
    let state = match ask(&api, client, own.assertion.thumbprint()).await {
        Ok(state) => state,
        Err(error) => {
            let is_configuration = error.advice == Advice::FixConfiguration;
            output.problem(&anyhow::Error::new(error).context(format!("asking the platform about the client {name}")));
            return Ok(if is_configuration { Exit::Configuration } else { Exit::Unavailable });
        }
    };
    if output.is_json() {
        let mut told = state.json();
        told["name"] = name.as_str().into();
        told["client_id"] = client.client_id.as_str().into();
        told["kid"] = own.assertion.thumbprint().into();
        output.json(&told);
    } else {
        for line in state.lines(language) {
            output.line(&line);
        }
    }
    Ok(if state.is_good() { Exit::Done } else { Exit::Configuration })
}

async fn ask(api: &PlatformApi, client: &Connection, kid: &str) -> Result<State, AdapterError> {
    let now = || SystemClock.now();
    let mut key = KeyState::Absent;
    for register in [Register::Clients, Register::Keychains] {
        if let Some(found) = api.key(register, kid, now).await? {
            let is_own = found.owner == client.client_id;
            key = if is_own { KeyState::Registered } else { KeyState::OfAnotherClient };
            break;
        }
    }
    let purpose = match &client.purpose_id {
        None => None,
        Some(id) => {
            let purpose = api.purpose(id, now).await?;
            let (agreement, calls) = if purpose.is_some() {
                (api.agreement(id, now).await?, api.remaining_calls(id, now).await?)
            } else {
                (None, None)
            };
            Some(PurposeState { id: id.clone(), purpose, agreement, calls })
        }
    };
    Ok(State { key, purpose })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(key: KeyState, purpose: &str, agreement: &str) -> State {
        let version = serde_json::json!({ "state": purpose, "dailyCalls": 10 });
        let of = serde_json::json!({ "id": "p", "eserviceId": "e", "consumerId": "c", "currentVersion": version });
        let under = serde_json::json!({
            "id": "a", "state": agreement, "producerId": "p", "consumerId": "c", "eserviceId": "e", "descriptorId": "d",
        });
        let purpose = PurposeState {
            id: "p".to_owned(),
            purpose: serde_json::from_value(of).expect("a purpose"),
            agreement: serde_json::from_value(under).expect("an agreement"),
            calls: Some(RemainingCalls { per_consumer: 3, total: 40 }),
        };
        State { key, purpose: Some(purpose) }
    }

    #[test]
    fn a_client_stands_well_when_nothing_of_it_is_suspended_or_absent() {
        assert!(state(KeyState::Registered, "ACTIVE", "ACTIVE").is_good());
        assert!(State { key: KeyState::Registered, purpose: None }.is_good());
        assert!(!state(KeyState::Absent, "ACTIVE", "ACTIVE").is_good());
        assert!(!state(KeyState::OfAnotherClient, "ACTIVE", "ACTIVE").is_good());
        assert!(!state(KeyState::Registered, "SUSPENDED", "ACTIVE").is_good());
        assert!(!state(KeyState::Registered, "ACTIVE", "PENDING").is_good());
        let told = state(KeyState::Absent, "ACTIVE", "PENDING").json();
        assert_eq!((&told["key"], &told["purpose"]["agreement"]), (&"absent".into(), &"PENDING".into()));
        let lines = state(KeyState::Registered, "ACTIVE", "PENDING").lines(Language::It).join("\n");
        assert!(lines.contains("fruizione  PENDING") && lines.contains("3 rimaste oggi"), "{lines}");
    }
}
