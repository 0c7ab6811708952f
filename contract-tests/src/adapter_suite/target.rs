//! What a target promises, and what its observer must see afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use canonical::Record;
use contract::{
    Adapter, AdapterError, Advice, ErrorKind, Held, Observer, Outcome, Phase, Row, Shipment, Target, UnitKey,
};
use kit::simulator::FaultAnswer;
use raccordo::flow::deliver::idempotency_key;
use wiremock::ResponseTemplate;

use super::{Certificate, Subject, digests, shifts, totals};

/// All rows by unit, or why they were not read.
pub(super) type Inventory = Result<Vec<(UnitKey, Vec<Row>)>, String>;

/// How many pages an inventory may have here before it is taken for endless.
const PAGES: usize = 1000;

pub(super) async fn run(subject: &Subject, is_observer: bool, certificate: &mut Certificate) {
    pure(subject, certificate).await;
    sending(subject, is_observer, certificate).await;
    if is_observer {
        let holds = subject.holds();
        certificate.note("observer_survives_a_shifted_page", shifts::observer(subject, &holds).await);
        if let Some(kept) = totals::observer(subject, &holds).await {
            certificate.note("observer_believes_no_short_list", kept);
        }
    }
    let running = subject.plain().await;
    let shipment = first_shipment(subject, running.adapter.as_ref());
    let target = running.adapter.target().expect("a target");
    if let Some(proxy) = &running.proxy {
        proxy.fail(Some(FaultAnswer::DropAfterEffect));
        let lost = target.send(&shipment).await;
        assert!(proxy.faults_given() > 0, "{}: no answer was lost", subject.system);
        proxy.fail(None);
        certificate.note("target_lost_answer", lost_answer(target, &shipment, lost).await);
    }
    running.stop().await;

    let running = subject.plain().await;
    let target = running.adapter.target().expect("a target");
    let broken = Shipment { body: b"{}".to_vec(), ..shipment.clone() };
    certificate.note("target_refused_by_rule", refused(&target.send(&broken).await));
    if let Some(proxy) = &running.proxy {
        proxy.fail(Some(FaultAnswer::Truncate));
        let cut = target.send(&shipment).await;
        assert!(proxy.faults_given() > 0, "{}: nothing was cut short", subject.system);
        certificate.note("target_truncated", in_doubt(&cut));
    }
    running.stop().await;
    answers(subject, &shipment, certificate).await;
}

/// What needs no other side.
async fn pure(subject: &Subject, certificate: &mut Certificate) {
    let running = subject.plain().await;
    let target = running.adapter.target().expect("a target");
    let (mut composed_purely, mut explained) = (Ok(String::new()), Ok(String::new()));
    let units = subject.units(running.adapter.as_ref());
    for (key, members) in &units {
        if let Err(problem) = composes_purely(target, key, members) {
            composed_purely = Err(problem);
        }
        if let Err(problem) = explains(target, key, members) {
            explained = Err(problem);
        }
    }
    let counted = format!("{} units", units.len());
    certificate.note("target_composes_purely", composed_purely.map(|_| counted.clone()));
    certificate.note("target_explains_every_field", explained.map(|_| counted));
    running.stop().await;
}

fn composes_purely(target: &dyn Target, key: &UnitKey, members: &[Record]) -> Result<(), String> {
    let first = target.compose(key, 1, members).map_err(|why| format!("{key}: {why}"))?;
    let mut others = members.to_vec();
    others.reverse();
    let second = target.compose(key, 1, &others).map_err(|why| format!("{key}: {why}"))?;
    if first == second { Ok(()) } else { Err(format!("{key}: two compositions differ")) }
}

fn explains(target: &dyn Target, key: &UnitKey, members: &[Record]) -> Result<(), String> {
    let composed = target.compose(key, 1, members).map_err(|why| format!("{key}: {why}"))?;
    let explained = target.explain(key, members);
    let known: BTreeSet<_> = explained.iter().map(|field| (field.row.as_str(), field.field.as_str())).collect();
    for row in &composed.rows {
        for (field, value) in &row.fields {
            if !known.contains(&(row.key.as_str(), field.as_str())) {
                return Err(format!("{key}: field {field} of row {} is not explained", row.key));
            }
            let told = explained.iter().find(|told| told.row == row.key && told.field == *field);
            if told.and_then(|told| told.value.as_ref()) != Some(value) {
                return Err(format!("{key}: field {field} of row {} is explained with another value", row.key));
            }
        }
    }
    let is_poor = |field: &&contract::Explanation| {
        field.rule.trim().is_empty() || (field.record.is_some() && field.path.trim().is_empty())
    };
    let poor = explained.iter().find(is_poor);
    poor.map_or(Ok(()), |field| Err(format!("{key}: field {} has no rule, or no path", field.field)))
}

