//! F12, F13 and F14: a target that fails, that asks for patience, and that does the work and loses
//! its answer, with keys and without.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use time::OffsetDateTime;
use time::macros::format_description;

use super::client::unit;
use super::oracle::Allowed;
use super::place::Place;
use super::programme::{Ended, Figures, Plan};
use super::target::{Fate, Put, Told};
use crate::rest::rest;

/// F12: failures of every kind, a door that closes, and one unit that is always busy.
pub(super) fn failing_target(plan: &Plan) -> Result<Ended> {
    let records = plan.ci_or_release(40, 300);
    let mut chance = plan.chance("F12");
    let mut place = Place::new(plan)?;
    let mut figures = Figures::default();
    let ids = place.client.change(&mut chance, 0, records);
    let busy = unit(&ids[0]);
    let mut fates = chance.fork();
    let is_busy = busy.clone();
    place.target.script(move |put, before| {
        if put.unit == is_busy {
            return Fate::Refuse(500, Vec::new());
        }
        if before >= 3 || fates.u8(0..100) >= 40 {
            return Fate::TakeAfter(Duration::from_millis(20));
        }
        match fates.u8(0..5) {
            0 => Fate::Refuse(500, Vec::new()),
            1 => Fate::Refuse(502, Vec::new()),
            2 => Fate::Refuse(503, Vec::new()),
            3 => Fate::Break,
            _ => Fate::TakeAndBreak,
        }
    });
    place.target.fail_looks(7);
    place.import(&ids, "first.ndjson")?;
    let allowed =
        Allowed { open_units: [busy.clone()].into(), may_take_long: Some("the pauses between attempts are doubled") };
    // The door closes twice while it works.
    let sync = place.start(&["sync", "file-drop", "--wait", "20"])?;
    for _ in 0..2 {
        rest(Duration::from_millis(chance.u64(200..500)));
        place.target.close();
        figures.injected += 1;
        rest(Duration::from_millis(chance.u64(300..900)));
        place.target.open()?;
    }
    drop(sync.wait(Duration::from_mins(1))?);
    place.settle(&mut figures, &allowed)?;
    figures.injected += faulty(&place.target.puts());
    let asked = place.target.puts().iter().filter(|put| put.unit == busy).count();
    figures.remarks.push(format!("one unit failed {asked} times, always: the others were delivered all the same"));
    Ok(Ended::Ran(figures))
}

fn faulty(puts: &[Put]) -> u64 {
    puts.iter().filter(|put| put.told != Told::Taken).count() as u64
}

/// Nothing is mended here: a target that fails three times in ten is left alone now and then.
fn goes_on_failing() -> Allowed {
    Allowed { may_take_long: Some("the target goes on failing, and is left alone in between"), ..Allowed::default() }
}

/// F14: of three in ten, the work is done and the answer says otherwise, or never comes; and what
/// was done is not to be seen at once.
pub(super) fn lost_answers(plan: &Plan) -> Result<Ended> {
    let records = plan.ci_or_release(100, 1000);
    let mut chance = plan.chance("F14");
    let mut place = Place::new(plan)?;
    let mut figures = Figures::default();
    let mut fates = chance.fork();
    place.target.script(move |_, before| match fates.u8(0..100) {
        0..20 if before < 4 => Fate::TakeThen(504),
        20..30 if before < 4 => Fate::TakeAndBreak,
        _ => Fate::Take,
    });
    place.target.lag(Duration::from_millis(400));
    let ids = place.client.change(&mut chance, 0, records);
    place.import(&ids, "first.ndjson")?;
    place.converge(&goes_on_failing())?;
    // And again with changes, so that revisions follow one another.
    let ids = place.client.change(&mut chance, records / 2, 0);
    place.import(&ids, "second.ndjson")?;
    place.settle(&mut figures, &goes_on_failing())?;
    let puts = place.target.puts();
    figures.injected = faulty(&puts);
    let again = puts.len() - place.target.effects().len();
    figures.remarks.push(format!("{again} requests were repeated under their old key"));
    Ok(Ended::Ran(figures))
}

/// F14 by a target without keys: of three in ten the work is done and the answer is 504, or the
/// connection breaks, now and then before the work is done; a second request would be a second effect,
/// and sometimes the question whether it arrived fails too.
pub(super) fn lost_answers_without_keys(plan: &Plan) -> Result<Ended> {
    let records = 1000;
    let mut chance = plan.chance("F14b");
    // A request is waited for so many seconds, and nothing is late by more than half of them.
    let mut place = Place::without_keys(plan, 3)?;
    let mut figures = Figures::default();
    let mut fates = chance.fork();
    place.target.fail_looks(20);
    place.target.script(move |_, _| match fates.u8(0..100) {
        0..20 => Fate::TakeThen(504),
        20..27 => Fate::TakeAndBreak,
        27..30 => Fate::BreakThenTake(Duration::from_millis(1500)),
        30..32 => Fate::Break,
        _ => Fate::Take,
    });
    let ids = place.client.change(&mut chance, 0, records);
    place.import(&ids, "first.ndjson")?;
    place.settle(&mut figures, &goes_on_failing())?;
    let (puts, effects) = (place.target.puts(), place.target.effects().len());
    figures.injected = faulty(&puts);
    let looks = place.target.looks();
    let failed = looks.iter().filter(|look| !look.is_answer).count();
    figures.remarks.push(format!(
        "{records} records, {} requests, {effects} effects; {} looks, {failed} of them failed",
        puts.len(),
        looks.len()
    ));
    let lost = puts.iter().filter(|put| put.told != Told::Taken && !matches!(put.fate, Fate::Break)).count();
    ensure!(lost * 5 > records, "only {lost} answers of {records} were lost");
    Ok(Ended::Ran(figures))
}

