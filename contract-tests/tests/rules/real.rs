//! Real extracts, read through the adapters that read them in production, judged by the rules: each
//! kind of difference is counted and compared with counts that were made of the same files elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use canonical::identifiers::{Cig, Cup};
use canonical::values::importo::NumberFormat;
use canonical::values::{CalendarDate, Importo, UtcInstant};
use canonical::{Body, Kind, Record, Rule, SourceName};
use contract::{ReadRequest, Received};
use raccordo::discrepancy::{Cause, Discrepancy};
use raccordo::flow::normalize::understand;
use raccordo::flow::reconcile::judge::{Around, Codes, FieldKind, Value, judge};
use raccordo::flow::reconcile::sides::{Context, SourceFacts, compare_family, compare_sides};
use raccordo::flow::route::ownership::Ownership;
use raccordo::registry::PARTS;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/samples").join(name)
}

fn attesi(name: &str) -> Json {
    serde_json::from_str(&std::fs::read_to_string(sample(name)).unwrap()).unwrap()
}

/// The records of a file as a source of this name would keep them: the first of each key.
async fn read(adapter: &str, settings: Json, source: &str, file: &str) -> Vec<Record> {
    let factory = PARTS.adapters.iter().find(|factory| (factory.capability)().system == adapter).unwrap();
    let adapter = (factory.build)(settings).unwrap();
    let (sink, mut received) = mpsc::channel(64);
    let name = SourceName::parse(source).unwrap();
    let read_at = UtcInstant::parse("2026-08-01T08:00:00Z").unwrap();
    let reader = adapter.source().unwrap();
    let collect = async {
        let mut kept: BTreeMap<_, Record> = BTreeMap::new();
        while let Some(one) = received.recv().await {
            match one {
                Received::Record(raw) => {
                    for record in understand(reader, &name, &raw, read_at).records {
                        kept.entry((record.kind(), record.key())).or_insert(record);
                    }
                }
                Received::Refused { refusal, .. } => panic!("{refusal}"),
                Received::Begin(_) | Received::End | Received::Cursor(_) => {}
            }
        }
        kept.into_values().collect()
    };
    let request = ReadRequest { files: Some(vec![sample(file)]), cursor: None };
    let (outcome, records) = tokio::join!(reader.read(request, sink), collect);
    outcome.unwrap();
    records
}

/// What the rules find in all records of a CIG.
fn found_of(cig: Cig, records: &[Record], sources: &BTreeMap<String, SourceFacts>) -> Vec<Discrepancy> {
    let ownership = Ownership::of(PARTS.ownership);
    let context = Context::new(CalendarDate::parse("2026-08-01").unwrap(), sources, &ownership);
    let line = |record: &Record| (record.provenance.source.to_string(), record.provenance.line);
    let lots: Vec<_> = records.iter().filter(|it| matches!(&it.body, Body::Lotto(lot) if lot.cig == cig)).collect();
    let lines: BTreeSet<_> = lots.into_iter().map(line).collect();
    // A procedure that lists no lot was read in one row with its own.
    let is_beside = |record: &Record| record.kind() == Kind::Procedura && lines.contains(&line(record));
    let of_cig: Vec<&Record> = records.iter().filter(|it| speaks_of(&it.body, cig) || is_beside(it)).collect();
    let mut keys: BTreeMap<_, Vec<&Record>> = BTreeMap::new();
    for record in &of_cig {
        keys.entry((record.kind(), record.key())).or_default().push(record);
    }
    let mut found: Vec<Discrepancy> = keys.into_values().flat_map(|records| compare_sides(records, &context)).collect();
    found.extend(compare_family(of_cig, &context));
    found
}

fn speaks_of(body: &Body, cig: Cig) -> bool {
    match body {
        Body::Procedura(it) => it.lotti.contains(&cig),
        Body::Lotto(it) => it.cig == cig,
        Body::CollegamentoCupCig(it) => it.cig == Some(cig),
        Body::Aggiudicazione(it) => it.cig == cig,
        Body::Contratto(it) => it.cig == cig,
        _ => false,
    }
}

