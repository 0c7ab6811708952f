//! How it stands with Signal Hub, in one sentence for each side of it, for the page and for commands.

use canonical::values::UtcInstant;

use super::italian;
use super::told::italian_reason;
use crate::flow::report::words::Language;
use crate::storage::exchange::Position;
use crate::storage::signals::{Listening, Signalling};
use crate::storage::{StorageError, Store};

/// One side of it.
#[derive(Debug, Clone)]
pub(crate) struct SignalState {
    /// The e-service that is signalled, or the system behind the one that is heard.
    pub(crate) name: String,
    /// How it stands.
    pub(crate) sentence: String,
    /// Whether somebody must look.
    pub(crate) is_alarm: bool,
}

/// Every side of it: what readers of ours were told, then what was heard of others.
pub(crate) async fn signal_states(store: &dyn Store, language: Language) -> Result<Vec<SignalState>, StorageError> {
    let (told, listened) = (store.all_signalling().await?, store.listening(None).await?);
    let end = store.feed_end().await?;
    let told = told.iter().map(|state| signalled(state, end, language));
    Ok(told.chain(listened.iter().map(|state| heard(state, language))).collect())
}

/// What the readers of our e-service were told.
fn signalled(state: &Signalling, end: Position, language: Language) -> SignalState {
    let is_italian = language == Language::Italian;
    if !state.is_on {
        let sentence = match (state.taken_at, is_italian) {
            (Some(at), true) => {
                format!("Spento: la configurazione non lo chiede più; ultimo segnale preso il {}.", italian(at))
            }
            (None, true) => "Spento: la configurazione non lo chiede più.".to_owned(),
            (_, false) => "off: the configuration does not ask for it any more".to_owned(),
        };
        return SignalState { name: state.eservice.clone(), sentence, is_alarm: false };
    }
    let sentence = match (&state.pending, &state.failed, state.taken_at) {
        (Some(pending), Some((at, code)), _) if is_italian => format!(
            "Segnale {} non preso, l'ultima volta il {}: {}. Si riprova il {}.",
            pending.number,
            italian(*at),
            reason(code),
            italian(pending.due_at)
        ),
        (Some(pending), Some((at, code)), _) => format!(
            "signal {} not taken, last at {}: {code}; tried again at {}",
            pending.number,
            italian(*at),
            italian(pending.due_at)
        ),
        (Some(pending), None, _) if is_italian => format!("Il segnale {} è in viaggio.", pending.number),
        (Some(pending), None, _) => format!("signal {} is under way", pending.number),
        (None, _, Some(at)) if is_italian => {
            let how = if state.told == end { "In pari" } else { "Si sta segnalando" };
            format!("{how}: ultimo segnale preso il {}.", italian(at))
        }
        (None, _, Some(at)) => {
            let how = if state.told == end { "up to date" } else { "being told" };
            format!("{how}: the last signal was taken at {}", italian(at))
        }
        (None, _, None) if is_italian => "Nulla da segnalare finora.".to_owned(),
        (None, _, None) => "nothing to signal so far".to_owned(),
    };
    SignalState { name: state.eservice.clone(), sentence, is_alarm: state.pending.is_some() && state.failed.is_some() }
}

/// What was heard of an e-service of others.
fn heard(state: &Listening, language: Language) -> SignalState {
    let is_italian = language == Language::Italian;
    let until = |at: UtcInstant| italian(at);
    let mut sentences = Vec::new();
    match (state.heard_at, is_italian) {
        (Some(at), true) => sentences.push(format!("Sentito tutto fino al {}.", until(at))),
        (Some(at), false) => sentences.push(format!("everything heard until {}", until(at))),
        (None, true) => sentences.push("Non ancora sentito tutto.".to_owned()),
        (None, false) => sentences.push("not everything heard yet".to_owned()),
    }
    match (state.stale_since, is_italian) {
        (Some(at), true) => sentences.push(format!("Da guardare: qualcosa è cambiato dal {}.", until(at))),
        (Some(at), false) => sentences.push(format!("to be looked at: something changed since {}", until(at))),
        (None, _) => {}
    }
    match (&state.failed, is_italian) {
        (Some((at, code)), true) => sentences.push(format!("Il {} non si è sentito: {}.", until(*at), reason(code))),
        (Some((at, code)), false) => sentences.push(format!("not heard at {}: {code}", until(*at))),
        (None, _) => {}
    }
    match (&state.not_looked, is_italian) {
        (Some((at, code)), true) => {
            sentences.push(format!("Il {} non si è potuto guardare: {}.", until(*at), reason(code)));
        }
        (Some((at, code)), false) => sentences.push(format!("not looked at {}: {code}", until(*at))),
        (None, _) => {}
    }
    let sentence = sentences.join(if is_italian { " " } else { "; " });
    SignalState { name: state.system.clone(), sentence, is_alarm: state.failed.is_some() || state.not_looked.is_some() }
}

fn reason(code: &str) -> String {
    let reason = match code {
        "hub_busy" => "Signal Hub dice di aspettare",
        "number_taken" | "number_passed" => "un altro programma numera segnali di questo e-service",
        "voucher_refused" => "Signal Hub rifiuta il voucher",
        "eservice_not_enabled" => "l'e-service non è attivo, o non è abilitato a Signal Hub: si abilita dal portale",
        "signal_refused" | "signal_damaged" => {
            "Signal Hub rifiuta il segnale: si guardi eservice_id in [exchange.pdnd]"
        }
        "not_the_hub" => "chi risponde non è Signal Hub: si guardi url in [signal_hub]",
        "incomplete" => "il confronto non ha visto tutto",
        "held" => "la lettura è sospesa",
        "not_done" => "la lettura o il confronto non si sono conclusi",
        _ => return italian_reason(code),
    };
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::signals::PendingSignal;

    #[test]
    fn the_sentence_says_what_is_wrong_and_who_mends_it() {
        let at = UtcInstant::from_unix_micros(1_790_000_000_000_000).expect("an instant");
        let pending =
            PendingSignal { number: 7, until: Position::default(), body: "{}".to_owned(), attempts: 1, due_at: at };
        let quiet = Signalling {
            eservice: "e1".to_owned(),
            told: Position::default(),
            last_number: 0,
            pending: None,
            taken_at: None,
            is_on: true,
            failed: None,
        };
        assert_eq!(signalled(&quiet, Position::default(), Language::Italian).sentence, "Nulla da segnalare finora.");
        let failed = Some((at, "eservice_not_enabled".to_owned()));
        let stuck =
            signalled(&Signalling { pending: Some(pending), failed, ..quiet }, Position::default(), Language::Italian);
        assert!(stuck.is_alarm && stuck.sentence.contains("si abilita dal portale"), "{}", stuck.sentence);
        let deaf =
            Listening { failed: Some((at, "timeout".to_owned())), stale_since: Some(at), ..Listening::default() };
        let told = heard(&deaf, Language::Italian);
        assert!(
            told.is_alarm && told.sentence.contains("Non ancora") && told.sentence.contains("non risponde in tempo")
        );
        assert!(heard(&deaf, Language::English).sentence.contains("timeout"));
    }
}
