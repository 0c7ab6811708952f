//! What a source promises.

use canonical::Digest;
use contract::{AdapterError, Advice, ErrorKind, RawRecord, Source};
use kit::simulator::FaultAnswer;
use std::collections::BTreeMap;
use std::time::Duration;
use wiremock::ResponseTemplate;

use super::proxy::Proxy;
use super::reading::{Given, populate, read};
use super::subject::Running;
use super::{Certificate, Subject, conserve, resume, shifts, totals};

pub(super) async fn run(subject: &Subject, certificate: &mut Certificate) {
    let holds = subject.holds();
    let running = subject.plain().await;
    if holds.populated {
        populate(subject, &running).await;
    }
    let passed = || running.proxy.as_ref().map(Proxy::exchanges).unwrap_or_default();
    let before = passed().len();
    let first = read(&running, None).await;
    let exchanges = passed().split_off(before);
    certificate.note("source_conserves", conserve::run(subject, &holds, &first, &exchanges));
    certificate.note("source_reads_and_balances", reads_and_balances(&running, &first));
    certificate.note("source_normalizes_purely", normalizes_purely(&running, &first));
    let second = read(&running, None).await;
    certificate.note("source_reads_again_the_same", same(&first, &second));
    certificate.note("source_resumes_from_its_cursor", resume::run(subject, &holds, &first).await);
    match (&holds.whole, shifts::source(subject, &holds).await) {
        (_, Some(kept)) => certificate.note("source_survives_a_shifted_page", kept),
        (Some(whole), None) => match shifts::is_whole(whole, &exchanges) {
            Ok(()) => certificate.beside("source_survives_a_shifted_page", &whole.reason),
            Err(problem) => certificate.note("source_survives_a_shifted_page", Err(problem)),
        },
        (None, None) => {}
    }
    if let Some(kept) = totals::source(subject, &holds).await {
        certificate.note("source_believes_no_short_list", kept);
    }
    subject.keep_exchanges(&running);
    if subject.is_remote() {
        if let Some(proxy) = &running.proxy {
            proxy.fail(Some(FaultAnswer::Truncate));
        }
        let cut = read(&running, None).await;
        let given = running.proxy.as_ref().map_or(0, Proxy::faults_given);
        assert!(given > 0, "{}: nothing was cut short", subject.system);
        certificate.note("source_truncated", nothing_complete(&cut));
        answers(subject, certificate).await;
    }
    running.stop().await;
}

/// Answers that never come from the system itself.
async fn answers(subject: &Subject, certificate: &mut Certificate) {
    let asked = ResponseTemplate::new(429).insert_header("retry-after", "17");
    let given = read_towards(subject, asked).await;
    let is_asked = |error: &AdapterError| {
        error.kind == ErrorKind::RateLimited && error.advice == Advice::Retry { after: Some(Duration::from_secs(17)) }
    };
    certificate.note("source_rate_limited", ends_with(&given, is_asked));
    let given = read_towards(subject, ResponseTemplate::new(401)).await;
    let is_authentication = |error: &AdapterError| error.kind == ErrorKind::Authentication;
    certificate.note("source_expired_token", ends_with(&given, is_authentication));
    let given = read_towards(subject, ResponseTemplate::new(503)).await;
    certificate.note("source_unavailable", ends_with(&given, |error| error.kind == ErrorKind::Unavailable));
    let page = ResponseTemplate::new(200).set_body_raw("<!DOCTYPE html><title>Manutenzione</title>", "text/html");
    let given = read_towards(subject, page).await;
    certificate.note("source_wrong_content", nothing_complete(&given));
}

async fn read_towards(subject: &Subject, answer: ResponseTemplate) -> Given {
    let (running, server) = subject.towards(answer).await;
    let given = read(&running, None).await;
    running.stop().await;
    drop(server);
    given
}

fn reads_and_balances(running: &Running, given: &Given) -> Result<String, String> {
    if let Some(error) = &given.error {
        return Err(format!("{error}"));
    }
    if let Some(disorder) = &given.disorder {
        return Err(disorder.clone());
    }
    let source = running.adapter.source().ok_or("no source")?;
    let (mut records, mut aside) = (0, 0);
    for raw in &given.records {
        let normalized = source.normalize(raw);
        match (&normalized.set_aside, normalized.records.len()) {
            (Some(_), _) => aside += 1,
            (None, 0) => return Err(format!("{}:{} gives nothing", raw.document.remote_id, raw.line)),
            (None, number) => records += number,
        }
    }
    if records == 0 {
        return Err("nothing was read".to_owned());
    }
    Ok(format!("{} rows: {records} records, {aside} aside", given.records.len()))
}

fn normalizes_purely(running: &Running, given: &Given) -> Result<String, String> {
    let source = running.adapter.source().ok_or("no source")?;
    for raw in &given.records {
        if source.normalize(raw) != source.normalize(raw) {
            return Err(format!("{}:{} gives two answers", raw.document.remote_id, raw.line));
        }
    }
    strangers(source, given)
}

/// Rows that were damaged on their way give no panic and no record out of nothing.
fn strangers(source: &dyn Source, given: &Given) -> Result<String, String> {
    let Some(first) = given.records.first() else { return Ok("no rows".to_owned()) };
    let half = first.text.char_indices().nth(first.text.chars().count() / 2).map_or(0, |(at, _)| at);
    let strange = ["", "\u{0}", "null", "[]", "{}", "<", "a,b", &first.text[..half]];
    for text in strange {
        let raw = RawRecord { text: text.to_owned(), ..first.clone() };
        let normalized = source.normalize(&raw);
        if normalized.set_aside.is_none() && normalized.records.is_empty() {
            return Err(format!("a strange row of {} bytes gives nothing and does not stand aside", text.len()));
        }
    }
    Ok(format!("{} rows", given.records.len()))
}

fn same(first: &Given, second: &Given) -> Result<String, String> {
    let texts = |given: &Given| {
        let mut count: BTreeMap<Digest, usize> = BTreeMap::new();
        for raw in &given.records {
            *count.entry(Digest::of(raw.text.as_bytes())).or_default() += 1;
        }
        count
    };
    match &second.error {
        Some(error) => Err(error.to_string()),
        None if texts(first) == texts(second) => Ok(format!("{} rows twice", first.records.len())),
        None => Err(format!("{} rows, then {}", first.records.len(), second.records.len())),
    }
}

fn nothing_complete(given: &Given) -> Result<String, String> {
    if given.ended > 0 || !given.records.is_empty() {
        return Err(format!("{} documents complete, {} rows", given.ended, given.records.len()));
    }
    match (&given.error, given.refused) {
        (None, 0) => Err("nobody was told".to_owned()),
        (Some(_), _) if given.cursor.is_some() => Err("the cursor moved on".to_owned()),
        (Some(error), _) => Ok(error.kind.code().to_owned()),
        (None, refused) => Ok(format!("{refused} documents refused")),
    }
}

fn ends_with(given: &Given, is_expected: impl Fn(&AdapterError) -> bool) -> Result<String, String> {
    if given.ended > 0 || given.cursor.is_some() {
        return Err("something was called complete".to_owned());
    }
    match &given.error {
        Some(error) if is_expected(error) => Ok(error.kind.code().to_owned()),
        Some(error) => Err(format!("{} with {:?}", error.kind.code(), error.advice)),
        None => Err("no error".to_owned()),
    }
}
