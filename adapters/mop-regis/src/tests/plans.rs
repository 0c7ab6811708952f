//! The national complementary plan and ReGiS, and what they say of the same CIG.

use std::collections::{BTreeMap, BTreeSet};

use canonical::Rule;
use canonical::identifiers::Cig;
use canonical::kinds::{CollegamentoCupCig, Piano};
use canonical::values::Importo;
use serde_json::{Value, json};

use super::{attesi, read};
use crate::wire::Campo;

#[test]
fn the_tenders_of_the_plan_count_as_expected() {
    let expected = attesi("pnrr_pnc");
    let gare = read("pnrr_pnc/pnc-gare.csv");
    let links = gare.links();
    let mut by_cig: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut by_cup: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for link in &links {
        by_cig.entry(link.cig.unwrap()).or_default().insert(link.cup);
        by_cup.entry(link.cup).or_default().insert(link.cig.unwrap());
    }
    // A base of zero is no base to compare with.
    let above = |link: &&&CollegamentoCupCig| {
        link.importo_base.is_some_and(|base| !base.is_zero()) && link.importo_aggiudicazione > link.importo_base
    };
    let winners = read("pnrr_pnc/pnc-aggiudicatari.csv");
    let of_winners = winners.readings(|row| row.received(Campo::Cig).and_then(|cig| Cig::read(cig).value));
    let known = of_winners.iter().filter(|cig| cig.is_some_and(|cig| by_cig.contains_key(&cig)));
    let found = json!({
        "pnc_gare_righe": gare.rows().len(),
        "stazioni_appaltanti": gare.enti().len(),
        "cig_distinti": by_cig.len(),
        "cup_distinti": by_cup.len(),
        "righe_senza_aggiudicazione": links.iter().filter(|link| link.importo_aggiudicazione.is_none()).count(),
        "cig_su_piu_cup": by_cig.values().filter(|cups| cups.len() > 1).count(),
        "cup_con_piu_cig": by_cup.values().filter(|cigs| cigs.len() > 1).count(),
        "aggiudicato_oltre_base": links.iter().filter(above).count(),
        "aggiudicatari_di_cig_presenti": known.count(),
    });
    for (name, count) in found.as_object().unwrap() {
        assert_eq!(count, &expected[name], "{name}");
    }
    assert!(links.iter().all(|link| link.piani == BTreeSet::from([Piano::Pnc]) && link.ente.is_some()));
    assert_eq!(gare.header.as_of.unwrap().to_string(), "2024-03-07");
}

#[test]
fn every_procedure_of_regis_without_cig_has_its_reason() {
    let expected = attesi("pnrr_pnc");
    let table = read("pnrr_pnc/regis-gare-universo.csv");
    let links = table.links();
    let without: Vec<_> = links.iter().filter(|link| link.cig.is_none()).collect();
    assert_eq!(expected["regis_righe"], table.rows().len());
    assert_eq!(expected["regis_cig_vuoto"], without.len());
    let with_reason = without.iter().filter(|link| link.motivo_assenza_cig.is_some()).count();
    assert_eq!(expected["regis_cig_vuoto_con_motivo"], with_reason);
    assert_eq!(table.findings(Rule::R05), 0);
    let masked = table.readings(|row| row.received(Campo::CodiceOperatore).is_some_and(|code| code.contains('*')));
    assert_eq!(expected["regis_aggiudicatario_mascherato"], masked.iter().filter(|is_masked| **is_masked).count());
    // 39 rows repeat a CUP and a CIG with amounts of another procedure; those set aside are not read on.
    assert_eq!(table.aside(), BTreeMap::from([("R06", 39)]));
    assert_eq!(links.len(), 1136 - 39);
}

fn of_cig(links: &[&CollegamentoCupCig], cig: Cig) -> Vec<CollegamentoCupCig> {
    links.iter().filter(|link| link.cig == Some(cig)).map(|link| (*link).clone()).collect()
}

fn cups(links: &[CollegamentoCupCig]) -> Value {
    json!(links.iter().map(|link| link.cup).collect::<BTreeSet<_>>())
}

fn amounts(links: &[CollegamentoCupCig], of: impl Fn(&CollegamentoCupCig) -> Option<Importo>) -> BTreeSet<Importo> {
    links.iter().filter_map(of).collect()
}

