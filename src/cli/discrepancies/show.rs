//! Discrepancies as tables for people, in Italian.

use canonical::Severity;
use canonical::values::{CalendarDate, Importo, UtcInstant};

use crate::cli::output::Output;
use crate::clock::italian_day;
use crate::discrepancy::working_days::working_days;
use crate::discrepancy::{Act, Cause, Group, Shape, State, WorkItem};
use crate::flow::reconcile::repair::{Change, Repairs};
use crate::http::italian;
use crate::storage::{EventKind, ItemEvent};

pub(super) fn groups(groups: &[Group], limit: usize, output: &Output) {
    if groups.is_empty() {
        output.line("Nessuna discordanza: le parti concordano.");
        return;
    }
    let all: u64 = groups.iter().map(|group| group.count).sum();
    let rows = groups.iter().take(limit).map(|group| {
        vec![
            group.comparison.clone(),
            group.rule.code().to_owned(),
            severity(group.severity).to_owned(),
            shape(group.shape).to_owned(),
            group.field.clone().unwrap_or_else(|| "–".to_owned()),
            group.against.clone(),
            cause(group.cause),
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
    let rows = items.iter().map(|item| {
        let found = &item.discrepancy;
        vec![
            item.id.to_string(),
            found.comparison.clone(),
            found.rule.code().to_owned(),
            format!("{} {}", found.unit, found.row),
            found.field.clone().unwrap_or_else(|| shape(found.shape).to_owned()),
            sides(item),
            state(&item.state),
            age(item, now).to_string(),
            act(found.act).to_owned(),
        ]
    });
    let headers =
        ["N.", "Confronto", "Regola", "Unità e riga", "Campo", "Valori", "Stato", "Giorni lavorativi", "Da fare"];
    output.narrow_table(&format!("Discordanze ({} / {count})", items.len()), &headers, rows.collect());
}

pub(super) fn one(item: &WorkItem, history: &[ItemEvent], now: UtcInstant, output: &Output) {
    let found = &item.discrepancy;
    let mut rows = vec![
        ["Confronto".to_owned(), found.comparison.clone()],
        ["Unità".to_owned(), found.unit.clone()],
        ["Riga".to_owned(), found.row.clone()],
        ["Campo".to_owned(), found.field.clone().unwrap_or_else(|| shape(found.shape).to_owned())],
        ["Regola".to_owned(), format!("{} ({})", found.rule.code(), severity(found.severity))],
        ["Causa".to_owned(), cause(found.cause)],
        ["Stato".to_owned(), state(&item.state)],
        ["Da fare".to_owned(), act(found.act).to_owned()],
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
        vec![italian(event.at), happened(event.kind).to_owned(), who, event.reason.clone().unwrap_or_default()]
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
                item.to_string(),
                format!("{unit} {row}"),
                text(field),
                act(*what).to_owned(),
                text(holds),
                text(would_hold),
            ]
        });
        let title = format!("Riparazioni ({} / {})", repairs.changes.len(), repairs.acts.values().sum::<u64>());
        let headers = ["N.", "Unità e riga", "Campo", "Che cosa", "Oggi tiene", "Terrebbe"];
        output.narrow_table(&title, &headers, rows.collect());
    }
    let lines = [
        (repairs.for_people, "solo per persone: niente da riparare da qui"),
        (repairs.to_approve, "in attesa di approvazione da un'altra persona"),
        (repairs.sent_again, "unità da inviare di nuovo"),
        (repairs.read_again, "fonti da rileggere dall'inizio"),
        (repairs.segnalazioni, "segnalazioni aperte"),
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

fn cause(cause: Option<Cause>) -> String {
    cause.map_or_else(|| "senza spiegazione".to_owned(), |cause| cause.code().to_owned())
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "informazione",
        Severity::Warning => "avviso",
        Severity::Error => "errore",
    }
}

fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::MissingThere => "manca là",
        Shape::MissingHere => "manca qui",
        Shape::Differs => "diverso",
        Shape::Breaks => "viola una regola",
    }
}

fn state(state: &State) -> String {
    match state {
        State::Open => "aperta".to_owned(),
        State::Explained => "spiegata".to_owned(),
        State::Accepted { until: Some(until) } => format!("accettata fino al {}", until.italian()),
        State::Accepted { until: None } => "accettata finché non cambia".to_owned(),
        State::Closed => "chiusa".to_owned(),
    }
}

fn act(act: Act) -> &'static str {
    match act {
        Act::Nothing => "niente",
        Act::SendAgain => "inviare di nuovo",
        Act::ReadAgain => "rileggere la fonte",
        Act::CorrectAtSource => "correggere alla fonte",
        Act::AskPartner => "chiedere al gestore",
        Act::OpenSegnalazione => "aprire una segnalazione",
    }
}

fn happened(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Opened => "vista la prima volta",
        EventKind::Changed => "valori cambiati",
        EventKind::Explained => "spiegata da una causa nota",
        EventKind::Unexplained => "la causa non spiega più",
        EventKind::Accepted => "accettata",
        EventKind::AcceptanceEnded => "fine dell'accettazione",
        EventKind::Assigned => "assegnata",
        EventKind::Escalated => "segnalata in alto",
        EventKind::Closed => "chiusa: le parti concordano",
        EventKind::Reopened => "tornata dopo la chiusura",
        EventKind::RepairRequested => "riparazione chiesta",
        EventKind::Repaired => "riparazione avviata",
    }
}
