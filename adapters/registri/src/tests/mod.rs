//! The reference tables, read whole.

mod cases;
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use canonical::identifiers::{CodiceFiscale, CodiceIpa, CodiceIstat};
use canonical::kinds::{Ente, Territorio, TipoEnte, TipoTerritorio};
use canonical::{Body, Rule};
use contract::{Normalized, Received};
use kit::Links;
use kit::published::LocalTable;
use rstest::rstest;

use crate::documents::give_document;
use crate::read::normalize;
use crate::wire::FORMATS;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/samples/registry").join(name)
}

fn every_format() -> Vec<String> {
    FORMATS.iter().map(|format| format.name.to_owned()).collect()
}

/// What a source of these formats gives for a file.
fn given(path: &Path, formats: &[String]) -> Vec<Received> {
    let mut given = Vec::new();
    let mut give = |received| {
        given.push(received);
        Ok(())
    };
    let local = LocalTable { path, links: Links::Refuse, remote_id: None, formats, max_bytes: 1 << 30 };
    give_document(&local, &mut give).unwrap();
    given
}

/// A table that was read and understood.
struct Table {
    all: Vec<Normalized>,
    enti: BTreeMap<CodiceFiscale, Ente>,
    territori: BTreeMap<CodiceIstat, Territorio>,
}

fn read(name: &str) -> Table {
    let given = given(&sample(name), &every_format());
    assert_eq!(given.last(), Some(&Received::End), "{name}");
    let records = given.iter().filter_map(|received| match received {
        Received::Record(raw) => Some(normalize(raw)),
        _ => None,
    });
    let mut table = Table { all: records.collect(), enti: BTreeMap::new(), territori: BTreeMap::new() };
    for normalized in &table.all {
        // Nothing is dropped, and nothing is both.
        assert_ne!(normalized.records.is_empty(), normalized.set_aside.is_none(), "{name}");
        for record in &normalized.records {
            // Each key once: no row writes over another.
            match record.body.clone() {
                Body::Ente(ente) => assert_eq!(table.enti.insert(ente.codice_fiscale, ente), None),
                Body::Territorio(unit) => assert_eq!(table.territori.insert(unit.codice_istat, unit), None),
                other => panic!("{:?}", other.kind()),
            }
        }
    }
    table
}

impl Table {
    fn findings(&self, rule: Rule, detail: Option<&str>) -> usize {
        let is_it = |finding: &&canonical::Finding| finding.rule == rule && finding.detail.as_deref() == detail;
        self.all.iter().flat_map(|normalized| &normalized.findings).filter(is_it).count()
    }
}

fn istat(text: &str) -> CodiceIstat {
    CodiceIstat::parse(text).unwrap()
}

#[rstest]
#[case("province.csv", 115, 101, 115)]
#[case("comuni_istat_2026-08.csv", 7894, 7893, 7894)]
#[case("comuni_sardegna_ricodifica.csv", 377, 0, 377)]
#[case("enti_ipa_2020.csv", 8044, 8044, 0)]
fn every_row_is_a_body_or_a_territory(
    #[case] name: &str,
    #[case] rows: usize,
    #[case] enti: usize,
    #[case] territori: usize,
) {
    let table = read(name);
    assert_eq!((table.all.len(), table.enti.len(), table.territori.len()), (rows, enti, territori));
    assert!(table.all.iter().all(|normalized| normalized.set_aside.is_none()));
    // Every fiscal code passes the check digit, also those that had lost a zero.
    assert!(table.enti.keys().all(|code| code.is_verified() && !code.is_person()));
    assert!(table.enti.values().flat_map(|ente| &ente.altri_codici).all(|code| code.is_verified()));
}

#[test]
fn the_units_in_force_and_those_that_ceased() {
    let table = read("province.csv");
    let ceased: Vec<_> = table.territori.values().filter(|unit| unit.valido_al.is_some()).collect();
    assert_eq!((table.territori.len() - ceased.len(), ceased.len()), (110, 5));
    assert!(ceased.iter().all(|unit| unit.valido_al.unwrap().to_string() == "2025-12-31"));
    let successors: Vec<_> = ceased.iter().filter_map(|unit| Some((unit.codice_istat, unit.sostituito_da?))).collect();
    assert_eq!(successors, [(istat("095"), istat("115")), (istat("292"), istat("318"))]);
    let new: Vec<_> = table.territori.values().filter(|unit| unit.valido_dal.is_some()).collect();
    assert_eq!(new.len(), 8);
    assert!(new.iter().all(|unit| unit.valido_dal.unwrap().to_string() == "2026-01-01"));
    let of = |tipo| table.territori.values().filter(|unit| unit.tipo == tipo).count();
    let tipi = [
        TipoTerritorio::Provincia,
        TipoTerritorio::CittaMetropolitana,
        TipoTerritorio::LiberoConsorzio,
        TipoTerritorio::UnitaNonAmministrativa,
    ];
    assert_eq!(tipi.map(of), [89, 16, 6, 4]);
    // Eleven without a code, three with that of a body that ceased: told, not guessed.
    assert_eq!(table.findings(Rule::N08, Some("fiscal_code_not_known")), 11);
    assert_eq!(table.findings(Rule::N08, Some("fiscal_code_to_verify")), 3);
    // Three lie in two NUTS units.
    assert_eq!(table.findings(Rule::N05, Some("more_than_one")), 3);
    assert_eq!(table.enti.values().filter(|ente| ente.codice_ausa.is_some()).count(), 25);
    assert_eq!(table.enti.values().filter(|ente| ente.codice_ipa.is_some()).count(), 9);
}

