//! How often each CIG occurred in a dataset.

use kit::Occurrences;

/// Remembers the text of a CIG, whatever its letter case and the blanks around it, and says how many
/// times it was met before. An absent, empty or null CIG is the key of nothing and never a repetition.
pub(crate) fn add_cig(occurrences: &mut Occurrences, text: Option<&str>) -> u32 {
    let text = text.unwrap_or_default().trim();
    if text.is_empty() || text == "0000000000" {
        return 0;
    }
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        occurrences.add(text.to_ascii_uppercase().as_bytes())
    } else {
        occurrences.add(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_occurrences_of_a_cig_are_counted() {
        let mut occurrences = Occurrences::default();
        let counted =
            ["ZBD1A4331B", "5044003AF1", " zbd1a4331b", "ZBD1A4331B"].map(|cig| add_cig(&mut occurrences, Some(cig)));
        assert_eq!(counted, [0, 0, 1, 2]);
    }

    #[test]
    fn a_null_or_empty_cig_is_never_a_repetition() {
        let mut occurrences = Occurrences::default();
        for cig in [None, Some(""), Some("  "), Some("0000000000")] {
            assert_eq!((add_cig(&mut occurrences, cig), add_cig(&mut occurrences, cig)), (0, 0));
        }
    }
}
