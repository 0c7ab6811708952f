//! Canonical records out, the same records back: through the bytes of the package, and through the
//! rows of the inventory.
//!
//! A package carries whole canonical records, so all the fields are shared, save what may name a
//! person. A row of the inventory shows the same fields; of an object it shows the values without
//! their names, and of a list of objects each of them once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, PoisonError};

use canonical::RecordKey;
use canonical::code_lists::SceltaContraente;
use canonical::identifiers::holds_personal_code;
use contract::{FieldValue, Outcome, Placement, Row};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::strategies::{People, body, reference, schema};
use super::*;

const KINDS: [Kind; 4] = [Kind::Lotto, Kind::Aggiudicazione, Kind::Contratto, Kind::EventoEsecuzione];
const ENTE: &str = "80098765433";
/// Years of four digits, and others, which are no year of a package.
const YEARS: [u16; 8] = [2025, 2025, 1000, 9999, 0, 999, 10_000, u16::MAX];
const CIGS: [&str; 3] = ["B4A19C3958", "918052266A", "ZD30000001"];

/// Any records of one body and one year, each key once.
fn members(people: People) -> impl Strategy<Value = (u16, Vec<Record>)> {
    let one = prop::sample::select(KINDS.to_vec()).prop_flat_map(move |kind| (Just(kind), body(kind, people)));
    let members = prop::collection::vec((one, prop::option::of(prop::sample::select(CIGS.to_vec()))), 1..6);
    (prop::sample::select(YEARS.to_vec()), members).prop_map(|(anno, members)| {
        let mut by_key = BTreeMap::<(Kind, RecordKey), Record>::new();
        for ((kind, mut body), cig) in members {
            body["stazione_appaltante"] = ENTE.into();
            body["anno_riferimento"] = anno.into();
            if let Some(cig) = cig {
                body["cig"] = cig.into();
            }
            if kind == Kind::EventoEsecuzione && body["stato"] != "confermato" {
                body["stato"] = "inviato".into();
            }
            let member = record(&json!({ "kind": kind, "body": body }));
            by_key.insert((kind, member.key()), member);
        }
        (anno, by_key.into_values().collect())
    })
}

struct Bench {
    runtime: Runtime,
    adapter: Box<dyn Adapter>,
    revision: u64,
    _running: RunningSimulator,
}

/// One observatory for all the cases, one at a time: each replaces what the one before left.
static BENCH: LazyLock<Mutex<Bench>> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let running = runtime.block_on(async { simulator(None, None) });
    let adapter = adapter(running.settings.clone());
    Mutex::new(Bench { runtime, adapter, revision: 0, _running: running })
});

/// Delivers records and reads them back: the bodies in the package, by the order of its lines, and
/// the rows of the inventory. None where the records belong to no package.
fn there_and_back(members: &[Record]) -> Option<(Vec<Body>, Vec<Row>)> {
    // A case that failed leaves nothing that the next one could not replace.
    let mut bench = BENCH.lock().unwrap_or_else(PoisonError::into_inner);
    bench.revision += 1;
    let Bench { runtime, adapter, revision, .. } = &*bench;
    let target = adapter.target().unwrap();
    let placed: BTreeSet<_> = members
        .iter()
        .map(|member| match target.place(member) {
            Placement::Unit(unit) => Some(unit.key),
            _ => None,
        })
        .collect();
    assert_eq!(placed.len(), 1, "one body and one year are one package");
    let unit = placed.into_iter().next()??;
    let sent = shipment(&**adapter, unit.as_str(), *revision, members);
    let outcome = runtime.block_on(target.send(&sent)).unwrap();
    assert!(matches!(outcome, Outcome::Acknowledged(_)), "{outcome:?}");
    let page = runtime.block_on(adapter.observer().unwrap().inventory(None)).unwrap();
    let held = page.units.into_iter().find(|held| held.key == unit).unwrap();
    assert_eq!(held.revision, Some(*revision));
    let package: Value = serde_json::from_slice(&sent.body).unwrap();
    let bodies = package["contenuto"].as_str().unwrap().lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let kind = Kind::from_name(line["kind"].as_str().unwrap()).unwrap();
        Body::from_json(kind, &line["body"].to_string()).unwrap()
    });
    Some((bodies.collect(), held.rows))
}