#[test]
fn the_two_codes_of_como_are_one_body() {
    let como = read("province.csv").enti[&CodiceFiscale::parse("80004650133").unwrap()].clone();
    assert_eq!(como.altri_codici, [CodiceFiscale::parse("00606750131").unwrap()]);
    assert_eq!((como.tipo, como.codice_istat), (Some(TipoEnte::Provincia), Some(istat("013"))));
}

#[test]
fn bodies_with_the_same_name_stay_apart_and_names_are_never_keys() {
    let units = read("province.csv");
    let cagliari: Vec<_> = units.territori.values().filter(|unit| unit.denominazione == "Cagliari").collect();
    assert_eq!(cagliari.iter().map(|unit| unit.codice_istat).collect::<Vec<_>>(), [istat("292"), istat("318")]);
    // The plate SU meant Sud Sardegna, and means Sulcis Iglesiente.
    let su: Vec<_> = units.territori.values().filter(|unit| unit.sigla.as_deref() == Some("SU")).collect();
    assert_eq!(su.iter().map(|unit| unit.codice_istat).collect::<Vec<_>>(), [istat("111"), istat("119")]);
}

#[test]
fn every_municipality_lies_in_a_unit_in_force() {
    let (units, comuni) = (read("province.csv"), read("comuni_istat_2026-08.csv"));
    let in_force = |code: &CodiceIstat| units.territori[code].valido_al.is_none();
    let above: BTreeSet<_> = comuni.territori.values().map(|comune| comune.provincia.unwrap()).collect();
    assert_eq!((above.len(), above.iter().all(in_force)), (110, true));
    // The code of a metropolitan city is not the beginning of those of its municipalities.
    let torino = &comuni.territori[&istat("001272")];
    assert_eq!((torino.provincia, torino.codice_catastale.as_deref()), (Some(istat("201")), Some("L219")));
    assert!(comuni.territori.values().all(|comune| comune.nuts.is_some() && comune.codice_catastale.is_some()));
    // Three codes had lost a zero; one is not published.
    assert_eq!(comuni.findings(Rule::R26, Some("zero_padded")), 3);
    assert_eq!(comuni.findings(Rule::N08, None), 1);
}

#[test]
fn an_old_sardinian_code_leads_to_the_place_of_today() {
    let (old, units) = (read("comuni_sardegna_ricodifica.csv"), read("province.csv"));
    let comuni = read("comuni_istat_2026-08.csv");
    for place in old.territori.values() {
        let today = &comuni.territori[&place.sostituito_da.unwrap()];
        assert_eq!((&place.codice_catastale, place.valido_al.unwrap().year()), (&today.codice_catastale, 2025));
        assert!(units.territori[&place.provincia.unwrap()].valido_al.is_some());
        assert!(!comuni.territori.contains_key(&place.codice_istat));
    }
}

#[test]
fn the_index_knows_the_municipalities_by_the_same_fiscal_code() {
    let (comuni, ipa) = (read("comuni_istat_2026-08.csv"), read("enti_ipa_2020.csv"));
    let known = comuni.enti.keys().filter(|code| ipa.enti.contains_key(code)).count();
    // Six years lie between the two: municipalities merged, and took new codes.
    assert_eq!(known, 7844);
    let codes: BTreeSet<_> = ipa.enti.values().map(|ente| ente.codice_ipa.clone().unwrap()).collect();
    assert_eq!(codes.len(), 8044);
}

#[test]
fn a_code_of_the_index_is_kept_as_written_and_is_the_same_in_any_letter_case() {
    let units = read("province.csv");
    let codes: Vec<_> = units.enti.values().filter_map(|ente| ente.codice_ipa.clone()).collect();
    let mixed = codes.iter().filter(|code| code.as_str() != code.as_str().to_lowercase()).count();
    for code in &codes {
        assert_eq!(Some(code), CodiceIpa::read(&code.as_str().to_uppercase()).value.as_ref());
    }
    assert!(mixed > 0 || codes.iter().all(|code| code.as_str().starts_with("p_")));
}

#[rstest]
#[case("RSSMRA85T10A56")]
#[case("RSSMRA85T10A562")]
#[case("RSSMRA85T10A562S")]
#[case("ROSSI MARIO")]
#[case("ROSSI M****")]
fn what_may_be_a_person_in_the_column_of_a_code_is_in_no_finding_and_no_body(#[case] text: &str) {
    let folder = tempfile::tempdir().unwrap();
    for format in FORMATS {
        for (place, column) in format.columns().iter().enumerate() {
            if !["codice_fiscale", "Codice fiscale", "altro_codice", "codice_ausa", "id_ente"].contains(column) {
                continue;
            }
            let value = |(other, column): (usize, &&str)| match *column {
                _ if other == place => text,
                "codice_uts" | "Codice Provincia/Uts" => "013",
                "Codice Comune (alfanumerico)" => "013075",
                "codice_fiscale" => "80004650133",
                "tipo" => "provincia",
                "valida_dal" | "valida_al" | "note" | "nuts3_2024" | "Codice NUTS3 2024" => "",
                _ => "Como",
            };
            let row: Vec<_> = format.columns().iter().enumerate().map(value).collect();
            let file = folder.path().join("t.csv");
            std::fs::write(&file, format!("{}\n{}\n", format.columns().join(","), row.join(","))).unwrap();
            let given = given(&file, &every_format());
            let Some(Received::Record(raw)) = given.get(1) else { panic!("{:?}", given.get(1)) };
            let normalized = normalize(raw);
            let findings = format!("{:?}", normalized.findings);
            assert!(!findings.contains(text), "{column}: {findings}");
            assert!(!normalized.records.iter().any(|record| record.body.to_json().contains(text)), "{column}");
        }
    }
}
