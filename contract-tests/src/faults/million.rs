//! I14 at its size: a program that is killed over a million stored records is ready again at once.
//!
//! The records are imported by the product itself, from files. All but one in two hundred are then made
//! delivered with SQL, each with the shipment, the attempt and the receipt that it would have: to
//! deliver them one by one would say nothing more of a start. The others are delivered under the kills
//! and to their end, and judged by everything that the oracle knows.

use std::io::{BufWriter, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::client::line;
use super::kills::READY;
use super::oracle::{self, Allowed};
use super::place::{Place, text};
use super::program;
use super::programme::{Database, Ended, Figures, Plan};
use super::target::Fate;
use crate::rest::rest;

/// Records that are stored before a release. With every change they are fewer, so that this is known
/// to work when it is asked for.
const STORED: i64 = 1_000_000;
const STORED_IN_CI: i64 = 10_000;
/// Of how many one is still to be delivered.
const ONE_OPEN_OF: i64 = 200;
/// Kills, each under work.
const KILLS: u64 = 10;
/// How long the rest may take to be delivered.
const FINISHED: Duration = Duration::from_mins(5);
/// How long the import may take.
const PATIENCE: Duration = Duration::from_mins(20);

/// I14: kills a daemon that delivers from a database with a million records, and starts it again.
pub(super) fn ready_at_once(plan: &Plan) -> Result<Ended> {
    let all = plan.ci_or_release(STORED_IN_CI, STORED);
    let open = all / ONE_OPEN_OF;
    let mut chance = plan.chance("I14");
    let mut place = Place::new(plan)?;
    let mut figures = Figures::default();
    let begun = Instant::now();
    import(&place, all - open)?;
    let imported = begun.elapsed();
    place.store.execute(&delivered(plan.database, all - open))?;
    let ids = place.client.change(&mut chance, 0, usize::try_from(open)?);
    place.import(&ids, "open.ndjson")?;
    let stored = place.store.number("select count(*) from record_version")?;
    ensure!(stored == all, "{stored} versions are stored, not {all}");
    figures.remarks.push(format!(
        "{all} records, {open} of them open: imported in {} s, made delivered in {} s",
        imported.as_secs(),
        begun.elapsed().saturating_sub(imported).as_secs()
    ));

    place.target.script(|_, _| Fate::TakeAfter(Duration::from_millis(15)));
    let first = ready(&place, Duration::ZERO, &mut figures)?;
    figures.remarks.push(format!("ready {} ms after the first start", first.as_millis()));
    for _ in 0..plan.ci_or_release(3, KILLS) {
        let work = Duration::from_millis(chance.u64(200..2000));
        let took = ready(&place, work, &mut figures)?;
        figures.recoveries.push(took);
    }
    let effects = place.target.effects().len();
    ensure!(effects > 0, "nothing was delivered between the kills");
    figures.remarks.push(format!("{effects} effects between the kills"));
    finish(&place, &mut figures)?;
    let reading = place.store.read_after(all - open)?;
    oracle::judge(&place.client, &place.target, &reading, &Allowed::default(), &mut figures);
    let whole = "select count(*) from delivery where state = 'acknowledged' and held_revision = desired_revision";
    if place.store.number(whole)? != all {
        figures.violated(format!("I3: not all of {all} deliveries are at their end"));
    }
    Ok(Ended::Ran(figures))
}

/// Lets a daemon deliver what is open.
fn finish(place: &Place, figures: &mut Figures) -> Result<()> {
    let begun = Instant::now();
    let mut daemon = place.start(&["serve"])?;
    daemon.page()?;
    while !place.is_settled(&Allowed::default())? && begun.elapsed() < FINISHED {
        rest(Duration::from_millis(200));
    }
    figures.remarks.push(format!("everything was delivered {} s after the last kill", begun.elapsed().as_secs()));
    daemon.signal("TERM")?;
    let ended = daemon.wait(Duration::from_secs(20))?;
    ensure!(ended.code() == Some(0), "the daemon ended with {}", ended.status);
    Ok(())
}

/// Starts a daemon, measures from its start until it says that it is ready, lets it work, kills it.
fn ready(place: &Place, work: Duration, figures: &mut Figures) -> Result<Duration> {
    let begun = Instant::now();
    let mut daemon = place.start(&["serve"])?;
    let page = daemon.page()?;
    while !program::get(&page, "/readyz").is_ok_and(|(status, _)| status == 200) {
        ensure!(begun.elapsed() < READY * 12, "not ready after {} s", begun.elapsed().as_secs());
        rest(Duration::from_millis(10));
    }
    let took = begun.elapsed();
    if took > READY {
        figures.violated(format!("I14: ready only {} ms after the start", took.as_millis()));
    }
    let (was_running, _) = daemon.kill_after(work)?;
    figures.injected += u64::from(was_running);
    Ok(took)
}

fn import(place: &Place, all: i64) -> Result<()> {
    let file = place.documents().join("million.ndjson");
    let mut lines = BufWriter::new(std::fs::File::create(&file)?);
    for number in 1..=all {
        let id = format!("m-{number:07}");
        writeln!(lines, "{}", line(&id, &format!("Risorsa {id}")))?;
    }
    lines.flush()?;
    drop(lines);
    let ended = place.start(&["import", "file-drop", text(&file)?])?.wait(PATIENCE)?;
    let facts = ended.json()?;
    ensure!(facts["new"].as_i64() == Some(all), "the import ended with {}: {facts}", ended.status);
    std::fs::remove_file(file).context("taking the file away")
}

/// What deliveries leave behind that went well at once, for all up to this one.
fn delivered(database: Database, last: i64) -> String {
    let zeroes = match database {
        Database::Sqlite => "zeroblob(32)",
        Database::Postgres => "decode(repeat('00', 32), 'hex')",
    };
    let body = match database {
        Database::Sqlite => "cast('{\"revisione\":1}' as blob)",
        Database::Postgres => "convert_to('{\"revisione\":1}', 'UTF8')",
    };
    format!(
        "begin;
         insert into shipment (delivery, revision, idempotency_key, digest, body, stored_at)
         select id, 1, 'k-' || id, {zeroes}, {body}, due_at from delivery where id <= {last};
         insert into attempt (delivery, shipment, job, token, started_at, finished_at, outcome)
         select s.delivery, s.id, j.id, 1, s.stored_at, s.stored_at, 'acknowledged'
           from shipment s join job j on j.delivery = s.delivery;
         insert into receipt (delivery, revision, attempt, remote_id, status, answer_digest, warnings, received_at)
         select a.delivery, 1, a.id, 'P-' || a.delivery, 201, 'impronta', '[]', a.started_at from attempt a;
         update delivery set state = 'acknowledged', held_revision = 1 where id <= {last};
         update job set state = 'done', holds = null, behind = null, waits = null, token = null, ended_at = run_at
          where delivery <= {last};
         commit;"
    )
}