/// Fails unless a row says of a record just what the record says, each value with its type.
fn assert_says(row: &Row, body: &Body) {
    let schema = schema(body.kind());
    let sent: Value = serde_json::from_str(&body.to_json()).unwrap();
    let mut unseen = row.fields.clone();
    for (name, value) in sent.as_object().unwrap() {
        if name == "dettaglio" {
            let of_event = schema["$defs"]["Dettaglio"]["oneOf"].as_array().unwrap().iter();
            let is_this = |one: &&Value| one["properties"]["evento"]["const"] == value["evento"];
            let properties = &of_event.clone().find(is_this).unwrap()["properties"];
            for (name, value) in value.as_object().unwrap() {
                let field = format!("dettaglio.{name}");
                assert_shows(&field, unseen.remove(&field).as_ref(), value, &properties[name]);
            }
        } else {
            assert_shows(name, unseen.remove(name).as_ref(), value, &schema["properties"][name]);
        }
    }
    assert!(unseen.is_empty(), "nobody said {unseen:?}");
}

/// Fails unless a field of a row, read back by the type that the schema gives to it, is the value.
fn assert_shows(name: &str, shown: Option<&FieldValue>, value: &Value, schema: &Value) {
    let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let Some(shown) = shown else { return assert!(is_empty, "{name} is lost") };
    let read_back = match (reference(schema), shown) {
        (Some("Importo"), FieldValue::Amount(importo)) => json!(importo),
        (Some("CalendarDate"), FieldValue::Date(day)) => json!(day),
        (Some("Importo" | "CalendarDate"), other) => panic!("{name} has not its type: {other:?}"),
        (Some("SceltaContraente"), FieldValue::Code(code)) => json!(SceltaContraente::parse(code).unwrap().as_str()),
        (_, FieldValue::Codes(shown)) => {
            let sent: BTreeSet<String> = value.as_array().unwrap().iter().map(values).collect();
            return assert_eq!(*shown, sent, "{name}");
        }
        (_, FieldValue::Code(text) | FieldValue::Text(text)) if value.is_string() => json!(text),
        (_, FieldValue::Code(text)) if value.is_object() => return assert_eq!(*text, values(value), "{name}"),
        (_, FieldValue::Code(text)) => serde_json::from_str(text).unwrap(),
        (_, other) => panic!("{name} has not its type: {other:?}"),
    };
    assert_eq!(read_back, *value, "{name}");
}

/// What is shown of a value: itself, or the values of its fields in the order of their names.
fn values(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            fields.into_values().map(values).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// The amounts, days, numbers and truth values inside a body, by where they stand. Whatever is said
/// of a named person leaves with the person.
fn figures(at: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if fields.contains_key("cognome") => {}
        Value::Object(fields) => fields.iter().for_each(|(name, one)| figures(&format!("{at}/{name}"), one, found)),
        Value::Array(list) => list.iter().enumerate().for_each(|(n, one)| figures(&format!("{at}/{n}"), one, found)),
        Value::String(text) if text.is_empty() || text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'.' | b'-')) => {}
        // The digits of an operator who may be a person are not a figure.
        _ if at.contains("/operatore/") || at.ends_with("/denominazione") || value.is_null() => {}
        other => drop(found.insert(at.to_owned(), other.clone())),
    }
}

fn all_figures(body: &Body) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    figures("", &serde_json::from_str(&body.to_json()).unwrap(), &mut found);
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_both_sides_share_survives_the_round_trip((anno, members) in members(People::Nobody)) {
        let Some((bodies, rows)) = there_and_back(&members) else {
            prop_assert!(!(1000..=9999).contains(&anno));
            return Ok(());
        };
        prop_assert!((1000..=9999).contains(&anno));
        // Members stand by kind and key, as the lines do.
        prop_assert_eq!(&bodies, &members.iter().map(|member| member.body.clone()).collect::<Vec<_>>());
        prop_assert_eq!(rows.len(), members.len());
        for body in &bodies {
            let key = format!("{}/{}", body.kind(), body.key());
            assert_says(rows.iter().find(|row| row.key == key).unwrap(), body);
        }
    }

    #[test]
    fn of_records_that_name_persons_all_the_rest_survives((_, members) in members(People::Anybody)) {
        let Some((bodies, rows)) = there_and_back(&members) else { return Ok(()) };
        prop_assert_eq!(bodies.len(), members.len());
        prop_assert_eq!(rows.len(), members.len());
        for (back, sent) in bodies.iter().zip(&members) {
            prop_assert_eq!(back.key(), sent.key());
            prop_assert!(!holds_personal_code(&back.to_json()));
            prop_assert_eq!(all_figures(back), all_figures(&sent.body));
        }
    }
}
