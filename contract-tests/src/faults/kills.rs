//! F1 and F31: the program is killed without warning, or asked to stop, in the middle of its work.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::lanes::Lanes;
use super::oracle::Allowed;
use super::place::{Place, text};
use super::program::{self, Running};
use super::programme::{Ended, Figures, Plan};
use super::target::{Fate, Told};
use crate::rest::rest;

/// From a kill until the program answers again (I14).
pub(super) const READY: Duration = Duration::from_secs(5);

/// How long a stop may take.
const STOP: Duration = Duration::from_secs(10);

fn between(chance: &mut fastrand::Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(chance.u64(least..=most))
}

/// Kills between two full judgements. In between the program is started again at once, over whatever
/// the kills before left: a database that is settled after every kill is never found half-done.
const GROUP: u64 = 25;

/// F1: imports, daemons and deliveries killed at random moments, then started again; beside the
/// publications, lanes of several steps.
pub(super) fn random_kills(plan: &Plan) -> Result<Ended> {
    let wanted = plan.kills.unwrap_or_else(|| plan.ci_or_release(20, 500));
    let mut chance = plan.chance("F1");
    let mut place = Place::new(plan)?;
    let mut lanes = Lanes::beside(&place)?;
    place.target.script(|_, _| Fate::TakeAfter(Duration::from_millis(15)));
    let mut figures = Figures::default();
    let allowed = Allowed::default();
    let mut judged = 0;
    let mut longest = Duration::ZERO;
    for round in 1.. {
        ensure!(round < wanted * 3 + 9, "the kills come too late: {} of {round} rounds", figures.injected);
        let ids = place.client.change(&mut chance, 15, 15);
        let name = format!("{round:05}.ndjson");
        if round % 2 == 0 {
            // What was dropped in before is older than what is imported now, and must not be read after it.
            place.read_inbox()?;
            killed_import(&mut place, &ids, &name, &mut chance, &mut figures)?;
        } else {
            place.drop_in(&ids, &name)?;
            lanes.import(&mut place, &mut chance, &format!("{round:05}-steps.ndjson"))?;
            for _ in 0..2 {
                let daemon = place.start(&["serve"])?;
                let (was_running, _) = daemon.kill_after(between(&mut chance, 20, 500))?;
                figures.injected += u64::from(was_running);
            }
        }
        let sync = place.start(&["sync", "file-drop"])?;
        let (was_running, _) = sync.kill_after(between(&mut chance, 20, 400))?;
        figures.injected += u64::from(was_running);
        figures.injected += u64::from(killed_in_work(&place, &mut chance)?);
        if round % 3 == 0 {
            longest = longest.max(is_ready_at_once(&place, &mut figures)?);
        }
        let is_over = figures.injected >= wanted;
        if is_over || figures.injected - judged >= GROUP {
            judged = figures.injected;
            place.settle(&mut figures, &allowed)?;
            lanes.settle(&place, &mut figures)?;
        }
        if is_over || !figures.violations.is_empty() {
            break;
        }
    }
    let cut_off = place.target.puts().iter().filter(|put| put.told == Told::Nothing).count();
    let records = place.client.acknowledged_records();
    figures.remarks.push(format!("{records} acknowledged records; {cut_off} requests under way when it was killed"));
    figures.remarks.push(lanes.told());
    figures.remarks.push(format!("ready {} ms after the start at most", longest.as_millis()));
    ensure!(cut_off > 0 || !figures.violations.is_empty(), "no kill came while something was under way");
    Ok(Ended::Ran(figures))
}

/// A delivery that is killed while a request is under way, however long the start took. True when
/// it was still running.
fn killed_in_work(place: &Place, chance: &mut fastrand::Rng) -> Result<bool> {
    let before = place.target.requests();
    let mut sync = place.start(&["sync", "file-drop"])?;
    let begun = Instant::now();
    while begun.elapsed() < READY && place.target.requests() == before && sync.runs()? {
        rest(Duration::from_millis(1));
    }
    Ok(sync.kill_after(between(chance, 0, 30))?.0)
}

