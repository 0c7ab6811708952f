//! Lists that announce how many rows they have and give fewer, though no page is missing: they are never
//! taken for whole, by nobody who reads them.

use super::Subject;
use super::evidence::{Holds, List, Paging, Reader};
use super::reading::{populate, read};
use super::shelf::Shelf;
use super::shifts::{all_units, proxy};
use super::subject::Running;

/// The lists that announce a total; none when there is none.
fn with_total(holds: &Holds, reader: Reader) -> Vec<&List> {
    holds.lists_of(reader).filter(|list| matches!(list.paging, Paging::Number { .. })).collect()
}

/// Every such list of the source.
pub(super) async fn source(subject: &Subject, holds: &Holds) -> Option<Result<String, String>> {
    let lists = with_total(holds, Reader::Source);
    let mut told = Vec::new();
    for list in &lists {
        let running = subject.with(&list.settings).await;
        if holds.populated {
            populate(subject, &running).await;
        }
        let outcome = of_source(&running, list).await;
        running.stop().await;
        match outcome {
            Ok(()) => told.push(list.name.as_str()),
            Err(problem) => return Some(Err(format!("{}: {problem}", list.name))),
        }
    }
    (!lists.is_empty()).then(|| Ok(told.join(", ")))
}

async fn of_source(running: &Running, list: &List) -> Result<(), String> {
    let proxy = proxy(running);
    let before = proxy.exchanges().len();
    let first = read(running, None).await;
    if let Some(error) = first.error {
        return Err(format!("not read at all: {error}"));
    }
    proxy.shelve(Some(Shelf::of(list, proxy.exchanges().get(before..).unwrap_or_default())?));
    if let Some(error) = read(running, None).await.error {
        return Err(format!("not read though the total is right: {error}"));
    }
    proxy.shelf(|shelf| shelf.overstate(1));
    match read(running, None).await.error {
        Some(_) => Ok(()),
        None => Err("one row less than announced, and read as whole".to_owned()),
    }
}

/// Every such list of the observer.
pub(super) async fn observer(subject: &Subject, holds: &Holds) -> Option<Result<String, String>> {
    let lists = with_total(holds, Reader::Observer);
    let mut told = Vec::new();
    for list in &lists {
        let running = subject.with(&list.settings).await;
        populate(subject, &running).await;
        let outcome = of_observer(&running, list).await;
        running.stop().await;
        match outcome {
            Ok(()) => told.push(list.name.as_str()),
            Err(problem) => return Some(Err(format!("{}: {problem}", list.name))),
        }
    }
    (!lists.is_empty()).then(|| Ok(told.join(", ")))
}

async fn of_observer(running: &Running, list: &List) -> Result<(), String> {
    let proxy = proxy(running);
    let before = proxy.exchanges().len();
    all_units(running).await?;
    proxy.shelve(Some(Shelf::of(list, proxy.exchanges().get(before..).unwrap_or_default())?));
    all_units(running).await.map_err(|error| format!("not read though the total is right: {error}"))?;
    proxy.shelf(|shelf| shelf.overstate(1));
    match all_units(running).await {
        Err(_) => Ok(()),
        Ok(_) => Err("one unit less than announced, and read as whole".to_owned()),
    }
}