/// How a pause is asked for: its name, the headers, and how long nobody may come.
type Asked = (&'static str, Vec<(&'static str, String)>, Duration);

#[allow(clippy::disallowed_methods, reason = "a date in a header is that of the target's own clock")]
fn forms() -> Vec<Asked> {
    let after = |text: &str| vec![("retry-after", text.to_owned())];
    let now = SystemTime::now();
    let unix = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (second, none) = (Duration::from_secs(1), Duration::ZERO);
    vec![
        ("seconds", after("2"), second * 2),
        // A date has whole seconds: this one is at least two away.
        ("date", after(&http_date(unix + 3)), second * 2),
        ("past date", after(&http_date(unix - 3600)), none),
        ("words", after("fra poco"), none),
        ("negative", after("-5"), none),
        ("huge", after("99999999999999999999"), Duration::from_hours(24)),
        ("nothing", Vec::new(), none),
    ]
}

fn http_date(unix: u64) -> String {
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let at = i64::try_from(unix).ok().and_then(|unix| OffsetDateTime::from_unix_timestamp(unix).ok());
    at.and_then(|at| at.format(format).ok()).unwrap_or_default()
}

/// F13: each form of asking for patience, with 429 and with 503. Nobody comes early, whatever it
/// would bring: the pause is of the target.
pub(super) fn rate_limits(plan: &Plan) -> Result<Ended> {
    let each: usize = plan.ci_or_release(1, 10);
    let mut chance = plan.chance("F13");
    let mut figures = Figures::default();
    let mut shortest = BTreeMap::new();
    for (number, (name, ..)) in forms().into_iter().enumerate() {
        for status in [429, 503].repeat(each) {
            let waited = asked_once(plan, &mut chance, number, status, &mut figures)?;
            let least = shortest.entry(name).or_insert(waited);
            *least = waited.min(*least);
        }
    }
    let told = shortest.iter().map(|(name, least)| match least {
        Some(least) => format!("{name}: {} ms", least.as_millis()),
        None => format!("{name}: not within this run"),
    });
    figures.remarks.push(format!("until the next request: {}", told.collect::<Vec<_>>().join(", ")));
    Ok(Ended::Ran(figures))
}

/// A request that left before the answer was read arrives so much later at most.
const UNDER_WAY: Duration = Duration::from_millis(250);

/// The first request is asked for patience, in one form; the others would be taken. Gives how long
/// after that answer the next one came, if it did.
fn asked_once(
    plan: &Plan,
    chance: &mut fastrand::Rng,
    form: usize,
    status: u16,
    figures: &mut Figures,
) -> Result<Option<Duration>> {
    let mut place = Place::new(plan)?;
    let ids = place.client.change(chance, 0, 12);
    let mut is_first = true;
    place.target.script(move |_, _| {
        if std::mem::take(&mut is_first) {
            Fate::Refuse(status, forms().swap_remove(form).1)
        } else {
            Fate::TakeAfter(Duration::from_millis(20))
        }
    });
    place.import(&ids, "first.ndjson")?;
    let (name, _, pause) = forms().swap_remove(form);
    figures.injected += 1;
    if name == "huge" {
        drop(place.run(&["sync", "file-drop", "--wait", "4"])?);
        let open_units = ids.iter().map(|id| unit(id)).collect();
        place.judge(figures, &Allowed { open_units, ..Allowed::default() })?;
    } else {
        place.settle(figures, &Allowed { may_take_long: Some("a pause was asked for"), ..Allowed::default() })?;
    }
    let puts = place.target.puts();
    let first =
        puts.iter().find(|put| matches!(put.fate, Fate::Refuse(..))).context("nobody was asked for patience")?;
    let asked_at = first.ended.context("an answer that was given")?;
    // What was under way when the target asked is not early.
    let next = puts.iter().map(|put| put.at).filter(|at| *at > asked_at + UNDER_WAY).min();
    let waited = next.map(|next| next.saturating_duration_since(asked_at));
    if waited.is_some_and(|waited| waited < pause) {
        let waited = waited.unwrap_or_default().as_millis();
        figures.violated(format!("I8: {name} with {status}: the next request came after {waited} ms"));
    }
    if name == "huge" {
        comes_back_in_a_day(&place, &first.unit, figures)?;
    }
    Ok(waited)
}

/// What a target asks for beyond a day is not believed; a day is.
fn comes_back_in_a_day(place: &Place, unit: &str, figures: &mut Figures) -> Result<()> {
    let reading = place.store.read()?;
    let delivery = reading.deliveries.iter().find(|delivery| delivery.unit_key == unit).context("a delivery")?;
    let ended = reading.attempts.iter().rfind(|attempt| attempt.delivery == delivery.id);
    let pause = ended.and_then(|ended| Some(delivery.not_before? - ended.finished_at?)).unwrap_or_default();
    // A day, and a tenth of it at most so that not everybody comes back together.
    let day = 24 * 3600 * 1_000_000;
    if !(day..day + day / 9).contains(&pause) {
        figures.violated(format!("huge: {unit} comes back after {} s", pause / 1_000_000));
    }
    Ok(())
}
