//! F27: a worker falls silent for longer than its lease. Its work is taken over, and what it brings
//! afterwards comes too late.
//!
//! A late outcome that says what is known already is the same news twice, and does no harm. So the
//! work has gone on meanwhile: a newer revision is under way when those who are late speak.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::client::unit;
use super::oracle::Allowed;
use super::place::{Place, text};
use super::program::Running;
use super::programme::{Database, Ended, Figures, Plan};
use super::target::Fate;
use crate::rest::rest;

/// The shortest that the program admits.
const LEASE: Duration = Duration::from_secs(61);
/// How long the target works on a first revision, and on a newer one.
const FIRST: Duration = Duration::from_millis(700);
const NEWER: Duration = Duration::from_secs(3);
/// How long anything may take that needs no lease to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// F27.
pub(super) fn past_the_lease(plan: &Plan) -> Result<Ended> {
    let mut chance = plan.chance("F27");
    let mut figures = Figures::default();
    for round in 0..plan.ci_or_release(1, 8) {
        let mut place = Place::new(plan)?;
        let ids = place.client.change(&mut chance, 0, 12);
        place.import(&ids, "first.ndjson")?;
        // On a file the process itself takes the work over from those of its workers who are late.
        let daemons = if plan.database == Database::Postgres && round % 2 == 0 {
            frozen_beside_another(&mut place, &ids, &mut figures)?
        } else {
            late_in_one_process(&mut place, &ids, &mut figures)?
        };
        wind_up(&mut place, daemons, &mut figures)?;
    }
    Ok(Ended::Ran(figures))
}

/// One of two processes is stopped with requests under way, and wakes up when the other has delivered
/// what it held, and more.
fn frozen_beside_another(place: &mut Place, ids: &[String], figures: &mut Figures) -> Result<Vec<Running>> {
    place.target.script(|put, _| Fate::TakeAfter(if put.revision == 1 { FIRST } else { NEWER }));
    let mut frozen = place.start(&["serve"])?;
    frozen.page()?;
    until(PATIENCE, "no request came", || Ok(place.target.requests() > 1))?;
    frozen.signal("STOP")?;
    let late: BTreeSet<String> = place.target.puts().into_iter().map(|put| put.unit).collect();
    figures.injected += late.len() as u64;
    let mut other = place.start(&["serve"])?;
    other.page()?;
    let late = changed(place, ids, &late);
    place.import(&late, "second.ndjson")?;
    until(LEASE + PATIENCE, "nobody took the work over", || Ok(newer(place).0 >= late.len()))?;
    frozen.signal("CONT")?;
    ensure!(newer(place).1 > 0, "it woke up when everything was done");
    Ok(vec![frozen, other])
}

/// Workers fall silent with an answer in their hands, or just before they write down that they send;
/// the process is stopped until their leases have ended, and they speak when the others of the process
/// have gone on.
fn late_in_one_process(place: &mut Place, ids: &[String], figures: &mut Figures) -> Result<Vec<Running>> {
    // The target takes four requests at a time: a place is left for those who go on.
    const LATE: u32 = 3;
    place.target.script(|put, _| if put.revision == 1 { Fate::Take } else { Fate::TakeAfter(NEWER) });
    let silence = place.path().join("silence");
    std::fs::write(&silence, "")?;
    let file = text(&silence)?;
    let asked = format!("renew=return(error);intent.before=1*return({file});answer=2*return({file})");
    let mut daemon = place.start_with(&["serve"], &[("FAILPOINTS", &asked)])?;
    daemon.page()?;
    let open = "select count(*) from delivery where state <> 'acknowledged'";
    until(PATIENCE, "the others did not end", || {
        Ok(place.store.number(open)? == i64::from(LATE) && place.target.effects().len() + 1 == ids.len())
    })?;
    daemon.signal("STOP")?;
    let stopped = Instant::now();
    figures.injected += u64::from(LATE);
    let deliveries = place.store.read()?.deliveries.into_iter();
    let late =
        deliveries.filter(|delivery| delivery.state != "acknowledged").map(|delivery| delivery.unit_key).collect();
    let late = changed(place, ids, &late);
    place.drop_in(&late, "second.ndjson")?;
    rest((LEASE + Duration::from_millis(500)).saturating_sub(stopped.elapsed()));
    daemon.signal("CONT")?;
    until(PATIENCE, "nobody took the work over", || Ok(newer(place).1 > 0))?;
    std::fs::remove_file(&silence)?;
    Ok(vec![daemon])
}

/// Changes the records of these units, and gives their ids.
fn changed(place: &mut Place, ids: &[String], units: &BTreeSet<String>) -> Vec<String> {
    let ids: Vec<String> = ids.iter().filter(|id| units.contains(&unit(id))).cloned().collect();
    for id in &ids {
        place.client.change_one(id);
    }
    ids
}

/// Of how many units a newer revision was sent, and how many of these requests are under way.
fn newer(place: &Place) -> (usize, usize) {
    let puts = place.target.puts();
    let newer = puts.iter().filter(|put| put.revision > 1);
    let units: BTreeSet<&str> = newer.clone().map(|put| put.unit.as_str()).collect();
    (units.len(), newer.filter(|put| put.ended.is_none()).count())
}

/// Lets them end what they do, and judges.
fn wind_up(place: &mut Place, daemons: Vec<Running>, figures: &mut Figures) -> Result<()> {
    let begun = Instant::now();
    let log = place.path().join("log");
    let allowed = Allowed::default();
    // The queue says it of every job whose end came too late.
    let were_late = || Ok::<_, anyhow::Error>(std::fs::read_to_string(&log)?.contains("jobs ended after their lease"));
    while !(were_late()? && place.is_settled(&allowed)?) && begun.elapsed() < PATIENCE {
        rest(Duration::from_millis(50));
    }
    if !were_late()? {
        figures.violated("no worker was late: the lease never ended");
    }
    figures.recoveries.push(begun.elapsed());
    for daemon in daemons {
        daemon.signal("TERM")?;
        let ended = daemon.wait(Duration::from_secs(20))?;
        ensure!(ended.code() == Some(0), "a daemon ended with {}: {}", ended.status, ended.printed);
    }
    // The ledger refuses what comes after a newer state by its own rules too: what gets so far has
    // passed the fence. That the server has left somebody who was silent is another matter.
    let log = std::fs::read_to_string(&log)?;
    let is_refused = |line: &&str| line.contains("delivery interrupted") && line.contains("database not usable");
    if let Some(line) = log.lines().find(is_refused) {
        figures.violated(format!("I7: somebody who was late got past the fence: {line}"));
    }
    place.settle(figures, &allowed)
}

/// Waits until something is so; an error that says what was missed when it never is.
fn until(patience: Duration, missed: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !is_so()? {
        ensure!(begun.elapsed() < patience, "{missed} within {} s", patience.as_secs());
        rest(Duration::from_millis(50));
    }
    Ok(())
}