/// A client that repeats its import until it is acknowledged; the first three are killed.
fn killed_import(
    place: &mut Place,
    ids: &[String],
    name: &str,
    chance: &mut fastrand::Rng,
    figures: &mut Figures,
) -> Result<()> {
    let documents = place.documents();
    let (file, digest) = place.client.write(&documents, name, ids)?;
    for _ in 0..3 {
        let import = place.start(&["import", "file-drop", text(&file)?])?;
        let (was_running, ended) = import.kill_after(between(chance, 5, 160))?;
        figures.injected += u64::from(was_running);
        if ended.is_some_and(|ended| ended.code() == Some(0)) {
            place.client.acknowledged(&digest);
            return Ok(());
        }
    }
    place.import_file(&file, &digest)
}

/// I14: a daemon that was killed answers within five seconds of its next start. Gives how long it took.
fn is_ready_at_once(place: &Place, figures: &mut Figures) -> Result<Duration> {
    let begun = Instant::now();
    let mut daemon = place.start(&["serve"])?;
    let page = daemon.page()?;
    let (status, _) = program::get(&page, "/readyz")?;
    let took = begun.elapsed();
    if status != 200 || took > READY {
        figures.violated(format!("I14: ready with status {status} after {} ms", took.as_millis()));
    }
    figures.injected += u64::from(daemon.kill_after(Duration::ZERO)?.0);
    Ok(took)
}

/// F31: a daemon under load is asked to stop, once and twice.
pub(super) fn terminate(plan: &Plan) -> Result<Ended> {
    let rounds = plan.ci_or_release(3, 25);
    let mut chance = plan.chance("F31");
    let mut place = Place::new(plan)?;
    let mut figures = Figures::default();
    let allowed = Allowed::default();
    for round in 1..=rounds {
        place.target.script(|_, _| Fate::TakeAfter(Duration::from_millis(300)));
        let ids = place.client.change(&mut chance, 20, 40);
        place.import(&ids, &format!("{round:05}.ndjson"))?;
        let took = stopped(&place, between(&mut chance, 100, 1500), false, &mut figures)?;
        if took > STOP {
            figures.violated(format!("a stop took {} ms", took.as_millis()));
        }
        place.settle(&mut figures, &allowed)?;

        // Answers that take longer than a stop may: the second word ends it at once.
        place.target.script(|_, _| Fate::TakeAfter(Duration::from_secs(11)));
        let ids = place.client.change(&mut chance, 10, 10);
        place.import(&ids, &format!("{round:05}-twice.ndjson"))?;
        let took = stopped(&place, between(&mut chance, 500, 1500), true, &mut figures)?;
        if took > Duration::from_secs(2) {
            figures.violated(format!("a second word to stop took {} ms", took.as_millis()));
        }
        place.target.mend()?;
        place.settle(&mut figures, &allowed)?;
    }
    Ok(Ended::Ran(figures))
}

/// Starts a daemon, lets it work for a while, and asks it to stop. Gives how long that took.
fn stopped(place: &Place, pause: Duration, twice: bool, figures: &mut Figures) -> Result<Duration> {
    let mut daemon: Running = place.start(&["serve"])?;
    daemon.page()?;
    rest(pause);
    // Conservation holds at every moment, not only at the end.
    if place.store.unrouted()? > 0 {
        figures.violated("I3: under load a record has neither a delivery nor a reason");
    }
    let told = Instant::now();
    daemon.signal("TERM")?;
    figures.injected += 1;
    if twice {
        rest(Duration::from_millis(300));
        daemon.signal("TERM")?;
    }
    let ended = daemon.wait(Duration::from_secs(20))?;
    let is_expected = ended.code() == Some(0) || (twice && ended.code() == Some(1));
    if !is_expected {
        figures.violated(format!("a daemon asked to stop ended with {}", ended.status));
    }
    Ok(told.elapsed())
}
