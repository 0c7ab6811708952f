//! What happened, why, and what to do: the three sentences about one discrepancy.

use super::{Language, act_sentence, causes, headings, rule};
use crate::discrepancy::{Act, Discrepancy, Shape, Side};
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
    Message { happened: happened(discrepancy, language), why: why.sentence, to_do: to_do(discrepancy, language) }
}

/// What to do about a discrepancy.
pub fn to_do(discrepancy: &Discrepancy, language: Language) -> &'static str {
    match (discrepancy.shape, discrepancy.act) {
        // What no source of ours has is either not recorded yet, or none of our business.
        (Shape::MissingHere, Act::AskPartner) if discrepancy.sides.iter().any(Side::is_of_nobody) => language.of(
            "Chi cura le fonti di qui guarda se il record vi manca: se è così lo inserisce nel proprio sistema, e al \
             prossimo confronto si chiude da sola. Se non è un record di qui, chiedere a chi gestisce l'altro sistema \
             perché lo tiene.",
            "Whoever keeps the sources here looks whether they lack the record: if so, enter it there, and the next \
             comparison closes this by itself. If it is no record of ours, ask whoever runs the other system why it is \
             there.",
        ),
        (_, act) => act_sentence(act, language),
    }
}

/// The name of a side, as people read it.
pub fn side_name(side: &Side, language: Language) -> &str {
    if side.is_of_nobody() { headings(language).no_source_here } else { &side.system }
}

fn happened(discrepancy: &Discrepancy, language: Language) -> String {
    let owner = discrepancy.sides.iter().find(|side| side.is_owner).map(|side| side_name(side, language));
    let owner = owner.unwrap_or(language.of("il titolare", "the owner"));
    let (row, against) = (&discrepancy.row, &discrepancy.against);
    match (discrepancy.shape, language) {
        (Shape::MissingThere, Language::Italian) => format!("{owner} ha la riga {row}, {against} non la ha."),
        (Shape::MissingThere, Language::English) => format!("{owner} has row {row}, {against} does not."),
        (Shape::MissingHere, Language::Italian) if discrepancy.sides.iter().any(Side::is_of_nobody) => {
            format!("{against} ha la riga {row}, {owner} la ha.")
        }
        (Shape::MissingHere, Language::English) if discrepancy.sides.iter().any(Side::is_of_nobody) => {
            format!("{against} has row {row}, {owner} has it.")
        }
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
        format!("{}: {value}", side_name(side, language))
    };
    discrepancy.sides.iter().map(side).collect::<Vec<_>>().join("; ")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use canonical::Rule;

    use super::*;
    use crate::discrepancy::NO_SOURCE;

    fn missing_here(owner: &str) -> Discrepancy {
        let side = |system: &str, is_owner, value: Option<&str>| Side {
            system: system.to_owned(),
            is_owner,
            value: value.map(str::to_owned),
            seen: None,
            as_of: None,
        };
        Discrepancy {
            comparison: "vicina".to_owned(),
            unit: "lotto/B0".to_owned(),
            row: "B0".to_owned(),
            field: None,
            rule: Rule::R01,
            severity: Rule::R01.severity(),
            shape: Shape::MissingHere,
            against: "vicina".to_owned(),
            cause: None,
            sides: vec![side(owner, true, None), side("vicina", false, Some("B0"))],
            at_stake: None,
            body: None,
            deadline: None,
            act: Act::AskPartner,
        }
    }

    #[test]
    fn where_no_source_here_knows_a_row_no_program_is_named_and_a_person_knows_where_to_look() {
        let told = message(&missing_here(NO_SOURCE), Language::Italian);
        assert_eq!(told.happened, "vicina ha la riga B0, nessuna fonte di qui la ha.");
        assert!(told.to_do.starts_with("Chi cura le fonti di qui guarda se il record vi manca"), "{}", told.to_do);
        let english = message(&missing_here(NO_SOURCE), Language::English);
        assert_eq!(english.happened, "vicina has row B0, no source here has it.");
        assert!(!format!("{told:?}{english:?}").contains(NO_SOURCE));
        let known = message(&missing_here("pad"), Language::Italian);
        assert_eq!(known.happened, "vicina ha la riga B0, pad non la ha.");
        assert_eq!(known.to_do, act_sentence(Act::AskPartner, Language::Italian));
    }
}