fn sources(names: &[(&str, &str)]) -> BTreeMap<String, SourceFacts> {
    names.iter().map(|(name, adapter)| ((*name).to_owned(), SourceFacts::of_adapter(adapter))).collect()
}

fn has(found: &[Discrepancy], rule: Rule, cause: Option<Cause>) -> bool {
    found.iter().any(|one| one.rule == rule && one.cause == cause)
}

#[tokio::test]
async fn scp_against_anac_gives_the_lag_and_the_subset_and_nothing_else_of_amounts() {
    let mut records = read("scp-opendata", json!({}), "scp-opendata", "scp/open-data/scp-bandi-messina.csv").await;
    let anac = "anac_opendata/anac-cig-messina.parte1.json";
    records.extend(read("anac-opendata", json!({"formats": ["cig-json"]}), "anac-opendata", anac).await);
    let mut facts = sources(&[("scp-opendata", "scp-opendata"), ("anac-opendata", "anac-opendata")]);
    for facts in facts.values_mut() {
        facts.is_complete = true;
        facts.expects.insert(Kind::Lotto);
    }
    let (mut both, mut alone) = (0, 0);
    for row in attesi("scp/attesi_scp_anac.json").as_array().unwrap() {
        let cig = Cig::parse(row["cig"].as_str().unwrap()).unwrap();
        let found = found_of(cig, &records, &facts);
        let missing: Vec<&Discrepancy> = found.iter().filter(|one| one.rule == Rule::R01).collect();
        match row["esito"].as_str().unwrap() {
            "in_entrambi" => {
                both += 1;
                assert_eq!(missing, Vec::<&Discrepancy>::new(), "{cig}");
                assert_eq!(!has(&found, Rule::R02, None), row["importo_uguale"].as_bool().unwrap(), "{cig}");
                assert!(!found.iter().any(|one| one.rule == Rule::R02), "{cig}: {found:#?}");
                let lag = row["pubblicazione_giorni_di_differenza"].as_i64().unwrap();
                assert!((1..=10).contains(&lag));
                assert!(has(&found, Rule::R03, Some(Cause::PublicationLag)), "{cig}: {found:#?}");
                let same_day = !has(&found, Rule::R03, None);
                assert_eq!(same_day, row["scadenza_stesso_giorno"].as_bool().unwrap(), "{cig}");
                let is_subset = row["cup_scp_fra_quelli_anac"].as_bool().unwrap();
                assert_eq!(has(&found, Rule::R13, Some(Cause::CupSubset)), is_subset, "{cig}");
                assert!(!has(&found, Rule::R13, None), "{cig}");
            }
            "solo_scp" => {
                alone += 1;
                assert!(missing.iter().any(|one| one.sides.iter().any(|side| side.system == "anac-opendata")), "{cig}");
            }
            _ => {}
        }
    }
    assert_eq!((both, alone), (6, 5));
}

#[tokio::test]
async fn the_complementary_plan_against_regis_is_judged_cig_by_cig() {
    let pnc = "pnrr_pnc/pnc-gare-comuni-a-regis.csv";
    let mut records = read("mop-regis", json!({"formats": ["pnc-gare"]}), "pnc", pnc).await;
    let regis = "pnrr_pnc/regis-gare-universo.csv";
    records.extend(read("mop-regis", json!({"formats": ["regis-gare-universo"]}), "regis", regis).await);
    let facts = sources(&[("pnc", "mop-regis"), ("regis", "mop-regis")]);
    let expected = attesi("pnrr_pnc/attesi.json");
    let mut compared = 0;
    for row in expected["confronto_pnc_regis"].as_array().unwrap() {
        compared += 1;
        let cig = Cig::parse(row["cig"].as_str().unwrap()).unwrap();
        let found = found_of(cig, &records, &facts);
        let of = |field: &str| found.iter().filter(|one| one.field.as_deref() == Some(field)).collect::<Vec<_>>();
        let set = |side: &str| -> BTreeSet<String> { serde_json::from_value(row[side].clone()).unwrap() };
        let (ours, theirs) = (set("cup_pnc"), set("cup_regis"));
        let cup = match () {
            () if ours == theirs => None,
            () if ours.is_subset(&theirs) || theirs.is_subset(&ours) => Some((Rule::R13, Some(Cause::CupSubset))),
            () => Some((Rule::R13, None)),
        };
        let judged = of("cup_collegati").first().map(|one| (one.rule, one.cause));
        assert_eq!(judged, cup, "{cig}");
        // The rows repeat the award or leave zero where it is not known: the largest stands.
        let award = |side: &str| {
            let amounts = row[side].as_array().unwrap();
            amounts.iter().map(|one| Importo::read(&one.to_string(), NumberFormat::Point).value.unwrap()).max()
        };
        let award = match (award("aggiudicazione_pnc"), award("aggiudicazione_regis")) {
            (one, other) if one == other => None,
            (None, Some(zero)) | (Some(zero), None) if zero.is_zero() => Some(Some(Cause::NullAgainstZero)),
            (Some(_), Some(_)) => Some(None),
            other => panic!("{cig}: {other:?}"),
        };
        let judged = of("importo_aggiudicazione").into_iter().find(|one| one.rule == Rule::R02).map(|one| one.cause);
        assert_eq!(judged, award, "{cig}: {found:#?}");
        assert!(of("importo_base").is_empty() && of("data_pubblicazione").is_empty(), "{cig}: {found:#?}");
    }
    assert_eq!(compared, 10);
}

