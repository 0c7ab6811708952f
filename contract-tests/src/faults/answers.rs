//! F12, F13 and F14: a target that fails, that asks for patience, and that does the work and loses
//! its answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
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
    place.converge(&Allowed::default())?;
    // And again with changes, so that revisions follow one another.
    let ids = place.client.change(&mut chance, records / 2, 0);
    place.import(&ids, "second.ndjson")?;
    place.settle(&mut figures, &Allowed::default())?;
    let puts = place.target.puts();
    figures.injected = faulty(&puts);
    let again = puts.len() - place.target.effects().len();
    figures.remarks.push(format!("{again} requests were repeated under their old key"));
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

/// F13: each form of asking for patience, with 429 and with 503. Nobody comes early.
pub(super) fn rate_limits(plan: &Plan) -> Result<Ended> {
    let each: usize = plan.ci_or_release(5, 20);
    let mut chance = plan.chance("F13");
    let mut place = Place::new(plan)?;
    let mut figures = Figures::default();
    let names: Vec<&str> = forms().into_iter().map(|(name, ..)| name).collect();
    let ids = place.client.change(&mut chance, 0, each * names.len());
    let form_of = |id: &str| ids.iter().position(|known| known == id).unwrap_or_default() % names.len();
    let huge: Vec<String> = ids.iter().filter(|id| names[form_of(id)] == "huge").map(|id| unit(id)).collect();
    let units: Vec<String> = ids.iter().map(|id| unit(id)).collect();
    let kinds = names.len();
    place.target.script(move |put, before| {
        let Some(number) = units.iter().position(|unit| *unit == put.unit) else { return Fate::Take };
        let status = if (number / kinds).is_multiple_of(2) { 429 } else { 503 };
        if before > 0 { Fate::Take } else { Fate::Refuse(status, forms().swap_remove(number % kinds).1) }
    });
    place.import(&ids, "first.ndjson")?;
    let allowed = Allowed { open_units: huge.iter().cloned().collect(), may_take_long: Some("pauses were asked for") };
    place.settle(&mut figures, &allowed)?;

    let puts = place.target.puts();
    let asked = forms();
    let mut shortest: Vec<Option<Duration>> = vec![None; kinds];
    for id in &ids {
        let (number, unit) = (form_of(id), unit(id));
        let of_unit: Vec<&Put> = puts.iter().filter(|put| put.unit == unit).collect();
        figures.injected += 1;
        let (name, _, pause) = &asked[number];
        match of_unit.as_slice() {
            [first, second, ..] => {
                let waited = first.ended.map_or(Duration::ZERO, |ended| second.at.saturating_duration_since(ended));
                shortest[number] = Some(shortest[number].map_or(waited, |least| least.min(waited)));
                if waited < *pause {
                    figures.violated(format!("I8: {name}: {unit} was sent again after {} ms", waited.as_millis()));
                }
            }
            _ if *name == "huge" => {}
            _ => figures.violated(format!("{name}: {unit} was not sent again")),
        }
    }
    let reading = place.store.read()?;
    for delivery in reading.deliveries.iter().filter(|delivery| huge.contains(&delivery.unit_key)) {
        let ended = reading.attempts.iter().rfind(|attempt| attempt.delivery == delivery.id);
        let pause = ended.and_then(|ended| Some(delivery.not_before? - ended.finished_at?)).unwrap_or_default();
        // A day, and a tenth of it at most so that not everybody comes back together.
        let day = 24 * 3600 * 1_000_000;
        if !(day..day + day / 9).contains(&pause) {
            figures.violated(format!("huge: {} comes back after {} s", delivery.unit_key, pause / 1_000_000));
        }
    }
    let told = names.iter().zip(&shortest).map(|(name, least)| {
        least
            .map_or_else(|| format!("{name}: not within this run"), |least| format!("{name}: {} ms", least.as_millis()))
    });
    figures.remarks.push(format!("shortest pause by form: {}", told.collect::<Vec<_>>().join(", ")));
    Ok(Ended::Ran(figures))
}
