//! Releases of the Open Contracting Data Standard 1.1: one for each CIG, from the records that are
//! believed. What the standard has no place for stays in the records.

use canonical::Kind;
use serde_json::{Map, Number, Value, json};

use super::item::{Item, item};
use crate::storage::exchange::{CigFamily, StoredVersion};

/// The version of the standard.
pub const VERSION: &str = "1.1";
/// The list from which identifiers of organisations come: Italian tax codes.
const SCHEME: &str = "IT-CF";
/// Digits that a JSON number carries without loss.
const DIGITS: usize = 15;

/// Who publishes.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The prefix of its identifiers, given by the Open Contracting Partnership.
    pub prefix: String,
    /// Its name.
    pub publisher: String,
}

/// The release of a CIG. None without a lot that may leave.
pub fn release(family: &CigFamily, publication: &Publication) -> Option<Value> {
    let last = family.versions.iter().max_by_key(|version| version.id)?;
    let items = believed(&family.versions);
    let of_kind = |kind: Kind| items.iter().filter(move |item| item.kind == kind);
    let lotto = of_kind(Kind::Lotto).next()?;
    let mut parties = Parties::default();
    let buyer = lotto.body["stazione_appaltante"].as_str().map(|code| parties.add(code, None, "buyer"));
    let awards: Vec<Value> = of_kind(Kind::Aggiudicazione).map(|item| award(item, &mut parties)).collect();
    let contracts: Vec<Value> = of_kind(Kind::Contratto).map(contract).collect();
    let is_begun = of_kind(Kind::EventoEsecuzione).next().is_some();
    let mut tags = vec!["tender"];
    for (is_there, tag) in
        [(!awards.is_empty(), "award"), (!contracts.is_empty(), "contract"), (is_begun, "implementation")]
    {
        tags.extend(is_there.then_some(tag));
    }
    // The standard says it without its award only when there is one.
    if contracts.is_empty() {
        tags.retain(|tag| *tag != "implementation");
    }
    let mut release = json!({
        "ocid": format!("{}-{}", publication.prefix, family.cig),
        "id": format!("{}-{}", family.cig, last.id),
        "date": last.stored_at.to_string(),
        "tag": tags,
        "initiationType": "tender",
        "language": "it",
        "tender": tender(lotto),
    });
    let members = [
        ("parties", parties.list()),
        ("buyer", buyer.unwrap_or_default()),
        ("awards", awards.into()),
        ("contracts", contracts.into()),
    ];
    put(&mut release, members);
    Some(release)
}

/// A package of releases.
pub fn package(uri: &str, next: Option<&str>, at: &str, releases: &[Value], publication: &Publication) -> Value {
    let mut package = json!({
        "uri": uri,
        "version": VERSION,
        "publishedDate": at,
        "publisher": { "name": publication.publisher },
        "releases": releases,
    });
    if let Some(next) = next {
        package["links"] = json!({ "next": next });
    }
    package
}

/// Of each kind and key the first: several sources may speak of one thing.
fn believed(versions: &[StoredVersion]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for item in versions.iter().filter_map(item) {
        if !items.iter().any(|known| known.kind == item.kind && known.key == item.key) {
            items.push(item);
        }
    }
    items
}

/// Members that say something.
fn put<'a>(object: &mut Value, members: impl IntoIterator<Item = (&'a str, Value)>) {
    for (name, value) in members {
        let is_nothing = match &value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            _ => false,
        };
        if !is_nothing {
            object[name] = value;
        }
    }
}

fn tender(lotto: &Item) -> Value {
    let body = &lotto.body;
    let cancelled = matches!(body["stato_cig"]["stato"].as_str(), Some("cancellato" | "sostituito"));
    let mut tender = json!({ "id": lotto.key, "status": if cancelled { "cancelled" } else { "active" } });
    let total = Some(&body["importo_totale"]).filter(|amount| !amount.is_null()).unwrap_or(&body["importo_netto"]);
    let classified = body["cpv"]
        .as_str()
        .map_or(Value::Null, |code| json!([{ "id": "1", "classification": { "scheme": "CPV", "id": code } }]));
    let members = [
        ("title", body["oggetto"].clone()),
        ("value", amount(total)),
        ("procurementMethodDetails", method(&body["scelta_contraente"])),
        ("items", classified),
    ];
    put(&mut tender, members);
    tender
}

