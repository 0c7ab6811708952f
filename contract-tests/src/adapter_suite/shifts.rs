//! Lists that change while they are read: a row appears, or goes, after the first page was given. Every
//! row that was there all the time must be met, and as what it was; or the reading must say that it is
//! not complete.

use std::collections::{BTreeMap, BTreeSet};

use canonical::{Body, Kind, RecordKey};
use contract::{RawRecord, Row, Source, UnitKey};
use serde_json::Value;

use super::Subject;
use super::evidence::{Holds, List, Reader, Whole};
use super::proxy::{Exchange, Proxy};
use super::reading::{Given, populate, read};
use super::shelf::{Shelf, Shift, joined, text_at};
use super::subject::Running;
use super::target::inventory;

const SHIFTS: [Shift; 2] = [Shift::Appears, Shift::Goes];

/// What a source made of a row, however often it met it: the records, each with its content.
type Understood = BTreeSet<(Kind, RecordKey, String)>;

/// Every list that the source reads page by page; none when it has no pages, and the evidence says why.
pub(super) async fn source(subject: &Subject, holds: &Holds) -> Option<Result<String, String>> {
    let lists: Vec<&List> = holds.lists_of(Reader::Source).collect();
    match (&holds.whole, lists.as_slice()) {
        (Some(_), []) => return None,
        (None, []) => {
            return Some(Err("holds.json says neither how lists are paged nor why there are none".to_owned()));
        }
        (Some(_), _) => {
            return Some(Err("holds.json says both that there are pages and that there are none".to_owned()));
        }
        (None, _) => {}
    }
    let mut told = Vec::new();
    for list in lists {
        match source_list(subject, holds, list).await {
            Ok(said) => told.push(format!("{}: {said}", list.name)),
            Err(problem) => return Some(Err(format!("{}: {problem}", list.name))),
        }
    }
    Some(Ok(told.join(", ")))
}

async fn source_list(subject: &Subject, holds: &Holds, list: &List) -> Result<String, String> {
    let running = subject.with(&list.settings).await;
    if holds.populated {
        populate(subject, &running).await;
    }
    let before = proxy(&running).exchanges().len();
    let first = read(&running, None).await;
    let shelf = Shelf::of(list, proxy(&running).exchanges().get(before..).unwrap_or_default());
    let outcome = match shelf {
        Ok(shelf) if first.error.is_none() => tried(&running, list, shelf).await,
        Ok(_) => Err("the list is not read without pages".to_owned()),
        Err(problem) => Err(problem),
    };
    running.stop().await;
    outcome
}

async fn tried(running: &Running, list: &List, shelf: Shelf) -> Result<String, String> {
    let proxy = proxy(running);
    let source = running.adapter.source().ok_or("no source")?;
    proxy.shelve(Some(shelf));
    let is_enough = proxy.shelf(|shelf| shelf.begin(None));
    assert!(is_enough, "{}: too few rows for two pages", list.name);
    let still = read(running, None).await;
    let rows = proxy.shelf(|shelf| shelf.rows());
    complete(&still)?;
    let known: Vec<(Value, Option<Understood>)> =
        rows.iter().map(|row| (row.clone(), understood(source, list, row, &still))).collect();
    if let Some((row, _)) = known.iter().find(|(_, understood)| understood.is_none()) {
        return Err(format!("row {} is not met when the list is read page by page", joined(row, &list.identity)));
    }
    let mut incomplete = 0;
    for shift in SHIFTS {
        let is_enough = proxy.shelf(|shelf| shelf.begin(Some(shift)));
        assert!(is_enough, "{}: too few rows for two pages", list.name);
        let moved = read(running, None).await;
        let has_shifted = proxy.shelf(|shelf| shelf.has_shifted());
        if moved.error.is_some() {
            incomplete += 1;
            continue;
        }
        complete(&moved)?;
        assert!(has_shifted, "{}: nothing changed between two pages", list.name);
        let stay = proxy.shelf(Shelf::stay);
        for (row, before) in known.iter().filter(|(row, _)| stay.contains(row)) {
            let after = understood(source, list, row, &moved);
            let name = joined(row, &list.identity);
            if after.is_none() {
                return Err(format!("{shift:?}: row {name} was there all the time, and was not read"));
            }
            if after != *before {
                return Err(format!("{shift:?}: row {name} did not change, and was read as something else"));
            }
        }
    }
    Ok(format!("{} rows, {incomplete} of {} readings told as incomplete", rows.len(), SHIFTS.len()))
}

