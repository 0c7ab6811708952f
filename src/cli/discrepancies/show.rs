//! Discrepancies as tables for people.

use canonical::values::{CalendarDate, Importo, UtcInstant};

use crate::cli::output::Output;
use crate::cli::table::{name, number, sentence, value};
use crate::cli::words::Words;
use crate::clock::italian_day;
use crate::discrepancy::working_days::working_days;
use crate::discrepancy::{Cause, Group, WorkItem};
use crate::flow::reconcile::repair::{Change, Repairs};
use crate::flow::report::forms::day;
use crate::flow::report::standing::Standing;
use crate::flow::report::words::{self, Language, headings};
use crate::http::italian;
use crate::storage::ItemEvent;

pub(super) fn groups(groups: &[Group], standing: Standing, limit: usize, output: &Output) {
    let told = output.words;
    if groups.is_empty() {
        output.line(told.no_discrepancies);
        return;
    }
    let language = output.words.language();
    let all: u64 = groups.iter().map(|group| group.count).sum();
    let rows = groups.iter().take(limit).map(|group| {
        vec![
            group.comparison.clone(),
            group.rule.code().to_owned(),
            words::severity(group.severity, language).to_owned(),
            words::shape(group.shape, language).to_owned(),
            group.field.clone().unwrap_or_else(|| "–".to_owned()),
            group.against.clone(),
            cause(group.cause, language).to_owned(),
            group.count.to_string(),
            group.new.to_string(),
            group.at_stake.to_string(),
            day(italian_day(group.oldest), language),
        ]
    });
    let columns = [
        name(told.comparison),
        name(told.rule),
        value(told.severity),
        sentence(told.shape),
        value(told.field),
        name(told.against),
        sentence(told.cause),
        number(told.how_many),
        number(told.how_many_new),
        number(told.amount),
        number(told.from_day),
    ];
    let title = format!("{} ({all} / {} {})", told.by_cause, groups.len(), told.groups);
    output.table(&title, &columns, &rows.collect::<Vec<_>>());
    output.paragraph(&format!("{}: {}.", told.of_discrepancies, standing.sentence(language)));
}

pub(in crate::cli) fn items(items: &[WorkItem], count: u64, now: UtcInstant, output: &Output) {
    if items.is_empty() {
        output.line(output.words.none_of_these);
        return;
    }
    let language = output.words.language();
    let told = output.words;
    output.line(&format!("\n{} ({} / {count})\n", told.of_discrepancies, items.len()));
    let widest = items.iter().map(|item| item.id.to_string().len()).max().unwrap_or_default();
    for item in items {
        let found = &item.discrepancy;
        let field = found.field.as_deref().unwrap_or_else(|| words::shape(found.shape, language));
        let rule = format!("{} {}", found.rule.code(), words::rule(found.rule, language));
        let state = format!("{}, {} {}", words::state(&item.state, language), age(item, now), told.working_days);
        let place =
            if found.unit.ends_with(&found.row) { found.unit.clone() } else { format!("{} {}", found.unit, found.row) };
        let lines = [
            [found.comparison.as_str(), &rule, &state].join(" · "),
            format!("{place} · {field}: {}", sides(item, language)),
            format!(
                "{} → {}{}",
                cause(found.cause, language),
                words::act(found.act, language),
                deadline(item, now, told)
            ),
        ];
        output.item(&item.id.to_string(), widest, &lines);
    }
}

