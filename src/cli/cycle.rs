//! One cycle of work, shared by `demo`, `import` and `sync`: read, deliver, compare, show.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use canonical::SourceName;

use super::output::Output;
use super::table::{name, number, sentence, value};
use crate::clock::after;
use crate::discrepancy::{SOURCES, Shape};
use crate::flow::intake::IntakeReport;
use crate::flow::reconcile::listing::Listing;
use crate::flow::report::Cycle;
use crate::flow::report::forms::NOT_KNOWN;
use crate::flow::report::standing::Standing;
use crate::flow::report::words::headings;
use crate::flow::{FlowError, Systems, intake, reconcile};
use crate::http::{self, withheld_title};
use crate::jobs;
use crate::node::Node;
use crate::storage::{DeliveryCount, Reconciliation, RunKind, RunTotals, StorageError};

/// How many discrepancies a person is shown; the rest stands in the report.
const SHOWN: usize = 20;

/// Names of the configured systems that have a role.
pub(super) fn names(systems: &Systems, has_role: impl Fn(&dyn contract::Adapter) -> bool) -> Vec<String> {
    systems.iter().filter(|(_, adapter)| has_role(adapter.as_ref())).map(|(name, _)| name.clone()).collect()
}

/// Reads one source, and says while it goes on.
pub(super) async fn read(
    node: &Node,
    name: &str,
    kind: RunKind,
    files: Option<Vec<PathBuf>>,
    output: &Output,
) -> Result<IntakeReport, FlowError> {
    let no_role = || FlowError::NoRole { system: name.to_owned(), role: "source" };
    node.flow.system(name)?;
    let source = SourceName::parse(name).ok_or_else(no_role)?;
    let words = output.words;
    let bar = output.progress(&format!("{} {name}", words.reading));
    let progress = {
        let (bar, name) = (bar.clone(), name.to_owned());
        move |totals: RunTotals| {
            bar.set_message(format!("{} {name}: {} {}", words.reading, totals.read, words.records_read));
        }
    };
    // What is read from its cursor is read by one at a time: a daemon may be at it.
    let report = match files {
        None if kind == RunKind::Sync => jobs::read_in_its_turn(&node.flow, &source, &progress).await,
        files => intake::read_source(&node.flow, &source, kind, files, &progress).await,
    };
    bar.finish_and_clear();
    report
}

/// Whether decisions of the other side are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decisions {
    /// They may take weeks: those whose turn has come are asked for, and what was taken is settled
    /// enough.
    Later,
    /// The other side is a simulator, which decides at once.
    Now,
}

/// How long a step that is held may stay so while nothing else moves, where decisions are waited
/// for: longer than the sweeper takes to look at it again.
const HELD_FOR_GOOD: Duration = Duration::from_secs(3);

/// How long nothing may move before what waits for others is left to them, where decisions are not
/// waited for: longer than the sweeper takes to have those asked about whose turn has come.
const WAITS_FOR_GOOD: Duration = Duration::from_secs(3);

/// How long nothing may move before what remains is taken to be far away: longer than a worker
/// takes to compose what it has claimed.
const FAR_FOR_GOOD: Duration = Duration::from_secs(3);

