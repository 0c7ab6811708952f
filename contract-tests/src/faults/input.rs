//! F24, F25 and F28: records of another shape, files that others write as they please, and a record
//! that stops a mapping.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::client::{line, unit};
use super::oracle::Allowed;
use super::place::{Place, text};
use super::programme::{Ended, Figures, Plan};
use crate::rest::rest;

/// A line of another shape, made from a good one; its name.
type Drift = (&'static str, fn(&str) -> String);

const DRIFTS: &[Drift] = &[
    ("a field more", |good| good.replace(r#""titolo""#, r#""nuovo":1,"titolo""#)),
    ("a field less", |good| good.replace(r#""titolo""#, r#""descrizione""#)),
    ("another type", |good| good.replace(r#""tipo":"corso""#, r#""tipo":7"#)),
    ("a new code", |good| good.replace(r#""tipo":"corso""#, r#""tipo":"podcast""#)),
    ("a new kind", |good| good.replace(r#""kind":"risorsa""#, r#""kind":"pianeta""#)),
    ("another schema", |good| good.replace(r#""schema_version":1"#, r#""schema_version":9"#)),
    ("half a line", |good| good.chars().take(40).collect()),
    ("no record at all", |_| "[]".to_owned()),
];

/// F24: whatever is not understood stands aside with a reason, and its neighbours flow.
pub(super) fn drift(plan: &Plan) -> Result<Ended> {
    let mut chance = plan.chance("F24");
    let mut place = Place::new(plan)?;
    let mut figures = Figures::default();
    for round in 0..plan.ci_or_release(1, 20) {
        let ids = place.client.change(&mut chance, 4, 12);
        let mut lines: Vec<String> = ids.iter().map(|id| place.client.line(id)).collect();
        for (number, (_, make)) in DRIFTS.iter().enumerate() {
            let bad = make(&line(&format!("x-{round}-{number}"), "Fuori forma"));
            // What a file is, is told by its first line: a foreign one there refuses the file as a whole.
            lines.insert(chance.usize(1..=lines.len()), bad);
        }
        let records = ids.iter().map(|id| (id.clone(), place.client.records[id].written.len())).collect();
        let documents = place.documents();
        let (file, digest) = place.client.write_lines(&documents, &format!("{round}.ndjson"), lines, records)?;
        let facts = place.run(&["import", "file-drop", text(&file)?])?.json()?;
        figures.injected += DRIFTS.len() as u64;
        if facts["quarantined"] != DRIFTS.len() || facts["new"] != ids.len() || facts["balanced"] != Value::Bool(true) {
            figures.violated(format!("of {} good and {} bad lines: {facts}", ids.len(), DRIFTS.len()));
        }
        place.client.acknowledged(&digest);
    }
    place.settle(&mut figures, &Allowed::default())?;
    Ok(Ended::Ran(figures))
}

/// F25: a file twice, re-sorted, half-written, replaced while it is read.
pub(super) fn files(plan: &Plan) -> Result<Ended> {
    let mut chance = plan.chance("F25");
    let mut place = Place::new(plan)?;
    let mut figures = Figures::default();
    for round in 0..plan.ci_or_release(5, 20) {
        let ids = place.client.change(&mut chance, 10, 10);
        place.import(&ids, &format!("{round}.ndjson"))?;
        let versions = place.store.number("select count(*) from record_version")?;

        // The same bytes under another name, and the same lines in another order.
        place.drop_in(&ids, &format!("{round}-again.ndjson"))?;
        let mut shuffled = ids.clone();
        chance.shuffle(&mut shuffled);
        place.drop_in(&shuffled, &format!("{round}-sorted.ndjson"))?;
        figures.injected += 2;
        place.converge(&Allowed::default())?;
        let now = place.store.number("select count(*) from record_version")?;
        if now != versions {
            figures.duplicated += u64::try_from(now - versions).unwrap_or_default();
            figures.violated(format!("the same file again gave {} versions more", now - versions));
        }
        half_written(&mut place, &mut chance, round, &mut figures)?;
        replaced(&mut place, &mut chance, round, &mut figures)?;
    }
    place.settle(&mut figures, &Allowed::default())?;
    Ok(Ended::Ran(figures))
}

/// Half a file under a name that is not read yet, then half a file under its own name.
fn half_written(place: &mut Place, chance: &mut fastrand::Rng, round: usize, figures: &mut Figures) -> Result<()> {
    let ids = place.client.change(chance, 5, 5);
    let lines: Vec<String> = ids.iter().map(|id| place.client.line(id)).collect();
    let whole = lines.iter().fold(String::new(), |text, line| text + line + "\n");
    let half = whole.len() / 2 + chance.usize(0..20);
    let inbox = place.inbox();
    let unfinished = inbox.join(format!("{round}-half.ndjson.part"));
    std::fs::write(&unfinished, &whole[..half])?;
    figures.injected += 1;
    let versions = place.store.number("select count(*) from record_version")?;
    ensure!(place.run(&["sync", "file-drop"])?.code() == Some(0), "a read beside an unfinished file failed");
    if place.store.number("select count(*) from record_version")? != versions {
        figures.violated("a file under the name of an unfinished one was read");
    }
    std::fs::remove_file(unfinished)?;

    // Whoever writes in place can be read half: the half line stands aside, the rest follows.
    let name = inbox.join(format!("{round}-half.ndjson"));
    std::fs::write(&name, &whole[..half])?;
    let parts: Vec<String> = whole[..half].lines().map(str::to_owned).collect();
    // The client knows this half as a document of its own, of which nothing was acknowledged.
    place.client.known(&whole.as_bytes()[..half], parts);
    figures.injected += 1;
    drop(place.run(&["sync", "file-drop"])?);
    let (path, digest) = place.client.write(&inbox, &format!("{round}-half.ndjson"), &ids)?;
    place.waiting.push((path, digest));
    place.converge(&Allowed::default())?;
    Ok(())
}

/// A file that is replaced again and again while it is read: what is read is one of them, whole.
fn replaced(place: &mut Place, chance: &mut fastrand::Rng, round: usize, figures: &mut Figures) -> Result<()> {
    let documents = place.documents();
    let name = format!("{round}-replaced.ndjson");
    let ids = place.client.change(chance, 20, 20);
    let (file, _) = place.client.write(&documents, &name, &ids)?;
    let import = place.start(&["import", "file-drop", text(&file)?])?;
    for _ in 0..3 {
        rest(Duration::from_millis(chance.u64(5..40)));
        for id in &ids {
            place.client.change_one(id);
        }
        place.client.write(&documents, &name, &ids)?;
        figures.injected += 1;
    }
    let ended = import.wait(Duration::from_mins(1))?;
    // Read, or refused because it changed.
    ensure!(matches!(ended.code(), Some(0 | 1)), "an import of a file that is replaced ended with {}", ended.status);
    let (file, digest) = place.client.write(&documents, &name, &ids)?;
    place.import_file(&file, &digest)
}

/// F28: a record that stops the mapping stands aside, one that stops the composition too; their
/// neighbours flow, and both are mended with the mapping.
pub(super) fn poison(plan: &Plan) -> Result<Ended> {
    let mut chance = plan.chance("F28");
    let mut figures = Figures::default();
    for round in 0..plan.ci_or_release(5, 20) {
        let mut place = Place::new(plan)?;
        let ids = place.client.change(&mut chance, 0, 20);
        let documents = place.documents();
        let (file, digest) = place.client.write(&documents, "first.ndjson", &ids)?;
        let poisoned = &ids[chance.usize(..ids.len())];
        let asked = format!("mapping=return({poisoned})");
        let ended = place
            .start_with(&["import", "file-drop", text(&file)?], &[("FAILPOINTS", &asked)])?
            .wait(Duration::from_mins(1))?;
        let facts = ended.json()?;
        figures.injected += 1;
        if ended.code() != Some(0) || facts["quarantined"] != 1 || facts["new"] != ids.len() - 1 {
            figures.violated(format!("round {round}: a record that stops the mapping: {facts}"));
        }
        // The neighbours flow while it stands aside, but for one that stops its composition.
        let stubborn = &ids[chance.usize(..ids.len())];
        let asked = format!("compose=return({})", unit(stubborn));
        let sync = place.start_with(&["sync", "file-drop"], &[("FAILPOINTS", &asked)])?.wait(Duration::from_mins(1))?;
        figures.injected += 1;
        let expected = if stubborn == poisoned { 0 } else { 5 };
        if sync.code() != Some(expected) {
            figures.violated(format!("round {round}: a record that stops its composition: {}", sync.status));
        }
        let open: BTreeSet<String> = [unit(stubborn)].into();
        place.judge(&mut figures, &Allowed { open_units: open, ..Allowed::default() })?;
        // The mapping is mended: the same file is read again, the stopped unit is sent again.
        place.import_file(&file, &digest)?;
        drop(place.run(&["reconcile", "hub", "--repair"])?);
        place.settle(&mut figures, &Allowed::default())?;
    }
    Ok(Ended::Ran(figures))
}