/// Amounts as they stand in the expected counts: numbers with one decimal or two.
fn expected_amounts(value: &Value) -> BTreeSet<Importo> {
    let cents = |text: String| {
        let (euro, decimals) = text.split_once('.').unwrap();
        Importo::parse(&format!("{euro}.{decimals:0<2}")).unwrap()
    };
    value.as_array().unwrap().iter().map(|number| cents(number.to_string())).collect()
}

#[test]
fn the_two_plans_compare_cig_by_cig_as_expected() {
    let (pnc, regis) = (read("pnrr_pnc/pnc-gare-comuni-a-regis.csv"), read("pnrr_pnc/regis-gare-universo.csv"));
    let (pnc, regis) = (pnc.links(), regis.links());
    let expected = attesi("pnrr_pnc");
    let expected = expected["confronto_pnc_regis"].as_array().unwrap();
    let cigs: BTreeSet<_> = pnc.iter().filter_map(|link| link.cig).collect();
    assert_eq!(expected.len(), cigs.len());
    for (expected, cig) in expected.iter().zip(cigs) {
        let (one, other) = (of_cig(&pnc, cig), of_cig(&regis, cig));
        assert_eq!(expected["cig"], json!(cig));
        assert_eq!((&expected["cup_pnc"], &expected["cup_regis"]), (&cups(&one), &cups(&other)), "{cig}");
        assert_eq!(expected["stesso_cup"], json!(cups(&one) == cups(&other)), "{cig}");
        assert_eq!(
            (&expected["righe_pnc"], &expected["righe_regis"]),
            (&json!(one.len()), &json!(other.len())),
            "{cig}"
        );
        for (links, base, award, published) in [
            (&one, "base_pnc", "aggiudicazione_pnc", "data_pubblicazione_pnc"),
            (&other, "complessivo_regis", "aggiudicazione_regis", "data_pubblicazione_regis"),
        ] {
            assert_eq!(expected_amounts(&expected[base]), amounts(links, |link| link.importo_base), "{cig}");
            assert_eq!(expected_amounts(&expected[award]), amounts(links, |link| link.importo_aggiudicazione), "{cig}");
            let days: BTreeSet<_> = links.iter().filter_map(|link| link.data_pubblicazione).collect();
            assert_eq!(expected[published], json!(days), "{cig}");
        }
    }
}

#[test]
fn winners_and_subcontractors_are_companies_only() {
    let operators = |name: &str| {
        let table = read(name);
        let count = table.ledger().keys().filter(|key| key.starts_with("operatore_economico:")).count();
        (count, table.findings(Rule::R22), table.findings(Rule::N09), table.links().len(), table.aside().len())
    };
    assert_eq!(operators("pnrr_pnc/pnc-aggiudicatari.csv"), (97, 7, 0, 118, 0));
    assert_eq!(operators("pnrr_pnc/pnc-subappaltatori.csv"), (25, 2, 0, 24, 0));
    assert_eq!(operators("pnrr_pnc/regis-aggiudicatari.csv"), (215, 166, 0, 424, 0));
    assert_eq!(operators("pnrr_pnc/regis-subappaltatori.csv"), (84, 8, 0, 18, 0));
}

#[test]
fn the_parts_of_a_project_are_one_project() {
    let table = read("pnrr_pnc/regis-pagamenti.csv");
    let projects = table.projects();
    assert_eq!((table.rows().len(), table.raws.len(), projects.len()), (155, 145, 145));
    let carrega = projects.iter().find(|project| project.cup.as_str() == "E73C22000160006").unwrap();
    // Eleven local projects of one CUP.
    assert_eq!(carrega.finanziamento.unwrap().to_string(), "1418600.00");
    assert_eq!(carrega.pagato.unwrap().to_string(), "413560.62");
    assert_eq!(carrega.finanziamenti.len(), 1);
    let places = read("pnrr_pnc/pnc-localizzazione.csv");
    let projects = places.projects();
    assert_eq!((places.rows().len(), projects.len()), (874, 318));
    assert_eq!(projects.iter().map(|project| project.luoghi.len()).sum::<usize>(), 874);
    assert_eq!(read("pnrr_pnc/pnc-progetti.csv").projects().len(), 318);
}
