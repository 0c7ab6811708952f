//! Why something waits for a person, and what that person can do, for pages and tables.

use super::overview::rule_title;
use super::words;
use crate::flow::report::words::Language;
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

/// Says why an item waits, and what can be done. What our own side said in English is told in
/// Italian; what a target said, in its own words.
pub(crate) fn waiting(item: &ParkedItem, language: Language) -> Waiting {
    let (verbs, remedy) = remedy(item, language);
    if language == Language::English {
        return Waiting { reason: format!("[{}] {}", item.code, item.message), verbs, remedy };
    }
    let sentence = match (item.kind, item.state) {
        (ParkedKind::Record, _) => aside(&item.code, &item.message),
        (ParkedKind::Document, _) => document(&item.code, &item.message),
        (ParkedKind::Delivery, Some("refused")) => refused(&item.code, &item.message),
        (ParkedKind::Delivery, _) => stopped(&item.code, &item.message),
    };
    let times = if item.times > 1 { format!(" ({} volte)", item.times) } else { String::new() };
    Waiting { reason: format!("[{}] {sentence}{times}", item.code), verbs, remedy }
}

/// Why a document was refused.
pub(crate) fn document(code: &str, told: &str) -> String {
    words::document_reason(code).map_or_else(|| told.trim().to_owned(), str::to_owned)
}

/// Why a row stands aside: its rule, and what is wrong where we said it ourselves.
pub(crate) fn aside(rule: &str, told: &str) -> String {
    with_words(rule_title(rule), &words::line_reason(told).unwrap_or_default())
}

/// The words of whoever refused a delivery.
pub(crate) fn refused(code: &str, told: &str) -> String {
    let told = told.trim();
    match (words::delivery_reason(code), words::delivery_sentence(told)) {
        (Some(why), Some(sentence)) if why == sentence => sentence,
        (Some(why), _) if told.is_empty() => why.to_owned(),
        (_, Some(sentence)) => sentence,
        (_, None) => told.to_owned(),
    }
}

/// Why a delivery stopped, or is not sure: its code and what was told about it.
pub(crate) fn stopped(code: &str, told: &str) -> String {
    let why = words::delivery_reason(code).unwrap_or("messa da parte");
    let told = told.trim();
    match words::delivery_sentence(told) {
        Some(sentence) => with_words(why, &sentence),
        None => with_words(why, told),
    }
}

/// The same, where code and words stand in one reason.
pub(crate) fn set_aside(reason: &str) -> String {
    match reason.split_once(": ") {
        Some((code, told)) if words::delivery_reason(code).is_some() => stopped(code, told),
        _ => words::delivery_sentence(reason).unwrap_or_else(|| reason.to_owned()),
    }
}

/// A code of a state that goes on by itself; those of targets are in their own words.
pub(crate) fn code(code: &str) -> &str {
    words::delivery_reason(code).unwrap_or(code)
}

/// The verbs of the commands, and what comes before them.
fn remedy(item: &ParkedItem, language: Language) -> (&'static str, &'static str) {
    match (item.kind, item.state) {
        (ParkedKind::Delivery, _) if item.in_doubt => (
            "replay --sent, --not-sent",
            language.of(
                "consegna in dubbio: guardare presso il destinatario, poi «replay --sent» se è arrivata, «replay \
                 --not-sent» se non è arrivata; «replay» da solo lo chiede al destinatario",
                "delivery in doubt: look at the target, then `replay --sent` if it arrived, `replay --not-sent` if it \
                 did not; `replay` alone asks the target",
            ),
        ),
        (ParkedKind::Delivery, Some("refused")) => (
            "replay, discard",
            language.of(
                "consegna rifiutata: correggere il dato alla fonte, e riparte da sola; «replay» la ripete com'è",
                "delivery refused: correct its data at the source, and it leaves by itself; `replay` repeats it as it is",
            ),
        ),
        (ParkedKind::Delivery, _) => (
            "replay, discard",
            language.of(
                "consegna ferma: rimuovere la causa, poi «replay»",
                "delivery set aside: remove the cause, then `replay`",
            ),
        ),
        (ParkedKind::Record, _) => (
            "replay, discard",
            language.of(
                "riga in quarantena: correggerla alla fonte, o correggere la mappatura e poi «replay»",
                "record in quarantine: correct it at the source, or correct the mapping and then `replay`",
            ),
        ),
        (ParkedKind::Document, _) => (
            "sync, import, discard",
            language.of(
                "documento rifiutato: il suo testo non è conservato. Correggere il file dov'è, o scaricarlo di nuovo, \
                 e rileggerlo: quando è letto, esce da questo elenco; «discard» lo toglie con un motivo",
                "document refused: its text is not kept. Correct the file where it is, or download it again, and read \
                 it again: once it was read it leaves this list; `discard` takes it off with a reason",
            ),
        ),
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
        let check = |item: ParkedItem, expected: &str| assert_eq!(waiting(&item, Language::Italian).reason, expected);
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
        check(item(ParkedKind::Record, None, "R05", "CIG null"), "[R05] CIG nullo o assente");
        check(
            item(
                ParkedKind::Record,
                None,
                "N03",
                "the line is not a canonical record: the field cig is missing, see column 54",
            ),
            "[N03] valore non leggibile: la riga non è un record canonico, manca il campo cig (colonna 54)",
        );
        let again = ParkedItem { times: 3, ..item(ParkedKind::Document, None, "empty_file", "the file is empty") };
        check(again, "[empty_file] il file è vuoto: scaricarlo di nuovo (3 volte)");
        check(
            parked("parked", "the mapping stopped on this unit"),
            "[parked] messa da parte: la mappatura si è fermata su questa unità: serve uno sviluppatore",
        );
        let ours =
            item(ParkedKind::Delivery, Some("refused"), "draft_gone", "the platform does not know the draft any more");
        check(ours, "[draft_gone] la piattaforma non conosce più la bozza");
        assert_eq!(
            set_aside("timeout: a person must look"),
            "il sistema non ha risposto in tempo: deve guardare una persona"
        );
    }

    #[test]
    fn who_is_in_doubt_is_asked_whether_it_arrived() {
        let doubt = item(ParkedKind::Delivery, Some("in_doubt"), "timeout", "");
        assert_eq!(waiting(&doubt, Language::Italian).reason, "[timeout] il sistema non ha risposto in tempo");
        assert!(waiting(&doubt, Language::Italian).verbs.contains("--sent"));
    }
}