fn complete(given: &Given) -> Result<(), String> {
    match (&given.error, &given.disorder) {
        (Some(error), _) => Err(error.to_string()),
        (None, Some(disorder)) => Err(disorder.clone()),
        (None, None) => Ok(()),
    }
}

/// What was made of a row; none when it was not met.
fn understood(source: &dyn Source, list: &List, row: &Value, given: &Given) -> Option<Understood> {
    let identity: Vec<String> = list.identity.iter().filter_map(|place| text_at(row, place)).collect();
    let is_it = |raw: &&RawRecord| identity.iter().all(|part| raw.text.contains(part.as_str()));
    let mut of_row = given.records.iter().filter(is_it).peekable();
    of_row.peek()?;
    let drafts = of_row.flat_map(|raw| source.normalize(raw).records);
    let content = |body: &Body| serde_json::to_string(body).unwrap_or_default();
    Some(drafts.map(|draft| (draft.body.kind(), draft.body.key(), content(&draft.body))).collect())
}

/// A source without pages asks for nothing twice with parameters that differ in anything but what is
/// asked for.
pub(super) fn is_whole(whole: &Whole, exchanges: &[Exchange]) -> Result<(), String> {
    let mut asked: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for exchange in exchanges {
        let place = exchange.query.iter().filter(|(name, _)| !whole.asked_by.contains(name));
        let place: Vec<_> = place.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if asked.entry(&exchange.path).or_insert_with(|| place.clone()) != &place {
            return Err(format!(
                "{} is asked for in parts, though the evidence says that it comes whole",
                exchange.path
            ));
        }
    }
    Ok(())
}

/// The list that the observer reads page by page.
pub(super) async fn observer(subject: &Subject, holds: &Holds) -> Result<String, String> {
    let lists: Vec<&List> = holds.lists_of(Reader::Observer).collect();
    if lists.is_empty() {
        return Err("holds.json does not say how the inventory is paged".to_owned());
    }
    let mut told = Vec::new();
    for list in lists {
        let running = subject.with(&list.settings).await;
        populate(subject, &running).await;
        let outcome = observed(&running, list).await;
        running.stop().await;
        told.push(format!("{}: {}", list.name, outcome.map_err(|problem| format!("{}: {problem}", list.name))?));
    }
    Ok(told.join(", "))
}

async fn observed(running: &Running, list: &List) -> Result<String, String> {
    let proxy = proxy(running);
    let before = proxy.exchanges().len();
    let units = all_units(running).await?;
    let shelf = Shelf::of(list, proxy.exchanges().get(before..).unwrap_or_default())?;
    proxy.shelve(Some(shelf));
    let is_enough = proxy.shelf(|shelf| shelf.begin(None));
    assert!(is_enough, "{}: too few units for two pages", list.name);
    if all_units(running).await? != units {
        return Err("page by page the inventory is another one".to_owned());
    }
    let mut incomplete = 0;
    for shift in SHIFTS {
        let is_enough = proxy.shelf(|shelf| shelf.begin(Some(shift)));
        assert!(is_enough, "{}: too few units for two pages", list.name);
        let Ok(moved) = all_units(running).await else {
            incomplete += 1;
            continue;
        };
        assert!(proxy.shelf(|shelf| shelf.has_shifted()), "{}: nothing changed between two pages", list.name);
        if !moved.is_sorted_by(|(one, _), (next, _)| one < next) {
            return Err(format!("{shift:?}: a unit comes twice, or out of order"));
        }
        let stay: Vec<String> = proxy.shelf(Shelf::stay).iter().map(|row| joined(row, &list.identity)).collect();
        for (key, rows) in units.iter().filter(|(key, _)| stay.iter().any(|stays| stays == key.as_str())) {
            match moved.iter().find(|(moved, _)| moved == key) {
                None => return Err(format!("{shift:?}: {key} was there all the time, and is called missing")),
                Some((_, moved)) if moved != rows => {
                    return Err(format!("{shift:?}: {key} did not change, and differs"));
                }
                Some(_) => {}
            }
        }
    }
    Ok(format!("{} units, {incomplete} of {} readings told as incomplete", units.len(), SHIFTS.len()))
}

pub(super) async fn all_units(running: &Running) -> Result<Vec<(UnitKey, Vec<Row>)>, String> {
    inventory(running.adapter.observer()).await.ok_or("no observer")?
}

pub(super) fn proxy(running: &Running) -> &Proxy {
    running.proxy.as_ref().expect("a system that is asked page by page is reached over HTTP")
}