pub(super) fn one(item: &WorkItem, history: &[ItemEvent], now: UtcInstant, output: &Output) {
    let found = &item.discrepancy;
    let language = output.words.language();
    let told = output.words;
    let last = history.last().map(|event| event.kind);
    let mut rows = vec![
        [told.comparison.to_owned(), found.comparison.clone()],
        [told.unit.to_owned(), found.unit.clone()],
        [told.row.to_owned(), found.row.clone()],
        [told.field.to_owned(), found.field.clone().unwrap_or_else(|| words::shape(found.shape, language).to_owned())],
        [
            told.rule.to_owned(),
            format!(
                "{} {} ({})",
                found.rule.code(),
                words::rule(found.rule, language),
                words::severity(found.severity, language)
            ),
        ],
        [told.cause.to_owned(), cause(found.cause, language).to_owned()],
        [told.state.to_owned(), words::state_sentence(&item.state, last, language).to_owned()],
        [told.to_do.to_owned(), words::to_do(found, language).to_owned()],
        [
            told.open_for.to_owned(),
            format!("{} {}, {} {}", age(item, now), told.working_days, told.since_day, italian(item.first_seen)),
        ],
        [told.reopened.to_owned(), format!("{} {}", item.reopened, told.times)],
    ];
    let more = [
        (told.amount, found.at_stake.map(|amount: Importo| amount.to_string())),
        (told.body, found.body.clone()),
        (told.deadline, found.deadline.map(|by| by_when(item, by, now, told))),
        (told.office, item.office.clone()),
        (told.escalated, item.escalated_at.map(italian)),
    ];
    rows.extend(more.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?])));
    let rows: Vec<_> = rows.into_iter().map(Vec::from).collect();
    output.table(&format!("{} {}", told.discrepancy_number, item.id), &[name(""), sentence("")], &rows);
    let rows = found.sides.iter().map(|side| {
        vec![
            words::side_name(side, language).to_owned(),
            if side.is_owner && !side.is_of_nobody() { told.yes } else { "" }.to_owned(),
            side.value.clone().unwrap_or_else(|| "–".to_owned()),
            side.as_of.map_or_else(String::new, CalendarDate::italian),
        ]
    });
    let columns = [name(told.system), name(told.owner), sentence(told.value), name(told.as_of)];
    output.table(told.what_sides_say, &columns, &rows.collect::<Vec<_>>());
    let rows = history.iter().map(|event| {
        let who = event
            .who
            .clone()
            .or_else(|| event.run.map(|run| format!("{} {run}", told.of_comparison)))
            .unwrap_or_default();
        vec![
            italian(event.at),
            words::event(event.kind, language).to_owned(),
            who,
            event.reason.as_deref().map(|reason| words::reason(reason, language)).unwrap_or_default(),
        ]
    });
    let columns = [name(told.when), sentence(told.what), name(told.who), sentence(told.why)];
    output.table(told.what_happened, &columns, &rows.collect::<Vec<_>>());
}

/// What a repair is about, or what came of it.
pub(super) fn repairs(repairs: &Repairs, output: &Output) {
    let told = output.words;
    if !repairs.changes.is_empty() {
        let rows = repairs.changes.iter().map(|change| {
            let Change { item, unit, row, field, act: what, holds, would_hold, .. } = change;
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
            vec![
                item.map_or_else(|| "–".to_owned(), |item| item.to_string()),
                format!("{unit} {row}"),
                text(field),
                words::act(*what, output.words.language()).to_owned(),
                text(holds),
                text(would_hold),
            ]
        });
        let title = format!("{} ({} / {})", told.repairs, repairs.changes.len(), repairs.changes_in_all);
        let columns = [
            name(told.number),
            sentence(told.unit_and_row),
            name(told.field),
            sentence(told.what),
            sentence(told.holds_today),
            sentence(told.would_hold),
        ];
        output.table(&title, &columns, &rows.collect::<Vec<_>>());
    }
    if repairs.units > 0 {
        let of = format!("{} {}; {} {}.", repairs.units, told.sent_whole, repairs.not_chosen, told.outside_choice);
        output.paragraph(&of);
    }
    if repairs.changes.iter().any(|change| !change.seen_now && change.act == crate::discrepancy::Act::SendAgain) {
        output.note(told.not_read_so_far);
    }
    let lines = [
        (repairs.for_people, told.for_people),
        (repairs.to_approve, told.to_approve),
        (repairs.sent_again, told.sent_again),
        (repairs.read_again, told.sources_read_again),
        (repairs.segnalazioni, told.segnalazioni),
        (repairs.postponed, told.postponed),
    ];
    for (count, words) in lines.into_iter().filter(|(count, _)| *count > 0) {
        output.line(&format!("{count} {words}"));
    }
    refused(&repairs.refused, output);
}

/// What could not be done.
pub(super) fn refused(refused: &std::collections::BTreeMap<String, u64>, output: &Output) {
    for (why, count) in refused {
        let why = words::not_done(why, output.words.language());
        output.note(&format!("{count} {}: {why}", output.words.not_done_because));
    }
}

fn sides(item: &WorkItem, language: Language) -> String {
    let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    let sides = item
        .discrepancy
        .sides
        .iter()
        .map(|side| format!("{}: {}", words::side_name(side, language), said(&side.value)));
    sides.collect::<Vec<_>>().join("; ")
}

/// By when it must be settled, and whether that day has passed.
fn by_when(item: &WorkItem, by: CalendarDate, now: UtcInstant, told: &Words) -> String {
    let overdue = headings(told.language()).overdue;
    if item.is_overdue(italian_day(now)) { format!("{}, {overdue}", by.italian()) } else { by.italian() }
}

/// The same at the end of a line; nothing where there is no such day.
fn deadline(item: &WorkItem, now: UtcInstant, told: &Words) -> String {
    let by = item.discrepancy.deadline.map(|by| by_when(item, by, now, told));
    by.map(|by| format!(" · {}: {by}", told.deadline.to_lowercase())).unwrap_or_default()
}

fn age(item: &WorkItem, now: UtcInstant) -> u32 {
    working_days(italian_day(item.first_seen), italian_day(now))
}

fn cause(cause: Option<Cause>, language: Language) -> &'static str {
    cause.map_or_else(|| words::unexplained(language), |cause| words::cause(cause, language)).title
}
