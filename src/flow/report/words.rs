//! What people read about a discrepancy: one sentence for every rule, cause, act, shape and state.
//!
//! Italian first, English on request. A sentence about a cause says what a clerk of a municipality can
//! check; codes stand beside it, never instead of it. A test holds every variant to its words.

mod causes;
mod headings;
mod message;
mod refusals;
mod rules;
mod runs;

pub use causes::{Causation, cause, unexplained};
pub use headings::{Headings, headings};
pub use message::{Message, message, side_name, to_do};
pub use refusals::{not_done, open_for, reason};
pub use rules::rule;
pub use runs::{because, verdict};

use canonical::Severity;

use crate::discrepancy::{Act, Shape, State};
use crate::storage::EventKind;

/// The language of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Italian.
    #[default]
    Italian,
    /// English.
    English,
}

impl Language {
    /// The one of two texts that is in this language.
    pub const fn of<'t>(self, italian: &'t str, english: &'t str) -> &'t str {
        match self {
            Self::Italian => italian,
            Self::English => english,
        }
    }

    /// The tag of the language.
    pub const fn tag(self) -> &'static str {
        self.of("it", "en")
    }
}

/// How it shows itself.
pub const fn shape(shape: Shape, language: Language) -> &'static str {
    match shape {
        Shape::MissingThere => language.of("manca là", "missing there"),
        Shape::MissingHere => language.of("manca qui", "missing here"),
        Shape::Differs => language.of("valori diversi", "values differ"),
        Shape::Breaks => language.of("regola non rispettata", "rule not kept"),
    }
}

/// Where it stands.
pub const fn state(state: &State, language: Language) -> &'static str {
    match state {
        State::Open => language.of("aperta", "open"),
        State::Explained => language.of("spiegata", "explained"),
        State::Accepted { .. } => language.of("accettata", "accepted"),
        State::Closed => language.of("chiusa", "closed"),
    }
}

/// What a state asks of people, with what happened last.
pub fn state_sentence(state: &State, last: Option<EventKind>, language: Language) -> &'static str {
    match state {
        State::Closed if last == Some(EventKind::Retired) => language.of(
            "Chiusa senza che le parti concordino: il confronto non è più nella configurazione. Se vi torna, la discordanza \
             torna com'era.",
            "Closed, though the sides may not agree: the comparison is configured no more. If it is again, the discrepancy \
             stands as it did.",
        ),
        State::Open => language.of("Aperta: qualcuno deve occuparsene.", "Open: somebody must act."),
        State::Explained => language.of(
            "Spiegata: una causa nota ne rende conto per intero, nessuno deve fare nulla.",
            "Explained: a known cause accounts for all of it, nobody must act.",
        ),
        State::Accepted { until: None } => language.of(
            "Accettata da una persona finché i valori non cambiano.",
            "Accepted by a person until its values change.",
        ),
        State::Accepted { until: Some(_) } => language
            .of("Accettata da una persona fino al giorno indicato.", "Accepted by a person until the day given."),
        State::Closed => language.of("Chiusa: le parti ora concordano.", "Closed: the sides agree now."),
    }
}

/// How grave.
pub const fn severity(severity: Severity, language: Language) -> &'static str {
    match severity {
        Severity::Info => language.of("informazione", "information"),
        Severity::Warning => language.of("avviso", "warning"),
        Severity::Error => language.of("errore", "error"),
    }
}

/// What should be done, in two or three words.
pub const fn act(act: Act, language: Language) -> &'static str {
    match act {
        Act::Nothing => language.of("nulla", "nothing"),
        Act::SendAgain => language.of("inviare di nuovo", "send again"),
        Act::ReadAgain => language.of("rileggere la fonte", "read the source again"),
        Act::CorrectAtSource => language.of("correggere alla fonte", "correct at the source"),
        Act::AskPartner => language.of("chiedere al gestore", "ask the other side"),
        Act::OpenSegnalazione => language.of("aprire una Segnalazione", "open a Segnalazione"),
    }
}

/// What should be done, as a sentence.
pub const fn act_sentence(act: Act, language: Language) -> &'static str {
    match act {
        Act::Nothing => language.of(
            "Non c'è nulla da fare: è spiegata, o si chiude da sola ai prossimi confronti.",
            "There is nothing to do: it is explained, or ends by itself with the next comparisons.",
        ),
        Act::SendAgain => {
            language.of("Inviare di nuovo il nostro valore al destinatario.", "Send our value to the target again.")
        }
        Act::ReadAgain => language.of(
            "Rileggere la fonte: la copia che abbiamo può essere vecchia o incompleta.",
            "Read the source again: our copy may be old or incomplete.",
        ),
        Act::CorrectAtSource => language.of(
            "Chi è titolare del dato lo corregge nel proprio sistema; la correzione arriva agli altri da sola.",
            "Whoever owns the field corrects it in their own system; the correction reaches the others by itself.",
        ),
        Act::AskPartner => language.of(
            "Chiedere a chi gestisce l'altro sistema, indicando i valori qui riportati.",
            "Ask whoever runs the other system, quoting the values given here.",
        ),
        Act::OpenSegnalazione => language.of(
            "Aprire una Segnalazione all'assistenza di Pi.Co., allegando questa scheda.",
            "Open a Segnalazione at the help desk of Pi.Co. and attach this sheet.",
        ),
    }
}

