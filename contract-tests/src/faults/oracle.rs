//! The oracle: compares what the client was promised, what the target saw and what the database
//! holds, invariant by invariant. It recomputes the audit chain by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::client::{Client, hex, unit};
use super::programme::Figures;
use super::store::{Attempt, Entry, Reading};
use super::target::{Effect, Look, Put, Target, Told};

/// What a fault leaves behind rightly.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Units that may stay undelivered, each with a reason.
    pub open_units: BTreeSet<String>,
    /// Why everything may take longer than half a minute.
    pub may_take_long: Option<&'static str>,
}

/// Judges a place where nothing runs.
pub fn judge(client: &Client, target: &Target, reading: &Reading, allowed: &Allowed, figures: &mut Figures) {
    let (puts, effects, held) = (target.puts(), target.effects(), target.held());
    acknowledged_is_stored(client, reading, figures);
    stored_came_from_an_input(client, reading, figures);
    nothing_disappears(reading, allowed, figures);
    one_effect(&puts, &effects, figures);
    if !target.honours_keys() {
        looked_before_repeating(&puts, &target.looks(), figures);
    }
    delivered_has_its_receipt(reading, &held, figures);
    doubt_is_told(reading, &puts, figures);
    revisions_go_forward(&puts, &effects, target.honours_keys(), figures);
    failures_have_reasons(reading, figures);
    chain_stands(&reading.audit, figures);
    chain_is_complete(reading, figures);
}

fn title(version: &super::store::Version) -> String {
    let body: Value = serde_json::from_str(&version.body).unwrap_or_default();
    let titled = body["titolo"].as_str().or(body["body"]["titolo"].as_str());
    titled.unwrap_or_default().to_owned()
}

/// I1: what was acknowledged is stored, once, and the last of it stands.
fn acknowledged_is_stored(client: &Client, reading: &Reading, figures: &mut Figures) {
    let mut titles: HashMap<&str, Vec<(i64, i64, String)>> = HashMap::new();
    for version in reading.versions.iter().filter(|version| version.source != "hub") {
        titles.entry(&version.key).or_default().push((version.number, version.standing, title(version)));
    }
    for (id, known) in &client.records {
        let key = format!("prova/{id}");
        let stored = titles.get(key.as_str()).map_or(&[][..], Vec::as_slice);
        for number in &known.acknowledged {
            let wanted = &known.written[number - 1];
            if !stored.iter().any(|(_, _, title)| title == wanted) {
                figures.lost += 1;
                figures.violated(format!("I1: {key}: version {number} was acknowledged and is not stored"));
            }
        }
        let distinct: BTreeSet<&str> = stored.iter().map(|(_, _, title)| title.as_str()).collect();
        if distinct.len() != stored.len() {
            figures.violated(format!("I1: {key}: the same version is stored twice"));
        }
        let (count, last) = (stored.len(), stored.iter().map(|(number, ..)| *number).max().unwrap_or_default());
        if stored.iter().any(|(_, standing, _)| *standing != last) || i64::try_from(count) != Ok(last) {
            figures.violated(format!("I1: {key}: {count} versions, the last is {last}, another one stands"));
        }
        let newest = known.acknowledged.last().map(|number| &known.written[number - 1]);
        let is_behind = newest.is_some_and(|newest| {
            let standing = stored.iter().find(|(number, ..)| *number == last).map(|(_, _, title)| title);
            let place = |title: &String| known.written.iter().position(|written| written == title);
            standing.and_then(place) < place(newest)
        });
        if is_behind {
            figures.violated(format!("I1: {key}: an older version stands than the last acknowledged"));
        }
    }
}

/// I2: every version names its document and its line, and they say it.
fn stored_came_from_an_input(client: &Client, reading: &Reading, figures: &mut Figures) {
    for version in reading.versions.iter().filter(|version| version.source != "hub") {
        let document = client.documents.get(&version.document);
        let line = usize::try_from(version.line - 1).ok();
        let said = document.zip(line).and_then(|(document, line)| document.lines.get(line));
        if said != Some(&version.text) {
            let (key, number) = (&version.key, version.number);
            figures.violated(format!("I2: {key}: version {number} does not stand where it says that it came from"));
        }
    }
}

