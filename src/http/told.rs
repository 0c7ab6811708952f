//! How it stands with telling a partner of changes, in one sentence, for the page and for commands.

use super::italian;
use crate::flow::report::words::Language;
use crate::storage::webhooks::{WebhookState, WebhookStop};

/// The sentence.
pub(crate) fn told(state: &WebhookState, language: Language) -> String {
    let is_italian = language == Language::Italian;
    let why = |code: &str| if is_italian { italian_reason(code) } else { code.to_owned() };
    if let Some((since, stop)) = &state.stopped {
        let since = italian(*since);
        return match (stop, is_italian) {
            (WebhookStop::Gone, true) => {
                format!(
                    "Sospeso dal {since}: il suo indirizzo dice di non esistere più (410). Si riprende con `raccordo webhooks resume`."
                )
            }
            (WebhookStop::Silent, true) => {
                format!(
                    "Sospeso dal {since}: in tre giorni non ha preso alcun avviso. Si riprende con `raccordo webhooks resume`."
                )
            }
            (WebhookStop::Gone, false) => format!("stopped since {since}: his address says that it is gone (410)"),
            (WebhookStop::Silent, false) => format!("stopped since {since}: he took nothing for three days"),
        };
    }
    match (&state.message, &state.failed, state.taken_at, is_italian) {
        (Some(message), Some((at, code)), _, true) => format!(
            "Avviso non preso dopo {} tentativi, l'ultimo il {}: {}. Si riprova il {}.",
            message.attempts,
            italian(*at),
            why(code),
            italian(message.due_at)
        ),
        (Some(message), Some((at, code)), _, false) => format!(
            "not taken after {} attempts, the last at {}: {code}; tried again at {}",
            message.attempts,
            italian(*at),
            italian(message.due_at)
        ),
        (Some(_), None, _, true) => "Un avviso è in viaggio.".to_owned(),
        (Some(_), None, _, false) => "a message is under way".to_owned(),
        (None, _, Some(at), true) => format!("In pari: ha preso l'ultimo avviso il {}.", italian(at)),
        (None, _, Some(at), false) => format!("up to date: he took the last message at {}", italian(at)),
        (None, _, None, true) => "Nulla da dirgli finora.".to_owned(),
        (None, _, None, false) => "nothing to tell him so far".to_owned(),
    }
}

/// Why somebody who was asked did not answer as he should.
pub(super) fn italian_reason(code: &str) -> String {
    let reason = match code {
        "secret_unusable" => "il segreto con cui si firma non si legge",
        "address_refused" => "il suo indirizzo porta a una rete privata, e la configurazione non lo ammette",
        "unreachable" => "il suo indirizzo non è raggiungibile",
        "timeout" => "non risponde in tempo",
        "broken" => "la connessione si interrompe prima della risposta",
        "rate_limited" => "dice di aspettare",
        "unavailable" => "non è disponibile ora",
        "authentication" => "le credenziali non sono accettate",
        "permission" => "le credenziali non lo permettono",
        "not_understood" => "risponde in un modo che non si capisce",
        _ => match code.strip_prefix("status_") {
            Some(status) => return format!("ha risposto {status}"),
            None => "l'invio non riesce",
        },
    };
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use canonical::values::UtcInstant;

    use super::*;
    use crate::storage::exchange::Position;
    use crate::storage::webhooks::WebhookMessage;

    #[test]
    fn the_sentence_says_what_is_wrong_first() {
        let at = UtcInstant::from_unix_micros(1_790_000_000_000_000).expect("an instant");
        let message = WebhookMessage {
            id: "msg_1".to_owned(),
            until: Position { version: 7, anchor: [1; 4] },
            body: "{}".to_owned(),
            made_at: at,
            attempts: 3,
            due_at: at,
        };
        let quiet = WebhookState { partner: "regione".to_owned(), ..WebhookState::default() };
        assert_eq!(told(&quiet, Language::Italian), "Nulla da dirgli finora.");
        let taken = WebhookState { taken_at: Some(at), ..quiet.clone() };
        assert!(told(&taken, Language::Italian).starts_with("In pari"));
        let failed =
            WebhookState { message: Some(message), failed: Some((at, "status_500".to_owned())), ..taken.clone() };
        assert!(
            told(&failed, Language::Italian).contains("3 tentativi")
                && told(&failed, Language::Italian).contains("500")
        );
        let gone = WebhookState { stopped: Some((at, WebhookStop::Gone)), ..failed };
        assert!(told(&gone, Language::Italian).contains("410") && told(&gone, Language::English).contains("gone"));
    }
}
