//! Discrepancies as tables for people, in Italian.

use canonical::values::{CalendarDate, Importo, UtcInstant};

use crate::cli::output::Output;
use crate::clock::italian_day;
use crate::discrepancy::working_days::working_days;
use crate::discrepancy::{Cause, Group, WorkItem};
use crate::flow::reconcile::repair::{Change, Repairs};
use crate::flow::report::words::{self, Language};
use crate::http::italian;
use crate::storage::ItemEvent;

pub(super) fn groups(groups: &[Group], limit: usize, output: &Output) {
    if groups.is_empty() {
        output.line("Nessuna discordanza: le parti concordano.");
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
            italian(group.oldest),
        ]
    });
    let headers =
        ["Confronto", "Regola", "Gravità", "Forma", "Campo", "Contro", "Causa", "Quante", "Nuove", "Importo", "Dal"];
    let title = format!("Discordanze per causa ({all} in {} gruppi)", groups.len());
    output.table(&title, &headers, rows.collect(), 7);
}

pub(super) fn items(items: &[WorkItem], count: u64, now: UtcInstant, output: &Output) {
    if items.is_empty() {
        output.line("Nessuna discordanza.");
        return;
    }
    let language = output.words.language();
    output.line(&format!("\nDiscordanze ({} / {count})\n", items.len()));
    let widest = items.iter().map(|item| item.id.to_string().len()).max().unwrap_or_default();
    for item in items {
        let found = &item.discrepancy;
        let field = found.field.as_deref().unwrap_or_else(|| words::shape(found.shape, language));
        let rule = format!("{} {}", found.rule.code(), words::rule(found.rule, language));
        let state = format!("{}, {} giorni lavorativi", words::state(&item.state, language), age(item, now));
        let place =
            if found.unit.ends_with(&found.row) { found.unit.clone() } else { format!("{} {}", found.unit, found.row) };
        let lines = [
            [found.comparison.as_str(), &rule, &state].join(" · "),
            format!("{place} · {field}: {}", sides(item)),
            format!("{} → {}", cause(found.cause, language), words::act(found.act, language)),
        ];
        output.item(&item.id.to_string(), widest, &lines);
    }
}

pub(super) fn one(item: &WorkItem, history: &[ItemEvent], now: UtcInstant, output: &Output) {
    let found = &item.discrepancy;
    let language = output.words.language();
    let mut rows = vec![
        ["Confronto".to_owned(), found.comparison.clone()],
        ["Unità".to_owned(), found.unit.clone()],
        ["Riga".to_owned(), found.row.clone()],
        ["Campo".to_owned(), found.field.clone().unwrap_or_else(|| words::shape(found.shape, language).to_owned())],
        [
            "Regola".to_owned(),
            format!(
                "{} {} ({})",
                found.rule.code(),
                words::rule(found.rule, language),
                words::severity(found.severity, language)
            ),
        ],
        ["Causa".to_owned(), cause(found.cause, language).to_owned()],
        ["Stato".to_owned(), words::state_sentence(&item.state, language).to_owned()],
        ["Da fare".to_owned(), words::act_sentence(found.act, language).to_owned()],
        ["Aperta da".to_owned(), format!("{} giorni lavorativi, dal {}", age(item, now), italian(item.first_seen))],
        ["Riaperta".to_owned(), format!("{} volte", item.reopened)],
    ];
    let more = [
        ("Importo", found.at_stake.map(|amount: Importo| amount.to_string())),
        ("Ente", found.body.clone()),
        ("Scadenza", found.deadline.map(CalendarDate::italian)),
        ("Ufficio", item.office.clone()),
        ("Segnalata in alto", item.escalated_at.map(italian)),
    ];
    rows.extend(more.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?])));
    let rows = rows.into_iter().map(Vec::from).collect();
    output.table(&format!("Discordanza n. {}", item.id), &["", ""], rows, 2);
    let rows = found.sides.iter().map(|side| {
        vec![
            side.system.clone(),
            if side.is_owner { "sì" } else { "" }.to_owned(),
            side.value.clone().unwrap_or_else(|| "–".to_owned()),
            side.as_of.map_or_else(String::new, CalendarDate::italian),
        ]
    });
    output.table("Che cosa dicono le parti", &["Sistema", "Titolare", "Valore", "Dati al"], rows.collect(), 4);
    let rows = history.iter().map(|event| {
        let who = event.who.clone().or_else(|| event.run.map(|run| format!("confronto {run}"))).unwrap_or_default();
        vec![
            italian(event.at),
            words::event(event.kind, language).to_owned(),
            who,
            event.reason.clone().unwrap_or_default(),
        ]
    });
    output.table("Che cosa è successo", &["Quando", "Che cosa", "Chi", "Perché"], rows.collect(), 4);
}

/// What a repair is about, or what came of it.
pub(super) fn repairs(repairs: &Repairs, output: &Output) {
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
        let title = format!("Riparazioni ({} / {})", repairs.changes.len(), repairs.changes_in_all);
        let headers = ["N.", "Unità e riga", "Campo", "Che cosa", "Oggi tiene", "Terrebbe"];
        output.narrow_table(&title, &headers, rows.collect());
    }
    if repairs.units > 0 {
        output.line(&format!(
            "Ogni unità è inviata intera ({}): cambiano tutti i campi elencati, anche quelli fuori dalla scelta ({}, «–»)",
            repairs.units, repairs.not_chosen
        ));
    }
    if repairs.changes.iter().any(|change| !change.seen_now && change.act == crate::discrepancy::Act::SendAgain) {
        output.note("Una destinazione non è stata letta fin lì: per le sue unità vale l'ultimo confronto");
    }
    let lines = [
        (repairs.for_people, "solo per persone: niente da riparare da qui"),
        (repairs.to_approve, "in attesa di approvazione da un'altra persona"),
        (repairs.sent_again, "unità da inviare di nuovo"),
        (repairs.read_again, "fonti da rileggere dall'inizio"),
        (repairs.segnalazioni, "segnalazioni aperte"),
        (repairs.postponed, "decise e da completare quando la destinazione sarà leggibile"),
    ];
    for (count, words) in lines.into_iter().filter(|(count, _)| *count > 0) {
        output.line(&format!("{count} {words}"));
    }
    refused(&repairs.refused, output);
}

/// What could not be done.
pub(super) fn refused(refused: &std::collections::BTreeMap<String, u64>, output: &Output) {
    for (why, count) in refused {
        output.note(&format!("{count} non fatte: {why}"));
    }
}

fn sides(item: &WorkItem) -> String {
    let said = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    let sides = item.discrepancy.sides.iter().map(|side| format!("{}: {}", side.system, said(&side.value)));
    sides.collect::<Vec<_>>().join("; ")
}

fn age(item: &WorkItem, now: UtcInstant) -> u32 {
    working_days(italian_day(item.first_seen), italian_day(now))
}

fn cause(cause: Option<Cause>, language: Language) -> &'static str {
    cause.map_or_else(|| words::unexplained(language), |cause| words::cause(cause, language)).title
}