/// Sends everything once, then the first again, then looks at what the system holds.
async fn sending(subject: &Subject, is_observer: bool, certificate: &mut Certificate) {
    let running = subject.plain().await;
    let adapter = running.adapter.as_ref();
    let target = adapter.target().expect("a target");
    let units = subject.units(adapter);
    let mut taken = Ok(String::new());
    for (key, members) in &units {
        let sent = target.send(&shipment(subject.system, target, key, members)).await;
        if let Err(why) = is_taken(&sent) {
            taken = Err(format!("{key}: {why}"));
        }
    }
    certificate.note("target_submits_once", taken.map(|_| format!("{} units", units.len())));
    let before = inventory(adapter.observer()).await;
    let again = target.send(&first_shipment(subject, adapter)).await;
    let after = inventory(adapter.observer()).await;
    // Without a list of what the system holds nobody can say that there was one effect only.
    if let (Some(before), Some(after)) = (&before, &after) {
        certificate.note("target_submits_twice", twice(&again, before, after));
    }
    let held_digests = adapter.observer().filter(|observer| !observer.holds_more_than_ours());
    if let (Some(digests), Some(after)) = (held_digests.and_then(Observer::digests), &after) {
        certificate.note("observer_tells_digests", digests::run(target, digests, &units, after).await);
    }
    if is_observer {
        let is_home_of_others = adapter.observer().is_some_and(Observer::holds_more_than_ours);
        certificate.note("observer_finds_what_was_sent", finds(target, &units, after, is_home_of_others));
    }
    subject.keep_exchanges(&running);
    if let (Some(proxy), true) = (&running.proxy, is_observer) {
        proxy.fail(Some(FaultAnswer::Truncate));
        let cut = inventory(adapter.observer()).await;
        assert!(proxy.faults_given() > 0, "{}: no inventory was cut short", subject.system);
        let is_error = matches!(&cut, Some(Err(_)));
        let answer = if is_error { Ok(String::new()) } else { Err("the inventory was taken for whole".to_owned()) };
        certificate.note("observer_truncated", answer);
    }
    running.stop().await;
}

pub(super) fn shipment(system: &str, target: &dyn Target, key: &UnitKey, members: &[Record]) -> Shipment {
    let composed = target.compose(key, 1, members).unwrap_or_else(|why| panic!("{key}: {why}"));
    Shipment {
        unit: key.clone(),
        revision: 1,
        idempotency_key: idempotency_key(system, key, 1),
        body: composed.body,
        previous_receipt: None,
    }
}

fn first_shipment(subject: &Subject, adapter: &dyn Adapter) -> Shipment {
    let units = subject.units(adapter);
    let (key, members) = units.first().unwrap_or_else(|| panic!("{} was given no records", subject.system));
    shipment(subject.system, adapter.target().expect("a target"), key, members)
}

/// All rows by unit; none without an observer.
pub(super) async fn inventory(observer: Option<&dyn Observer>) -> Option<Inventory> {
    let observer = observer?;
    let (mut units, mut from) = (Vec::new(), None::<String>);
    let (mut pages, mut elements) = (0, 0);
    for _ in 0..PAGES {
        match observer.inventory(from.as_deref()).await {
            Ok(page) => {
                let extent = page.extent.unwrap_or_default();
                (pages, elements) = (pages + 1, elements + extent.elements);
                let is_short = extent.total.is_some_and(|total| total != elements)
                    || extent.pages.is_some_and(|announced| announced != pages);
                if page.next.is_none() && is_short {
                    return Some(Err("the inventory is not as long as it says".to_owned()));
                }
                units.extend(page.units.into_iter().map(|unit| (unit.key, unit.rows)));
                match page.next {
                    Some(next) => from = Some(next),
                    None => return Some(Ok(units)),
                }
            }
            Err(error) => return Some(Err(error.to_string())),
        }
    }
    Some(Err("an inventory without an end".to_owned()))
}

fn finds(
    target: &dyn Target,
    units: &[(UnitKey, Vec<Record>)],
    inventory: Option<Inventory>,
    is_home_of_others: bool,
) -> Result<String, String> {
    let mut held = inventory.ok_or("no observer")??;
    if is_home_of_others {
        held.retain(|(key, _)| units.iter().any(|(unit, _)| unit == key));
    }
    if !held.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err("the units are not in strictly ascending order".to_owned());
    }
    for (key, members) in units {
        let expected = target.compose(key, 1, members)?.rows;
        let Some((_, rows)) = held.iter().find(|(held, _)| held == key) else {
            return Err(format!("{key} is not in the inventory"));
        };
        let (mut expected, mut rows) = (expected, rows.clone());
        if is_home_of_others {
            rows.retain(|row| expected.iter().any(|ours| ours.key == row.key));
            for row in &mut rows {
                let ours = expected.iter().find(|ours| ours.key == row.key);
                row.fields.retain(|name, _| ours.is_some_and(|ours| ours.fields.contains_key(name)));
            }
        }
        expected.sort_by(|a, b| a.key.cmp(&b.key));
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        if expected != rows {
            let differing = expected.iter().zip(&rows).find(|(one, other)| one != other);
            let which = differing.map(|(row, _)| row.key.clone()).unwrap_or_default();
            return Err(format!("{key}: rows differ ({} sent, {} held), first {which}", expected.len(), rows.len()));
        }
    }
    let strangers = held.iter().filter(|(key, _)| units.iter().all(|(unit, _)| unit != key)).count();
    if strangers > 0 {
        return Err(format!("{strangers} units that nobody sent"));
    }
    Ok(format!("{} units", held.len()))
}

