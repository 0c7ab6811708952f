//! R12 and R22: texts written by people, and texts that hide something.

use canonical::Rule;
use canonical::values::text::read_text;

use super::Judgement;
use crate::discrepancy::Cause;

/// Similarity from which two texts are nearly the same.
const SIMILAR: f64 = 0.9;

/// Longer texts are compared by their beginning: the work grows with the square of the length.
const LONGEST: usize = 2_000;

/// Whether a value hides what it stands for: asterisks, and nothing else that says something.
pub fn is_mask(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 3 && text.bytes().all(|byte| matches!(byte, b'*' | b' ')) && text.starts_with('*')
}

pub(super) fn texts(owner: &str, other: &str) -> Option<Judgement> {
    let (owner, other) = (read_text(owner).value.unwrap_or_default(), read_text(other).value.unwrap_or_default());
    if owner == other {
        return None;
    }
    Some(if is_similar(&folded(&owner), &folded(&other)) {
        Judgement::explained(Rule::R12, Cause::SimilarText)
    } else {
        Judgement::unexplained(Rule::R12)
    })
}

/// Letters and digits in lower case: case and marks are no part of what a text says.
fn folded(text: &str) -> String {
    let kept = text.chars().flat_map(char::to_lowercase).map(|one| if one.is_alphanumeric() { one } else { ' ' });
    let mut folded = String::with_capacity(text.len());
    for one in kept {
        if one != ' ' || !(folded.is_empty() || folded.ends_with(' ')) {
            folded.push(one);
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

fn is_similar(one: &str, other: &str) -> bool {
    if one == other {
        return !one.is_empty();
    }
    // What is too long to be compared letter by letter is the same, or it is not.
    if one.len().max(other.len()) > LONGEST {
        return false;
    }
    // Numbers tell apart what is otherwise worded alike: the lots of a tender, years, roads.
    if !numbers(one).eq(numbers(other)) {
        return false;
    }
    let (short, long) =
        (one.chars().count().min(other.chars().count()), one.chars().count().max(other.chars().count()));
    // Each missing character is an edit: most pairs need no more than their lengths.
    short * 10 >= long * 9 && strsim::normalized_levenshtein(one, other) >= SIMILAR
}

fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|one: char| !one.is_ascii_digit()).filter(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::option_option, reason = "no difference, or one with or without a cause")]
    fn check(one: &str, other: &str) -> Option<Option<Cause>> {
        let found = texts(one, other);
        assert_eq!(found, texts(other, one));
        found.map(|found| found.cause)
    }

    #[test]
    fn blanks_and_entities_are_no_difference() {
        assert_eq!(check("citt&agrave;  di Como", "città di Como"), None);
    }

    #[test]
    fn case_and_marks_and_a_letter_are_nearly_the_same() {
        assert_eq!(
            check("Lavori di manutenzione, S.P. 12", "LAVORI DI MANUTENZIONE S.P. 12"),
            Some(Some(Cause::SimilarText))
        );
        assert_eq!(
            check("Servizio di vigilanza armata", "Servizio di vigilanze armata"),
            Some(Some(Cause::SimilarText))
        );
    }

    #[test]
    fn another_number_is_another_thing() {
        assert_eq!(
            check("Manutenzione delle strade provinciali, lotto 1", "Manutenzione delle strade provinciali, lotto 2"),
            Some(None)
        );
    }

    #[test]
    fn a_mask_is_asterisks_alone() {
        assert!(is_mask("****************") && is_mask("*** ***"));
        assert!(!is_mask("**") && !is_mask("A***") && !is_mask("") && !is_mask("   "));
    }
}
