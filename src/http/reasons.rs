//! Why something waits for a person, and what that person can do: in Italian, for pages and tables.

use super::overview::rule_title;
use crate::storage::{ParkedItem, ParkedKind};

/// The reason and the remedy of something that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// The official code, then a sentence.
    pub(crate) reason: String,
    /// What can be done, in the verbs of the commands.
    pub(crate) verbs: &'static str,
    /// The same in a sentence, which is the same for all of its kind.
    pub(crate) remedy: &'static str,
}

/// Says why an item waits, and what can be done.
pub(crate) fn waiting(item: &ParkedItem) -> Waiting {
    let told = item.message.trim();
    let sentence = match (item.kind, item.state) {
        (ParkedKind::Record, _) => with_words(rule_title(&item.code), told),
        (ParkedKind::Delivery, Some("parked" | "in_doubt")) => parked(&item.code, told),
        (ParkedKind::Delivery | ParkedKind::Document, _) => told.to_owned(),
    };
    let times = if item.times > 1 { format!(" ({} volte)", item.times) } else { String::new() };
    let (verbs, remedy) = remedy(item);
    Waiting { reason: format!("[{}] {sentence}{times}", item.code), verbs, remedy }
}

/// The verbs of the commands, and what comes before them.
fn remedy(item: &ParkedItem) -> (&'static str, &'static str) {
    match (item.kind, item.state) {
        (ParkedKind::Delivery, _) if item.in_doubt => (
            "replay --sent, --not-sent",
            "consegna in dubbio: guardare presso il destinatario, poi «replay --sent» se è arrivata, «replay \
             --not-sent» se non è arrivata; «replay» da solo lo chiede al destinatario",
        ),
        (ParkedKind::Delivery, Some("refused")) => (
            "replay, discard",
            "consegna rifiutata: correggere il dato alla fonte, e riparte da sola; «replay» la ripete com'è",
        ),
        (ParkedKind::Delivery, _) => ("replay, discard", "consegna ferma: rimuovere la causa, poi «replay»"),
        (ParkedKind::Record, _) => {
            ("replay, discard", "riga in quarantena: correggerla alla fonte, o correggere la mappatura e poi «replay»")
        }
        (ParkedKind::Document, _) => {
            ("import, discard", "documento rifiutato: correggere il file e rileggerlo con «import»")
        }
    }
}

fn parked(code: &str, told: &str) -> String {
    let why = match code {
        "unreachable" => "il sistema non si raggiunge",
        "timeout" => "il sistema non ha risposto in tempo",
        "broken" => "la connessione si è interrotta durante l'invio",
        "authentication" => "le credenziali non sono accettate",
        "permission" => "il sistema non permette l'operazione a questa utenza",
        "rate_limited" => "il sistema chiede di rallentare",
        "unavailable" => "il sistema non è disponibile",
        "not_understood" => "la risposta del sistema non è comprensibile",
        "local" => "un problema di questa installazione",
        "interrupted" => "l'invio è stato interrotto",
        "asked_again" | "reopened" | "changed" => "il destinatario è stato interrogato di nuovo",
        "in_doubt" => "non si sa se l'invio è arrivato",
        _ => "messa da parte",
    };
    let attempts = told.strip_prefix("given up after ").and_then(|rest| rest.strip_suffix(" attempts"));
    match (attempts, told) {
        (Some(attempts), _) => format!("{why}: rinuncia dopo {attempts} tentativi"),
        (None, "a person must look") => format!("{why}: deve guardare una persona"),
        (None, told) => with_words(why, told),
    }
}

/// A title, with the words of whoever told the reason.
fn with_words(title: &str, told: &str) -> String {
    if told.is_empty() { title.to_owned() } else { format!("{title}: {told}") }
}

#[cfg(test)]
mod tests {
    use canonical::values::UtcInstant;

    use super::*;
    use crate::storage::ParkedId;

    fn item(kind: ParkedKind, state: Option<&'static str>, code: &str, message: &str) -> ParkedItem {
        ParkedItem {
            id: ParkedId { kind, number: 1 },
            kind,
            system: "pico".to_owned(),
            key: "x".to_owned(),
            since: UtcInstant::from_unix_micros(0).expect("the epoch"),
            code: code.to_owned(),
            message: message.to_owned(),
            state,
            in_doubt: state == Some("in_doubt"),
            times: 1,
        }
    }

    #[test]
    fn every_reason_begins_with_its_code_and_goes_on_in_italian() {
        let check = |item: ParkedItem, expected: &str| assert_eq!(waiting(&item).reason, expected);
        let parked = |code, message| item(ParkedKind::Delivery, Some("parked"), code, message);
        check(
            parked("unavailable", "given up after 9 attempts"),
            "[unavailable] il sistema non è disponibile: rinuncia dopo 9 tentativi",
        );
        check(
            parked("local", "a person must look"),
            "[local] un problema di questa installazione: deve guardare una persona",
        );
        let refused = item(ParkedKind::Delivery, Some("refused"), "SC_007", "importo non coerente");
        check(refused, "[SC_007] importo non coerente");
        check(item(ParkedKind::Record, None, "R05", "CIG null"), "[R05] CIG nullo o assente: CIG null");
        let again = ParkedItem { times: 3, ..item(ParkedKind::Document, None, "not_xml", "non è XML") };
        check(again, "[not_xml] non è XML (3 volte)");
    }

    #[test]
    fn who_is_in_doubt_is_asked_whether_it_arrived() {
        let doubt = item(ParkedKind::Delivery, Some("in_doubt"), "timeout", "");
        assert_eq!(waiting(&doubt).reason, "[timeout] il sistema non ha risposto in tempo");
        assert!(waiting(&doubt).verbs.contains("--sent"));
    }
}
