//! What the page of reconciliation shows: texts and links, ready to be placed.

use askama::Template;

use super::super::facts::{Facts, GroupRow, ItemRow};
use super::PAGE;
use crate::discrepancy::{Group, SOURCES, Side, State, WorkItem};
use crate::flow::report::forms::{self, instant, visible, whole};
use crate::flow::report::model::{About, RowNumbers};
use crate::flow::report::standing::Standing;
use crate::flow::report::words::{self, Headings, Language, headings};
use crate::storage::{CauseFilter, FieldFilter, ItemEvent, ItemFilter, NewIn, StateFilter};

const LANGUAGE: Language = Language::Italian;

#[derive(Template)]
#[template(path = "reconciliation.html", config = "src/http/ui/askama.toml")]
struct GroupsPage {
    generated_at: String,
    words: &'static Headings,
    facts: Facts,
    bar: Bar,
    groups: Vec<GroupRow>,
    count: String,
    /// How the discrepancies of the filter add up, where there is one.
    filtered: Option<String>,
    /// How all of them do.
    standing: String,
    sign_offs: Vec<[String; 5]>,
}

#[derive(Template)]
#[template(path = "reconciliation_items.html", config = "src/http/ui/askama.toml")]
struct ItemsPage {
    generated_at: String,
    words: &'static Headings,
    bar: Bar,
    items: Vec<ItemRow>,
    groups_link: String,
    first: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "reconciliation_item.html", config = "src/http/ui/askama.toml")]
struct ItemPage {
    generated_at: String,
    words: &'static Headings,
    item: ItemRow,
    state_sentence: &'static str,
    history: Vec<EventRow>,
    key: String,
    group_link: String,
    comparison_run: Option<i64>,
}

