//! Lanes as the ledger shows them: what is held, what is still to go, what does not exist.

use proptest::strategy::Strategy;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::testing::{CIG, evento};

/// A step, `phase/progressive`, with its detail.
struct Told(u8, u32, Value);

fn step(key: (u8, u32), dettaglio: Value) -> Told {
    Told(key.0, key.1, dettaglio)
}

fn members(told: &Told) -> (UnitKey, Vec<Record>) {
    (UnitKey(format!("{CIG}/1/{}/{}", told.0, told.1)), vec![evento(CIG, told.1, &told.2)])
}

fn held(told: Told) -> (Told, bool) {
    (told, true)
}

fn coming(told: Told) -> (Told, bool) {
    (told, false)
}

fn tried(told: &Told, lane: &[(Told, bool)]) -> Result<(), NotYet> {
    let (unit, records) = members(told);
    let lane = lane.iter().map(|(told, is_held)| {
        let (unit, members) = members(told);
        Neighbour { unit, members, is_held: *is_held }
    });
    admit(&unit, &records, &lane.collect::<Vec<_>>())
}

fn sc1() -> Told {
    step((13, 1), json!({"evento": "stipula", "data_stipula": "2026-01-20"}))
}
fn i1() -> Told {
    step((2, 1), json!({"evento": "avvio", "data_effettivo_inizio": "2026-02-01"}))
}
fn sa1(number: u32, day: &str) -> Told {
    step((3, number), json!({"evento": "avanzamento", "data_raggiungimento": day}))
}
fn so1(number: u32, day: &str, parziale: bool) -> Told {
    step((6, number), json!({"evento": "sospensione", "data_verbale": day, "parziale": parziale}))
}
fn ri1(number: u32, of: u32, day: &str) -> Told {
    step((15, number), json!({"evento": "ripresa", "sospensione": of, "data_verbale": day}))
}
fn rsu1() -> Told {
    step((16, 1), json!({"evento": "richiesta_subappalto", "data": "2026-03-01"}))
}
fn es1(autorizzato: bool) -> Told {
    step((17, 1), json!({"evento": "esito_subappalto", "richiesta": 1, "autorizzato": autorizzato}))
}
fn cs1() -> Told {
    step((18, 1), json!({"evento": "conclusione_subappalto", "richiesta": 1, "data_ultimazione": "2026-09-01"}))
}
fn m1(day: &str) -> Told {
    step((7, 1), json!({"evento": "modifica", "data_approvazione": day}))
}
fn co1(day: &str) -> Told {
    step((4, 1), json!({"evento": "conclusione", "data_ultimazione": day}))
}
fn cl1() -> Told {
    step((5, 1), json!({"evento": "collaudo", "data_certificato": "2027-01-20"}))
}
fn ir1(accolta: Option<bool>) -> Told {
    step((10, 1), json!({"evento": "recesso", "data": "2026-06-01", "istanza_accolta": accolta}))
}

fn begun() -> Vec<(Told, bool)> {
    vec![held(sc1()), held(i1())]
}

fn and(mut lane: Vec<(Told, bool)>, more: Vec<(Told, bool)>) -> Vec<(Told, bool)> {
    lane.extend(more);
    lane
}

