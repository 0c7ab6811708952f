//! A read goes on from the cursor of the one before: with nothing changed it gives less than the whole,
//! and what appeared in between is given.

use std::collections::BTreeSet;

use super::Subject;
use super::evidence::{Holds, Resumes};
use super::reading::{Given, populate, read};
use super::shelf::Shelf;
use super::subject::Running;

/// Reads, resumes with nothing changed, then resumes with a row more.
pub(super) async fn run(subject: &Subject, holds: &Holds, first: &Given) -> Result<String, String> {
    let resumes = match (&holds.resumes, &first.cursor) {
        (Some(resumes), _) => resumes,
        (None, None) => return Err("the source gives no cursor: every read is a whole one".to_owned()),
        (None, Some(_)) => return Err("holds.json does not say what the cursor is tried with".to_owned()),
    };
    match resumes {
        Resumes::List(name) => {
            let list = holds.lists.iter().find(|list| list.name == *name);
            let list = list.unwrap_or_else(|| panic!("{}: no list of the source is called {name}", subject.system));
            let running = subject.with(&list.settings).await;
            if holds.populated {
                populate(subject, &running).await;
            }
            let proxy = running.proxy.as_ref().expect("a proxy");
            let before = proxy.exchanges().len();
            complete(&read(&running, None).await)?;
            let shelf = Shelf::of(list, proxy.exchanges().get(before..).unwrap_or_default())?;
            proxy.shelve(Some(shelf));
            let whole = read(&running, None).await;
            proxy.shelf(Shelf::hide_newest);
            let outcome = tried(&running, &whole, || proxy.shelf(Shelf::show)).await;
            running.stop().await;
            outcome
        }
        Resumes::Document { path, form } => {
            let running = subject.plain().await;
            let proxy = running.proxy.as_ref().expect("a proxy");
            let whole = read(&running, None).await;
            proxy.hide(Some((path.clone(), form.clone())));
            let outcome = tried(&running, &whole, || {
                assert!(proxy.rows_hidden() > 0, "{}: no row was hidden in {path}", subject.system);
                proxy.hide(None);
            })
            .await;
            running.stop().await;
            outcome
        }
    }
}

/// A row is hidden now, and shown on request.
async fn tried(running: &Running, whole: &Given, show: impl FnOnce()) -> Result<String, String> {
    let before = read(running, None).await;
    let cursor = complete(&before)?.cursor.clone().ok_or("the source gives no cursor: every read is a whole one")?;
    let known = texts(&before);
    let hidden: BTreeSet<&str> = texts(whole).difference(&known).copied().collect();
    if hidden.is_empty() {
        return Err("the row that is hidden is not read when it is there".to_owned());
    }
    let unchanged = read(running, Some(cursor.clone())).await;
    let again = complete(&unchanged)?.records.len();
    if again >= before.records.len() {
        return Err(format!("nothing changed, and {again} of {} rows come again", before.records.len()));
    }
    show();
    let resumed = read(running, Some(cursor)).await;
    let given = texts(complete(&resumed)?);
    match hidden.iter().filter(|text| !given.contains(*text)).count() {
        0 => Ok(format!("{again} of {} rows again, then the new one", before.records.len())),
        missing => Err(format!("{missing} rows appeared after the cursor, and were not read")),
    }
}

fn texts(given: &Given) -> BTreeSet<&str> {
    given.records.iter().map(|raw| raw.text.as_str()).collect()
}

fn complete(given: &Given) -> Result<&Given, String> {
    match (&given.error, &given.disorder) {
        (Some(error), _) => Err(error.to_string()),
        (None, Some(disorder)) => Err(disorder.clone()),
        (None, None) => Ok(given),
    }
}
