//! The published extracts, read whole, against the counts that an importer must reproduce.

mod cases;
mod mop;
mod plans;
mod pure;
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use canonical::kinds::{CollegamentoCupCig, Ente, Progetto};
use canonical::{Body, Rule};
use contract::{DocumentHeader, Normalized, RawRecord, Received};
use kit::Links;
use kit::published::LocalTable;

use crate::documents::give_document;
use crate::gather::rows_of;
use crate::read::normalize;
use crate::row::Row;
use crate::wire::{FORMATS, Format};

/// A table that was read and understood.
struct Table {
    header: Arc<DocumentHeader>,
    raws: Vec<RawRecord>,
    all: Vec<Normalized>,
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/samples").join(name)
}

fn attesi(folder: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(sample(folder).join("attesi.json")).unwrap()).unwrap()
}

fn every_format() -> Vec<String> {
    FORMATS.iter().map(|format| format.name.to_owned()).collect()
}

/// What a source of these formats gives for a file.
fn given(path: &Path, formats: &[String]) -> Vec<Received> {
    let mut given = Vec::new();
    let mut give = |received| {
        given.push(received);
        Ok(())
    };
    let local = LocalTable { path, links: Links::Refuse, remote_id: None, formats, max_bytes: 1 << 30 };
    give_document(&local, &mut give).unwrap();
    given
}

fn read(name: &str) -> Table {
    let given = given(&sample(name), &every_format());
    let Some(Received::Begin(header)) = given.first() else { panic!("{name}: {:?}", given.first()) };
    assert_eq!(given.last(), Some(&Received::End), "{name}");
    let records = given.iter().filter_map(|received| match received {
        Received::Record(raw) => Some(raw.clone()),
        _ => None,
    });
    let raws: Vec<_> = records.collect();
    let all: Vec<_> = raws.iter().map(normalize).collect();
    for (raw, normalized) in raws.iter().zip(&all) {
        // Nothing is dropped, and nothing is both.
        assert_ne!(normalized.records.is_empty(), normalized.set_aside.is_none(), "{name}, line {}", raw.line);
    }
    Table { header: Arc::clone(header), raws, all }
}

impl Table {
    fn rows(&self) -> Vec<RawRecord> {
        self.raws.iter().flat_map(rows_of).collect()
    }

    /// What the mapping reads in each row, before it asks whether the row can be a record.
    fn readings<T>(&self, read: impl Fn(&Row<'_>) -> T) -> Vec<T> {
        let format = Format::find(&self.header.format, &self.header.version).unwrap();
        self.rows().iter().map(|raw| read(&Row::of(format, raw).unwrap())).collect()
    }

    fn bodies(&self) -> impl Iterator<Item = &Body> {
        self.all.iter().flat_map(|normalized| &normalized.records).map(|record| &record.body)
    }

    /// As the ledger keeps them: one for each key, the first of a document.
    fn ledger(&self) -> BTreeMap<String, &Body> {
        let mut kept = BTreeMap::new();
        for body in self.bodies() {
            kept.entry(format!("{}:{}", body.kind(), body.key().as_str())).or_insert(body);
        }
        kept
    }

    fn links(&self) -> Vec<&CollegamentoCupCig> {
        let mut found = Vec::new();
        for body in self.ledger().into_values() {
            if let Body::CollegamentoCupCig(it) = body {
                found.push(it);
            }
        }
        found
    }

    fn projects(&self) -> Vec<&Progetto> {
        let mut found = Vec::new();
        for body in self.ledger().into_values() {
            if let Body::Progetto(it) = body {
                found.push(it);
            }
        }
        found
    }

    fn enti(&self) -> Vec<&Ente> {
        let mut found = Vec::new();
        for body in self.ledger().into_values() {
            if let Body::Ente(it) = body {
                found.push(it);
            }
        }
        found
    }

    fn findings(&self, rule: Rule) -> usize {
        self.all.iter().flat_map(|normalized| &normalized.findings).filter(|finding| finding.rule == rule).count()
    }

    fn aside(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for set_aside in self.all.iter().filter_map(|normalized| normalized.set_aside.as_ref()) {
            *counts.entry(set_aside.rule.code()).or_default() += 1;
        }
        counts
    }
}

#[test]
fn every_file_is_recognised_by_its_header_and_read_whole() {
    let mut formats = BTreeSet::new();
    for (name, format, rows) in [
        ("mop/cup_cig.csv", "cup-cig", 7060),
        ("mop/enti.csv", "enti", 357),
        ("mop/gare.csv", "gare", 4248),
        ("mop/openbdap-messina-cig.parte1.csv", "openbdap-cig", 53),
        ("mop/openbdap-messina-cup.parte1.csv", "openbdap-cup", 183),
        ("mop/opencup-messina.parte1.csv", "opencup", 183),
        ("mop/opencup.csv", "opencup-estratto", 1727),
        ("mop/opere_2024-12-22.csv", "opere", 1766),
        ("mop/opere_2026-04-30.csv", "opere", 1829),
        ("mop/pagamenti.csv", "pagamenti", 1175),
        ("pnrr_pnc/pnc-aggiudicatari.csv", "pnc-aggiudicatari", 146),
        ("pnrr_pnc/pnc-gare-comuni-a-regis.csv", "pnc-gare", 21),
        ("pnrr_pnc/pnc-gare.csv", "pnc-gare", 255),
        ("pnrr_pnc/pnc-localizzazione.csv", "pnc-localizzazione", 874),
        ("pnrr_pnc/pnc-progetti.csv", "pnc-progetti", 318),
        ("pnrr_pnc/pnc-subappaltatori.csv", "pnc-subappaltatori", 32),
        ("pnrr_pnc/regis-aggiudicatari.csv", "regis-aggiudicatari", 587),
        ("pnrr_pnc/regis-gare-universo.csv", "regis-gare-universo", 1136),
        ("pnrr_pnc/regis-gare-validati.csv", "regis-gare-validati", 374),
        ("pnrr_pnc/regis-pagamenti.csv", "regis-pagamenti", 155),
        ("pnrr_pnc/regis-subappaltatori.csv", "regis-subappaltatori", 149),
    ] {
        let table = read(name);
        assert_eq!((table.header.format.as_str(), table.rows().len()), (format, rows), "{name}");
        formats.insert((table.header.format.clone(), table.header.version.clone()));
    }
    assert_eq!(formats.len(), FORMATS.len());
}

#[test]
fn no_finding_and_no_debug_text_names_a_person() {
    let names = ["gare.csv", "opencup.csv"].map(|name| format!("mop/{name}"));
    let plans = ["pnc-subappaltatori.csv", "regis-aggiudicatari.csv"].map(|name| format!("pnrr_pnc/{name}"));
    for name in names.iter().chain(&plans) {
        for normalized in read(name).all {
            for finding in &normalized.findings {
                assert!(!finding.received.as_deref().is_some_and(canonical::identifiers::holds_personal_code));
            }
            assert!(!format!("{normalized:?}").contains("NOMINATIVO"), "{name}");
        }
    }
}