/// Waits until every delivery is settled, or until `patience` ends. Deliveries that a target asked
/// to hold back for longer than the remaining patience are not waited for.
pub(super) async fn deliver_until_quiet(
    node: &Node,
    patience: Duration,
    decisions: Decisions,
    output: &Output,
) -> Result<bool, FlowError> {
    let words = output.words;
    let bar = output.progress(words.delivering);
    let end = Instant::now() + patience;
    let mut held_since: Option<(u64, Instant)> = None;
    let mut far_since: Option<(Vec<DeliveryCount>, Instant)> = None;
    let mut waits_since: Option<(Vec<DeliveryCount>, Instant)> = None;
    let quiet = loop {
        if let Some(problem) = node.flow.store.failure() {
            return Err(StorageError::Unavailable { attempted: "deliver", source: problem.into() }.into());
        }
        let counts = node.flow.store.delivery_counts().await?;
        let sum = |states: &[&str]| -> u64 {
            let wanted = counts.iter().filter(|count| states.contains(&count.state.as_str()));
            wanted.map(|count| count.count).sum()
        };
        let mut open = sum(&["due", "sent", "retry", "in_doubt"]);
        if decisions == Decisions::Now {
            open += sum(&["submitted"]);
            let held = sum(&["held"]);
            let since = held_since.filter(|(before, _)| *before == held && open == 0);
            let (_, since) = *held_since.insert(since.unwrap_or((held, Instant::now())));
            if held > 0 && since.elapsed() < HELD_FOR_GOOD {
                open += held;
            }
        }
        let remaining = end.saturating_duration_since(Instant::now());
        if open == 0 {
            let is_moving = decisions == Decisions::Later && sum(&["submitted", "held"]) > 0 && {
                let since = waits_since.take().filter(|(before, _)| *before == counts);
                let (_, since) = waits_since.insert(since.unwrap_or_else(|| (counts.clone(), Instant::now())));
                since.elapsed() < WAITS_FOR_GOOD
            };
            if !is_moving || remaining.is_zero() {
                break true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        }
        let horizon = after(node.flow.clock.now(), remaining);
        let next = node.flow.store.next_ready().await?;
        let in_hand = sum(if decisions == Decisions::Now { &["sent", "submitted", "held"] } else { &["sent"] }) > 0;
        // Work that a worker has just taken stands in no list of what is ready: only when nothing
        // has moved for a while is the rest far away.
        let is_far = !in_hand && next.is_some_and(|next| next > horizon);
        let since = far_since.take().filter(|(before, _)| is_far && *before == counts);
        let is_still_far = since.as_ref().is_some_and(|(_, since)| since.elapsed() >= FAR_FOR_GOOD);
        if remaining.is_zero() || is_still_far {
            break false;
        }
        far_since = is_far.then(|| since.unwrap_or_else(|| (counts.clone(), Instant::now())));
        bar.set_message(format!("{}: {open} {}", words.delivering, words.to_deliver));
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    bar.finish_and_clear();
    Ok(quiet)
}

/// How long one waits for another run of the same comparison: one that was killed loses its turn
/// sooner.
const ITS_TURN: Duration = Duration::from_secs(45);

/// Makes some comparisons, one after the other.
pub(super) async fn compare(
    node: &Node,
    comparisons: &[String],
    repair: bool,
    output: &Output,
) -> Result<Vec<Reconciliation>, FlowError> {
    let mut results = Vec::new();
    for name in comparisons {
        results.push(in_its_turn(name, output, async || reconcile::compare(&node.flow, name, repair).await).await?);
    }
    Ok(results)
}

/// Compares with a list of what a target holds.
pub(super) async fn compare_listed(
    node: &Node,
    name: &str,
    listing: &Listing,
    output: &Output,
) -> Result<Reconciliation, FlowError> {
    in_its_turn(name, output, async || reconcile::reconcile_listed(&node.flow, name, listing).await).await
}

/// Makes a comparison, once no other run of it is under way.
async fn in_its_turn(
    name: &str,
    output: &Output,
    compare: impl AsyncFn() -> Result<Reconciliation, FlowError>,
) -> Result<Reconciliation, FlowError> {
    let bar = output.progress(&format!("{} {name}", output.words.comparing));
    let end = Instant::now() + ITS_TURN;
    let result = loop {
        match compare().await {
            Err(FlowError::UnderWay { .. }) if Instant::now() < end => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            result => break result,
        }
    };
    bar.finish_and_clear();
    result
}

/// Shows what was read.
pub(super) fn show_intake(sources: &BTreeMap<String, RunTotals>, output: &Output) {
    let words = output.words;
    let row = |name: &str, totals: &RunTotals| {
        let balanced = if totals.balanced() { words.yes } else { words.no };
        let numbers = [totals.read, totals.new, totals.unchanged, totals.quarantined, totals.refused];
        let mut row = vec![name.to_owned()];
        row.extend(numbers.iter().map(ToString::to_string));
        row.push(balanced.to_owned());
        row
    };
    let mut rows: Vec<_> = sources.iter().map(|(name, totals)| row(name, totals)).collect();
    if sources.len() > 1 {
        let total = sources.values().fold(RunTotals::default(), |sum, totals| sum.plus(*totals));
        rows.push(row(words.total, &total));
    }
    let counts = [words.read, words.new, words.unchanged, words.quarantined, words.refused, words.balanced];
    let columns: Vec<_> = [name(words.source)].into_iter().chain(counts.map(number)).collect();
    output.table(words.what_was_read, &columns, &rows);
}

/// Shows documents that were refused whole.
pub(super) fn show_refused(report: &IntakeReport, output: &Output) {
    if report.refused.is_empty() {
        return;
    }
    let rows: Vec<_> = report
        .refused
        .iter()
        .map(|(document, refusal)| {
            let line = refusal.line.map(|line| format!(" ({} {line})", output.words.line)).unwrap_or_default();
            let words = output.words;
            let why = if words.are_italian() {
                http::document(&refusal.code, &refusal.message)
            } else {
                refusal.message.clone()
            };
            vec![document.clone(), format!("[{}] {why}{line}", refusal.code)]
        })
        .collect();
    output.table(output.words.refused_documents, &[name(output.words.document), sentence(output.words.reason)], &rows);
}

/// Why a row stands aside: in Italian the rule, and what was told of it where that is known; in English what
/// was told.
pub(super) fn reason_aside(rule: &str, told: &str, output: &Output) -> String {
    if output.words.are_italian() { http::aside(rule, told) } else { told.to_owned() }
}

/// Says what is not finished yet and why, in the numbers of the table before it.
pub(super) fn note_what_remains(cycle: &Cycle, output: &Output) {
    let words = output.words;
    let sum = |wanted: &[&str]| -> u64 {
        let states = cycle.deliveries.values().flatten();
        states.filter(|(state, _)| wanted.contains(&state.as_str())).map(|(_, count)| *count).sum()
    };
    let remaining = [
        (sum(&["due", "sent", "retry", "in_doubt"]), words.still_open),
        (sum(&["submitted"]), words.still_deciding),
        (sum(&["held"]), words.still_held),
    ];
    for (count, what) in remaining.into_iter().filter(|(count, _)| *count > 0) {
        output.note(&format!("{count} {what}"));
    }
}

/// Shows where everything went.
pub(super) fn show_deliveries(cycle: &Cycle, output: &Output) {
    let words = output.words;
    let rows: Vec<Vec<String>> = cycle
        .deliveries
        .iter()
        .flat_map(|(target, states)| {
            states
                .iter()
                .map(move |(state, count)| vec![target.clone(), words.states(state).to_owned(), count.to_string()])
        })
        .collect();
    output.table(words.where_it_went, &[name(words.target), sentence(words.state), number(words.deliveries)], &rows);
}

/// Shows whether both sides agree, and how the figures add up.
pub(super) fn show_comparison(results: &[Reconciliation], output: &Output) {
    let words = output.words;
    let rows: Vec<_> = results
        .iter()
        .map(|result| {
            let counts = &result.counts;
            let known = |count| {
                counts.known(count, result.complete).map_or_else(|| NOT_KNOWN.to_owned(), |count| count.to_string())
            };
            // Between sources no row is missing on a side: what a source lacks is told by the row that differs.
            let missing = |count| if result.target == SOURCES { NOT_KNOWN.to_owned() } else { known(count) };
            let numbers = [
                known(counts.expected),
                known(counts.observed),
                known(counts.equal),
                known(counts.different),
                known(counts.explained),
                missing(counts.missing_there),
                missing(counts.missing_here),
                known(counts.on_its_way),
                known(counts.stopped),
                known(counts.not_read),
                known(counts.all()),
            ];
            let complete = match &result.incomplete_because {
                None if counts.is_empty() => {
                    format!("{}: {}", words.yes, headings(words.language()).nothing_to_compare)
                }
                None => words.yes.to_owned(),
                Some(why) => format!("{}: {why}", words.no),
            };
            let mut row = vec![result.target.clone()];
            row.extend(numbers);
            row.push(complete);
            row
        })
        .collect();
    let counts = [
        words.expected,
        words.observed,
        words.equal,
        words.different,
        words.explained,
        words.missing_there,
        words.missing_here,
        words.on_its_way,
        words.stopped,
        words.not_read,
        words.rows_in_all,
    ];
    let columns = [name(words.comparison)].into_iter().chain(counts.map(number)).chain([sentence(words.complete)]);
    output.table(words.do_both_agree, &columns.collect::<Vec<_>>(), &rows);
    output.paragraph(words.rows_add_up);
    if results.iter().any(|result| result.target == SOURCES) {
        output.paragraph(headings(words.language()).rows_of_sources);
    }
    show_standing(results, output);
}

/// Shows the first discrepancies of some comparisons.
pub(super) fn show_first(results: &[&Reconciliation], output: &Output) {
    let words = output.words;
    let discrepancies: Vec<_> =
        results.iter().flat_map(|result| result.discrepancies.iter().map(move |found| (*result, found))).collect();
    if discrepancies.is_empty() {
        return;
    }
    let all: u64 = results.iter().flat_map(|result| result.rules.values()).sum();
    let rows: Vec<_> = discrepancies
        .iter()
        .take(SHOWN)
        .map(|(result, found)| {
            let said = |is_owner| found.sides.iter().find(|side| side.is_owner == is_owner);
            let text = |is_owner| said(is_owner).and_then(|side| side.value.clone()).unwrap_or_else(|| "–".to_owned());
            let what = match found.shape {
                Shape::MissingThere => words.missing_there.to_owned(),
                Shape::MissingHere => words.missing_here.to_owned(),
                Shape::Differs | Shape::Breaks => found.field.clone().unwrap_or_default(),
            };
            vec![
                result.target.clone(),
                found.rule.code().to_owned(),
                if found.unit.ends_with(&found.row) {
                    found.unit.clone()
                } else {
                    format!("{} {}", found.unit, found.row)
                },
                what,
                text(true),
                text(false),
            ]
        })
        .collect();
    let title = format!("{} ({} / {})", words.first_discrepancies, discrepancies.len().min(SHOWN), all);
    let columns = [
        name(words.comparison),
        name(words.rule),
        name(words.unit_and_row),
        value(words.field),
        value(words.ours),
        value(words.theirs),
    ];
    output.table(&title, &columns, &rows);
}

/// Shows how many discrepancies stand after the comparisons, and how they add up.
fn show_standing(results: &[Reconciliation], output: &Output) {
    let words = output.words;
    let row = |name: &str, counts: Standing| {
        let counts = [counts.open, counts.explained, counts.accepted, counts.all()];
        [name.to_owned()].into_iter().chain(counts.map(|count| count.to_string())).collect::<Vec<_>>()
    };
    let mut rows: Vec<_> = results.iter().map(|result| row(&result.target, result.standing.into())).collect();
    let total: Standing = results.iter().map(|result| Standing::from(result.standing)).sum();
    if results.len() > 1 {
        rows.push(row(words.total, total));
    }
    let counts = [words.open, words.explained, words.accepted, words.rows_in_all];
    let columns: Vec<_> = [name(words.comparison)].into_iter().chain(counts.map(number)).collect();
    output.table(words.discrepancies, &columns, &rows);
    output.paragraph(&format!("{}: {}.", words.of_discrepancies, total.sentence(words.language())));
}

/// Shows what targets take in general and were not given, and why.
pub(super) async fn show_withheld(node: &Node, output: &Output) -> Result<(), FlowError> {
    let overview = node.flow.store.overview().await?;
    let language = output.words.language();
    let rows = overview.withheld.iter().flat_map(|(target, codes)| {
        codes.iter().map(move |(code, count)| {
            vec![target.clone(), withheld_title(code, language).to_owned(), code.clone(), count.to_string()]
        })
    });
    let words = output.words;
    if overview.withheld.is_empty() {
        return Ok(());
    }
    let columns = [name(words.target), sentence(words.reason), name(words.code), number(words.records)];
    output.table(words.withheld, &columns, &rows.collect::<Vec<_>>());
    Ok(())
}

/// Shows the rows that were set aside last, and why: what was just read is among them.
pub(super) async fn show_aside(node: &Node, totals: RunTotals, output: &Output) -> Result<(), FlowError> {
    if totals.quarantined == 0 {
        return Ok(());
    }
    let overview = node.flow.store.overview().await?;
    let rows = overview.newest_quarantined.iter().take(SHOWN).map(|aside| {
        vec![
            format!("{} {}:{}", aside.source, aside.document, aside.line),
            aside.rule.clone(),
            reason_aside(&aside.rule, &aside.reason, output),
        ]
    });
    let words = output.words;
    let columns = [name(words.origin), name(words.rule), sentence(words.reason)];
    output.table(words.aside_newest, &columns, &rows.collect::<Vec<_>>());
    Ok(())
}