/// A work as a row of a photograph has it.
struct Opera {
    cup: String,
    fase: Option<i64>,
    costo: Option<Importo>,
}

fn opere(name: &str, [id, cup, fase, costo]: [&str; 4]) -> BTreeMap<String, Opera> {
    let mut reader = csv::Reader::from_path(sample(name)).unwrap();
    let header = reader.headers().unwrap().clone();
    let at = |column: &str| header.iter().position(|name| name == column).unwrap();
    let columns = [id, cup, fase, costo].map(at);
    let mut works = BTreeMap::new();
    for row in reader.records().map(Result::unwrap) {
        let [id, cup, fase, costo] = columns.map(|at| row[at].trim().to_owned());
        let fase = fase.strip_prefix("FA_").and_then(|rest| rest.split(' ').next()).and_then(|it| it.parse().ok());
        let costo = Importo::read(&costo, NumberFormat::Point).value;
        // One identifier has zeros in front in one photograph and none in the other.
        let id = match id.split_once('_') {
            Some((set, number)) => format!("{set}_{}", number.trim_start_matches('0')),
            None => id,
        };
        works.entry(id).or_insert(Opera { cup: cup.to_uppercase(), fase, costo });
    }
    works
}

#[test]
fn two_photographs_of_public_works_differ_as_counted() {
    let before = opere(
        "mop/opere_2024-12-22.csv",
        ["eu_es", "cup", "fase_di_avanzamento_al_22_dicembre_2024", "importo_programmato"],
    );
    let after = opere(
        "mop/opere_2026-04-30.csv",
        ["eues_id", "cupxall", "fase_di_avanzamento_al_30_aprile_2026", "importo_programmato_esclusi_oc_126"],
    );
    let expected = attesi("mop/attesi.json");
    let expected = |name: &str| expected["opere_due_fotografie"][name].as_u64().unwrap();
    let around = Around { is_same_system: true, ..Around::default() };
    let (mut amounts, mut within_a_cent, mut cups, mut both, mut back) = (0, 0, BTreeMap::new(), 0, 0);
    for (id, one) in &before {
        let Some(other) = after.get(id) else { continue };
        both += 1;
        if let (Some(was), Some(is)) = (one.costo, other.costo) {
            let found = judge(FieldKind::Amount, Some(Value::Amount(was)), Some(Value::Amount(is)), &around);
            // The counts were made without the tolerance of a cent.
            amounts += u64::from(found.is_some() || was != is);
            within_a_cent += u64::from(found.is_none() && was != is);
        }
        let said = |cup: &str| (!cup.is_empty()).then(|| cup.to_owned());
        let (was, is) = (said(&one.cup), said(&other.cup));
        let judged = judge(
            FieldKind::Cups,
            was.as_deref().map(|cup| Value::Codes(Codes::One(cup))),
            is.as_deref().map(|cup| Value::Codes(Codes::One(cup))),
            &around,
        );
        let class = match judged {
            None => "cup_uguale",
            Some(found) => {
                assert_eq!(found.rule, Rule::R13, "{id}");
                match found.severity {
                    _ if was.is_none() => "cup_aggiunto",
                    // The later one is well formed: somebody corrected it.
                    canonical::Severity::Error if is.as_deref().is_some_and(|cup| Cup::parse(cup).is_ok()) => {
                        "cup_malformato_poi_corretto"
                    }
                    _ => "cup_diverso",
                }
            }
        };
        *cups.entry(class).or_insert(0_u64) += 1;
        back += u64::from(matches!((one.fase, other.fase), (Some(was), Some(is)) if is < was));
    }
    assert_eq!(both, expected("in_entrambe"));
    assert_eq!((amounts, within_a_cent), (expected("importo_diverso"), 1));
    assert_eq!(back, expected("fase_arretrata"));
    for (class, count) in cups {
        assert_eq!(count, expected(class), "{class}");
    }
}