#[rstest]
#[case::signature(sc1(), vec![])]
#[case::start(i1(), vec![held(sc1())])]
#[case::urgent_start(step((2, 1), json!({"evento": "avvio", "consegna_sotto_riserva": true})), vec![])]
#[case::progress(sa1(1, "2026-04-01"), begun())]
#[case::progress_in_a_partial_suspension(sa1(1, "2026-04-01"), and(begun(), vec![held(so1(1, "2026-03-01", true))]))]
#[case::progress_before_a_suspension(sa1(1, "2026-04-01"), and(begun(), vec![held(so1(1, "2026-05-01", false))]))]
#[case::progress_after_resumption(
    sa1(1, "2026-06-01"),
    and(begun(), vec![held(so1(1, "2026-03-01", false)), held(ri1(1, 1, "2026-05-01"))])
)]
#[case::resumption(ri1(1, 1, "2026-05-01"), and(begun(), vec![held(so1(1, "2026-03-01", false))]))]
#[case::modification(m1("2026-05-01"), vec![held(sc1())])]
#[case::outcome(es1(true), and(begun(), vec![held(rsu1())]))]
#[case::subcontract_ended(cs1(), and(begun(), vec![held(rsu1()), held(es1(true))]))]
#[case::conclusion(co1("2026-12-01"), begun())]
#[case::conclusion_without_contract(
    step((4, 1), json!({"evento": "conclusione", "senza_contratto": true})), vec![]
)]
#[case::smallest_direct_award(step((19, 1), json!({"evento": "conclusione", "affidamento_diretto": true})), vec![])]
#[case::test(cl1(), and(begun(), vec![held(co1("2026-12-01"))]))]
#[case::late_progress_after_the_end(sa1(1, "2027-01-10"), and(begun(), vec![held(co1("2026-12-01"))]))]
#[case::correction_of_an_old_step(i1(), vec![held(sc1()), held(sa1(1, "2026-04-01")), held(co1("2026-12-01"))])]
#[case::conclusion_after_withdrawal(co1("2026-07-01"), and(begun(), vec![held(ir1(Some(true)))]))]
#[case::progress_after_a_withdrawal_refused(sa1(1, "2026-08-01"), and(begun(), vec![held(ir1(Some(false)))]))]
#[case::tasks_at_any_time(step((20, 1), json!({"evento": "elenco_incarichi"})), vec![])]
#[case::data_completed(step((90, 1), json!({"evento": "integrazione_dati"})), begun())]
#[case::second_signature_after_the_end(
    step((13, 2), json!({"evento": "stipula", "data_stipula": "2027-02-01"})),
    and(begun(), vec![held(co1("2026-12-01"))])
)]
fn a_step_in_its_order_is_admitted(#[case] told: Told, #[case] lane: Vec<(Told, bool)>) {
    assert_eq!(tried(&told, &lane), Ok(()));
}

