//! The repository as the checks see it: files as text, and what a line of code names.
//!
//! Rust is read line by line, without a parser: enough for names and paths, and it reads what does
//! not compile yet.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The files of the repository: path from the root, and text. Only names for what is not text.
pub(crate) struct House {
    pub(crate) files: Vec<(String, String)>,
    pub(crate) door: Vec<String>,
}

impl House {
    pub(crate) fn standing() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let mut house = Self { files: Vec::new(), door: Vec::new() };
        for entry in fs::read_dir(root).expect("the root") {
            let entry = entry.expect("an entry of the root");
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_folder = entry.file_type().expect("a file type").is_dir();
            if is_folder && !name.starts_with('.') && name != "target" {
                house.enter(root, &entry.path());
            }
            house.door.push(if is_folder { format!("{name}/") } else { name });
        }
        assert!(house.files.len() > 20, "the walk found nothing: is the repository where this crate expects it?");
        house
    }

    fn enter(&mut self, root: &Path, folder: &Path) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                self.enter(root, &path);
            } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "toml") {
                let name = path.strip_prefix(root).expect("inside the root").to_string_lossy().replace('\\', "/");
                self.files.push((name, fs::read_to_string(&path).expect("text")));
            }
        }
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_rust = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "rs");
        self.files.iter().filter(move |file| is_rust(&file.0)).map(|file| (file.0.as_str(), file.1.as_str()))
    }

    /// Rust files under a folder, or one file.
    pub(crate) fn under(&self, place: &str) -> impl Iterator<Item = (&str, &str)> {
        self.rust().filter(move |file| stands_in(file.0, place))
    }

    pub(crate) fn manifest(&self, crate_folder: &str) -> Option<&str> {
        let name = format!("{crate_folder}/Cargo.toml");
        self.files.iter().find(|file| file.0 == name).map(|file| file.1.as_str())
    }

    /// The folders of the concrete adapters.
    pub(crate) fn adapters(&self) -> BTreeSet<&str> {
        let folders = self.files.iter().filter_map(|file| file.0.strip_prefix("adapters/")?.split('/').next());
        folders.filter(|folder| !matches!(*folder, "contract" | "kit")).collect()
    }
}

pub(crate) fn stands_in(file: &str, place: &str) -> bool {
    file.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The code of a file: its lines without comments, and without its tests where `with_tests` is
/// false. Tests stand last in a file, so everything after their beginning is theirs.
pub(crate) fn code(text: &str, with_tests: bool) -> impl Iterator<Item = (usize, &str)> {
    let tests = if with_tests { None } else { text.find("#[cfg(test)]\nmod tests") };
    let numbered = (1..).zip(text[..tests.unwrap_or(text.len())].lines());
    numbered.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
}

/// Whether a line of code holds these words, not as a part of longer names.
pub(crate) fn names(line: &str, words: &str) -> bool {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(words).any(|(at, _)| {
        let after = &line[at + words.len()..];
        !line[..at].ends_with(is_name) && !after.starts_with(is_name)
    })
}

/// The lines of code that name a crate: as the head of a path, or alone in a `use`. In a file that
/// declares a module of the same name the name is the module's, unless `::` stands before it.
pub(crate) fn lines_naming_crate(text: &str, with_tests: bool, name: &str) -> impl Iterator<Item = usize> {
    let has_module = code(text, true).any(|(_, line)| line.trim_end().ends_with(&format!("mod {name};")));
    let is_named = move |line: &str| names_crate(line, name, has_module);
    code(text, with_tests).filter(move |(_, line)| is_named(line)).map(|(number, _)| number)
}

fn names_crate(line: &str, name: &str, has_module: bool) -> bool {
    let is_path = |character: char| character.is_alphanumeric() || matches!(character, '_' | ':');
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        let absolute = before.strip_suffix("::");
        let is_used = before.trim_end().ends_with("use") && (after.starts_with(';') || after.starts_with(" as "));
        !absolute.unwrap_or(before).ends_with(is_path)
            && (absolute.is_some() || !has_module)
            && (after.starts_with("::") || is_used)
    })
}

/// Whether a line of code names a module of another one: as the head of a path, by the path of its
/// parent, or in a group.
pub(crate) fn names_module(line: &str, parent: &str, name: &str) -> bool {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let by_path = line.match_indices(name).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        let is_whole = !before.ends_with(is_name) && !after.starts_with(is_name);
        is_whole && (after.starts_with("::") || before.ends_with(&format!("{parent}::")))
    });
    by_path || line.contains(&format!("{parent}::{{")) && names(line, name)
}

/// The modules of the daemon that a file names by `crate::`, with the line where it does.
pub(crate) fn known_modules(text: &str) -> Vec<(usize, String)> {
    let mut known = Vec::new();
    // Depth of braces inside a `crate::{…}` group that spans lines.
    let mut depth = 0;
    for (number, line) in code(text, true) {
        let mut rest = line;
        loop {
            if depth == 0 {
                let Some(at) = rest.find("crate::") else { break };
                rest = &rest[at + "crate::".len()..];
                match rest.strip_prefix('{') {
                    Some(inside) => (depth, rest) = (1, inside),
                    None => known.push((number, head(rest))),
                }
            } else {
                if depth == 1 && rest.starts_with(|character: char| character.is_alphabetic()) {
                    known.push((number, head(rest)));
                    // The rest of this path is not a module of the crate.
                    rest = rest.trim_start_matches(|character: char| {
                        character.is_alphanumeric() || matches!(character, '_' | ':')
                    });
                }
                let Some(character) = rest.chars().next() else { break };
                match character {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                rest = &rest[character.len_utf8()..];
            }
        }
    }
    known
}

fn head(path: &str) -> String {
    path.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

/// The dependencies of a manifest, of any kind.
pub(crate) fn dependencies(manifest: &str) -> Vec<&str> {
    let mut is_listing = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            is_listing = section.trim_end_matches(']').ends_with("dependencies");
        } else if is_listing && !line.is_empty() && !line.starts_with('#') {
            found.extend(line.split(['.', '=', ' ']).next());
        }
    }
    found
}
