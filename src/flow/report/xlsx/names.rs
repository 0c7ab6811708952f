//! Names of sheets: at most 31 characters, none of those that are forbidden, and no two alike.

use std::collections::BTreeSet;

const LONGEST: usize = 31;

/// The names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// The name of a new sheet with a title: cut, and with a number after it where it is taken.
    pub(super) fn take(&mut self, title: &str) -> String {
        let allowed: String = title
            .chars()
            .map(|character| match character {
                '[' | ']' | ':' | '*' | '?' | '/' | '\\' | '\'' => '-',
                character if character.is_control() => '-',
                // Programs count the units of UTF-16; beyond the first plane they are two.
                character if character.len_utf16() > 1 => '-',
                character => character,
            })
            .collect();
        let allowed = match allowed.trim() {
            "" => "-",
            allowed => allowed,
        };
        for number in 1_u32.. {
            let after = if number == 1 { String::new() } else { format!(" {number}") };
            let head: String = allowed.chars().take(LONGEST - after.len()).collect();
            let name = format!("{}{after}", head.trim_end());
            // `History` is taken by the programs themselves.
            if name.to_lowercase() != "history" && self.0.insert(name.to_lowercase()) {
                return name;
            }
        }
        unreachable!("one of four thousand million names is free")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_allowed_and_taken_once() {
        let mut names = Names::default();
        assert_eq!(names.take("pico R02 IVA al 22 %"), "pico R02 IVA al 22 %");
        assert_eq!(names.take("PICO R02 iva al 22 %"), "PICO R02 iva al 22 % 2");
        assert_eq!(names.take("a/b:c[d]'"), "a-b-c-d--");
        assert_eq!(names.take("History"), "History 2");
        assert_eq!(names.take("  "), "-");
        let long = "scp-programmi R02 importo ripetuto per aggiudicatario";
        let (first, second) = (names.take(long), names.take(long));
        assert!(first.chars().count() <= 31 && second.chars().count() <= 31 && second.ends_with(" 2"), "{second}");
    }
}
