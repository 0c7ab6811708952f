//! What happened, why, and what to do: the three sentences about one discrepancy.

use super::{Language, act_sentence, causes, rule};
use crate::discrepancy::{Discrepancy, Shape, Side};
use crate::flow::report::forms;

/// Three sentences about one discrepancy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What happened.
    pub happened: String,
    /// Why, as far as it is known.
    pub why: &'static str,
    /// What to do.
    pub to_do: &'static str,
}

/// The three sentences about a discrepancy.
pub fn message(discrepancy: &Discrepancy, language: Language) -> Message {
    let why = match discrepancy.cause {
        Some(cause) => causes::cause(cause, language),
        None => causes::unexplained(language),
    };
    Message {
        happened: happened(discrepancy, language),
        why: why.sentence,
        to_do: act_sentence(discrepancy.act, language),
    }
}

fn happened(discrepancy: &Discrepancy, language: Language) -> String {
    let owner = discrepancy.sides.iter().find(|side| side.is_owner).map(|side| side.system.as_str());
    let owner = owner.unwrap_or(language.of("il titolare", "the owner"));
    let (row, against) = (&discrepancy.row, &discrepancy.against);
    match (discrepancy.shape, language) {
        (Shape::MissingThere, Language::Italian) => format!("{owner} ha la riga {row}, {against} non la ha."),
        (Shape::MissingThere, Language::English) => format!("{owner} has row {row}, {against} does not."),
        (Shape::MissingHere, Language::Italian) => format!("{against} ha la riga {row}, {owner} non la ha."),
        (Shape::MissingHere, Language::English) => format!("{against} has row {row}, {owner} does not."),
        (Shape::Differs, _) => {
            let field = discrepancy.field.as_deref().unwrap_or(language.of("riga intera", "whole row"));
            format!("{}: {field} – {}.", capital(rule(discrepancy.rule, language)), told(discrepancy, language))
        }
        (Shape::Breaks, _) => {
            let told = told(discrepancy, language);
            format!("{} ({row}): {told}.", capital(rule(discrepancy.rule, language)))
        }
    }
}

/// What every side says, in one line.
fn told(discrepancy: &Discrepancy, language: Language) -> String {
    let side = |side: &Side| {
        let value = side.value.as_deref().map(|value| forms::value(discrepancy.rule, value).text(language));
        let value = value.unwrap_or_else(|| language.of("nessun valore", "no value").to_owned());
        format!("{}: {value}", side.system)
    };
    discrepancy.sides.iter().map(side).collect::<Vec<_>>().join("; ")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