/// Which discrepancies: the usual choices, what is chosen, and the exports of exactly that.
struct Bar {
    choices: Vec<Choice>,
    chosen: Vec<Chosen>,
    exports: Vec<(&'static str, String)>,
}

struct Choice {
    name: String,
    link: String,
    is_current: bool,
}

struct Chosen {
    name: String,
    value: String,
    without: String,
}

struct EventRow {
    at: String,
    what: &'static str,
    who: String,
    why: String,
    detail: String,
}

/// The query of a filter. The default has one too: an address without is that of the newest.
fn query(filter: &ItemFilter) -> String {
    let query = filter.to_query();
    if query.is_empty() { "state=standing".to_owned() } else { query }
}

fn groups_link(filter: &ItemFilter) -> String {
    format!("/reconciliation?{}", query(filter))
}

fn bar(about: &About, filter: &ItemFilter, path: &str) -> Bar {
    let link = |filter: &ItemFilter| format!("{path}?{}", query(filter));
    let usual = [
        ("Nuove dall'ultimo confronto", StateFilter::Standing, Some(NewIn::Last)),
        ("Da fare", StateFilter::Open, None),
        ("Tutte tranne le chiuse", StateFilter::Standing, None),
        ("Spiegate", StateFilter::Explained, None),
        ("Accettate", StateFilter::Accepted, None),
        ("Chiuse", StateFilter::Closed, None),
    ];
    let choices = usual.into_iter().map(|(name, state, new_in)| {
        let choice = ItemFilter { state, new_in, ..filter.clone() };
        Choice { name: name.to_owned(), link: link(&choice), is_current: choice == *filter }
    });
    let comparisons = about.runs.iter().filter(|_| filter.comparison.is_none() && about.runs.len() > 1).map(|run| {
        let choice = ItemFilter { comparison: Some(run.comparison.clone()), ..filter.clone() };
        Choice { name: format!("Solo {}", run.comparison), link: link(&choice), is_current: false }
    });
    let pairs = filter.pairs();
    let chosen = pairs.iter().map(|(name, value)| {
        let mut without = ItemFilter::default();
        for (other, value) in pairs.iter().filter(|(other, _)| other != name) {
            // It was read from an address before, so it is understood.
            let _ = without.set(other, value);
        }
        let value = chosen_value(filter, name, value);
        Chosen { name: words::filter(name).to_owned(), value, without: link(&without) }
    });
    let forms = [("CSV", "csv"), ("XLSX", "xlsx"), ("JSON", "json"), ("HTML da stampare", "html")];
    let query = query(filter);
    Bar {
        choices: choices.chain(comparisons).collect(),
        chosen: chosen.collect(),
        exports: forms.map(|(name, form)| (name, format!("/reconciliation/export/{form}?{query}"))).into(),
    }
}

/// The value of a filter in words, where it has some.
fn chosen_value(filter: &ItemFilter, name: &str, value: &str) -> String {
    let known = match name {
        "rule" => filter.rule.map(|rule| format!("{value} {}", words::rule(rule, LANGUAGE))),
        "cause" => match filter.cause {
            CauseFilter::Is(cause) => Some(words::cause(cause, LANGUAGE).title.to_owned()),
            CauseFilter::Unexplained => Some(words::unexplained(LANGUAGE).title.to_owned()),
            CauseFilter::Explained => Some("una qualunque".to_owned()),
            CauseFilter::Any => None,
        },
        "shape" => filter.shape.map(|shape| words::shape(shape, LANGUAGE).to_owned()),
        "severity" => filter.severity.map(|severity| format!("almeno {}", words::severity(severity, LANGUAGE))),
        "field" if value == "-" => Some(headings(LANGUAGE).whole_row.to_owned()),
        "new" if value == "last" => Some("dall'ultimo confronto".to_owned()),
        "new" => Some(format!("dal confronto n. {value}")),
        "state" => Some(state_name(filter.state).to_owned()),
        "opened_before" => filter.opened_before.map(|at| instant(at, LANGUAGE)),
        _ => None,
    };
    known.unwrap_or_else(|| visible(value).into_owned())
}

fn state_name(state: StateFilter) -> &'static str {
    match state {
        StateFilter::Standing => "tutte tranne le chiuse",
        StateFilter::Open => "aperte",
        StateFilter::Explained => "spiegate",
        StateFilter::Accepted => "accettate",
        StateFilter::Closed => "chiuse",
        StateFilter::Any => "tutte",
    }
}

/// The filter of one group, inside the filter of the page.
fn of_group(filter: &ItemFilter, group: &Group) -> ItemFilter {
    ItemFilter {
        comparison: Some(group.comparison.clone()),
        rule: Some(group.rule),
        cause: group.cause.map_or(CauseFilter::Unexplained, CauseFilter::Is),
        field: Some(group.field.clone().map_or(FieldFilter::WholeRow, FieldFilter::Is)),
        against: Some(group.against.clone()),
        shape: Some(group.shape),
        ..filter.clone()
    }
}

pub(super) fn groups_page(
    about: &About,
    filter: &ItemFilter,
    groups: &[Group],
    (filtered, standing): (Standing, Standing),
) -> Result<String, askama::Error> {
    let today = filter.state.may_be_open().then(|| about.today());
    let items_link = |group: &Group| format!("/reconciliation/items?{}", query(&of_group(filter, group)));
    let page = GroupsPage {
        generated_at: instant(about.made_at, LANGUAGE),
        words: headings(LANGUAGE),
        facts: Facts::of(about, &RowNumbers::of(&about.runs, groups.iter())),
        bar: bar(about, filter, "/reconciliation"),
        groups: groups.iter().map(|group| GroupRow::of(group, LANGUAGE, today, Some(items_link(group)))).collect(),
        count: whole(groups.iter().map(|group| group.count).sum(), LANGUAGE),
        filtered: (*filter != ItemFilter::default()).then(|| filtered.sentence(LANGUAGE)),
        standing: standing.sentence(LANGUAGE),
        sign_offs: about
            .sign_offs
            .iter()
            .map(|signed| {
                let (at, open) = (instant(signed.at, LANGUAGE), whole(signed.open, LANGUAGE));
                [signed.period.clone(), signed.who.clone(), at, open, visible(&signed.note).into_owned()]
            })
            .collect(),
    };
    page.render()
}

