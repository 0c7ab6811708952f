//! Canonical contracts and payment orders out, the contract back: through the Observer, and through
//! the register of contracts as a Source reads it.
//!
//! What the two sides share of a CIG is little: the sums paid, the first day, the last day and the
//! authority. They come back under every contract of the CIG that the platform has. Several contracts
//! and orders make one value each; what they should make is said here in whole cents and in the
//! canonical types, without the table of `write.rs`.

use canonical::values::{CalendarDate, Importo};
use canonical::{Body, kinds::Contratto};
use contract::FieldValue;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::*;
use crate::testing::{Bench, bench, raw_records, read_all, record};

const ENTE: &str = "80098765433";

/// The platform keeps binary numbers: up to here every cent has one of its own.
const MOST_CENTS: i64 = 100_000_000_000_000;

/// What the two sides share of a CIG.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shared {
    somme_liquidate: Option<Importo>,
    data_inizio: Option<CalendarDate>,
    data_fine: Option<CalendarDate>,
}

/// Any records of one CIG, with every field that the platform takes, absent and present.
#[derive(Debug, Clone)]
struct Known {
    cig: String,
    contratti: Vec<Value>,
    mandati: Vec<Value>,
}

impl Known {
    fn members(&self) -> Vec<Record> {
        let of_kind = |kind, bodies: &[Value]| bodies.iter().map(|body| record(kind, body)).collect::<Vec<_>>();
        [of_kind("contratto", &self.contratti), of_kind("pagamento", &self.mandati)].concat()
    }

    /// What the platform should hold; none when something is missing, and nothing may be sent.
    fn shared(&self) -> Option<Shared> {
        let is_authority_known =
            !self.mandati.is_empty() || self.contratti.iter().any(|it| !it["stazione_appaltante"].is_null());
        let known =
            |name: &'static str| self.contratti.iter().filter_map(move |it| it[name].as_str()).map(str::to_owned);
        let orders: Option<Vec<i64>> = self.mandati.iter().map(net).collect();
        let amounts = if self.mandati.is_empty() {
            known("somme_liquidate").map(|text| cents(&json!(text)).unwrap()).collect()
        } else {
            orders?
        };
        let paid = amounts.iter().copied().reduce(|total, cents| total + cents);
        let day = |text: Option<String>| text.map(|text| CalendarDate::parse(&text).unwrap());
        let shared = Shared {
            somme_liquidate: paid.map(Importo::from_cents),
            data_inizio: day(known("data_inizio").min()),
            data_fine: day(known("data_fine").max()),
        };
        let is_something = paid.is_some() || shared.data_inizio.is_some() || shared.data_fine.is_some();
        (is_authority_known && is_something && paid.is_none_or(|cents| cents >= 0)).then_some(shared)
    }
}

fn cents(amount: &Value) -> Option<i64> {
    Some(Importo::parse(amount.as_str()?).unwrap().cents())
}

/// The amount of an order without VAT, as far as its record tells it.
fn net(mandato: &Value) -> Option<i64> {
    let less_vat = || Some(cents(&mandato["importo"])? - cents(&mandato["iva"]).unwrap_or(0));
    cents(&mandato["importo_netto"]).or_else(less_vat)
}

fn cig() -> impl Strategy<Value = String> {
    let invented = "[A-U][0-9A-F]{9}|[1-9][0-9]{6}[0-9A-F]{3}|[XYZ][0-9A-F]{9}";
    prop_oneof![Just("918052266A".to_owned()), Just("B2C0FFECE9".to_owned()), invented]
}

fn amount() -> impl Strategy<Value = Value> {
    let edges = prop::sample::select(vec![0, 1, 99, 999_999_999, 1_000_000_000, 1_000_000_001, MOST_CENTS]);
    prop_oneof![1 => edges, 3 => 0..10_000_000_000_i64].prop_map(|cents| json!(Importo::from_cents(cents)))
}

/// An order may take something back.
fn order_amount() -> impl Strategy<Value = Value> {
    prop_oneof![9 => amount(), 1 => (-5_000_000_i64..0).prop_map(|cents| json!(Importo::from_cents(cents)))]
}

fn day() -> impl Strategy<Value = String> {
    let edges = ["1900-01-01", "2200-12-31", "2024-02-29", "1999-12-31", "2000-01-01"];
    let any_day = (1990..2100_u16, 1..=12_u8, 1..=28_u8).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"));
    prop_oneof![1 => prop::sample::select(edges.map(str::to_owned).to_vec()), 3 => any_day]
}

fn contratti(cig: String) -> impl Strategy<Value = Vec<Value>> {
    let one = (of(Just(ENTE)), of(amount()), of(day()), of(day()), any::<u16>());
    vec(one, 0..3).prop_map(move |all| {
        let contratto = |(n, (ente, somme, inizio, fine, anno)): (u32, (_, _, _, _, _))| {
            json!({
                "cig": cig, "id_aggiudicazione": n, "stazione_appaltante": ente, "somme_liquidate": somme,
                "data_inizio": inizio, "data_fine": fine, "anno_riferimento": anno, "numero": "7/A",
            })
        };
        (1..).zip(all).map(contratto).collect()
    })
}

