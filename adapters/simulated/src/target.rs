//! The target role: one unit per record, an honest ledger of effects.

use std::time::Duration;

use async_trait::async_trait;
use canonical::identifiers::CodiceFiscale;
use canonical::{Body, Digest, Kind, Record};
use contract::{
    AdapterError, Composed, Explanation, Followed, Held, Lane, Neighbour, NotYet, Outcome, Placement, Receipt,
    Shipment, Target, Unit, UnitKey,
};

use crate::rows;
use crate::system::{Effect, Fault, HeldUnit, Simulated, State};

#[async_trait]
impl Target for Simulated {
    fn place(&self, record: &Record) -> Placement {
        let cig = match &record.body {
            Body::Lotto(lotto) => lotto.cig,
            Body::Aggiudicazione(aggiudicazione) => aggiudicazione.cig,
            Body::Contratto(contratto) => contratto.cig,
            Body::EventoEsecuzione(evento) => evento.cig,
            _ => return Placement::Elsewhere,
        };
        Placement::Unit(Unit { key: unit_key(record), lane: Lane(cig.to_string()) })
    }

    /// A unit that was given a body keeps it when its members leave.
    fn body_of(&self, unit: &UnitKey) -> Option<CodiceFiscale> {
        self.state().bodies.get(unit).copied()
    }

    /// The canonical JSON of the record. Of two sources the first by name is sent.
    fn compose(&self, unit: &UnitKey, _revision: u64, members: &[Record]) -> Result<Composed, String> {
        if let Some(stranger) = members.iter().find(|member| &unit_key(member) != unit) {
            return Err(format!("{} is no member of {unit}", unit_key(stranger)));
        }
        let rank = |record: &&Record| (record.provenance.source.clone(), record.digest());
        let record = members.iter().min_by_key(rank).ok_or_else(|| format!("{unit} has no members"))?;
        let body = serde_json::to_vec(&record.body).map_err(|error| error.to_string())?;
        let rows = vec![rows::of_body(unit.as_str(), &body)];
        Ok(Composed { body, rows, findings: Vec::new() })
    }

    fn watches_lane(&self) -> bool {
        self.state().is_ordered
    }

    fn admit(&self, _unit: &UnitKey, members: &[Record], lane: &[Neighbour]) -> Result<(), NotYet> {
        let is_contratto = members.iter().any(|member| matches!(member.body, Body::Contratto(_)));
        let is_lotto =
            |neighbour: &&Neighbour| matches!(&neighbour.members[..], [first, ..] if first.kind() == Kind::Lotto);
        if is_contratto && !lane.iter().filter(is_lotto).any(|lotto| lotto.is_held) {
            let reason = "manca il lotto dello stesso CIG".to_owned();
            return Err(NotYet { code: "lotto_mancante".to_owned(), reason });
        }
        Ok(())
    }

    fn explain(&self, unit: &UnitKey, members: &[Record]) -> Vec<Explanation> {
        let Some(record) = members.first() else { return Vec::new() };
        let explain = |(field, value)| Explanation {
            row: unit.to_string(),
            field,
            value: Some(value),
            record: Some((record.kind(), record.key())),
            path: "/",
            rule: "copiato senza modifiche",
            code_list: None,
        };
        serde_json::to_vec(&record.body)
            .map(|body| rows::of_body(unit.as_str(), &body).fields.into_iter().map(explain).collect())
            .unwrap_or_default()
    }