/// I3: every record is on its way or at its end, and nothing is forgotten.
fn nothing_disappears(reading: &Reading, allowed: &Allowed, figures: &mut Figures) {
    if reading.unrouted > 0 {
        figures.violated(format!("I3: {} records have neither a delivery nor a reason", reading.unrouted));
    }
    if reading.unbalanced > 0 {
        figures.violated(format!("I3: {} runs do not balance", reading.unbalanced));
    }
    for delivery in &reading.deliveries {
        let is_there = delivery.state == "acknowledged" && delivery.held_revision == delivery.desired_revision;
        if !is_there && !allowed.open_units.contains(&delivery.unit_key) {
            figures.stuck += 1;
            let (unit, state, code) = (&delivery.unit_key, &delivery.state, delivery.code.as_deref().unwrap_or("-"));
            figures.violated(format!("I3: {unit} is {state} ({code}) although nothing stands in its way"));
        }
    }
    let known: BTreeSet<&str> = reading.deliveries.iter().map(|delivery| delivery.unit_key.as_str()).collect();
    let keys = reading.versions.iter().filter(|version| version.source != "hub" && version.kind == "risorsa");
    for key in keys.map(|version| version.key.as_str()).collect::<BTreeSet<_>>() {
        if let Some(id) = key.strip_prefix("prova/").filter(|id| !known.contains(unit(id).as_str())) {
            figures.violated(format!("I3: {id} is stored and no delivery knows it"));
        }
    }
}

/// I4: where keys are not honoured, what may have taken effect is sent again only after a look at the
/// unit that was asked and answered after the work on it had ended, and showed that it is not held.
fn looked_before_repeating(puts: &[Put], looks: &[Look], figures: &mut Figures) {
    let mut answered: HashMap<&str, Vec<&Look>> = HashMap::new();
    for look in looks.iter().filter(|look| look.is_answer) {
        answered.entry(&look.unit).or_default().push(look);
    }
    let mut last: HashMap<(&str, u64), &Put> = HashMap::new();
    for put in puts {
        let before = last.insert((&put.unit, put.revision), put);
        let Some(before) = before.filter(|before| before.told != Told::Refused) else { continue };
        let is_between = |look: &Look| before.ended.is_some_and(|ended| look.at >= ended) && look.ended <= put.at;
        let allows = |look: &&Look| is_between(look) && look.shows != Some(put.revision);
        if !answered.get(put.unit.as_str()).is_some_and(|looks| looks.iter().any(allows)) {
            figures.violated(format!("I4: {} revision {} was sent again without a look", put.unit, put.revision));
        }
    }
}

/// I4: one effect for each unit and revision; all its attempts have one key and the same bytes.
pub(super) fn one_effect(puts: &[Put], effects: &[Effect], figures: &mut Figures) {
    let mut done: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    for effect in effects {
        *done.entry((&effect.unit, effect.revision)).or_default() += 1;
    }
    for ((unit, revision), times) in done.into_iter().filter(|(_, times)| *times > 1) {
        figures.duplicated += times - 1;
        figures.violated(format!("I4: {unit} revision {revision} took effect {times} times"));
    }
    let mut first: HashMap<(&str, u64), &Put> = HashMap::new();
    let mut keys: HashMap<&str, (&str, u64)> = HashMap::new();
    for put in puts {
        let what = (put.unit.as_str(), put.revision);
        let before = *first.entry(what).or_insert(put);
        if before.key != put.key || before.body != put.body {
            figures.violated(format!(
                "I4: {} revision {} was sent with another key or other bytes",
                put.unit, put.revision
            ));
        }
        if *keys.entry(&put.key).or_insert(what) != what {
            figures.violated(format!("I4: one key for {} and for something else", put.unit));
        }
    }
}