fn mandati(cig: String) -> impl Strategy<Value = Vec<Value>> {
    let some = |amount: BoxedStrategy<Value>| prop_oneof![1 => Just(Value::Null), 9 => amount];
    let one = (of(order_amount()), some(order_amount().boxed()), of(amount()), of(any::<bool>()));
    vec(one, 0..4).prop_map(move |all| {
        let mandato = |(n, (netto, importo, iva, split)): (u32, (_, _, _, _))| {
            json!({
                "ente": ENTE, "tipo": "mandato", "esercizio": 2026, "numero": n.to_string(), "cig": cig,
                "importo_netto": netto, "importo": importo, "iva": iva, "scissione_pagamenti": split,
            })
        };
        (1..).zip(all).map(mandato).collect()
    })
}

fn known() -> impl Strategy<Value = Known> {
    cig().prop_flat_map(|cig| {
        let orders = prop_oneof![Just(Vec::new()).boxed(), mandati(cig.clone()).boxed()];
        (contratti(cig.clone()), orders).prop_filter_map("nobody speaks of the CIG", move |(contratti, mandati)| {
            let is_something = !contratti.is_empty() || !mandati.is_empty();
            is_something.then(|| Known { cig: cig.clone(), contratti, mandati })
        })
    })
}

/// Has an officer add a contract of a CIG to the platform, awarded and without any other value.
async fn awarded(bench: &Bench, cig: &str, riferimento: &str) {
    let key = std::fs::read_to_string(bench.state.path().join("key")).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let at = |path: &str| format!("http://{}{path}", bench.running.address);
    let mut request = http.post(at("/v1.0/authenticate"));
    for name in ["username", "password", "clientKey", "clientId"] {
        request = request.header(name, key.trim());
    }
    let gettone: Value = serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
    let contract = json!({
        "riferimentoProcedura": riferimento, "cig": cig, "codiceFiscaleProponente": ENTE, "oggetto": "Prova",
        "aggiudicatario": "Costruzioni Alfa S.r.l.",
    });
    let request = http.post(at("/simulatore/contratti")).bearer_auth(gettone["jwttoken"].as_str().unwrap());
    let request = request.header("content-type", "application/json").body(contract.to_string());
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
}

/// The contracts of a CIG, as the register of contracts gives them.
async fn as_source(bench: &Bench, cig: &str) -> Vec<Contratto> {
    let (received, ended) = read_all(&bench.adapter, ReadRequest::default()).await;
    ended.unwrap();
    let normalized = raw_records(&received).iter().map(|raw| bench.adapter.normalize(raw)).collect::<Vec<_>>();
    let bodies = normalized.into_iter().flat_map(|normalized| normalized.records).map(|draft| draft.body);
    let contract = |body| match body {
        Body::Contratto(contratto) if contratto.cig.as_str() == cig => Some(contratto),
        _ => None,
    };
    bodies.filter_map(contract).collect()
}

/// The values of a CIG, as the inventory gives them, in the canonical types.
async fn as_observer(bench: &Bench, cig: &str) -> Shared {
    let page = bench.adapter.inventory(None).await.unwrap();
    let unit = page.units.into_iter().find(|unit| unit.key.as_str() == cig).unwrap();
    let [row] = &unit.rows[..] else { panic!("the contracts of the CIG hold different values: {:?}", unit.rows) };
    let mut fields = row.fields.clone();
    let mut day = |name: &str| match fields.remove(name) {
        None => None,
        Some(FieldValue::Date(day)) => Some(day),
        Some(other) => panic!("{name} is no day: {other:?}"),
    };
    let (data_inizio, data_fine) = (day("dataInizio"), day("dataFine"));
    let somme_liquidate = match fields.remove("importoLiquidato") {
        None => None,
        Some(FieldValue::Amount(importo)) => Some(importo),
        Some(other) => panic!("importoLiquidato is no amount: {other:?}"),
    };
    assert!(fields.is_empty(), "nobody sent {fields:?}");
    Shared { somme_liquidate, data_inizio, data_fine }
}

proptest! {
    // Each case has a platform of its own.
    #![proptest_config(ProptestConfig {
        cases: 32, max_shrink_iters: 32, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn what_both_sides_share_survives_the_round_trip(known in known(), twice in any::<bool>()) {
        let members = known.members();
        Runtime::new().unwrap().block_on(async {
            let bench = bench("contratti", &Value::Null);
            let unit = UnitKey(known.cig.clone());
            for member in &members {
                assert!(matches!(bench.adapter.place(member), Placement::Unit(placed) if placed.key == unit));
            }
            let composed = bench.adapter.compose(&unit, 1, &members);
            let Some(expected) = known.shared() else { return assert!(composed.is_err()) };
            let body = composed.unwrap().body;
            let sent = Shipment { unit, revision: 1, idempotency_key: "k".to_owned(), body, previous_receipt: None };
            awarded(&bench, &known.cig, "P00001").await;
            if twice {
                awarded(&bench, &known.cig, "P00002").await;
            }
            let outcome = bench.adapter.send(&sent).await.unwrap();
            assert!(matches!(outcome, Outcome::Acknowledged(_)), "{outcome:?}");

            assert_eq!(as_observer(&bench, &known.cig).await, expected);
            let read = as_source(&bench, &known.cig).await;
            assert_eq!(read.len(), 1 + usize::from(twice));
            for contratto in read {
                let Contratto { stazione_appaltante, somme_liquidate, data_inizio, data_fine, .. } = contratto;
                assert_eq!(Shared { somme_liquidate, data_inizio, data_fine }, expected);
                assert_eq!(stazione_appaltante.unwrap().as_str(), ENTE);
            }
            assert!(matches!(bench.adapter.look_up(&sent).await.unwrap(), Held::Same(_)));
            bench.running.stop().await;
        });
    }
}