    fn mapping_version(&self) -> &'static str {
        "1"
    }

    fn pause_asked(&self) -> Option<Duration> {
        self.state().asked.take()
    }

    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        let mut state = self.state();
        state.attempts += 1;
        state.asked = state.pause.max(state.asked);
        let fault = state.send_script.pop_front().unwrap_or(Fault::None);
        if let Fault::Refuse(code) = fault {
            return Ok(Outcome::Refused { code, message: "a refusal was asked for".to_owned() });
        }
        let answer = match fault {
            Fault::None | Fault::LoseAnswer => Some(take(&mut state, shipment)),
            _ => None,
        };
        drop(state);
        let answer = match answer {
            Some(Outcome::Acknowledged(receipt)) if self.state().follow_script.is_some() => {
                Some(Outcome::Submitted { receipt, state: "presa_in_carico".to_owned() })
            }
            answer => answer,
        };
        match (fault.error(&format!("simulated send {}", shipment.unit)), answer) {
            (None, Some(outcome)) => Ok(outcome),
            (Some(error), _) => Err(error),
            (None, None) => unreachable!("a fault without an error takes the shipment"),
        }
    }

    async fn look_up(&self, shipment: &Shipment) -> Result<Held, AdapterError> {
        let fault = self.state().look_up_script.pop_front().unwrap_or(Fault::None);
        if let Some(error) = fault.error(&format!("simulated look up {}", shipment.unit)) {
            return Err(error);
        }
        Ok(match self.state().held.get(&shipment.unit) {
            None => Held::Nothing,
            Some(held) if held.body.as_deref() == Some(&shipment.body) => Held::Same(receipt(shipment)),
            Some(_) => Held::Other,
        })
    }

    async fn follow(&self, _shipment: &Shipment, receipt: &Receipt) -> Result<Followed, AdapterError> {
        let answer = self.state().follow_script.as_mut().and_then(std::collections::VecDeque::pop_front);
        Ok(answer.unwrap_or_else(|| Followed::Ended(Outcome::Acknowledged(receipt.clone()))))
    }
}

fn unit_key(record: &Record) -> UnitKey {
    UnitKey(format!("{}/{}", record.kind(), record.key()))
}

/// Takes a shipment, once for each idempotency key.
fn take(state: &mut State, shipment: &Shipment) -> Outcome {
    if let Some((unit, body, receipt)) = state.answered.get(&shipment.idempotency_key) {
        return if (unit, body) == (&shipment.unit, &shipment.body) {
            Outcome::Acknowledged(receipt.clone())
        } else {
            let message = "another request had this key".to_owned();
            Outcome::Refused { code: "idempotency_mismatch".to_owned(), message }
        };
    }
    let Shipment { unit, revision, idempotency_key, body, .. } = shipment.clone();
    let receipt = receipt(shipment);
    let rows = vec![rows::of_body(unit.as_str(), &body)];
    state.held.insert(unit.clone(), HeldUnit { body: Some(body.clone()), rows });
    state.answered.insert(idempotency_key.clone(), (unit.clone(), body.clone(), receipt.clone()));
    state.effects.push(Effect { unit, revision, idempotency_key, body });
    Outcome::Acknowledged(receipt)
}