/// What happened to a work item.
pub const fn event(kind: EventKind, language: Language) -> &'static str {
    match kind {
        EventKind::Opened => language.of("vista per la prima volta", "seen for the first time"),
        EventKind::Changed => language.of("i valori sono cambiati", "its values changed"),
        EventKind::Explained => language.of("una causa nota ne rende conto", "a known cause accounts for it"),
        EventKind::Unexplained => {
            language.of("la causa non ne rende più conto", "the cause does not account for it any more")
        }
        EventKind::Accepted => language.of("accettata da una persona", "accepted by a person"),
        EventKind::AcceptanceEnded => language.of("accettazione scaduta", "the acceptance ended"),
        EventKind::Assigned => language.of("assegnata a un ufficio", "given to an office"),
        EventKind::Escalated => language.of("sollecitata a chi sta sopra", "somebody above was told"),
        EventKind::Closed => language.of("chiusa: le parti concordano", "closed: the sides agree"),
        EventKind::Reopened => language.of("riaperta", "open again"),
        EventKind::Retired => language
            .of("chiusa: il confronto non è più nella configurazione", "closed: the comparison is configured no more"),
        EventKind::Restored => language.of(
            "di nuovo com'era: il confronto è tornato nella configurazione",
            "as it was: the comparison is configured again",
        ),
        EventKind::RepairRequested => language.of(
            "chiesta una correzione: serve una seconda persona",
            "a repair was asked for: a second person must approve",
        ),
        EventKind::Repaired => language.of("correzione avviata", "a repair was begun"),
    }
}

/// The name of a filter, as people read it.
pub fn filter(name: &str) -> &str {
    match name {
        "comparison" => "confronto",
        "rule" => "regola",
        "cause" => "causa",
        "field" => "campo",
        "shape" => "come si presenta",
        "against" => "altro sistema",
        "body" => "ente",
        "office" => "ufficio",
        "state" => "stato",
        "severity" => "gravità",
        "new" => "nuove",
        "key" => "chiave",
        "to_approve" => "correzioni da approvare",
        "opened_before" => "aperte prima del",
        "not_escalated" => "non sollecitate",
        other => other,
    }
}

/// Why a row was not compared, from its code.
pub fn skipped(code: &str, language: Language) -> &str {
    match code {
        "on_its_way" => language.of(
            "ancora in viaggio, o più recente del tempo di attesa",
            "still on its way, or newer than the grace time",
        ),
        "stopped" => language.of("consegna rifiutata o ferma", "delivery refused or standing aside"),
        "masked" => language.of("valore oscurato dalla fonte", "value masked by the source"),
        "too_early" => language.of("dentro il tempo di attesa della fonte", "inside the grace time of the source"),
        "not_read" => language.of("elenco o lettura incompleti", "list or reading incomplete"),
        "smartcig" => language.of("SmartCIG, non previsto dalla piattaforma", "SmartCIG, not expected there"),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use canonical::Rule;

    use super::*;
    use crate::discrepancy::Cause;

    const SHAPES: [Shape; 4] = [Shape::MissingThere, Shape::MissingHere, Shape::Differs, Shape::Breaks];
    const ACTS: [Act; 6] =
        [Act::Nothing, Act::SendAgain, Act::ReadAgain, Act::CorrectAtSource, Act::AskPartner, Act::OpenSegnalazione];

    /// Every text that people may read, by what it is about.
    fn texts(language: Language) -> Vec<(String, &'static str)> {
        let mut texts = Vec::new();
        for found in Cause::ALL {
            let words = cause(*found, language);
            texts.push((format!("cause {} title", found.code()), words.title));
            texts.push((format!("cause {} sentence", found.code()), words.sentence));
        }
        texts.extend(Rule::ALL.iter().map(|found| (format!("rule {}", found.code()), rule(*found, language))));
        texts.extend(SHAPES.map(|found| (format!("shape {}", found.name()), shape(found, language))));
        for found in ACTS {
            texts.push((format!("act {}", found.name()), act(found, language)));
            texts.push((format!("act sentence {}", found.name()), act_sentence(found, language)));
        }
        for found in [State::Open, State::Explained, State::Accepted { until: None }, State::Closed] {
            texts.push((format!("state {}", found.name()), state(&found, language)));
            texts.push((format!("state sentence {}", found.name()), state_sentence(&found, None, language)));
        }
        texts.extend(EventKind::ALL.map(|found| (format!("event {}", found.name()), event(found, language))));
        for found in [Severity::Info, Severity::Warning, Severity::Error] {
            texts.push((format!("severity {found:?}"), severity(found, language)));
        }
        texts
    }

    #[test]
    fn everything_has_its_own_words_in_both_languages() {
        let (italian, english) = (texts(Language::Italian), texts(Language::English));
        assert_eq!(italian.len(), english.len());
        for language in [&italian, &english] {
            let mut said = BTreeMap::new();
            let same: Vec<_> =
                language.iter().filter_map(|(about, text)| Some((said.insert(text, about)?, text))).collect();
            assert!(same.is_empty(), "two things are said with the same words: {same:?}");
            assert!(language.iter().all(|(about, text)| text.len() >= 4 && !about.is_empty()));
        }
        // The three nouns of Italian law that English keeps are no translation.
        let same = |about: &str| matches!(about, "rule R09");
        for ((about, italian), (_, english)) in italian.iter().zip(&english) {
            assert!(italian != english || same(about), "{about} is not translated: {italian}");
        }
    }

    #[test]
    fn a_sentence_ends_and_a_title_does_not() {
        for language in [Language::Italian, Language::English] {
            for found in Cause::ALL {
                let words = cause(*found, language);
                assert!(words.sentence.ends_with('.') && words.sentence.len() > 40, "{}", words.sentence);
                assert!(!words.title.ends_with('.') && words.title.chars().count() <= 40, "{}", words.title);
            }
        }
    }
}