/// I5: what is delivered has its receipt, and the target holds just that.
fn delivered_has_its_receipt(reading: &Reading, held: &BTreeMap<String, Effect>, figures: &mut Figures) {
    let standing: HashMap<&str, String> = reading
        .versions
        .iter()
        .filter(|version| version.number == version.standing)
        .map(|version| (version.key.as_str(), title(version)))
        .collect();
    let mut receipts: HashMap<(i64, i64), u64> = HashMap::new();
    for receipt in &reading.receipts {
        let is_proof = (200..300).contains(&receipt.status) && receipt.remote_id.is_some();
        if !is_proof || receipt.answer_digest.is_empty() {
            figures.violated(format!("I5: a receipt of delivery {} proves nothing", receipt.delivery));
        }
        *receipts.entry((receipt.delivery, receipt.revision)).or_default() += 1;
    }
    if let Some(((delivery, revision), times)) = receipts.iter().find(|(_, times)| **times > 1) {
        figures.violated(format!("I5: delivery {delivery} revision {revision} has {times} receipts"));
    }
    for delivery in reading.deliveries.iter().filter(|delivery| delivery.held_revision > 0) {
        let unit = &delivery.unit_key;
        if !receipts.contains_key(&(delivery.id, delivery.held_revision)) {
            figures.violated(format!("I5: {unit} is delivered without a receipt"));
        }
        let Some(there) = held.get(unit) else {
            figures.lost += 1;
            figures.violated(format!("I5: {unit} is said to be delivered and the target does not hold it"));
            continue;
        };
        if delivery.state != "acknowledged" {
            continue;
        }
        if i64::try_from(there.revision) != Ok(delivery.held_revision) {
            figures.violated(format!(
                "I5: {unit}: the target holds revision {}, not {}",
                there.revision, delivery.held_revision
            ));
        }
        let key = unit.strip_prefix("risorse/").unwrap_or(unit);
        if delivery.held_revision == delivery.desired_revision
            && there.contenuto.get("titolo").and_then(Value::as_str) != standing.get(key).map(String::as_str)
        {
            figures.violated(format!("I5: {unit}: the target holds something else than the version that stands"));
        }
    }
    let ours: BTreeSet<&str> = reading.deliveries.iter().map(|delivery| delivery.unit_key.as_str()).collect();
    for unit in held.keys().filter(|unit| !ours.contains(unit.as_str())) {
        figures.violated(format!("I5: the target holds {unit}, which no delivery knows"));
    }
}

/// I6: no request without an attempt that was committed before; what may have taken effect is never
/// taken for something that did not.
fn doubt_is_told(reading: &Reading, puts: &[Put], figures: &mut Figures) {
    let unit_of: HashMap<i64, &str> =
        reading.deliveries.iter().map(|delivery| (delivery.id, delivery.unit_key.as_str())).collect();
    let mut attempts: HashMap<(&str, i64), Vec<&Attempt>> = HashMap::new();
    for attempt in &reading.attempts {
        let unit = unit_of.get(&attempt.delivery).copied().unwrap_or_default();
        attempts.entry((unit, attempt.revision)).or_default().push(attempt);
    }
    let mut sent: HashMap<(&str, i64), Vec<&Put>> = HashMap::new();
    for put in puts {
        let revision = i64::try_from(put.revision).unwrap_or_default();
        sent.entry((put.unit.as_str(), revision)).or_default().push(put);
    }
    for (what, sent) in sent {
        let tried = attempts.get(&what).map_or(&[][..], Vec::as_slice);
        let (unit, revision) = what;
        if tried.len() < sent.len() {
            figures.violated(format!(
                "I6: {unit} revision {revision}: {} requests of {} attempts",
                sent.len(),
                tried.len()
            ));
        }
        let says_no = |attempt: &&&Attempt| matches!(attempt.outcome.as_deref(), Some("retry" | "refused"));
        let admits = tried.len() - tried.iter().filter(says_no).count();
        let uncertain = sent.iter().filter(|put| put.told != Told::Refused).count();
        if admits < uncertain {
            figures.violated(format!(
                "I6: {unit} revision {revision}: a request that may have taken effect counts as failed"
            ));
        }
    }
}

/// I7: revisions of a unit take effect in order, and one request is under way at a time; where keys are
/// honoured, the same again under its key counts as one.
pub(super) fn revisions_go_forward(puts: &[Put], effects: &[Effect], honours_keys: bool, figures: &mut Figures) {
    let mut last: HashMap<&str, u64> = HashMap::new();
    for effect in effects {
        let before = last.insert(&effect.unit, effect.revision);
        if before.is_some_and(|before| before > effect.revision) {
            figures.violated(format!("I7: {}: revision {} after {before:?}", effect.unit, effect.revision));
        }
    }
    let mut under_way: HashMap<&str, &Put> = HashMap::new();
    for put in puts {
        if let Some(before) = under_way.insert(&put.unit, put)
            && !(honours_keys && before.key == put.key)
            && before.ended.is_none_or(|ended| ended > put.at)
        {
            figures.violated(format!("I7: {}: two requests at the same time", put.unit));
        }
    }
}

