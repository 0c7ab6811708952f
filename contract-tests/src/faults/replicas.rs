//! F10 and F26: the server goes away, and several daemons share its database while they are killed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::lanes::Lanes;
use super::oracle::Allowed;
use super::place::Place;
use super::program::{self, Running};
use super::programme::{Database, Ended, Figures, Plan};
use super::target::Fate;
use crate::private_postgres::PrivatePostgres;
use crate::rest::rest;

/// From the return of the server until the daemon says that it is ready.
const READY: Duration = Duration::from_secs(5);
/// From the last fault until everything is delivered.
const SETTLED: Duration = Duration::from_secs(30);
/// Between two rounds of a schedule of one minute: one that begins late, because the machine is busy or the
/// intake held, does not delay the next.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(45);

/// F10: the server is restarted, killed, and ends every session, under a daemon that works.
pub(super) fn lost_server(plan: &Plan) -> Result<Ended> {
    if plan.database != Database::Postgres {
        return Ok(Ended::NotAvailable("there is no server under a SQLite file".to_owned()));
    }
    let mut chance = plan.chance("F10");
    let mut server = PrivatePostgres::start()?;
    let mut place = Place::on_server(plan, &server.new_database("raccordo")?)?;
    place.target.script(|_, _| Fate::TakeAfter(Duration::from_millis(15)));
    let mut figures = Figures::default();
    let mut daemon = place.start(&["serve"])?;
    let page = daemon.page()?;
    for round in 0..plan.ci_or_release(6, 50) {
        let ids = place.client.change(&mut chance, 10, 10);
        place.import(&ids, &format!("{round:03}.ndjson"))?;
        rest(Duration::from_millis(chance.u64(50..400)));
        match round % 3 {
            0 => place.store.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity
                  where application_name = 'raccordo' and pid <> pg_backend_pid()",
            )?,
            1 => server.restart()?,
            _ => {
                server.kill_hard()?;
                server.restart()?;
            }
        }
        figures.injected += 1;
        let begun = Instant::now();
        while begun.elapsed() < READY && !is_ready(&page) {
            rest(Duration::from_millis(50));
        }
        figures.recoveries.push(begun.elapsed());
        if begun.elapsed() >= READY {
            figures.violated(format!("I14: not ready {} s after the server was back", READY.as_secs()));
        }
    }
    daemon.signal("TERM")?;
    let ended = daemon.wait(Duration::from_secs(20))?;
    ensure!(ended.code() == Some(0), "the daemon ended with {}: {}", ended.status, ended.printed);
    place.settle(&mut figures, &Allowed::default())?;
    Ok(Ended::Ran(figures))
}

fn is_ready(page: &str) -> bool {
    program::get(page, "/readyz").is_ok_and(|(status, _)| status == 200)
}

