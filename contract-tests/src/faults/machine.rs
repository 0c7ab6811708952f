//! F6 and F8: a disk that is full, and a database that another process holds.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::oracle::Allowed;
use super::place::{Place, text};
use super::programme::{Database, Ended, Figures, Plan};
use super::store::Where;
use crate::rest::rest;

/// A command on a busy database may wait for it, and must then say so.
const LONGEST: Duration = Duration::from_secs(20);

/// F8: another process holds the database for itself; short waits are waited for, long ones told.
pub(super) fn busy_database(plan: &Plan) -> Result<Ended> {
    if plan.database != Database::Sqlite {
        return Ok(Ended::NotAvailable("only a SQLite file can be held by another process".to_owned()));
    }
    let mut chance = plan.chance("F8");
    let mut place = Place::new(plan)?;
    let mut figures = Figures::default();
    let ids = place.client.change(&mut chance, 0, 10);
    place.import(&ids, "first.ndjson")?;
    let (mut done, mut refused) = (0, 0);
    for (number, seconds) in plan.ci_or_release(vec![1, 3, 8], vec![1, 2, 3, 4, 6, 8, 15, 30]).into_iter().enumerate() {
        let ids = place.client.change(&mut chance, 5, 5);
        let documents = place.documents();
        let (file, digest) = place.client.write(&documents, &format!("{number}.ndjson"), &ids)?;
        let holding = hold(&place.store, Duration::from_secs(seconds));
        rest(Duration::from_millis(200));
        figures.injected += 1;
        let begun = Instant::now();
        let ended = place.start(&["import", "file-drop", text(&file)?])?.wait(Duration::from_mins(1))?;
        if begun.elapsed() > LONGEST {
            figures.violated(format!("an import waited for {} s", begun.elapsed().as_secs()));
        }
        match ended.code() {
            Some(0) => {
                place.client.acknowledged(&digest);
                done += 1;
            }
            Some(4) if seconds > 4 => refused += 1,
            _ => figures.violated(format!("held for {seconds} s, an import ended with {}", ended.status)),
        }
        holding.join().map_err(|_| anyhow::anyhow!("the holder stopped"))??;
        place.import_file(&file, &digest)?;
        place.converge(&Allowed::default())?;
    }
    place.settle(&mut figures, &Allowed::default())?;
    figures.remarks.push(format!("{done} imports waited, {refused} were refused as temporary"));
    Ok(Ended::Ran(figures))
}

fn hold(store: &Where, pause: Duration) -> std::thread::JoinHandle<Result<()>> {
    let store = store.clone();
    std::thread::spawn(move || store.hold(pause))
}

/// A file system in memory. Dropped, it is taken away.
struct Small {
    folder: TempDir,
}

impl Small {
    fn mount(parent: &Path) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("faults-disk-").tempdir_in(parent);
        let folder = folder.map_err(|error| format!("no folder for a disk: {error}"))?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"])
            .arg(folder.path())
            .output()
            .map_err(|error| format!("mount cannot be started: {error}"))?;
        if mounted.status.success() {
            return Ok(Self { folder });
        }
        Err(format!("no tmpfs can be mounted: {}", String::from_utf8_lossy(&mounted.stderr).trim()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a reader that is still there must not keep it for ever.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

/// F6: the disk of the database fills up, with somebody else's data or with our own log. What was
/// acknowledged stays, what does not fit is refused, and once there is room work goes on by itself.
pub(super) fn disk_full(plan: &Plan) -> Result<Ended> {
    if plan.database != Database::Sqlite {
        return Ok(Ended::NotAvailable("the private server has its own disk".to_owned()));
    }
    let mut chance = plan.chance("F6");
    let mut figures = Figures::default();
    for _ in 0..plan.ci_or_release(1, 20) {
        let disk = match Small::mount(&plan.parent) {
            Ok(disk) => disk,
            Err(why) => return Ok(Ended::NotAvailable(why)),
        };
        filled_by_others(plan, &disk, &mut chance, &mut figures)?;
    }
    let disk = Small::mount(&plan.parent).map_err(anyhow::Error::msg)?;
    filled_by_its_own_log(plan, &disk, &mut chance, &mut figures)?;
    Ok(Ended::Ran(figures))
}

fn filled_by_others(plan: &Plan, disk: &Small, chance: &mut fastrand::Rng, figures: &mut Figures) -> Result<()> {
    let mut place = Place::with_file(plan, &disk.file("raccordo.db"))?;
    // Big records: few of them fill the disk, and few are to be delivered afterwards.
    place.client.padding = 20_000;
    let ballast = disk.file("ballast");
    std::fs::write(&ballast, vec![0_u8; 29 << 20])?;
    let mut refused = None;
    for number in 0..60 {
        let ids = place.client.change(chance, 0, 10);
        let documents = place.documents();
        let (file, digest) = place.client.write(&documents, &format!("{number}.ndjson"), &ids)?;
        let ended = place.run(&["import", "file-drop", text(&file)?])?;
        if ended.code() == Some(0) {
            place.client.acknowledged(&digest);
            continue;
        }
        figures.injected += 1;
        if ended.code() != Some(4) {
            figures.violated(format!("on a full disk an import ended with {}", ended.status));
        }
        refused = Some((file, digest));
        break;
    }
    let (file, digest) = refused.context("the disk never filled up")?;
    // A daemon must not deliver what it cannot write down.
    let sent = place.target.puts().len();
    drop(place.start(&["serve"])?.kill_after(Duration::from_secs(1))?);
    figures.remarks.push(format!("{} deliveries on the full disk", place.target.puts().len() - sent));
    std::fs::remove_file(&ballast)?;
    place.import_file(&file, &digest)?;
    place.settle(figures, &Allowed { may_take_long: Some("big records"), ..Allowed::default() })
}

/// Deliveries write more log than the disk holds: they stop before it is full, and go on when there
/// is room.
fn filled_by_its_own_log(plan: &Plan, disk: &Small, chance: &mut fastrand::Rng, figures: &mut Figures) -> Result<()> {
    let mut place = Place::with_file(plan, &disk.file("raccordo.db"))?;
    let ballast = disk.file("ballast");
    std::fs::write(&ballast, vec![0_u8; 20 << 20])?;
    let ids = place.client.change(chance, 0, 900);
    place.import(&ids, "first.ndjson")?;
    let says = |words: &str| Ok::<_, anyhow::Error>(std::fs::read_to_string(place.path().join("log"))?.contains(words));
    let is_full = || Ok::<_, anyhow::Error>(says("disk of the database full")? || says("storage failed")?);
    let mut sync = place.start(&["sync", "file-drop", "--wait", "30"])?;
    while !is_full()? && sync.runs()? {
        rest(Duration::from_millis(50));
    }
    ensure!(is_full()?, "the log never filled the disk");
    // Long enough to go on in spite of it.
    drop(sync.kill_after(Duration::from_secs(2))?);
    figures.injected += 1;
    if says("storage failed")? {
        figures.violated("I11: deliveries filled the disk that they need for their outcomes");
    }
    std::fs::remove_file(&ballast)?;
    place.settle(figures, &Allowed { may_take_long: Some("hundreds of records"), ..Allowed::default() })
}