fn receipt(shipment: &Shipment) -> Receipt {
    let answer = format!("taken {}", shipment.digest());
    Receipt {
        remote_id: Some(format!("simulated:{}", shipment.unit)),
        status: 200,
        answer_digest: Digest::of(answer.as_bytes()).to_string(),
        warnings: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use contract::{Advice, ErrorKind, Phase};
    use rstest::rstest;

    use super::*;

    fn shipment(revision: u64, key: &str, importo: &str) -> Shipment {
        Shipment {
            unit: UnitKey("contratto/B000001279/1".to_owned()),
            revision,
            idempotency_key: key.to_owned(),
            body: format!(r#"{{"kind":"contratto","body":{{"importo":"{importo}"}}}}"#).into_bytes(),
            previous_receipt: None,
        }
    }

    #[rstest]
    #[case(Fault::LoseAnswer, ErrorKind::Broken, Phase::Unknown, 1)]
    #[case(Fault::LoseRequest, ErrorKind::Timeout, Phase::Unknown, 0)]
    #[case(Fault::Unreachable, ErrorKind::Unreachable, Phase::BeforeSending, 0)]
    #[case(Fault::RateLimit(Duration::from_secs(3)), ErrorKind::RateLimited, Phase::Refused, 0)]
    #[case(Fault::Unavailable, ErrorKind::Unavailable, Phase::Refused, 0)]
    #[case(Fault::Authentication, ErrorKind::Authentication, Phase::Refused, 0)]
    #[tokio::test]
    async fn a_fault_has_its_error_and_its_effects(
        #[case] fault: Fault,
        #[case] kind: ErrorKind,
        #[case] phase: Phase,
        #[case] effects: usize,
    ) {
        let system = Simulated::new();
        system.on_send([fault.clone()]);
        let error = system.send(&shipment(1, "k1", "1.00")).await.unwrap_err();
        assert_eq!((error.kind, error.phase, system.effects().len()), (kind, phase, effects));
        if let Fault::RateLimit(pause) = fault {
            assert_eq!(error.advice, Advice::Retry { after: Some(pause) });
        }
        assert!(matches!(system.send(&shipment(1, "k1", "1.00")).await, Ok(Outcome::Acknowledged(_))));
        assert_eq!((system.effects().len(), system.attempts()), (1, 2));
    }

    #[tokio::test]
    async fn a_refusal_has_its_code_and_no_effect() {
        let system = Simulated::new();
        system.on_send([Fault::None, Fault::Refuse("E42".to_owned())]);
        assert!(matches!(system.send(&shipment(1, "k1", "1.00")).await, Ok(Outcome::Acknowledged(_))));
        let outcome = system.send(&shipment(2, "k2", "2.00")).await.unwrap();
        assert!(matches!(outcome, Outcome::Refused { code, .. } if code == "E42"));
        assert_eq!(system.effects().len(), 1);
    }

    #[tokio::test]
    async fn a_pause_is_asked_for_once_with_each_answer_that_was_taken_too() {
        let system = Simulated::new();
        system.ask_for_pause(Some(Duration::from_secs(9)));
        assert_eq!(system.pause_asked(), None);
        assert!(matches!(system.send(&shipment(1, "k1", "1.00")).await, Ok(Outcome::Acknowledged(_))));
        assert_eq!((system.pause_asked(), system.pause_asked()), (Some(Duration::from_secs(9)), None));
    }

    #[tokio::test]
    async fn a_panic_on_request_leaves_the_system_whole() {
        let system = Simulated::new();
        system.on_send([Fault::Panic]);
        let other = system.clone();
        let sent = tokio::spawn(async move { other.send(&shipment(1, "k1", "1.00")).await }).await;
        assert!(sent.unwrap_err().is_panic());
        assert!(system.send(&shipment(1, "k1", "1.00")).await.is_ok());
    }

    #[tokio::test]
    async fn an_idempotency_key_is_honoured() {
        let system = Simulated::new();
        let first = system.send(&shipment(1, "k1", "1.00")).await.unwrap();
        assert_eq!(system.send(&shipment(1, "k1", "1.00")).await.unwrap(), first);
        let other = system.send(&shipment(1, "k1", "2.00")).await.unwrap();
        assert!(matches!(other, Outcome::Refused { code, .. } if code == "idempotency_mismatch"));
        assert_eq!(system.effects().len(), 1);
    }

    #[tokio::test]
    async fn a_look_up_tells_nothing_same_and_other() {
        let system = Simulated::new();
        let shipment = shipment(1, "k1", "1.00");
        assert_eq!(system.look_up(&shipment).await.unwrap(), Held::Nothing);
        system.on_send([Fault::LoseAnswer]);
        assert!(system.send(&shipment).await.is_err());
        assert!(matches!(system.look_up(&shipment).await.unwrap(), Held::Same(_)));
        assert!(system.tamper(&shipment.unit, "importo", None));
        assert_eq!(system.look_up(&shipment).await.unwrap(), Held::Other);
        system.on_look_up([Fault::Unavailable]);
        assert!(system.look_up(&shipment).await.is_err());
    }
}