/// I8: no failure without a reason.
fn failures_have_reasons(reading: &Reading, figures: &mut Figures) {
    let is_missing = |text: &Option<String>| text.as_deref().is_none_or(|text| text.trim().is_empty());
    let lacks = |state: &str, code: &Option<String>, message: &Option<String>, at: Option<i64>| match state {
        "in_doubt" | "retry" | "submitted" => is_missing(code) || at.is_none(),
        "refused" => is_missing(code) || is_missing(message),
        "parked" | "held" => is_missing(message),
        _ => false,
    };
    for delivery in &reading.deliveries {
        if lacks(&delivery.state, &delivery.code, &delivery.message, delivery.not_before) {
            figures.violated(format!("I8: {} is {} without a reason", delivery.unit_key, delivery.state));
        }
    }
    for attempt in &reading.attempts {
        let outcome = attempt.outcome.as_deref().unwrap_or_default();
        if lacks(outcome, &attempt.code, &attempt.message, attempt.not_before) {
            figures.violated(format!("I8: attempt {} ended {outcome} without a reason", attempt.id));
        }
    }
    if reading.quarantined_without_reason > 0 {
        figures
            .violated(format!("I8: {} raw records stand aside without a reason", reading.quarantined_without_reason));
    }
}

/// I9: every entry holds the hash of the one before it and its own; numbers have no gaps.
fn chain_stands(audit: &[Entry], figures: &mut Figures) {
    let mut previous = vec![0_u8; 32];
    for (number, entry) in (1..).zip(audit) {
        if entry.seq != number {
            return figures.violated(format!("I9: audit entry {number} is missing"));
        }
        if entry.previous != previous {
            return figures.violated(format!("I9: audit entry {number} does not follow the one before it"));
        }
        if entry.hash != hash(&previous, entry) {
            return figures.violated(format!("I9: audit entry {number} was changed"));
        }
        previous.clone_from(&entry.hash);
    }
}

/// The hash of an entry: each part with its length before it, in 64 bits, the greatest first.
pub fn hash(previous: &[u8], entry: &Entry) -> Vec<u8> {
    let (seq, at) = (entry.seq.to_be_bytes(), entry.at.to_be_bytes());
    let parts = [previous, &seq, &at, entry.kind.as_bytes(), entry.subject.as_bytes(), entry.detail.as_bytes()];
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}

/// I9: whatever happened has its entry: versions, intents, outcomes.
fn chain_is_complete(reading: &Reading, figures: &mut Figures) {
    let mut versions: BTreeSet<(String, String, i64, String)> = BTreeSet::new();
    let mut intents: BTreeSet<i64> = BTreeSet::new();
    let mut states: HashMap<(String, String, i64), i64> = HashMap::new();
    for entry in &reading.audit {
        let detail: Value = serde_json::from_str(&entry.detail).unwrap_or_default();
        match entry.kind.as_str() {
            "versions_stored" => versions.extend(detail.as_array().into_iter().flatten().map(|version| {
                let text = |place: usize| version[place].as_str().unwrap_or_default().to_owned();
                (text(1), text(2), version[3].as_i64().unwrap_or_default(), text(4))
            })),
            "delivery_state" => {
                intents.extend(detail["attempt"].as_i64());
                let state = detail["state"].as_str().unwrap_or_default().to_owned();
                let revision = detail["revision"].as_i64().unwrap_or_default();
                *states.entry((entry.subject.clone(), state, revision)).or_default() += 1;
            }
            _ => {}
        }
    }
    for version in &reading.versions {
        let told = (version.key.clone(), version.source.clone(), version.number, hex(&version.digest));
        if !versions.contains(&told) {
            figures.violated(format!("I9: version {} of {} has no audit entry", version.number, version.key));
        }
    }
    for attempt in &reading.attempts {
        if !intents.contains(&attempt.id) {
            figures.violated(format!("I9: the intent of attempt {} has no audit entry", attempt.id));
        }
        let Some(outcome) = &attempt.outcome else { continue };
        let told = (format!("delivery/{}", attempt.delivery), outcome.clone(), attempt.revision);
        match states.get_mut(&told) {
            Some(left) if *left > 0 => *left -= 1,
            _ => figures.violated(format!("I9: the outcome of attempt {} has no audit entry", attempt.id)),
        }
    }
}
