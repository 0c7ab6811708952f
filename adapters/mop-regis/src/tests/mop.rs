//! Public works: two photographs, tenders, links, payments, registries.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use canonical::identifiers::{Cig, CigClass, CodiceIstat, Cup};
use canonical::kinds::Progetto;
use canonical::values::Importo;
use canonical::{Rule, Severity};
use serde_json::json;

use super::{Table, attesi, read};
use crate::wire::Campo;

/// A work as the mapping reads it, also when no record can hold it.
struct Opera {
    cup: Option<Cup>,
    received: Option<String>,
    fase: Option<u8>,
    costo: Option<Importo>,
}

/// The works of a photograph by their number, and how many numbers came again.
fn opere(table: &Table) -> (HashMap<String, Opera>, usize) {
    let mut works = HashMap::new();
    let rows = table.readings(|row| {
        let received = row.received(Campo::Cup).map(str::to_uppercase);
        let costo = row.importo(Campo::Costo).value;
        (row.opera().unwrap().0, Opera { cup: row.cup().value, received, fase: row.fase(), costo })
    });
    let count = rows.len();
    for (number, opera) in rows {
        works.entry(number).or_insert(opera);
    }
    let repeated = count - works.len();
    (works, repeated)
}

#[test]
fn two_photographs_of_the_works_compare_as_expected() {
    let (before, repeated_before) = opere(&read("mop/opere_2024-12-22.csv"));
    let (after, repeated_after) = opere(&read("mop/opere_2026-04-30.csv"));
    assert_eq!(repeated_before, 0);
    let mut found = BTreeMap::from([("identificativi_ripetuti_2026", repeated_after)]);
    let mut count = |what| *found.entry(what).or_default() += 1;
    for number in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let (one, other) = match (before.get(number), after.get(number)) {
            (Some(one), Some(other)) => (one, other),
            (Some(_), None) => {
                count("solo_2024");
                continue;
            }
            _ => {
                count("solo_2026");
                continue;
            }
        };
        count("in_entrambe");
        count(match (&one.received, &other.received) {
            (one, other) if one == other => "cup_uguale",
            (None, _) => "cup_aggiunto",
            _ if one.cup.is_none() && other.cup.is_some() => "cup_malformato_poi_corretto",
            _ => "cup_diverso",
        });
        count(match (one.fase, other.fase) {
            (Some(one), Some(other)) if other > one => "fase_avanzata",
            (Some(one), Some(other)) if other < one => "fase_arretrata",
            (Some(_), Some(_)) => "fase_uguale",
            _ => "fase_assente_da_un_lato",
        });
        count(match (one.costo, other.costo) {
            (Some(one), Some(other)) if one == other => "importo_uguale",
            (Some(_), Some(_)) => "importo_diverso",
            _ => "importo_assente_da_un_lato",
        });
    }
    assert_eq!(json!(found), attesi("mop")["opere_due_fotografie"]);
}

#[test]
fn what_stands_in_the_ledger_of_the_two_photographs_is_the_part_with_a_cup_of_its_own() {
    let (before, after) = (read("mop/opere_2024-12-22.csv"), read("mop/opere_2026-04-30.csv"));
    assert_eq!(before.header.as_of.unwrap().to_string(), "2024-12-22");
    assert_eq!(after.header.as_of.unwrap().to_string(), "2026-04-30");
    // No CUP, a CUP that is none, a second work of the same CUP.
    assert_eq!(before.aside(), BTreeMap::from([("N08", 147), ("R13", 5), ("R06", 30)]));
    assert_eq!(after.aside(), BTreeMap::from([("N08", 41), ("R13", 12), ("R06", 38)]));
    assert_eq!((before.projects().len(), after.projects().len()), (1584, 1738));
    let works = |table: &Table| -> HashMap<String, Progetto> {
        let keyed = |project: &&Progetto| (project.misura.clone().unwrap(), (*project).clone());
        table.projects().iter().map(keyed).collect()
    };
    let (before, after) = (works(&before), works(&after));
    let both: Vec<_> = before.iter().filter_map(|(number, one)| Some((one, after.get(number)?))).collect();
    let back = both.iter().filter(|(one, other)| other.fase < one.fase && other.fase.is_some()).count();
    let forward = both.iter().filter(|(one, other)| other.fase > one.fase && one.fase.is_some()).count();
    let other_cup = both.iter().filter(|(one, other)| one.cup != other.cup).count();
    assert_eq!((both.len(), forward, back, other_cup), (1512, 555, 54, 8));
}

