//! The journal of effects: what a simulated system did, one JSON document a line.
//!
//! An effect is on disk before its answer leaves. A last line without its end was never answered:
//! it is cut off when the journal opens. Any other unreadable line is an error, not a guess.

use std::fs::File;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::private;

/// An append-only journal of effects, in a file or nowhere.
#[derive(Debug)]
pub struct Journal<T> {
    file: Option<File>,
    is_broken: bool,
    entries: PhantomData<fn(T)>,
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// The name of the file in the state folder.
    pub const FILE_NAME: &'static str = "effects.ndjson";

    /// Opens the journal in a folder and gives the effects it remembers, in order. Without a
    /// folder it remembers nothing.
    pub fn open(folder: Option<&Path>) -> io::Result<(Self, Vec<T>)> {
        let Some(folder) = folder else {
            return Ok((Self { file: None, is_broken: false, entries: PhantomData }, Vec::new()));
        };
        private::create_folder(folder)?;
        let mut file = private::open_for_append(&folder.join(Self::FILE_NAME))?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let complete = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if complete < content.len() {
            file.set_len(complete as u64)?;
            file.sync_data()?;
        }
        let lines = content[..complete].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let remembered = lines.map(|line| Ok(serde_json::from_slice(line)?)).collect::<io::Result<_>>()?;
        Ok((Self { file: Some(file), is_broken: false, entries: PhantomData }, remembered))
    }

    /// Adds one effect and waits until it is on disk. After a failure the journal takes no more:
    /// what a failed write left behind is not known.
    pub fn append(&mut self, effect: &T) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if self.is_broken {
            return Err(io::Error::other("the journal failed before"));
        }
        let mut line = serde_json::to_vec(effect)?;
        line.push(b'\n');
        let written = file.write_all(&line).and_then(|()| file.sync_data());
        self.is_broken = written.is_err();
        written
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn open(folder: &Path) -> (Journal<u32>, Vec<u32>) {
        Journal::open(Some(folder)).expect("a journal")
    }

    #[test]
    fn effects_are_remembered_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut journal, remembered) = open(folder.path());
        assert!(remembered.is_empty());
        for effect in [3, 1, 2] {
            journal.append(&effect).expect("appended");
        }
        assert_eq!(open(folder.path()).1, [3, 1, 2]);
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_the_next_one_stands_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("effects.ndjson"), "1\n2\n{\"to").expect("a torn file");
        let (mut journal, remembered) = open(folder.path());
        assert_eq!(remembered, [1, 2]);
        journal.append(&4).expect("appended");
        assert_eq!(open(folder.path()).1, [1, 2, 4]);
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("effects.ndjson"), "1\nx\n2\n").expect("a damaged file");
        assert!(Journal::<u32>::open(Some(folder.path())).is_err());
    }

    #[test]
    fn without_a_folder_nothing_is_remembered() {
        let (mut journal, _) = Journal::<u32>::open(None).expect("a journal");
        journal.append(&1).expect("accepted");
    }
}
