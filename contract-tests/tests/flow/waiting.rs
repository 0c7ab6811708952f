//! What waits, and what is held back: decisions of the target, the order of a lane, memberships,
//! and the configured part of the routes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::bench::{TestFlow, lotto, unit};
use canonical::identifiers::CodiceFiscale;
use canonical::kinds::{Adesione, Atto, Lotto, StatoAdesione, TipoAdesione};
use canonical::{Body, Kind, SourceName};
use contract::{Followed, Outcome};
use contract_tests::records::{cig, day};
use raccordo::delivery::DeliveryState;
use raccordo::flow::route::filter::Filter;
use raccordo::flow::{Flow, intake, reconcile, route};
use raccordo::storage::{RunKind, Verdict};
use simulated::Fault;

fn contratto(number: u32) -> String {
    let body = contract_tests::records::contratto(number, 1, "rep. 1");
    serde_json::to_string(&body).expect("plain data")
}

async fn states(test: &TestFlow, number: u32) -> BTreeMap<String, DeliveryState> {
    let trace = test.flow.store.trace(cig(number).as_str()).await.expect("a trace");
    trace.deliveries.into_iter().map(|delivery| (delivery.unit.0, delivery.state)).collect()
}

#[tokio::test]
async fn what_the_target_decides_later_is_followed_to_its_end() {
    let test = TestFlow::new().await;
    let pending = |state: &str| Followed::Pending(state.to_owned());
    test.target.decide_later([pending("in_verifica"), pending("trasmessa")]);
    test.read("a", &[lotto(1, "una scuola")]).await;
    test.work().await;
    let code = |state: DeliveryState| match state {
        DeliveryState::Submitted { code, .. } => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(test.delivery(1).await.state), "presa_in_carico");
    for expected in ["in_verifica", "trasmessa"] {
        test.wait_and_work(Duration::from_secs(30)).await;
        assert_eq!(code(test.delivery(1).await.state), expected);
    }
    test.wait_and_work(Duration::from_secs(30)).await;
    assert_eq!(test.delivery(1).await.state, DeliveryState::Acknowledged);
    assert_eq!(test.effects(), [(unit(1).0, 1)], "asking has no effect");
}

#[tokio::test]
async fn a_decision_against_it_ends_refused_with_the_words_of_the_target() {
    let test = TestFlow::new().await;
    let refusal = Outcome::Refused { code: "SC_007".to_owned(), message: "importo non coerente".to_owned() };
    test.target.decide_later([Followed::Ended(refusal)]);
    test.read("a", &[lotto(1, "una scuola")]).await;
    test.work().await;
    test.wait_and_work(Duration::from_secs(30)).await;
    let state = test.delivery(1).await.state;
    assert_eq!(state, DeliveryState::Refused { code: "SC_007".into(), message: "importo non coerente".into() });
}

