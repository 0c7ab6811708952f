//! Why a decision or a repair was not done, and what the program itself wrote as a reason: in the ledger
//! in English, for people in their language.

use super::Language;

/// Why something was not done, from the words of whoever refused it; those that are not ours stay as they are.
pub fn not_done(why: &str, language: Language) -> &str {
    match language {
        Language::English => why,
        Language::Italian => SENTENCES.iter().find(|(english, _)| *english == why).map_or(why, |(_, italian)| *italian),
    }
}

/// The reason of an event: a person's own words, or ours in the language of the reader.
pub fn reason(told: &str, language: Language) -> String {
    let days = told.strip_prefix(OPEN_FOR).and_then(|rest| rest.strip_suffix(WORKING_DAYS));
    match (days, language) {
        (Some(days), Language::Italian) => format!("aperta da {days} giorni lavorativi"),
        _ => told.to_owned(),
    }
}

/// How the program says why it told somebody above.
pub fn open_for(days: u16) -> String {
    format!("{OPEN_FOR}{days}{WORKING_DAYS}")
}

const OPEN_FOR: &str = "open for ";
const WORKING_DAYS: &str = " working days";

const SENTENCES: &[(&str, &str)] = &[
    ("the work item is closed", "la discordanza è chiusa"),
    ("nobody has accepted the work item", "nessuno ha accettato la discordanza"),
    (
        "the work item is explained or accepted: nobody must act",
        "la discordanza è spiegata o accettata: nessuno deve fare nulla",
    ),
    ("the last day of an acceptance cannot have passed", "l'ultimo giorno dell'accettazione è già passato"),
    ("somebody above was told already", "è già stata segnalata in alto"),
    ("no repair of the work item waits for approval", "nessuna correzione attende l'approvazione"),
    ("a repair of the work item waits for approval already", "una correzione attende già l'approvazione"),
    (
        "a repair is approved by somebody else than who asked for it",
        "la correzione è approvata da una persona diversa da chi l'ha chiesta",
    ),
    ("there is no work item of this number", "nessuna discordanza ha questo numero"),
    ("the system that disagrees is no source", "il sistema che discorda non è una fonte"),
    ("no configured system takes the Segnalazione", "nessun sistema configurato riceve la Segnalazione"),
    ("the body concerned is not known", "non si sa di quale ente è"),
    ("the record concerned is not known", "non si sa di quale record è"),
    ("the target cannot be observed", "il destinatario non si può interrogare"),
    ("the target is not configured", "il destinatario non è nella configurazione"),
    ("the target was not read so far", "il destinatario non è stato letto fin lì"),
    ("the unit is gone", "l'unità non c'è più"),
    ("the unit is on its way", "l'unità è ancora in viaggio"),
    ("both sides agree by now", "ora le parti concordano"),
    ("nobody here knows the unit", "qui nessuno conosce l'unità"),
    ("the delivery moved meanwhile", "la consegna è cambiata nel frattempo"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Where decisions and repairs are refused.
    const SOURCES: [&str; 6] = [
        include_str!("../../../discrepancy/lifecycle.rs"),
        include_str!("../../../storage/sql/work_items/decided.rs"),
        include_str!("../../reconcile/repair.rs"),
        include_str!("../../reconcile/repair/preview.rs"),
        include_str!("../../reconcile/repair/segnalazioni.rs"),
        include_str!("../../reconcile/repair/sending.rs"),
    ];
    /// What stands before each reason.
    const BEFORE: [&str; 6] =
        ["#[error(\"", ".refuse(\"", "Leave(\"", "ok_or(\"", "refused.entry(\"", "NOBODY_TAKES_IT: &str = \""];

    #[test]
    fn whatever_was_not_done_is_told_in_italian() {
        let mut found = 0;
        for text in SOURCES {
            let starts = BEFORE.iter().flat_map(|before| text.match_indices(before).map(|(at, it)| at + it.len()));
            for why in starts.filter_map(|at| text[at..].split('"').next()) {
                assert_ne!(not_done(why, Language::Italian), why, "write a sentence in words/refusals.rs for `{why}`");
                assert_eq!(not_done(why, Language::English), why);
                found += 1;
            }
        }
        assert!(found >= SENTENCES.len(), "the sources are not read: {found}");
    }

    #[test]
    fn what_the_program_wrote_is_translated_and_what_a_person_wrote_is_not() {
        assert_eq!(reason(&open_for(20), Language::Italian), "aperta da 20 giorni lavorativi");
        assert_eq!(reason(&open_for(20), Language::English), "open for 20 working days");
        assert_eq!(reason("visto agli atti", Language::Italian), "visto agli atti");
    }
}
