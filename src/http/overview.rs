//! The overview page: what there is, where it is going, what disagrees, in Italian.

use askama::Template;
use canonical::Rule;
use contract::ContractStatus;

use super::{SignalState, notice, told, waiting, withheld_title, words};
use crate::discrepancy::SOURCES;
use crate::flow::Flow;
use crate::flow::deliver::gate::{HealthState, TargetHealth};
use crate::flow::report::forms::{self, NOT_KNOWN};
use crate::flow::report::standing::Standing;
use crate::flow::report::words::{self as sentences, Language};
use crate::pressure::Hold;
use crate::storage::webhooks::WebhookState;
use crate::storage::{Overview, ParkedItem, ReconciliationView, Verdict};

#[derive(Template)]
#[template(path = "overview.html", config = "src/http/ui/askama.toml")]
struct Page {
    generated_at: String,
    notice: Option<String>,
    tiles: Vec<Tile>,
    records: Vec<(&'static str, String)>,
    targets: Vec<Target>,
    /// Other nodes, with which this one compares what both hold.
    nodes: Vec<OtherNode>,
    /// The comparison of the sources with each other.
    between_sources: Option<Comparison>,
    standing: String,
    runs: Vec<Run>,
    refused: Vec<Refused>,
    refused_in_all: String,
    findings: Vec<FindingRow>,
    withheld: Vec<(String, &'static str, String)>,
    aside: Vec<Aside>,
    partners: Vec<Partner>,
    signals: Vec<SignalState>,
}

struct Refused {
    id: String,
    document: String,
    reason: String,
    since: String,
}

struct Partner {
    name: String,
    told: String,
    is_alarm: bool,
}

struct Aside {
    document: String,
    line: String,
    rule: String,
    text: String,
    since: String,
}

struct Tile {
    label: &'static str,
    value: String,
    note: String,
    is_alarm: bool,
}

struct Target {
    name: String,
    is_assumed: bool,
    is_observed: bool,
    /// Why nothing is sent to it now, when it is so.
    stopped: Option<String>,
    states: Vec<(&'static str, String)>,
    comparison: Option<Comparison>,
}

struct OtherNode {
    name: String,
    comparison: Option<Comparison>,
}

struct Comparison {
    finished_at: String,
    verdict: &'static str,
    is_clean: bool,
    equal: String,
    different: String,
    explained: String,
    missing_there: String,
    missing_here: String,
    on_its_way: String,
    stopped: String,
    not_read: String,
    all: String,
}

struct Run {
    source: String,
    finished_at: String,
    read: String,
    new: String,
    unchanged: String,
    quarantined: String,
    refused: String,
    is_balanced: bool,
}

struct FindingRow {
    code: String,
    text: &'static str,
    count: String,
}

/// What the page shows beside the counts of the store.
pub(super) struct Beside {
    pub(super) partners: Vec<WebhookState>,
    /// How it stands with Signal Hub.
    pub(super) signals: Vec<SignalState>,
    /// Documents that were refused whole and wait for a person: the first, and how many there are.
    pub(super) refused: (Vec<ParkedItem>, u64),
    /// Discrepancies that are not closed.
    pub(super) standing: Standing,
    pub(super) hold: Option<Hold>,
}

/// Renders the page.
pub(super) fn page(facts: &Overview, beside: &Beside, flow: &Flow) -> Result<String, askama::Error> {
    let Beside { partners, signals, refused: (refused, refused_in_all), standing, hold } = beside;
    let open: u64 = facts.deliveries.iter().filter(|count| is_open(&count.state)).map(|count| count.count).sum();
    let is_waiting = |state: &str| matches!(state, "submitted" | "held");
    let waiting: u64 = facts.deliveries.iter().filter(|count| is_waiting(&count.state)).map(|count| count.count).sum();
    let stopped: u64 = facts
        .deliveries
        .iter()
        .filter(|count| matches!(count.state.as_str(), "refused" | "parked"))
        .map(|count| count.count)
        .sum();
    let sum = standing.sentence(Language::Italian);
    let tiles = vec![
        tile(
            "Discordanze aperte",
            standing.open,
            &if facts.reconciliations.is_empty() {
                "nessun confronto ancora".to_owned()
            } else {
                format!("in tutto {sum}")
            },
        ),
        Tile {
            label: "In attesa di altri",
            value: number(waiting),
            note: "decisioni del destinatario, o passi non ancora ammessi".to_owned(),
            is_alarm: false,
        },
        tile("Consegne ferme", stopped, "rifiutate o in attesa di una persona"),
        tile("In quarantena", facts.quarantined, "righe messe da parte, con il motivo"),
        tile("Documenti rifiutati", *refused_in_all, "per intero: correggere il file e rileggerlo"),
        Tile {
            label: "In viaggio",
            value: number(open),
            note: "consegne che il sistema sta portando a termine".to_owned(),
            is_alarm: false,
        },
    ];
    let page = Page {
        generated_at: italian(flow.clock.now()),
        notice: hold.as_ref().map(notice::of),
        tiles,
        records: facts.records.iter().map(|(kind, count)| (kind_title(kind), number(*count))).collect(),
        targets: targets(facts, flow),
        nodes: other_nodes(facts, flow),
        between_sources: facts.reconciliations.iter().find(|result| result.target == SOURCES).map(comparison),
        standing: sum,
        refused: refused.iter().map(self::refused).collect(),
        refused_in_all: number(*refused_in_all),
        runs: facts
            .runs
            .iter()
            .map(|run| Run {
                source: run.source.clone(),
                finished_at: run.finished_at.map_or_else(|| "in corso o interrotta".to_owned(), italian),
                read: number(run.totals.read),
                new: number(run.totals.new),
                unchanged: number(run.totals.unchanged),
                quarantined: number(run.totals.quarantined),
                refused: number(run.totals.refused),
                is_balanced: run.finished_at.is_some() && run.totals.balanced(),
            })
            .collect(),
        findings: facts
            .findings
            .iter()
            .map(|(code, count)| FindingRow { code: code.clone(), text: rule_title(code), count: number(*count) })
            .collect(),
        aside: facts
            .newest_quarantined
            .iter()
            .map(|aside| Aside {
                document: format!("{} – {}", aside.source, aside.document),
                line: number(aside.line),
                rule: aside.rule.clone(),
                text: super::aside(&aside.rule, &aside.reason),
                since: italian(aside.since),
            })
            .collect(),
        partners: partners
            .iter()
            .map(|state| Partner {
                name: state.partner.clone(),
                told: told(state, Language::Italian),
                is_alarm: state.failed.is_some() || state.stopped.is_some(),
            })
            .collect(),
        signals: signals.clone(),
        withheld: facts
            .withheld
            .iter()
            .flat_map(|(target, codes)| {
                codes
                    .iter()
                    .map(move |(code, count)| (target.clone(), withheld_title(code, Language::Italian), number(*count)))
            })
            .collect(),
    };
    page.render()
}

fn targets(facts: &Overview, flow: &Flow) -> Vec<Target> {
    let health = flow.gates.health();
    flow.systems
        .iter()
        .filter(|(_, adapter)| adapter.target().is_some())
        .map(|(name, adapter)| {
            let states = facts
                .deliveries
                .iter()
                .filter(|count| count.target == *name)
                .map(|count| (words::state(&count.state).many, number(count.count)))
                .collect();
            let comparison = facts.reconciliations.iter().find(|result| result.target == *name).map(comparison);
            let is_assumed = adapter.capability().status == ContractStatus::Assumed;
            let is_observed = adapter.observer().is_some();
            let stopped = health.iter().find(|health| health.target == *name).and_then(stopped);
            Target { name: name.clone(), is_assumed, is_observed, stopped, states, comparison }
        })
        .collect()
}

fn other_nodes(facts: &Overview, flow: &Flow) -> Vec<OtherNode> {
    let last = |name: &String| facts.reconciliations.iter().find(|result| result.target == *name).map(comparison);
    flow.nodes.keys().map(|name| OtherNode { name: name.clone(), comparison: last(name) }).collect()
}

fn comparison(result: &ReconciliationView) -> Comparison {
    let counts = &result.counts;
    let verdict = result.verdict();
    let known = |count| forms::known(counts.known(count, result.complete), Language::Italian);
    // Between sources no row is missing on a side: what a source lacks is told by the row that differs.
    let missing = |count| if result.target == SOURCES { NOT_KNOWN.to_owned() } else { known(count) };
    Comparison {
        finished_at: italian(result.finished_at),
        verdict: sentences::verdict(verdict, counts),
        is_clean: verdict == Verdict::Agree,
        equal: known(counts.equal),
        different: known(counts.different),
        explained: known(counts.explained),
        missing_there: missing(counts.missing_there),
        missing_here: missing(counts.missing_here),
        on_its_way: known(counts.on_its_way),
        stopped: known(counts.stopped),
        not_read: known(counts.not_read),
        all: known(counts.all()),
    }
}

fn refused(item: &ParkedItem) -> Refused {
    Refused {
        id: item.id.to_string(),
        document: format!("{} – {}", item.system, item.key),
        reason: waiting(item, Language::Italian).reason,
        since: italian(item.since),
    }
}

/// Why nothing is sent to a target, in one sentence.
fn stopped(health: &TargetHealth) -> Option<String> {
    let why = match health.state {
        HealthState::Open => return None,
        HealthState::AskedForQuiet => "il sistema ha chiesto una pausa",
        HealthState::Locked => "le credenziali non sono accettate: serve chi cura il collegamento",
        HealthState::Shut | HealthState::Trying => match health.reason {
            Some("unreachable") => "il sistema non è raggiungibile",
            Some("timeout" | "broken") => "il sistema non risponde in tempo",
            Some("rate_limited") => "il sistema riceve troppe richieste",
            Some("unavailable") => "il sistema dice di non essere disponibile",
            Some("not_understood") => "il sistema risponde fuori dal contratto",
            _ => "il collegamento non funziona",
        },
    };
    let since = italian(health.since);
    Some(match health.next {
        Some(next) => format!("Invii sospesi dal {since}: {why}. Si riprova il {}.", italian(next)),
        None => format!("Invii sospesi dal {since}: {why}. Un tentativo è in corso, o parte con la prossima consegna."),
    })
}

fn tile(label: &'static str, value: u64, note: &str) -> Tile {
    Tile { label, value: number(value), note: note.to_owned(), is_alarm: value > 0 }
}

fn is_open(state: &str) -> bool {
    matches!(state, "due" | "sent" | "retry" | "in_doubt")
}

fn kind_title(kind: &str) -> &'static str {
    match kind {
        "ente" => "Enti",
        "operatore_economico" => "Operatori economici",
        "procedura" => "Procedure",
        "lotto" => "Lotti",
        "aggiudicazione" => "Aggiudicazioni",
        "contratto" => "Contratti",
        "evento_esecuzione" => "Eventi di esecuzione",
        "pagamento" => "Pagamenti",
        "programma" => "Programmi triennali",
        "intervento" => "Interventi e acquisti programmati",
        "progetto" => "Progetti",
        "collegamento_cup_cig" => "Collegamenti CUP–CIG",
        "qualificazione" => "Qualificazioni",
        "adesione" => "Adesioni a Pi.Co.",
        "servizio_associato" => "Servizi associati",
        "rilevazione" => "Rilevazioni",
        "risorsa" => "Risorse",
        "segnalazione" => "Segnalazioni",
        "territorio" => "Territori",
        "codice" => "Codici di tabelle",
        _ => "Altro",
    }
}

pub(super) fn rule_title(code: &str) -> &'static str {
    match Rule::ALL.iter().find(|rule| rule.code() == code) {
        None => "regola non nota a questa versione",
        Some(rule) => sentences::rule(*rule, Language::Italian),
    }
}

/// A count with the Italian thousands separator.
pub(super) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('.');
        }
        text.push(digit);
    }
    text
}