/// F26: three daemons share a database; one of them is killed every few seconds, and the server is
/// restarted once. Everything is delivered once and in order, and the schedule is somebody's turn.
pub(super) fn three_daemons(plan: &Plan) -> Result<Ended> {
    if plan.database != Database::Postgres {
        return two_on_one_file(plan);
    }
    let mut chance = plan.chance("F26");
    let mut server = PrivatePostgres::start()?;
    let mut place = Place::on_server(plan, &server.new_database("raccordo")?)?;
    let mut lanes = Lanes::beside(&place)?;
    place.target.script(|_, _| Fate::TakeAfter(Duration::from_millis(15)));
    let mut figures = Figures::default();
    let mut daemons = Vec::new();
    for _ in 0..3 {
        daemons.push(started(&place)?);
    }
    let rounds = plan.ci_or_release(22, 200);
    for round in 0..rounds {
        let ids = place.client.change(&mut chance, 15, 10);
        place.import(&ids, &format!("{round:03}.ndjson"))?;
        lanes.import(&mut place, &mut chance, &format!("{round:03}-steps.ndjson"))?;
        let one = chance.usize(0..daemons.len());
        let killed: Running = daemons.swap_remove(one);
        let (was_running, _) = killed.kill_after(Duration::from_millis(chance.u64(1500..4500)))?;
        figures.injected += u64::from(was_running);
        if !was_running {
            figures.violated("a daemon had ended by itself");
        }
        if round == rounds / 2 {
            server.restart()?;
            figures.injected += 1;
        }
        daemons.push(started(&place)?);
    }
    kill_one_that_holds_work(&mut place, &mut lanes, &mut chance, &mut daemons)?;
    figures.injected += 1;
    let begun = Instant::now();
    let allowed = Allowed::default();
    // Among themselves, without another command: the others miss it, and everything is delivered.
    let is_settled = || Ok::<_, anyhow::Error>(place.is_settled(&allowed)? && Lanes::is_settled(&place)?);
    while !is_settled()? && begun.elapsed() < Duration::from_mins(2) {
        rest(Duration::from_millis(100));
    }
    let took = begun.elapsed();
    figures.recoveries.push(took);
    if !is_settled()? {
        figures.violated("I14: the daemons did not finish what those that were killed had begun");
    } else if took > SETTLED {
        figures.violated(format!("I14: what was begun was finished only {} s after the last fault", took.as_secs()));
    }
    let shortest = "
        select coalesce(min(pause) / 1000000, 60) from (
            select started_at - lag(started_at) over (partition by source order by started_at) as pause
              from run where kind = 'sync') p";
    let shortest = u64::try_from(place.store.number(shortest)?)?;
    let rounds_of_the_schedule = place.store.number("select count(*) from run where kind = 'sync'")?;
    ensure!(rounds_of_the_schedule > 1, "the schedule had no second round");
    if shortest < BETWEEN_ROUNDS.as_secs() {
        figures.violated(format!("the schedule ran twice in one period: after {shortest} s"));
    }
    for daemon in daemons {
        daemon.signal("TERM")?;
        let ended = daemon.wait(Duration::from_secs(20))?;
        ensure!(ended.code() == Some(0), "a daemon ended with {}: {}", ended.status, ended.printed);
    }
    figures.remarks.push(format!("{rounds_of_the_schedule} rounds of the schedule by three daemons"));
    place.settle(&mut figures, &allowed)?;
    lanes.settle(&place, &mut figures)?;
    figures.remarks.push(lanes.told());
    Ok(Ended::Ran(figures))
}

/// The last fault: of three daemons that all hold work one is killed.
fn kill_one_that_holds_work(
    place: &mut Place,
    lanes: &mut Lanes,
    chance: &mut fastrand::Rng,
    daemons: &mut Vec<Running>,
) -> Result<()> {
    const HOLDERS: &str = "select count(distinct token >> 32) from job where state = 'leased'";
    place.target.script(|_, _| Fate::TakeAfter(Duration::from_millis(250)));
    let ids = place.client.change(chance, 20, 180);
    place.import(&ids, "last.ndjson")?;
    lanes.import(place, chance, "last-steps.ndjson")?;
    let begun = Instant::now();
    while place.store.number(HOLDERS)? < 3 {
        ensure!(begun.elapsed() < Duration::from_secs(10), "not all daemons took work");
        rest(Duration::from_millis(10));
    }
    let killed = daemons.swap_remove(chance.usize(0..daemons.len()));
    let (was_running, _) = killed.kill_after(Duration::ZERO)?;
    ensure!(was_running, "a daemon had ended by itself");
    Ok(())
}

/// A daemon that answers.
fn started(place: &Place) -> Result<Running> {
    let mut daemon = place.start(&["serve"])?;
    daemon.page().context("a daemon that starts")?;
    Ok(daemon)
}

/// On a file the second daemon is refused, and the first goes on.
fn two_on_one_file(plan: &Plan) -> Result<Ended> {
    let mut chance = plan.chance("F26");
    let mut place = Place::new(plan)?;
    let mut figures = Figures::default();
    let ids = place.client.change(&mut chance, 0, 10);
    place.import(&ids, "first.ndjson")?;
    let first = started(&place)?;
    for _ in 0..plan.ci_or_release(2, 10) {
        figures.injected += 1;
        let second = place.start(&["serve"])?.wait(Duration::from_secs(30))?;
        if second.code() != Some(4) {
            figures.violated(format!("a second daemon on the same file ended with {}", second.status));
        }
    }
    first.signal("TERM")?;
    ensure!(first.wait(Duration::from_secs(20))?.code() == Some(0), "the first daemon did not stop in order");
    place.settle(&mut figures, &Allowed::default())?;
    Ok(Ended::Ran(figures))
}