pub(super) fn items_page(
    about: &About,
    filter: &ItemFilter,
    after: Option<i64>,
    mut items: Vec<WorkItem>,
) -> Result<String, askama::Error> {
    let shown = PAGE as usize;
    let has_more = items.len() > shown;
    items.truncate(shown);
    let link = |after: Option<i64>| {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        format!("/reconciliation/items?{}{after}", query(filter))
    };
    let item_link = |item: &WorkItem| Some(format!("/reconciliation/items/{}", item.id));
    let page = ItemsPage {
        generated_at: instant(about.made_at, LANGUAGE),
        words: headings(LANGUAGE),
        bar: bar(about, filter, "/reconciliation/items"),
        groups_link: groups_link(filter),
        first: after.map(|_| link(None)),
        next: items.last().filter(|_| has_more).map(|last| link(Some(last.id))),
        items: items.iter().map(|item| ItemRow::of(item, about, item_link(item))).collect(),
    };
    page.render()
}

pub(super) fn item_page(about: &About, item: &WorkItem, history: &[ItemEvent]) -> Result<String, askama::Error> {
    let found = &item.discrepancy;
    let group = ItemFilter {
        comparison: Some(found.comparison.clone()),
        rule: Some(found.rule),
        cause: found.cause.map_or(CauseFilter::Unexplained, CauseFilter::Is),
        state: StateFilter::Any,
        ..ItemFilter::default()
    };
    let events = history.iter().map(|event| EventRow {
        at: instant(event.at, LANGUAGE),
        what: words::event(event.kind, LANGUAGE),
        who: match (&event.who, event.run) {
            (Some(who), _) => visible(who).into_owned(),
            (None, Some(run)) => format!("confronto n. {}", run.0),
            (None, None) => "Raccordo".to_owned(),
        },
        why: visible(&words::reason(event.reason.as_deref().unwrap_or_default(), LANGUAGE)).into_owned(),
        detail: event.detail.as_deref().map(|detail| told(detail, item)).unwrap_or_default(),
    });
    // The comparison of sources writes the kind before the key.
    let key = match found.unit.split_once('/') {
        Some((_, key)) if found.comparison == SOURCES => key,
        _ => &found.unit,
    };
    let page = ItemPage {
        generated_at: instant(about.made_at, LANGUAGE),
        words: headings(LANGUAGE),
        item: ItemRow::of(item, about, None),
        state_sentence: words::state_sentence(&item.state, history.last().map(|event| event.kind), LANGUAGE),
        history: events.collect(),
        key: visible(key).into_owned(),
        group_link: format!("/reconciliation/items?{}", query(&group)),
        comparison_run: about.runs.iter().find(|run| run.comparison == found.comparison).map(|run| run.id),
    };
    page.render()
}

/// The sides as an event kept them, the state that ended, or what else it says.
fn told(detail: &str, item: &WorkItem) -> String {
    if let Ok(state) = serde_json::from_str::<State>(detail) {
        return match state {
            State::Accepted { until: Some(until) } => format!("era accettata fino al {}", until.italian()),
            state => format!("era {}", words::state(&state, LANGUAGE)),
        };
    }
    let Ok(sides) = serde_json::from_str::<Vec<Side>>(detail) else { return visible(detail).into_owned() };
    let side = |side: &Side| {
        let value = side.value.as_deref().map(|value| forms::value(item.discrepancy.rule, value).text(LANGUAGE));
        format!("{}: {}", words::side_name(side, LANGUAGE), value.unwrap_or_else(|| "–".to_owned()))
    };
    sides.iter().map(side).collect::<Vec<_>>().join("; ")
}
