//! Of a document that was refused whole no text is kept: where it is instead, and which command reads it again.

use std::path::PathBuf;

use crate::cli::words::Words;
use crate::config::{Config, SystemConfig};
use crate::storage::ParkedItem;

/// Where the file may be.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// In the folder that the source reads.
    Folder(PathBuf),
    /// The system itself gives it.
    System,
    /// It was named on a command line.
    Elsewhere,
}

/// What to do about it, in one sentence.
pub(super) fn remedy(config: &Config, item: &ParkedItem, words: &Words) -> String {
    let system = &item.system;
    let (begin, end) = if words.are_italian() { ("«", "»") } else { ("`", "`") };
    let quoted = |command: &str| format!("{begin}raccordo {command}{end}");
    match config.systems.get(system).map(|settings| place(config, settings, item)) {
        None => words.not_configured.to_owned(),
        Some(Place::Folder(path)) => {
            let command = quoted(&format!("sync {system}"));
            format!("{} {}: {} {command}", words.is_there, path.display(), words.then_read)
        }
        Some(Place::System) => format!("{} {}", words.is_asked_again, quoted(&format!("sync {system}"))),
        Some(Place::Elsewhere) => format!("{} {}", words.is_elsewhere, quoted(&format!("import {system} FILE"))),
    }
}

fn place(config: &Config, system: &SystemConfig, item: &ParkedItem) -> Place {
    let Some(folder) = system.settings.get("folder").and_then(toml::Value::as_str) else {
        let is_read_from_afar = system.simulated || !system.settings.is_empty();
        return if is_read_from_afar { Place::System } else { Place::Elsewhere };
    };
    let folder = config.folder.join(folder);
    // The line of the refusal stands behind the name.
    let without_line = item.key.rsplit_once(':').map(|(name, _)| name);
    let mut found = [Some(item.key.as_str()), without_line].into_iter().flatten().map(|name| folder.join(name));
    found.find(|path| path.is_file()).map_or(Place::Elsewhere, Place::Folder)
}

#[cfg(test)]
mod tests {
    use canonical::values::UtcInstant;

    use super::*;
    use crate::storage::{ParkedId, ParkedKind};

    #[test]
    fn a_refused_document_is_named_where_it_is_with_the_command_that_reads_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let configuration = "[systems.file-drop]\nsettings = { folder = \"in\" }\n[systems.pad-file]\n\
                             [systems.registri]\nsimulated = true\n";
        std::fs::write(folder.path().join("raccordo.toml"), configuration).expect("written");
        std::fs::create_dir(folder.path().join("in")).expect("a folder");
        std::fs::write(folder.path().join("in/rotto.xml"), "<").expect("written");
        let config = Config::load(folder.path()).expect("a configuration");
        let place = |system: &str, key: &str| {
            let item = ParkedItem {
                id: ParkedId { kind: ParkedKind::Document, number: 1 },
                kind: ParkedKind::Document,
                system: system.to_owned(),
                key: key.to_owned(),
                since: UtcInstant::from_unix_micros(0).expect("the epoch"),
                code: "truncated".to_owned(),
                message: String::new(),
                state: None,
                in_doubt: false,
                times: 1,
            };
            super::place(&config, &config.systems[system], &item)
        };
        let path = folder.path().join("in/rotto.xml");
        assert_eq!(place("file-drop", "rotto.xml"), Place::Folder(path.clone()));
        assert_eq!(place("file-drop", "rotto.xml:12"), Place::Folder(path));
        assert_eq!(place("file-drop", "altrove.xml"), Place::Elsewhere);
        assert_eq!(place("pad-file", "gare.csv"), Place::Elsewhere);
        assert_eq!(place("registri", "comuni"), Place::System);
    }
}
