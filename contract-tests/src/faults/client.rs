//! The client: writes documents, and keeps a ledger of what it wrote and of what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What the client knows of one record.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The titles that it gave it, in order; one version each.
    pub written: Vec<String>,
    /// Which of them were acknowledged, counted from one.
    pub acknowledged: BTreeSet<usize>,
}

/// A document that the client wrote.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub digest: String,
    /// Its lines, in order.
    pub lines: Vec<String>,
    /// The records in it, with the version of each.
    pub records: Vec<(String, usize)>,
}

/// The client.
#[derive(Debug, Default)]
pub struct Client {
    /// Its records, by identifier.
    pub records: BTreeMap<String, Known>,
    /// Its documents, by digest.
    pub documents: BTreeMap<String, Document>,
    /// Characters that make each title longer: records that take more room.
    pub padding: usize,
    next: usize,
}

impl Client {
    /// Changes some known records, picked by chance, and makes some new ones. Gives their ids.
    pub fn change(&mut self, chance: &mut fastrand::Rng, changed: usize, new: usize) -> Vec<String> {
        let mut ids: Vec<String> = self.records.keys().cloned().collect();
        chance.shuffle(&mut ids);
        ids.truncate(changed);
        for _ in 0..new {
            self.next += 1;
            ids.push(format!("r-{:06}", self.next));
        }
        for id in &ids {
            self.change_one(id);
        }
        ids
    }

    /// Changes one record.
    pub fn change_one(&mut self, id: &str) {
        let known = self.records.entry(id.to_owned()).or_default();
        let title = format!("Risorsa {id}, versione {}{}", known.written.len() + 1, "x".repeat(self.padding));
        known.written.push(title);
    }

    /// A document that somebody may read although it was never meant to be: half a file.
    pub fn known(&mut self, bytes: &[u8], lines: Vec<String>) {
        let digest = hex(&Sha256::digest(bytes));
        let document = Document { name: String::new(), digest: digest.clone(), lines, records: Vec::new() };
        self.documents.insert(digest, document);
    }

    /// The line of a record as it stands.
    pub fn line(&self, id: &str) -> String {
        let title = self.records.get(id).and_then(|known| known.written.last());
        line(id, title.map_or("", String::as_str))
    }

    /// Writes a document with these records as they stand, under another name first: complete or
    /// not there.
    pub fn write(&mut self, folder: &Path, name: &str, ids: &[String]) -> Result<(PathBuf, String)> {
        let lines: Vec<String> = ids.iter().map(|id| self.line(id)).collect();
        let records = ids.iter().map(|id| (id.clone(), self.records[id].written.len())).collect();
        self.write_lines(folder, name, lines, records)
    }

    /// Writes a document with these lines.
    pub fn write_lines(
        &mut self,
        folder: &Path,
        name: &str,
        lines: Vec<String>,
        records: Vec<(String, usize)>,
    ) -> Result<(PathBuf, String)> {
        let text = lines.iter().fold(String::new(), |text, line| text + line + "\n");
        let (path, part) = (folder.join(name), folder.join(format!("{name}.part")));
        let mut file = File::create(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(part, &path)?;
        let digest = hex(&Sha256::digest(text.as_bytes()));
        let document = Document { name: name.to_owned(), digest: digest.clone(), lines, records };
        self.documents.insert(digest.clone(), document);
        Ok((path, digest))
    }

    /// The document was acknowledged: from now on its records must never be lost.
    pub fn acknowledged(&mut self, digest: &str) {
        let Some(document) = self.documents.get(digest) else { return };
        for (id, version) in &document.records {
            if let Some(known) = self.records.get_mut(id) {
                known.acknowledged.insert(*version);
            }
        }
    }

    /// How many acknowledged records there are.
    pub fn acknowledged_records(&self) -> usize {
        self.records.values().filter(|known| !known.acknowledged.is_empty()).count()
    }
}

/// A line of the canonical format.
pub fn line(id: &str, title: &str) -> String {
    let body: Value = json!({ "origine": "prova", "id": id, "tipo": "corso", "titolo": title });
    json!({ "schema_version": 1, "kind": "risorsa", "body": body }).to_string()
}

/// The unit of the target that shows a record.
pub fn unit(id: &str) -> String {
    format!("risorse/prova/{id}")
}

/// Bytes as text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