#[tokio::test]
async fn a_work_whose_phase_went_back_is_found_in_the_ledger() {
    let settings = || json!({"formats": ["opere"]});
    let mut records = read("mop-regis", settings(), "mop", "mop/opere_2024-12-22.csv").await;
    records.extend(read("mop-regis", settings(), "mop", "mop/opere_2026-04-30.csv").await);
    let facts = sources(&[("mop", "mop-regis")]);
    let ownership = Ownership::of(PARTS.ownership);
    let context = Context::new(CalendarDate::parse("2026-08-01").unwrap(), &facts, &ownership);
    let mut works: BTreeMap<_, Vec<&Record>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind() == Kind::Progetto) {
        works.entry(record.key()).or_default().push(record);
    }
    let phase = |record: &Record| if let Body::Progetto(it) = &record.body { it.fase } else { None };
    let (mut found, mut back) = (0, 0);
    for photographs in works.values() {
        let judged = compare_sides(photographs.iter().copied(), &context);
        found += judged.iter().filter(|one| one.rule == Rule::R15).count();
        if let [before, after] = photographs.as_slice() {
            back += usize::from(matches!((phase(before), phase(after)), (Some(was), Some(is)) if is < was));
        }
    }
    assert_eq!(found, back);
    assert!(found > 50, "{found}");
}

#[tokio::test]
async fn what_was_paid_above_the_award_is_counted_and_partly_explained() {
    let expected = attesi("l190/csv-2020/attesi.json");
    let (mut above, mut explained, mut rates) = (0, 0, BTreeMap::new());
    for city in ["ancona", "messina", "rimini"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/file-drop/mappings");
        let file = format!("l190/csv-2020/{city}.csv");
        let records = read("pad-file", json!({"mappings": folder}), "l190", &file).await;
        let facts = sources(&[("l190", "file-drop")]);
        let mut cigs: BTreeMap<Cig, Vec<Record>> = BTreeMap::new();
        for record in records {
            let cig = match &record.body {
                Body::Aggiudicazione(it) => it.cig,
                Body::Contratto(it) => it.cig,
                _ => continue,
            };
            cigs.entry(cig).or_default().push(record);
        }
        let mut of_city = 0;
        for (cig, records) in &cigs {
            for one in found_of(*cig, records, &facts).iter().filter(|one| one.rule == Rule::R17) {
                of_city += 1;
                explained += u64::from(one.cause.is_some());
                if let Some(cause) = one.cause {
                    *rates.entry(cause.code()).or_insert(0_u64) += 1;
                }
            }
        }
        // Lots whose CIG is no key, and those without a winner, which have no contract, are counted in
        // the file and not in the ledger.
        let in_file = expected[city]["liquidato_oltre_aggiudicato"].as_u64().unwrap();
        assert!(of_city <= in_file && of_city * 10 >= in_file * 5, "{city}: {of_city} of {in_file}");
        above += of_city;
    }
    assert!(explained * 100 >= above * 15 && explained * 100 <= above * 60, "{explained} of {above}: {rates:?}");
    assert!(rates.contains_key("vat_22"), "{rates:?}");
}