#[rstest]
#[case::start_without_signature(i1(), vec![], "ERR2", "manca la sottoscrizione del contratto (SC1)")]
#[case::start_before_its_signature(i1(), vec![coming(sc1())], "ERR2", "attende che la scheda SC1 n. 1 sia accolta")]
#[case::progress_without_start(sa1(1, "2026-04-01"), vec![held(sc1())], "ERR2", "manca l'avvio")]
#[case::progress_out_of_turn(
    sa1(2, "2026-05-01"), and(begun(), vec![coming(sa1(1, "2026-04-01"))]), "ERR2", "SA1 n. 1"
)]
#[case::progress_while_suspended(
    sa1(1, "2026-04-01"), and(begun(), vec![held(so1(1, "2026-03-01", false))]), "ERR2", "i lavori sono sospesi"
)]
#[case::progress_inside_a_past_suspension(
    sa1(1, "2026-04-01"),
    and(begun(), vec![held(so1(1, "2026-03-01", false)), held(ri1(1, 1, "2026-05-01"))]), "ERR2", "cade durante"
)]
#[case::progress_with_the_resumption_to_go(
    sa1(1, "2026-06-01"),
    and(begun(), vec![held(so1(1, "2026-03-01", false)), coming(ri1(1, 1, "2026-05-01"))]), "ERR2", "RI1 n. 1"
)]
#[case::suspension_while_suspended(
    so1(2, "2026-04-01", true), and(begun(), vec![held(so1(1, "2026-03-01", true))]), "ERR2", "sospesi"
)]
#[case::resumption_of_nothing(ri1(1, 1, "2026-05-01"), begun(), "ERR88", "manca la scheda SO1 n. 1")]
#[case::resumption_before_its_suspension(
    ri1(1, 1, "2026-05-01"), and(begun(), vec![coming(so1(1, "2026-03-01", false))]), "ERR2", "SO1 n. 1"
)]
#[case::resumed_twice(
    ri1(2, 1, "2026-06-01"),
    and(begun(), vec![held(so1(1, "2026-03-01", false)), held(ri1(1, 1, "2026-05-01"))]), "ERR79", "già presente"
)]
#[case::outcome_of_nothing(es1(true), begun(), "ERR88", "RSU1 n. 1")]
#[case::end_of_a_subcontract_without_outcome(cs1(), and(begun(), vec![held(rsu1())]), "ERR88", "manca l'esito")]
#[case::end_of_a_subcontract_refused(
    cs1(), and(begun(), vec![held(rsu1()), held(es1(false))]), "ERR88", "non è stato autorizzato"
)]
#[case::modification_without_signature(m1("2026-05-01"), vec![], "ERR2", "SC1")]
#[case::conclusion_while_suspended(
    co1("2026-12-01"), and(begun(), vec![held(so1(1, "2026-03-01", true))]), "ERR2", "sospesi"
)]
#[case::conclusion_with_a_modification_to_go(
    co1("2026-12-01"), and(begun(), vec![coming(m1("2026-05-01"))]), "ERR2", "M1 n. 1"
)]
#[case::test_before_the_end(cl1(), begun(), "ERR2", "manca la conclusione")]
#[case::test_with_the_end_to_go(cl1(), and(begun(), vec![coming(co1("2026-12-01"))]), "ERR2", "CO1 n. 1")]
#[case::modification_after_the_end(
    m1("2027-01-01"), and(begun(), vec![held(co1("2026-12-01"))]), "ERR2", "dopo la scheda CO1"
)]
#[case::progress_after_withdrawal(
    sa1(1, "2026-08-01"), and(begun(), vec![held(ir1(Some(true)))]), "ERR2", "dopo il recesso"
)]
#[case::second_signature(
    step((13, 2), json!({"evento": "stipula", "data_stipula": "2026-03-01"})), begun(), "ERR79", "non si ripete"
)]
#[case::second_start(step((2, 2), json!({"evento": "avvio"})), begun(), "ERR79", "non si ripete")]
fn a_step_out_of_its_order_waits_and_says_for_what(
    #[case] told: Told,
    #[case] lane: Vec<(Told, bool)>,
    #[case] code: &str,
    #[case] says: &str,
) {
    let not_yet = tried(&told, &lane).unwrap_err();
    assert_eq!(not_yet.code, code, "{}", not_yet.reason);
    assert!(not_yet.reason.contains(says), "{}", not_yet.reason);
}

/// A whole life, from the signature to the test.
fn whole_life() -> Vec<(UnitKey, Vec<Record>)> {
    let life = [
        sc1(),
        i1(),
        rsu1(),
        es1(true),
        sa1(1, "2026-02-20"),
        so1(1, "2026-03-05", false),
        step((14, 1), json!({"evento": "superamento_quarto", "sospensione": 1, "data_superamento": "2026-04-20"})),
        ri1(1, 1, "2026-05-01"),
        m1("2026-05-20"),
        sa1(2, "2026-06-01"),
        step((8, 1), json!({"evento": "accordo_bonario", "data_accordo": "2026-07-01"})),
        cs1(),
        step((20, 1), json!({"evento": "elenco_incarichi"})),
        co1("2026-12-01"),
        cl1(),
        step((90, 1), json!({"evento": "integrazione_dati"})),
    ];
    life.iter().map(members).collect()
}

/// Tries every step of a lane, round after round, until nothing moves; gives what still waits.
fn waiting(mut lane: Vec<(UnitKey, Vec<Record>, bool)>) -> Vec<String> {
    for _round in 0..lane.len() {
        for place in 0..lane.len() {
            let (unit, members, was_held) = lane.remove(place);
            let neighbour = |(unit, members, is_held): &(UnitKey, Vec<Record>, bool)| Neighbour {
                unit: unit.clone(),
                members: members.clone(),
                is_held: *is_held,
            };
            let neighbours: Vec<_> = lane.iter().map(neighbour).collect();
            let is_held = was_held || admit(&unit, &members, &neighbours).is_ok();
            lane.insert(place, (unit, members, is_held));
        }
    }
    lane.into_iter().filter(|(_, _, is_held)| !is_held).map(|(unit, ..)| unit.0).collect()
}

