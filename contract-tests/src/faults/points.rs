//! F2: at every fault point of the program it is killed, given an error, and made to wait.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::oracle::Allowed;
use super::place::{Place, text};
use super::programme::{Ended, Figures, Plan};

/// What passes a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Import,
    Deliver,
    /// A read of the target's own list, which leaves a cursor.
    ReadHub,
}

/// Every point, and the work that passes it.
const POINTS: &[(&str, Work)] = &[
    ("version.before", Work::Import),
    ("version.after", Work::Import),
    ("intent.before", Work::Deliver),
    ("intent.after", Work::Deliver),
    ("answer", Work::Deliver),
    ("outcome.before", Work::Deliver),
    ("outcome.after", Work::Deliver),
    ("round.before", Work::Deliver),
    ("round.after", Work::Deliver),
    ("sweep.before", Work::Deliver),
    ("sweep.after", Work::Deliver),
    ("cursor.before", Work::ReadHub),
    ("cursor.after", Work::ReadHub),
];

/// What happens there.
const FAULTS: &[&str] = &["kill", "error", "150"];

/// How many cases run at the same time: they mostly wait.
const BESIDE: usize = 6;

/// One case: where, what, and how often the point is passed before.
type Case = (&'static str, Work, &'static str, u32);

/// F2.
pub(super) fn every_point(plan: &Plan) -> Result<Ended> {
    let mut chance = plan.chance("F2");
    let mut cases: Vec<Case> = Vec::new();
    for _ in 0..plan.ci_or_release(1, 6) {
        for (point, work) in POINTS {
            // A delivery passes its points many times; an import of one batch passes them once.
            let most = if *work == Work::Deliver && !point.starts_with("sweep") { 3 } else { 0 };
            cases.extend(FAULTS.iter().map(|fault| (*point, *work, *fault, chance.u32(0..=most))));
        }
    }
    let seed = chance.u64(..);
    let (cases, figures) = (Mutex::new(cases.into_iter().enumerate()), Mutex::new(Figures::default()));
    std::thread::scope(|scope| {
        for _ in 0..BESIDE {
            scope.spawn(|| {
                while let Some((number, case)) = next(&cases) {
                    let chance = fastrand::Rng::with_seed(seed.wrapping_add(number as u64));
                    let done = one(plan, case, chance).unwrap_or_else(|error| Figures {
                        violations: vec![format!("{}={}: not judged: {error:#}", case.0, case.2)],
                        ..Figures::default()
                    });
                    figures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(done);
                }
            });
        }
    });
    let figures = figures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    ensure!(figures.injected > 0, "nothing was injected: was the program built with its fault points?");
    Ok(Ended::Ran(figures))
}

fn next(cases: &Mutex<impl Iterator<Item = (usize, Case)>>) -> Option<(usize, Case)> {
    cases.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next()
}

fn one(plan: &Plan, (point, work, fault, before): Case, mut chance: fastrand::Rng) -> Result<Figures> {
    let mut place = Place::new(plan)?;
    let mut figures = Figures::default();
    let allowed = Allowed::default();
    // Something stands already, and is changed under the fault.
    let ids = place.client.change(&mut chance, 0, 6);
    place.import(&ids, "first.ndjson")?;
    place.converge(&allowed)?;
    for id in ["a", "b", "c"] {
        place.target.give(id, "Corso");
    }

    let ids = place.client.change(&mut chance, 4, 6);
    let documents = place.documents();
    let (file, digest) = place.client.write(&documents, "second.ndjson", &ids)?;
    if work != Work::Import {
        place.import_file(&file, &digest)?;
    }
    let asked = match fault {
        "150" => format!("{point}={before}*off->3*return(150)"),
        fault => format!("{point}={before}*off->1*return({fault})"),
    };
    let arguments = match work {
        Work::Import => vec!["import", "file-drop", text(&file)?],
        Work::Deliver => vec!["sync", "file-drop", "--wait", "8"],
        Work::ReadHub => vec!["sync", "hub", "--wait", "8"],
    };
    let ended = place.start_with(&arguments, &[("FAILPOINTS", &asked)])?.wait(Duration::from_mins(1))?;
    let log = std::fs::read_to_string(place.path().join("log"))?;
    figures.injected = log.matches("fault injected").count() as u64;
    ensure!(figures.injected > 0, "the point was never passed");
    let was_killed = ended.code().is_none();
    ensure!(was_killed == (fault == "kill"), "it ended with {}", ended.status);
    if work == Work::Import {
        if ended.code() == Some(0) {
            place.client.acknowledged(&digest);
        }
        ensure!(fault != "error" || ended.code() != Some(0), "an import that failed was acknowledged");
        // The client repeats what was not acknowledged, and may repeat what was.
        place.import_file(&file, &digest)?;
    }
    if work == Work::ReadHub {
        let ended = place.run(&["sync", "hub"])?;
        ensure!(ended.code() == Some(0), "a read without faults ended with {}", ended.status);
        let read = place.store.number("select count(*) from record where source = 'hub'")?;
        let versions = place
            .store
            .number("select count(*) from record_version v join record r on r.id = v.record where r.source = 'hub'")?;
        let cursor = place.store.number("select count(*) from source_cursor where source = 'hub' and cursor = '3'")?;
        if (read, versions, cursor) != (3, 3, 1) {
            figures.violated(format!("{point}={fault}: {read} records, {versions} versions, {cursor} cursors"));
        }
    }
    let violated = figures.violations.len();
    place.settle(&mut figures, &allowed)?;
    for violation in &mut figures.violations[violated..] {
        violation.insert_str(0, &format!("{point}={fault}: "));
    }
    Ok(figures)
}
