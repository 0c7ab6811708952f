//! Lanes as the ledger shows them: what is held, what is still to go, what does not exist.

use canonical::Kind;
use proptest::strategy::Strategy;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::testing::{CIG, evento, record_from};

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
fn sq1(number: u32, day: &str) -> Told {
    step((14, number), json!({"evento": "superamento_quarto", "sospensione": 1, "data_superamento": day}))
}
fn urgent() -> Told {
    step((2, 1), json!({"evento": "avvio", "consegna_sotto_riserva": true, "data_effettivo_inizio": "2026-01-10"}))
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

/// A whole life, from the signature or from an urgent start to the test.
fn whole_life(start: Told) -> Vec<(UnitKey, Vec<Record>)> {
    let life = [
        sc1(),
        start,
        rsu1(),
        es1(true),
        sa1(1, "2026-02-20"),
        so1(1, "2026-03-05", false),
        sq1(1, "2026-04-20"),
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

/// What still waits of these steps when nothing moves any more.
fn left_of(life: &[Told]) -> Vec<String> {
    waiting(life.iter().map(members).map(|(unit, members)| (unit, members, false)).collect())
}

/// Tries every step of a lane, round after round, until nothing moves; gives what still waits.
fn waiting(mut lane: Vec<(UnitKey, Vec<Record>, bool)>) -> Vec<String> {
    loop {
        let held = |lane: &[(UnitKey, Vec<Record>, bool)]| lane.iter().filter(|(_, _, is_held)| *is_held).count();
        let before = held(&lane);
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
        if held(&lane) == before {
            break;
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

#[test]
fn a_signature_follows_an_urgent_start() {
    assert_eq!(tried(&sc1(), &[held(urgent())]), Ok(()));
    // And what the table lets follow a start follows it also when the signature came between.
    assert_eq!(tried(&sa1(1, "2026-02-20"), &[held(urgent()), held(sc1())]), Ok(()));
    assert_eq!(tried(&sc1(), &[held(urgent()), held(sa1(1, "2026-01-15"))]), Ok(()));
}

#[test]
fn a_life_with_an_urgent_start_goes_through() {
    assert_eq!(left_of(&[urgent(), sc1(), m1("2026-05-20"), co1("2026-12-01")]), Vec::<String>::new());
    assert_eq!(left_of(&[co1("2026-12-01"), sc1(), urgent()]), Vec::<String>::new());
    let not_yet = tried(&co1("2026-12-01"), &[held(urgent()), coming(sc1())]).unwrap_err();
    assert!(not_yet.reason.contains("SC1 n. 1"), "{}", not_yet.reason);
}

#[test]
fn a_subcontract_ends_after_a_withdrawal_and_before_the_conclusion() {
    let life = [sc1(), i1(), rsu1(), es1(true), ir1(Some(true)), cs1(), co1("2026-12-01")];
    assert_eq!(left_of(&life), Vec::<String>::new());
}

#[test]
fn a_modification_that_the_table_does_not_admit_is_refused() {
    let of = |number, day: &str, sopra_soglia: bool, concessione: bool| {
        let dettaglio = json!({
            "evento": "modifica", "data_approvazione": day, "sopra_soglia": sopra_soglia, "concessione": concessione,
        });
        step((7, number), dettaglio)
    };
    assert!(!may_follow("M1", "M2_40"));
    let lane = and(begun(), vec![held(of(1, "2026-05-01", true, false))]);
    assert!(tried(&of(2, "2026-06-01", false, true), &lane).is_err());
    assert_eq!(tried(&of(2, "2026-06-01", true, false), &lane), Ok(()));
}

#[test]
fn a_second_withdrawal_in_a_row_is_refused_as_the_table_wants() {
    let second = step((10, 2), json!({"evento": "recesso", "data": "2026-07-01", "istanza_accolta": false}));
    let lane = and(begun(), vec![held(ir1(Some(false)))]);
    assert!(tried(&second, &lane).is_err());
    assert_eq!(tried(&second, &and(lane, vec![held(sa1(1, "2026-06-20"))])), Ok(()));
}

#[test]
fn a_quarter_exceeded_after_the_resumption_is_refused() {
    let sospesi = || and(begun(), vec![held(so1(1, "2026-03-01", false))]);
    let resumed = and(sospesi(), vec![held(ri1(1, 1, "2026-05-01")), held(sa1(1, "2026-06-01"))]);
    let not_yet = tried(&sq1(1, "2026-07-01"), &resumed).unwrap_err();
    assert!(not_yet.reason.contains("RI1 n. 1"), "{}", not_yet.reason);
    assert!(tried(&sq1(1, "2026-07-01"), &and(sospesi(), vec![coming(ri1(1, 1, "2026-05-01"))])).is_err());
    assert_eq!(tried(&sq1(1, "2026-04-20"), &resumed), Ok(()), "told late");
}

#[test]
fn a_second_quarter_of_a_suspension_is_refused() {
    let lane = and(begun(), vec![held(so1(1, "2026-03-01", false)), held(sq1(1, "2026-04-01"))]);
    assert_eq!(tried(&sq1(2, "2026-04-10"), &lane).unwrap_err().code, "ERR79");
}

#[test]
fn a_null_cig_has_no_unit() {
    let it = evento("0000000000", 1, &json!({"evento": "avvio"}));
    assert_eq!(crate::write::place(&it), contract::Placement::Withheld { code: "null_cig" });
}

#[test]
fn a_conclusion_does_not_wait_for_the_end_of_a_subcontract_refused() {
    let life = [sc1(), i1(), rsu1(), es1(false), cs1(), co1("2026-12-01")];
    assert_eq!(left_of(&life), vec![format!("{CIG}/1/18/1")]);
}

#[rstest]
#[case::a_second_start(step((2, 2), json!({"evento": "avvio"})))]
#[case::a_resumption_of_nothing(ri1(9, 9, "2026-05-01"))]
#[case::another_conclusion(step((19, 1), json!({"evento": "conclusione", "affidamento_diretto": true})))]
fn a_conclusion_does_not_wait_for_what_never_goes(#[case] never: Told) {
    assert_eq!(tried(&co1("2026-12-01"), &and(begun(), vec![coming(never)])), Ok(()));
}

#[test]
fn a_progress_does_not_wait_for_one_that_fell_into_a_suspension() {
    let suspended = || vec![held(so1(1, "2026-03-01", false)), held(ri1(1, 1, "2026-05-01"))];
    let lane = and(and(begun(), suspended()), vec![coming(sa1(1, "2026-04-01"))]);
    assert_eq!(tried(&sa1(2, "2026-06-01"), &lane), Ok(()));
}

#[test]
fn a_conclusion_that_came_early_does_not_wait_for_a_start_without_signature() {
    let early = step((4, 1), json!({"evento": "conclusione", "interruzione_anticipata": true}));
    assert_eq!(tried(&early, &[coming(i1())]), Ok(()));
    assert!(tried(&early, &[held(sc1()), coming(i1())]).is_err());
}

/// The signature as the platform tells it: its state there, and whether as a contract or an event.
fn signature_told(kind: Kind, stato: &str) -> Neighbour {
    let body = match kind {
        Kind::Contratto => json!({"cig": CIG, "id_aggiudicazione": 1, "data_stipula": "2026-01-20"}),
        _ => json!({
            "cig": CIG, "id_aggiudicazione": 1, "progressivo": 1, "stato": stato,
            "dettaglio": {"evento": "stipula", "data_stipula": "2026-01-20"},
        }),
    };
    let members = vec![record_from("scp-esecuzione", kind, &body)];
    Neighbour { unit: UnitKey(format!("{CIG}/1/13/1")), members, is_held: true }
}

#[rstest]
#[case::a_contract(Kind::Contratto, "", true)]
#[case::a_draft_of_somebody(Kind::EventoEsecuzione, "bozza", true)]
#[case::sent(Kind::EventoEsecuzione, "inviato", true)]
#[case::confirmed(Kind::EventoEsecuzione, "confermato", true)]
#[case::rejected(Kind::EventoEsecuzione, "scartato", false)]
fn a_signature_that_only_the_platform_tells_of_counts_unless_rejected(
    #[case] kind: Kind,
    #[case] stato: &str,
    #[case] counts: bool,
) {
    let neighbour = signature_told(kind, stato);
    for told in [i1(), m1("2026-05-01")] {
        let (unit, records) = members(&told);
        let admitted = admit(&unit, &records, std::slice::from_ref(&neighbour));
        assert_eq!(admitted.is_ok(), counts, "{admitted:?}");
    }
    let placed = crate::write::place(&neighbour.members[0]);
    assert_eq!(matches!(placed, contract::Placement::Unit(unit) if unit.key == neighbour.unit), counts);
}

/// A life with its accidents, what may stay behind of it, and what must.
#[derive(Debug)]
struct Life {
    steps: Vec<(UnitKey, Vec<Record>)>,
    /// Depends on what came first: a progress may still be taken before the withdrawal is.
    may_stay: Vec<&'static str>,
    must_stay: Vec<&'static str>,
    /// One of two, whichever comes second.
    one_stays: Vec<[&'static str; 2]>,
}

/// Bits: urgent start, withdrawal, accepted, subcontract refused, second start, a resumption and a
/// quarter of nothing, second quarter, two conclusions.
fn life(accidents: u8) -> Life {
    let has = |bit: u8| accidents & (1 << bit) != 0;
    let mut steps = whole_life(if has(0) { urgent() } else { i1() });
    let mut life = Life { steps: Vec::new(), may_stay: Vec::new(), must_stay: Vec::new(), one_stays: Vec::new() };
    let mut more = |told: Told| steps.push(members(&told));
    if has(1) {
        more(step((10, 1), json!({"evento": "recesso", "data": "2026-08-01", "istanza_accolta": has(2)})));
        more(sa1(3, "2026-08-15"));
        if has(2) {
            life.may_stay.push("3/3");
        }
    }
    if has(4) {
        more(step((2, 2), json!({"evento": "avvio", "data_effettivo_inizio": "2026-02-03"})));
        life.one_stays.push(["2/1", "2/2"]);
    }
    if has(5) {
        more(ri1(9, 9, "2026-05-02"));
        more(step(
            (14, 9),
            json!({"evento": "superamento_quarto", "sospensione": 1, "data_superamento": "2026-06-20"}),
        ));
        life.must_stay.extend(["15/9", "14/9"]);
    }
    if has(6) {
        more(sq1(2, "2026-04-25"));
        life.one_stays.push(["14/1", "14/2"]);
    }
    if has(7) {
        more(step(
            (19, 1),
            json!({
                "evento": "conclusione", "affidamento_diretto": true, "data_ultimazione": "2026-12-01",
            }),
        ));
        life.one_stays.push(["4/1", "19/1"]);
    }
    if has(3) {
        let refused = members(&es1(false));
        steps.retain(|(unit, _)| *unit != refused.0);
        steps.push(refused);
        life.must_stay.push("18/1");
    }
    life.steps = steps;
    life
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_the_order_a_life_goes_through(
        order in proptest::bool::ANY
            .prop_map(|is_urgent| whole_life(if is_urgent { urgent() } else { i1() }))
            .prop_shuffle(),
    ) {
        let lane = order.into_iter().map(|(unit, members)| (unit, members, false)).collect();
        proptest::prop_assert_eq!(waiting(lane), Vec::<String>::new());
    }

    #[test]
    fn whatever_happens_only_what_can_never_go_stays_behind(
        (life, order) in proptest::num::u8::ANY.prop_map(life).prop_flat_map(|life| {
            let order = proptest::prelude::Just(life.steps.clone()).prop_shuffle();
            (proptest::prelude::Just(std::sync::Arc::new(life)), order)
        }),
    ) {
        let lane: Vec<_> = order.into_iter().map(|(unit, members)| (unit, members, false)).collect();
        let mut left: std::collections::BTreeSet<_> = waiting(lane).into_iter().collect();
        let key = |step: &str| format!("{CIG}/1/{step}");
        for must in &life.must_stay {
            proptest::prop_assert!(left.remove(&key(must)), "{} was admitted", must);
        }
        for pair in &life.one_stays {
            let stayed = pair.iter().filter(|step| left.remove(&key(step))).count();
            proptest::prop_assert_eq!(stayed, 1, "{:?}", pair);
        }
        left.retain(|unit| !life.may_stay.iter().any(|may| *unit == key(may)));
        proptest::prop_assert!(left.is_empty(), "{:?} wait for ever", left);
    }
}