#[tokio::test]
async fn a_step_that_comes_too_early_is_held_and_goes_when_its_lane_moves() {
    let test = TestFlow::new().await;
    test.target.admit_in_order();
    test.read("a", &[contratto(1)]).await;
    test.work().await;
    let held = format!("contratto/{}/1", cig(1));
    match &states(&test, 1).await[&held] {
        DeliveryState::Held { code, message, .. } => {
            assert_eq!((code.as_str(), message.as_str()), ("lotto_mancante", "manca il lotto dello stesso CIG"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(test.target.attempts(), 0, "nothing was sent");

    test.read("b", &[lotto(1, "una scuola")]).await;
    test.work().await;
    test.wait_and_work(Duration::ZERO).await;
    let states = states(&test, 1).await;
    assert!(states.values().all(|state| *state == DeliveryState::Acknowledged), "{states:?}");
    assert_eq!(test.effects(), [(unit(1).0, 1), (held, 1)], "in order");
}

/// A lot of a body.
fn lotto_of(number: u32, ente: &str) -> String {
    lotto_in(number, ente, "una scuola")
}

fn lotto_in(number: u32, ente: &str, oggetto: &str) -> String {
    let mut lotto = Lotto::new(cig(number));
    lotto.oggetto = Some(oggetto.to_owned());
    lotto.stazione_appaltante = CodiceFiscale::parse(ente).ok();
    serde_json::to_string(&Body::Lotto(lotto)).expect("plain data")
}

fn adesione(ente: &str, stato: StatoAdesione) -> String {
    let adesione = Adesione {
        ente: CodiceFiscale::parse(ente).expect("a fiscal code"),
        tipo: TipoAdesione::Protocollo,
        atto: Atto::default(),
        stato,
        valida_dal: day("2025-01-01"),
        valida_al: None,
    };
    serde_json::to_string(&Body::Adesione(adesione)).expect("plain data")
}

#[tokio::test]
async fn nothing_of_a_body_without_membership_is_delivered_until_it_joins() {
    const COMO: &str = "80004650133";
    const PERUGIA: &str = "00443770540";
    let test = TestFlow::new().await;
    test.target.ask_for_membership();
    test.read("a", &[lotto_of(1, COMO), lotto_of(2, PERUGIA), adesione(PERUGIA, StatoAdesione::Attiva)]).await;
    test.work().await;
    assert_eq!(test.effects(), [(unit(2).0, 1)], "the membership came after the lot, in the same read");
    let overview = test.flow.store.overview().await.expect("counts");
    assert_eq!(overview.withheld["target"]["senza_adesione"], 1);

    test.read("b", &[adesione(COMO, StatoAdesione::Attiva), adesione(PERUGIA, StatoAdesione::Sospesa)]).await;
    test.work().await;
    assert!(test.effects().contains(&(unit(1).0, 1)), "what was held back goes");
    let overview = test.flow.store.overview().await.expect("counts");
    assert!(overview.withheld.is_empty(), "{:?}", overview.withheld);

    // What the target holds of a body that left is neither withdrawn nor brought up to date.
    let before = test.effects().len();
    test.read("c", &[lotto_in(2, PERUGIA, "un ponte nuovo")]).await;
    test.work().await;
    assert_eq!(test.effects().len(), before);
    let state = test.delivery(2).await.state;
    assert!(matches!(&state, DeliveryState::Held { code, .. } if code == "senza_adesione"), "{state:?}");
    test.read("d", &[adesione(PERUGIA, StatoAdesione::Attiva)]).await;
    test.wait_and_work(Duration::from_secs(30)).await;
    assert_eq!(test.delivery(2).await.state, DeliveryState::Acknowledged);
}

#[tokio::test]
async fn a_target_is_given_what_the_configuration_says_and_nothing_else() {
    const COMO: &str = "80004650133";
    let test = TestFlow::new().await;
    let only = |filter: Filter| {
        let filters = BTreeMap::from([("target".to_owned(), filter)]);
        Flow { filters: Arc::new(filters), ..test.flow.clone() }
    };
    test.read("a", &[lotto_of(1, COMO), lotto_of(2, "00443770540"), lotto(3, "di nessuno"), contratto(1)]).await;
    let units = async |flow: &Flow| {
        route::route_again(flow).await.expect("routed");
        let units = flow.store.expected_units("target", None, 100).await.expect("units");
        let with_members = units.into_iter().filter(|unit| !unit.members.is_empty());
        with_members.map(|unit| unit.key.0).collect::<Vec<_>>()
    };
    let of_kind = only(Filter { kinds: Some([Kind::Contratto].into()), ..Filter::default() });
    assert_eq!(units(&of_kind).await, [format!("contratto/{}/1", cig(1))]);
    let of_body = only(Filter { enti: CodiceFiscale::parse(COMO).ok().map(|code| [code].into()), ..Filter::default() });
    assert_eq!(units(&of_body).await, [format!("contratto/{}/1", cig(1)), unit(1).0, unit(3).0]);
    let of_others = only(Filter { from: Some(["elsewhere".to_owned()].into()), ..Filter::default() });
    assert!(units(&of_others).await.is_empty());
}

#[tokio::test]
async fn a_unit_whose_members_left_before_anything_was_sent_needs_no_one() {
    let test = TestFlow::new().await;
    test.read("a", &[lotto(1, "una scuola")]).await;
    let filter = Filter { kinds: Some([Kind::Contratto].into()), ..Filter::default() };
    let filters = BTreeMap::from([("target".to_owned(), filter)]);
    let flow = Flow { filters: Arc::new(filters), ..test.flow.clone() };
    route::route_again(&flow).await.expect("routed");
    test.work().await;
    assert_eq!(test.target.attempts(), 0);
    let result = reconcile::reconcile(&flow, "target", false).await.expect("compared");
    assert_eq!(result.counts.verdict(result.complete), Verdict::Agree, "{:?}", result.counts);
}

#[tokio::test]
async fn a_request_that_was_lost_is_not_sent_again_once_the_membership_has_ended() {
    const COMO: &str = "80004650133";
    let test = TestFlow::new().await;
    test.target.ask_for_membership();
    test.target.on_send([Fault::LoseRequest]);
    test.read("a", &[adesione(COMO, StatoAdesione::Attiva), lotto_of(1, COMO)]).await;
    test.step().await;
    assert!(matches!(test.delivery(1).await.state, DeliveryState::InDoubt { .. }));
    test.read("b", &[adesione(COMO, StatoAdesione::Cessata)]).await;
    test.clock.advance(Duration::from_secs(5));
    test.step().await;
    let state = test.delivery(1).await.state;
    assert!(matches!(&state, DeliveryState::InDoubt { code, .. } if code == "senza_adesione"), "{state:?}");
    assert_eq!(test.target.attempts(), 1, "it was asked about, not sent");
}

#[tokio::test]
async fn a_unit_that_its_members_left_is_not_emptied_without_a_membership() {
    const COMO: &str = "80004650133";
    let test = TestFlow::new().await;
    test.target.ask_for_membership();
    test.target.belongs_to(unit(1), CodiceFiscale::parse(COMO).expect("a code"));
    test.read("a", &[adesione(COMO, StatoAdesione::Attiva), lotto_of(1, COMO)]).await;
    test.work().await;
    assert_eq!(test.target.attempts(), 1);
    test.read("b", &[adesione(COMO, StatoAdesione::Cessata)]).await;
    let filter = Filter { kinds: Some([Kind::Contratto].into()), ..Filter::default() };
    let flow = Flow { filters: Arc::new(BTreeMap::from([("target".to_owned(), filter)])), ..test.flow.clone() };
    route::route_again(&flow).await.expect("routed");
    test.work().await;
    assert_eq!(test.target.attempts(), 1, "nothing of the body is sent, not even emptiness");
}

#[tokio::test]
async fn what_the_target_tells_by_itself_opens_the_way_to_the_next_step() {
    let test = TestFlow::new().await;
    test.target.admit_in_order();
    // The target, read as a source, tells of the lot; it is never routed back there.
    test.target.give(simulated::document("own", &[lotto(1, "una scuola")]));
    let own = SourceName::parse("target").expect("a name");
    intake::read_source(&test.flow, &own, RunKind::Sync, None, &|_| ()).await.expect("read");
    test.read("a", &[contratto(1)]).await;
    test.work().await;
    assert!(test.effects().contains(&(format!("contratto/{}/1", cig(1)), 1)), "{:?}", test.effects());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_read_stored_by_the_memberships_of_before_is_routed_by_those_of_today() {
    const COMO: &str = "80004650133";
    let test = TestFlow::new().await;
    test.target.ask_for_membership();
    test.target.give(simulated::document("own", &[adesione(COMO, StatoAdesione::Attiva)]));
    let mut items = simulated::document("a", &[lotto_of(1, COMO)]);
    items.extend(simulated::document("b", &[lotto_of(2, COMO)]));
    test.origin.give(items);
    let [origin, own] = ["origin", "target"].map(|name| SourceName::parse(name).expect("a name"));
    let is_told = AtomicBool::new(false);
    // Between the two lots another process reads the membership, and routes what stands by then.
    let meanwhile = |_| {
        if !is_told.swap(true, Ordering::SeqCst) {
            let other = intake::read_source(&test.flow, &own, RunKind::Sync, None, &|_| ());
            let read = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(other));
            assert_eq!(read.expect("read").totals.new, 1);
        }
    };
    intake::read_source(&test.flow, &origin, RunKind::Sync, None, &meanwhile).await.expect("read");
    test.work().await;
    assert_eq!(test.effects().len(), 2, "{:?}", test.effects());
}
