//! The words of the rules. English is what the rules say of themselves.

use canonical::Rule;

use super::Language;

/// What a rule found, in a few words.
pub fn rule(rule: Rule, language: Language) -> &'static str {
    match language {
        Language::English => rule.summary(),
        Language::Italian => italian(rule),
    }
}

const fn italian(rule: Rule) -> &'static str {
    match rule {
        Rule::R01 => "presente da una parte sola",
        Rule::R02 => "importo diverso",
        Rule::R03 => "data diversa",
        Rule::R04 => "CIG non valido",
        Rule::R05 => "CIG nullo o assente",
        Rule::R06 => "dato ripetuto, o che un altro dello stesso documento già dice",
        Rule::R07 => "CIG annullato o sostituito",
        Rule::R08 => "derivato da un accordo quadro",
        Rule::R09 => "SmartCIG",
        Rule::R10 => "RUP diverso",
        Rule::R11 => "codice dell'operatore diverso",
        Rule::R12 => "testo diverso",
        Rule::R13 => "CUP diversi",
        Rule::R14 => "codice diverso",
        Rule::R15 => "fase tornata indietro",
        Rule::R16 => "due piattaforme per la stessa fase",
        Rule::R17 => "liquidato oltre l'aggiudicato",
        Rule::R18 => "aggiudicato oltre la base",
        Rule::R19 => "aggiudicatario non fra i partecipanti",
        Rule::R20 => "codice del territorio cambiato",
        Rule::R21 => "fonte non aggiornata",
        Rule::R22 => "valore oscurato",
        Rule::R23 => "eventi fuori ordine",
        Rule::R24 => "ente non qualificato",
        Rule::R25 => "fine prima dell'inizio",
        Rule::R26 => "codice completato con zeri",
        Rule::R27 => "CUI non valido",
        Rule::N01 => "importo in forma non canonica",
        Rule::N02 => "data in forma non canonica",
        Rule::N03 => "valore non leggibile",
        Rule::N04 => "codice fiscale non valido",
        Rule::N05 => "codice fuori elenco",
        Rule::N06 => "testo riparato",
        Rule::N07 => "elemento sconosciuto",
        Rule::N08 => "valore obbligatorio assente",
        Rule::N09 => "dato personale omesso",
    }
}
