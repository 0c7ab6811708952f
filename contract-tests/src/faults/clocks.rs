//! F23: a wall clock that jumps.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::oracle::Allowed;
use super::place::Place;
use super::programme::{Ended, Figures, Plan};
use super::target::Fate;
use crate::rest::rest;

/// The library that gives a program another clock, where Debian puts it.
fn other_clock() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime"];
    folders.iter().map(|folder| Path::new(folder).join("libfaketimeMT.so.1")).find(|library| library.is_file())
}

/// F23: the wall clock jumps back and forth while deliveries are under way.
pub(super) fn jumps(plan: &Plan) -> Result<Ended> {
    let Some(library) = other_clock() else {
        return Ok(Ended::NotAvailable("libfaketime is not installed; on Debian: apt-get install faketime".to_owned()));
    };
    let mut chance = plan.chance("F23");
    let mut figures = Figures::default();
    for _ in 0..plan.ci_or_release(1, 4) {
        let mut place = Place::new(plan)?;
        place.target.script(|_, _| Fate::TakeAfter(Duration::from_millis(400)));
        let ids = place.client.change(&mut chance, 0, 240);
        place.import(&ids, "first.ndjson")?;
        let clock = place.path().join("clock");
        std::fs::write(&clock, "+0")?;
        let environment = [
            ("LD_PRELOAD", super::place::text(&library)?.to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", super::place::text(&clock)?.to_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut daemon = place.start_with(&["serve"], &environment)?;
        daemon.page()?;
        for jump in ["+10", "-10", "+3600", "-3600", "+0"] {
            rest(Duration::from_millis(chance.u64(1000..2000)));
            let next = place.path().join("clock.next");
            std::fs::write(&next, jump)?;
            std::fs::rename(next, &clock)?;
            figures.injected += 1;
        }
        let begun = Instant::now();
        while !place.is_settled(&Allowed::default())? && begun.elapsed() < Duration::from_mins(1) {
            ensure!(daemon.runs()?, "the daemon ended when the clock jumped");
            rest(Duration::from_millis(200));
        }
        figures.recoveries.push(begun.elapsed());
        daemon.signal("TERM")?;
        drop(daemon.wait(Duration::from_secs(20))?);
        let sent = place.target.puts().len();
        if sent > ids.len() * 2 {
            figures.violated(format!("I15: a storm: {sent} requests for {} records", ids.len()));
        }
        figures.remarks.push(format!("{sent} requests for {} records while the clock jumped", ids.len()));
        place.settle(&mut figures, &Allowed::default())?;
    }
    Ok(Ended::Ran(figures))
}
