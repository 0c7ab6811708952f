//! F1b: kills while a slow target that honours no keys is at work. It goes on without us, holds nothing
//! yet when it is asked, and what is sent again too soon takes effect twice.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::oracle::Allowed;
use super::place::Place;
use super::programme::{Ended, Figures, Plan};
use super::target::{Fate, Told};
use crate::rest::rest;

/// How long a request is waited for, in seconds. On a shared database the work of a process that was
/// killed is taken back after some five seconds: the target is at work for longer.
const TOTAL_SECONDS: u64 = 10;
const WORK_MILLIS: std::ops::RangeInclusive<u64> = 7_500..=8_500;
/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// F1b: killed with requests under way, started again at once, killed again, and left to finish.
pub(super) fn slow_target(plan: &Plan) -> Result<Ended> {
    let rounds = plan.ci_or_release(2, 25);
    let mut chance = plan.chance("F1b");
    let mut place = Place::without_keys(plan, TOTAL_SECONDS)?;
    let mut pauses = chance.fork();
    place.target.script(move |_, _| Fate::TakeAfter(Duration::from_millis(pauses.u64(WORK_MILLIS))));
    let mut figures = Figures::default();
    let allowed = Allowed { may_take_long: Some("a target without keys is given time"), ..Allowed::default() };
    for round in 1..=rounds {
        let ids = place.client.change(&mut chance, 2, 2);
        place.import(&ids, &format!("{round:03}.ndjson"))?;
        let before = place.target.requests();
        let sync = place.start(&["sync", "file-drop"])?;
        let begun = Instant::now();
        while place.target.requests() == before && begun.elapsed() < PATIENCE {
            rest(Duration::from_millis(1));
        }
        figures.injected += u64::from(sync.kill_after(Duration::from_millis(chance.u64(0..300)))?.0);
        let again = place.start(&["sync", "file-drop"])?;
        figures.injected += u64::from(again.kill_after(Duration::from_millis(chance.u64(300..1500)))?.0);
        if let Some(took) = place.converge(&allowed)? {
            figures.recoveries.push(took);
        }
    }
    place.judge(&mut figures, &allowed)?;
    let puts = place.target.puts();
    let cut_off = puts.iter().filter(|put| put.told == Told::Nothing).count();
    let (requests, looks) = (puts.len(), place.target.looks().len());
    figures.remarks.push(format!("{requests} requests, {cut_off} of them under way when it was killed; {looks} looks"));
    ensure!(cut_off > 0 || !figures.violations.is_empty(), "no kill came while something was under way");
    Ok(Ended::Ran(figures))
}