/// The procedure type, by its code.
fn method(choice: &Value) -> Value {
    match choice {
        Value::String(text) => format!("scelta contraente {text}").into(),
        Value::Number(number) => format!("scelta contraente {number}").into(),
        _ => Value::Null,
    }
}

fn award(item: &Item, parties: &mut Parties) -> Value {
    let body = &item.body;
    let mut award = json!({ "id": item.key });
    let winners = body["aggiudicatari"].as_array().into_iter().flatten();
    let suppliers: Vec<Value> = winners
        .filter_map(|winner| {
            let code = winner["operatore"]["valore"].as_str()?;
            Some(parties.add(code, winner["denominazione"].as_str(), "supplier"))
        })
        .collect();
    let status = if suppliers.is_empty() { Value::Null } else { "active".into() };
    let members = [
        ("date", instant(&body["data"])),
        ("status", status),
        ("value", amount(&body["importo"])),
        ("suppliers", suppliers.into()),
    ];
    put(&mut award, members);
    award
}

fn contract(item: &Item) -> Value {
    let body = &item.body;
    let mut contract = json!({ "id": item.key, "awardID": item.key });
    let mut period = json!({});
    put(&mut period, [("startDate", instant(&body["data_inizio"])), ("endDate", instant(&body["data_fine"]))]);
    let members = [
        ("title", body["numero"].clone()),
        ("dateSigned", instant(&body["data_stipula"])),
        ("value", amount(&body["importo"])),
        ("period", period),
    ];
    put(&mut contract, members);
    contract
}

/// A day of the Italian calendar as the instant that the standard wants.
fn instant(day: &Value) -> Value {
    day.as_str().map_or(Value::Null, |day| format!("{day}T00:00:00Z").into())
}

/// An amount as the number that the standard wants; none where a number would round it.
fn amount(money: &Value) -> Value {
    let Some(text) = money["amount"].as_str() else { return Value::Null };
    if text.bytes().filter(u8::is_ascii_digit).count() > DIGITS {
        return Value::Null;
    }
    match serde_json::from_str::<Number>(text) {
        Ok(number) => json!({ "amount": number, "currency": money["currency"] }),
        Err(_) => Value::Null,
    }
}

/// The organisations of a release, each once with all its roles.
#[derive(Default)]
struct Parties(Vec<(String, Option<String>, Vec<&'static str>)>);

impl Parties {
    /// Adds one, and gives the reference to it.
    fn add(&mut self, code: &str, name: Option<&str>, role: &'static str) -> Value {
        let known = self.0.iter_mut().find(|party| party.0 == code);
        match known {
            Some((_, known_name, roles)) => {
                if known_name.is_none() {
                    *known_name = name.map(str::to_owned);
                }
                if !roles.contains(&role) {
                    roles.push(role);
                }
            }
            None => self.0.push((code.to_owned(), name.map(str::to_owned), vec![role])),
        }
        let mut reference = json!({ "id": format!("{SCHEME}-{code}") });
        put(&mut reference, [("name", name.map_or(Value::Null, Value::from))]);
        reference
    }

    fn list(self) -> Value {
        let party = |(code, name, roles): (String, Option<String>, Vec<&'static str>)| {
            let mut party = Map::new();
            party.insert("id".to_owned(), format!("{SCHEME}-{code}").into());
            party.insert("identifier".to_owned(), json!({ "scheme": SCHEME, "id": code }));
            party.extend(name.map(|name| ("name".to_owned(), Value::from(name))));
            party.insert("roles".to_owned(), json!(roles));
            Value::Object(party)
        };
        self.0.into_iter().map(party).collect()
    }
}
