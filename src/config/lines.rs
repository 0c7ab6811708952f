//! Where the keys of the configuration file stand, so that whoever finds fault with one can say its
//! line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The lines of all keys of a file.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    file: PathBuf,
    keys: BTreeMap<Vec<String>, usize>,
}

impl Lines {
    /// The lines of a text that was understood; of another one, none.
    pub(super) fn of(text: &str) -> Self {
        let mut keys = BTreeMap::new();
        if let Ok(table) = DeTable::parse(text) {
            collect(text, table.get_ref(), &mut Vec::new(), &mut keys);
        }
        Self { file: PathBuf::new(), keys }
    }

    pub(super) fn in_file(self, file: &Path) -> Self {
        Self { file: file.to_owned(), ..self }
    }

    /// Whether the file has this key.
    pub(super) fn has(&self, path: &[&str]) -> bool {
        self.line(path).is_some()
    }

    /// The line of a key.
    fn line(&self, path: &[&str]) -> Option<usize> {
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        self.keys.get(&path).copied()
    }

    /// The same problem, with the line of the key that it is about, or of the nearest one around it.
    pub(super) fn at(&self, path: &[&str], problem: &str) -> String {
        let nearest = (1..=path.len()).rev().find_map(|length| self.line(&path[..length]));
        nearest.map_or_else(|| problem.to_owned(), |line| format!("line {line}: {problem}"))
    }

    /// The place of a key, or of the nearest one around it: the file and the line.
    pub fn place(&self, path: &[&str]) -> String {
        let nearest = (1..=path.len()).rev().find_map(|length| self.line(&path[..length]));
        let file = self.file.display();
        nearest.map_or_else(|| file.to_string(), |line| format!("{file}, line {line}"))
    }

    /// The place of the first key of a table that a problem names; of the table, when it names none.
    pub fn place_named(&self, table: &[&str], problem: &str) -> String {
        let words = problem.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let mut keys = words.filter(|word| !word.is_empty()).map(|word| [table, &[word]].concat());
        let named = keys.find(|path| self.has(path));
        self.place(named.as_deref().unwrap_or(table))
    }

    /// The place of the setting of a system that a problem is about: the first one that it names
    /// between backticks.
    pub fn setting_place(&self, system: &str, problem: &str) -> String {
        let settings = ["systems", system, "settings"];
        let named = problem.split('`').skip(1).step_by(2).find_map(|name| {
            self.keys.iter().find(|(path, _)| {
                let is_of_system = path.len() > settings.len() && path.iter().zip(settings).all(|(key, of)| key == of);
                is_of_system && path.last().is_some_and(|last| last == name)
            })
        });
        match named {
            Some((_, line)) => format!("{}, line {line}", self.file.display()),
            None => self.place(&settings),
        }
    }
}

fn collect(text: &str, table: &DeTable<'_>, path: &mut Vec<String>, keys: &mut BTreeMap<Vec<String>, usize>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        keys.entry(path.clone()).or_insert_with(|| line_of(text, key));
        if let DeValue::Table(table) = value.get_ref() {
            collect(text, table, path, keys);
        }
        path.pop();
    }
}

fn line_of<T>(text: &str, key: &Spanned<T>) -> usize {
    let before = text.get(..key.span().start).unwrap_or_default();
    before.bytes().filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[storage]\npath = \"x\"\n\n[systems.pico]\nsettings = { folder = \"a\", foldr = \"b\" }\n\
                        [systems.pad.settings]\nuser = \"u\"\nhttp = { foldr = 1 }\n";

    #[test]
    fn a_key_has_a_line_and_what_is_absent_that_of_what_stands_around_it() {
        let lines = Lines::of(TEXT).in_file(Path::new("raccordo.toml"));
        assert_eq!(lines.place(&["storage", "path"]), "raccordo.toml, line 2");
        assert_eq!(lines.place(&["systems", "pico", "adapter"]), "raccordo.toml, line 4");
        assert_eq!(lines.place(&["nowhere"]), "raccordo.toml");
        assert_eq!(lines.at(&["storage", "url"], "not so"), "line 1: not so");
        assert!(lines.has(&["storage", "path"]) && !lines.has(&["storage", "url"]));
    }

    #[test]
    fn a_key_of_a_table_is_found_by_any_word_of_a_problem() {
        let lines = Lines::of(TEXT).in_file(Path::new("raccordo.toml"));
        let place = |problem: &str| lines.place_named(&["systems", "pad", "settings"], problem);
        assert_eq!(place("pad: user is not usable: http"), "raccordo.toml, line 7");
        assert_eq!(place("a users is missing"), "raccordo.toml, line 6");
    }

    #[test]
    fn a_setting_is_found_by_its_name_wherever_it_stands_in_its_system() {
        let lines = Lines::of(TEXT).in_file(Path::new("raccordo.toml"));
        let problem = "unknown field `foldr`, expected `folder`";
        assert_eq!(lines.setting_place("pico", problem), "raccordo.toml, line 5");
        assert_eq!(lines.setting_place("pad", problem), "raccordo.toml, line 8");
        assert_eq!(lines.setting_place("pad", "missing field `folder`"), "raccordo.toml, line 6");
    }
}