#[rstest]
#[case::the_sample_story("schemas/samples/esecuzione/storia.ndjson")]
#[case::the_records_of_the_suite("contract-tests/systems/scp-esecuzione/records.ndjson")]
fn a_story_on_file_goes_through(#[case] file: &str) {
    let mut lanes: std::collections::BTreeMap<String, std::collections::BTreeMap<UnitKey, Vec<Record>>> =
        std::collections::BTreeMap::new();
    for record in crate::testing::records_of(file) {
        if let contract::Placement::Unit(unit) = crate::write::place(&record) {
            lanes.entry(unit.lane.0).or_default().entry(unit.key).or_default().push(record);
        }
    }
    assert!(!lanes.is_empty());
    for (lane, units) in lanes {
        let steps = units.into_iter().map(|(unit, members)| (unit, members, false)).collect();
        assert_eq!(waiting(steps), Vec::<String>::new(), "{lane}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_the_order_a_life_goes_through(order in proptest::prelude::Just(whole_life()).prop_shuffle()) {
        let lane = order.into_iter().map(|(unit, members)| (unit, members, false)).collect();
        proptest::prop_assert_eq!(waiting(lane), Vec::<String>::new());
    }
}

fn urgent() -> Told {
    step((2, 1), json!({"evento": "avvio", "consegna_sotto_riserva": true, "data_effettivo_inizio": "2026-01-10"}))
}
#[test]
fn rev_signature_after_an_urgent_start() {
    assert_eq!(tried(&sc1(), &[held(urgent())]), Ok(()));
}
#[test]
fn rev_life_with_urgent_start() {
    let lane = [urgent(), sc1(), m1("2026-05-20"), co1("2026-12-01")].iter().map(members).map(|(u, m)| (u, m, false)).collect();
    assert_eq!(waiting(lane), Vec::<String>::new());
}
#[test]
fn rev_subcontract_ends_after_withdrawal_and_conclusion() {
    let lane = [sc1(), i1(), rsu1(), es1(true), ir1(Some(true)), cs1(), co1("2026-12-01")].iter().map(members).map(|(u, m)| (u, m, false)).collect();
    assert_eq!(waiting(lane), Vec::<String>::new());
}
#[test]
fn rev_m2_40_after_m1_is_refused() {
    let m2 = step((7, 2), json!({"evento": "modifica", "data_approvazione": "2026-06-01", "sopra_soglia": false, "concessione": true}));
    let first = step((7, 1), json!({"evento": "modifica", "data_approvazione": "2026-05-01", "sopra_soglia": true, "concessione": false}));
    assert!(!may_follow("M1", "M2_40"));
    assert!(tried(&m2, &and(begun(), vec![held(first)])).is_err());
}
#[test]
fn rev_quarter_after_resumption_is_refused() {
    let sq = |n, d: &str| step((14, n), json!({"evento": "superamento_quarto", "sospensione": 1, "data_superamento": d}));
    let lane = and(begun(), vec![held(so1(1, "2026-03-01", false)), held(ri1(1, 1, "2026-05-01")), held(sa1(1, "2026-06-01"))]);
    assert!(tried(&sq(1, "2026-07-01"), &lane).is_err());
}
#[test]
fn rev_second_quarter_of_a_suspension_is_refused() {
    let sq = |n, d: &str| step((14, n), json!({"evento": "superamento_quarto", "sospensione": 1, "data_superamento": d}));
    let lane = and(begun(), vec![held(so1(1, "2026-03-01", false)), held(sq(1, "2026-04-01"))]);
    assert!(tried(&sq(2, "2026-04-10"), &lane).is_err());
}
#[test]
fn rev_null_cig_has_no_unit() {
    let it = evento("0000000000", 1, &json!({"evento": "avvio"}));
    assert!(!matches!(crate::write::place(&it), contract::Placement::Unit(_)));
}
#[test]
fn rev_conclusion_before_an_unadmittable_cs1() {
    let lane = [sc1(), i1(), rsu1(), es1(false), cs1(), co1("2026-12-01")].iter().map(members).map(|(u, m)| (u, m, false)).collect();
    assert_eq!(waiting(lane), vec![format!("{CIG}/1/18/1")]);
}