#[test]
fn tenders_give_one_link_a_pair_whoever_won() {
    let (gare, links) = (read("mop/gare.csv"), read("mop/cup_cig.csv"));
    let pairs =
        |table: &Table| -> BTreeSet<_> { table.links().iter().map(|link| (link.cup, link.cig.unwrap())).collect() };
    let (of_gare, of_links) = (pairs(&gare), pairs(&links));
    let mut rows: BTreeMap<(Cup, Option<Cig>), Vec<_>> = BTreeMap::new();
    for body in gare.bodies() {
        if let canonical::Body::CollegamentoCupCig(link) = body {
            rows.entry((link.cup, link.cig)).or_default().push(link);
        }
    }
    let many: Vec<_> = rows.values().filter(|links| links.len() > 1).collect();
    // Identical, not only in the amount: a row of a second winner is the same record again.
    let same = many.iter().filter(|links| links.iter().all(|link| *link == links[0])).count();
    let cigs: BTreeSet<_> = of_gare.iter().map(|(_, cig)| *cig).collect();
    let class = |class| cigs.iter().filter(|cig| cig.class() == class).count();
    let malformed = gare.readings(|row| row.received(Campo::Cup).is_some() && row.cup().value.is_none());
    let found = json!({
        "righe": gare.rows().len(),
        "coppie_cup_cig": of_gare.len(),
        "coppie_con_piu_righe": many.len(),
        "di_cui_con_stesso_importo_su_tutte_le_righe": same,
        "cig": {
            "cig_pcp": class(CigClass::Pcp),
            "cig_simog": class(CigClass::Ordinary),
            "smartcig": class(CigClass::SmartCig),
        },
        "coppie_solo_gare": of_gare.difference(&of_links).count(),
        // One pair stands aside, because its CUP is none.
        "coppie_solo_cup_cig": of_links.difference(&of_gare).count() + links.aside()["R13"],
        "coppie_comuni": of_gare.intersection(&of_links).count(),
        "cup_malformati": malformed.iter().filter(|is_malformed| **is_malformed).count(),
    });
    assert_eq!(found, attesi("mop")["gare"]);
    assert_eq!((gare.aside().len(), gare.findings(Rule::R22)), (0, 324));
}

#[test]
fn payments_by_year_become_the_paid_amount_of_the_project() {
    let table = read("mop/pagamenti.csv");
    let projects = table.projects();
    let paid = projects.iter().filter_map(|project| project.pagato);
    let found = json!({ "righe": table.rows().len(), "cup": projects.len() });
    let expected = attesi("mop")["pagamenti"].clone();
    assert_eq!((&found["righe"], &found["cup"]), (&expected["righe"], &expected["cup"]));
    assert_eq!(Importo::checked_sum(paid).unwrap().to_string(), expected["totale"].to_string());
    // Three years are told twice, and one year gave money back.
    assert_eq!((table.findings(Rule::R06), table.aside().len()), (3, 0));
    let back = projects.iter().find(|project| project.cup.as_str() == "H43D20002210006").unwrap();
    let parts = table.readings(|row| (row.cup().value, row.importo_con_segno(Campo::PagatoAnno).value));
    let sum = parts.into_iter().filter(|(cup, _)| *cup == Some(back.cup)).filter_map(|(_, paid)| paid);
    assert_eq!(back.pagato, Importo::checked_sum(sum));
}

#[test]
fn a_cup_that_is_none_is_kept_aside_as_text() {
    let table = read("mop/cup_cig.csv");
    assert_eq!(table.aside(), BTreeMap::from([("R13", 1)]));
    let finding = table.all.iter().find(|normalized| normalized.set_aside.is_some()).unwrap().findings[0].clone();
    assert_eq!((finding.received.as_deref(), finding.severity), (Some("G13120000000001"), Severity::Error));
    assert_eq!(table.links().len(), 7059);
}

#[test]
fn bodies_carry_their_index_code_and_a_word_is_no_fiscal_code() {
    let table = read("mop/enti.csv");
    assert_eq!((table.enti().len(), table.aside()), (356, BTreeMap::from([("N04", 1)])));
    assert!(table.enti().iter().all(|ente| ente.codice_ipa.is_some()));
}

#[test]
fn the_registry_of_the_cup_and_the_accounts_agree_on_cost_and_day() {
    let (cup, bdap) = (read("mop/opencup-messina.parte1.csv"), read("mop/openbdap-messina-cup.parte1.csv"));
    let of = |table: &Table| -> BTreeMap<_, Progetto> {
        table.projects().into_iter().map(|project| (project.cup, project.clone())).collect()
    };
    let (cup, bdap) = (of(&cup), of(&bdap));
    assert_eq!((cup.len(), bdap.len()), (183, 183));
    for (key, one) in &cup {
        let other = &bdap[key];
        assert_eq!((one.costo, one.finanziamento, one.ente), (other.costo, other.finanziamento, other.ente));
        // The two-digit years of one are the four-digit years of the other.
        assert_eq!(one.data_generazione, other.data_generazione);
        assert_eq!(one.luoghi.iter().map(CodiceIstat::as_str).collect::<Vec<_>>(), ["083048"]);
    }
    // Zero was paid for 181: that is a zero, not an absence.
    assert_eq!(bdap.values().filter(|project| project.pagato == Some(Importo::ZERO)).count(), 181);
    assert_eq!(bdap.values().filter(|project| project.data_chiusura.is_some()).count(), 2);
    assert_eq!(bdap.values().filter(|project| project.fase_descrizione.is_some()).count(), 1);
    assert_eq!(read("mop/opencup.csv").projects().len(), 1727);
    assert_eq!(read("mop/openbdap-messina-cig.parte1.csv").links().len(), 53);
}