fn is_taken(sent: &Result<Outcome, AdapterError>) -> Result<String, String> {
    match sent {
        Ok(Outcome::Acknowledged(_) | Outcome::Submitted { .. }) => Ok(String::new()),
        Ok(Outcome::Refused { code, message }) => Err(format!("refused: {code} {message}")),
        Err(error) => Err(chain(error)),
    }
}

fn twice(again: &Result<Outcome, AdapterError>, before: &Inventory, after: &Inventory) -> Result<String, String> {
    is_taken(again)?;
    if before == after { Ok(String::new()) } else { Err("the inventory changed".to_owned()) }
}

async fn lost_answer(
    target: &dyn Target,
    shipment: &Shipment,
    lost: Result<Outcome, AdapterError>,
) -> Result<String, String> {
    match lost {
        Ok(outcome) => return Err(format!("an answer that nobody gave: {outcome:?}")),
        Err(error) if error.phase != Phase::Unknown => return Err(format!("not in doubt: {}", chain(&error))),
        Err(_) => {}
    }
    match target.look_up(shipment).await {
        Ok(Held::Same(_)) => Ok("found".to_owned()),
        Ok(held) => Err(format!("not found: {held:?}")),
        Err(error) => Err(chain(&error)),
    }
}

/// A shipment that is none: refused by the system, or by the adapter, which knows its own words.
fn refused(sent: &Result<Outcome, AdapterError>) -> Result<String, String> {
    match sent {
        Ok(Outcome::Refused { code, .. }) => Ok(code.clone()),
        Err(error) if error.kind == ErrorKind::Local && error.advice == Advice::AskPerson => Ok("local".to_owned()),
        Ok(outcome) => Err(format!("taken for delivered: {outcome:?}")),
        Err(error) => Err(chain(error)),
    }
}

fn in_doubt(sent: &Result<Outcome, AdapterError>) -> Result<String, String> {
    match sent {
        Err(error) if error.phase == Phase::Unknown => Ok(error.kind.code().to_owned()),
        Err(error) => Err(format!("not in doubt: {}", chain(error))),
        Ok(outcome) => Err(format!("taken for an answer: {outcome:?}")),
    }
}

/// Answers that never come from the system itself.
async fn answers(subject: &Subject, shipment: &Shipment, certificate: &mut Certificate) {
    let asked = ResponseTemplate::new(429).insert_header("retry-after", "17");
    let sent = send_towards(subject, shipment, asked).await;
    let kept = match &sent {
        Err(error) if error.kind == ErrorKind::RateLimited && error.phase != Phase::Unknown => match error.advice {
            Advice::Retry { after } if after == Some(Duration::from_secs(17)) => Ok("17 s".to_owned()),
            advice => Err(format!("{advice:?}")),
        },
        other => Err(format!("{other:?}")),
    };
    certificate.note("target_rate_limited", kept);
    let sent = send_towards(subject, shipment, ResponseTemplate::new(401)).await;
    let kept = match &sent {
        Err(error) if error.kind == ErrorKind::Authentication => Ok(error.kind.code().to_owned()),
        other => Err(format!("{other:?}")),
    };
    certificate.note("target_expired_token", kept);
    let sent = send_towards(subject, shipment, ResponseTemplate::new(503)).await;
    let kept = match &sent {
        Err(error) if error.kind == ErrorKind::Unavailable => Ok(error.kind.code().to_owned()),
        other => Err(format!("{other:?}")),
    };
    certificate.note("target_unavailable", kept);
    let page = ResponseTemplate::new(200).set_body_raw("<!DOCTYPE html><title>Manutenzione</title>", "text/html");
    let sent = send_towards(subject, shipment, page).await;
    let kept = match &sent {
        // Refused would be the end of it: a page says nothing about what was sent.
        Err(error) if matches!(error.kind, ErrorKind::NotUnderstood | ErrorKind::Unavailable) => {
            Ok(error.kind.code().to_owned())
        }
        other => Err(format!("{other:?}")),
    };
    certificate.note("target_wrong_content", kept);
}

async fn send_towards(
    subject: &Subject,
    shipment: &Shipment,
    answer: ResponseTemplate,
) -> Result<Outcome, AdapterError> {
    let (running, server) = subject.towards(answer).await;
    let sent = running.adapter.target().expect("a target").send(shipment).await;
    running.stop().await;
    drop(server);
    sent
}

fn chain(error: &AdapterError) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        line = format!("{line}: {next}");
        cause = next.source();
    }
    line
}