/// An instant in the form of Italian pages, on the Italian clock.
pub(crate) fn italian(instant: canonical::values::UtcInstant) -> String {
    use jiff::tz::TimeZone;
    let zone = TimeZone::get("Europe/Rome").unwrap_or(TimeZone::UTC);
    jiff::Timestamp::from_microsecond(instant.unix_micros())
        .map(|instant| instant.to_zoned(zone).strftime("%d/%m/%Y %H:%M").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{ReconciliationCounts, ReconciliationId};

    #[test]
    fn counts_have_the_italian_thousands_separator() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234), "1.234");
        assert_eq!(number(1_234_567), "1.234.567");
    }

    #[test]
    fn where_not_all_was_read_a_zero_is_no_number() {
        let view = |target: &str, complete, equal| ReconciliationView {
            id: ReconciliationId(1),
            target: target.to_owned(),
            finished_at: canonical::values::UtcInstant::parse("2026-01-15T11:00:00Z").expect("an instant"),
            complete,
            counts: ReconciliationCounts { equal, ..ReconciliationCounts::default() },
            open: 0,
        };
        let told = |view: &ReconciliationView| {
            let told = comparison(view);
            [told.equal, told.different, told.missing_there, told.not_read, told.all]
        };
        assert_eq!(told(&view("hub", true, 7)), ["7", "0", "0", "0", "7"]);
        assert_eq!(told(&view("hub", false, 7)), ["7", "–", "–", "–", "7"]);
        assert_eq!(told(&view("hub", false, 0)), ["–"; 5]);
        let empty = comparison(&view("hub", true, 0)).verdict;
        assert!(empty.starts_with("non c'era nulla da confrontare"), "{empty}");
        assert_eq!(told(&view(SOURCES, true, 7)), ["7", "0", "–", "0", "7"]);
    }

    #[test]
    fn a_target_that_is_left_alone_says_why_and_until_when() {
        let at = |text: &str| canonical::values::UtcInstant::parse(text).expect("an instant");
        let health = |state, reason, next: Option<&str>| TargetHealth {
            target: "pico".to_owned(),
            state,
            reason,
            since: at("2026-01-15T11:00:00Z"),
            next: next.map(at),
            parallel_requests: 1,
        };
        let sentence = |state, reason, next| stopped(&health(state, reason, next));
        assert_eq!(sentence(HealthState::Open, None, None), None);
        assert_eq!(
            sentence(HealthState::Shut, Some("unreachable"), Some("2026-01-15T11:10:00Z")).as_deref(),
            Some("Invii sospesi dal 15/01/2026 12:00: il sistema non è raggiungibile. Si riprova il 15/01/2026 12:10.")
        );
        let locked = sentence(HealthState::Locked, Some("authentication"), None).expect("a sentence");
        assert!(locked.contains("le credenziali non sono accettate"), "{locked}");
    }

    #[test]
    fn instants_are_shown_on_the_italian_clock_in_winter_and_summer() {
        let at = |text: &str| canonical::values::UtcInstant::parse(text).expect("an instant");
        assert_eq!(italian(at("2026-01-15T11:00:00Z")), "15/01/2026 12:00");
        assert_eq!(italian(at("2026-07-15T11:00:00Z")), "15/07/2026 13:00");
    }
}
