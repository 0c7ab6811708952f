//! Every sample file, with the counts that an importer must reproduce.

use canonical::Body;
use canonical::identifiers::Cig;
use canonical::kinds::Lotto;

use super::*;

/// Rows, format, how many stand aside, records by kind.
async fn check(file: &str, format: &str, rows: usize, aside: usize, expected: &[(&'static str, usize)]) {
    let (read, understood) = read_file(at(&format!("schemas/samples/{file}"))).await;
    assert!(read.refused.is_empty() && read.ended == 1, "{file}: {:?}", read.refused);
    assert_eq!(read.documents[0].format, format, "{file}");
    assert_eq!(read.records.len(), rows, "{file}");
    assert_eq!(count(&understood), (expected.iter().copied().collect(), aside), "{file}");
    // Nothing is lost: each row gives records or stands aside, never both and never neither.
    assert!(understood.iter().all(|one| one.records.is_empty() == one.set_aside.is_some()), "{file}");
    for finding in understood.iter().flat_map(|one| &one.findings) {
        let shown = serde_json::to_string(finding).unwrap();
        assert!(!canonical::identifiers::holds_personal_code(&shown), "{file}: {:?}", finding.rule);
    }
    assert!(!canonical::identifiers::holds_personal_code(&format!("{understood:?}{:?}", read.records)), "{file}");
}

#[tokio::test]
async fn the_monthly_table_is_read_whole() {
    let records = [("ente", 523), ("lotto", 534), ("procedura", 534)];
    check("anac_opendata/20231001-cig_csv.parte1.csv", "cig", 534, 0, &records).await;
    let records = [("ente", 20), ("lotto", 20), ("procedura", 20)];
    check("anac_opendata/anac_cig_sample.csv", "cig", 20, 0, &records).await;
}

#[tokio::test]
async fn the_pairs_of_cup_and_cig_are_read_whole() {
    check("anac_opendata/cup-cig-messina.csv", "cup", 84, 0, &[("collegamento_cup_cig", 84)]).await;
}

#[tokio::test]
async fn the_code_tables_are_read_whole() {
    for (name, rows, repeated) in [
        ("bandi-cig-modalita-realizzazione", 28, 0),
        ("bandi-cig-tipo-scelta-contraente", 46, 0),
        // Two lists in one table, and categories in more than one wording.
        ("categorie-opera", 275, 87),
        ("smartcig-tipo-fattispecie-contrattuale", 78, 0),
    ] {
        let records = [("codice", rows - repeated)];
        check(&format!("anac_opendata/codelists/{name}.csv"), "codici", rows, repeated, &records).await;
    }
}

#[tokio::test]
async fn the_documents_of_a_cig_are_read_in_each_of_their_forms() {
    let records = [("collegamento_cup_cig", 141), ("ente", 30), ("lotto", 30), ("procedura", 30)];
    check("anac_opendata/anac-cig-messina.parte1.json", "cig-json", 30, 0, &records).await;
    let records = [("aggiudicazione", 1), ("ente", 1), ("lotto", 1), ("operatore_economico", 5), ("procedura", 1)];
    check("anac_opendata/cig-918052266A.json", "cig-json", 1, 0, &records).await;
    check("anac_opendata/cig-918052266A-grezzo.json", "cig-grezzo", 1, 0, &records).await;
}

#[tokio::test]
async fn the_page_and_the_document_of_a_cig_say_the_same_of_the_lot() {
    let bodies = async |file: &str| {
        let (_, understood) = read_file(at(&format!("schemas/samples/anac_opendata/{file}"))).await;
        // Authority, procedure, lot. Persons among the operators were given other names in each sample.
        understood[0].records[..3].iter().map(|record| record.body.clone()).collect::<Vec<_>>()
    };
    assert_eq!(bodies("cig-918052266A.json").await, bodies("cig-918052266A-grezzo.json").await);
}

#[tokio::test]
async fn the_releases_are_read_whole() {
    let records = [
        ("aggiudicazione", 13),
        ("contratto", 13),
        ("ente", 12),
        ("evento_esecuzione", 61),
        ("lotto", 15),
        ("operatore_economico", 16),
        ("procedura", 12),
    ];
    check("ocds/anac-releases-12.json", "ocds", 12, 0, &records).await;
    let of = |aggiudicazione, contratto, operatore_economico| {
        [
            ("aggiudicazione", aggiudicazione),
            ("contratto", contratto),
            ("ente", aggiudicazione),
            ("lotto", aggiudicazione),
            ("operatore_economico", operatore_economico),
            ("procedura", aggiudicazione),
        ]
    };
    check("ocds/l190-ocds-messina.json", "ocds-l190", 400, 131, &of(269, 235, 868)).await;
    check("ocds/l190-ocds-palermo.json", "ocds-l190", 206, 2, &of(204, 165, 603)).await;
    check("ocds/l190-ocds-perugia.json", "ocds-l190", 400, 3, &of(397, 391, 382)).await;
}

#[tokio::test]
async fn the_notices_are_read_whole() {
    // One notice of a modification and one that was obscured stand aside.
    check("ocds/anac-pvl-avvisi.json", "avvisi", 11, 2, &[("ente", 9), ("lotto", 12), ("procedura", 9)]).await;
}

#[tokio::test]
async fn every_malformed_date_of_the_releases_is_a_finding() {
    let (_, understood) = read_file(at("schemas/samples/ocds/anac-releases-12.json")).await;
    let dates = understood.iter().flat_map(|one| &one.findings).filter(|it| it.rule == canonical::Rule::N02);
    assert_eq!(dates.count(), 12);
    let (_, understood) = read_file(at("schemas/samples/ocds/l190-ocds-palermo.json")).await;
    let dates = understood.iter().flat_map(|one| &one.findings).filter(|it| it.rule == canonical::Rule::N02);
    assert_eq!(dates.count(), 85);
}

#[tokio::test]
async fn amounts_cup_and_days_are_those_of_the_comparison_with_scp() {
    let expected: Value =
        serde_json::from_str(include_str!("../../../../contract-tests/systems/anac-opendata/attesi_anac.json"))
            .unwrap();
    let (_, understood) = read_file(at("schemas/samples/anac_opendata/anac-cig-messina.parte1.json")).await;
    let records: Vec<&Body> = understood.iter().flat_map(|one| &one.records).map(|record| &record.body).collect();
    let lotto = |cig: &str| -> &Lotto {
        let is_it = |body: &&&Body| matches!(body, Body::Lotto(lotto) if lotto.cig.as_str() == cig);
        match records.iter().find(is_it) {
            Some(Body::Lotto(lotto)) => lotto,
            _ => panic!("no {cig}"),
        }
    };
    for one in expected["attesi"].as_array().unwrap() {
        let cig = one["cig"].as_str().unwrap();
        let lotto = lotto(cig);
        assert_eq!(lotto.importo_totale.unwrap().to_string(), one["importo_lotto"].as_str().unwrap(), "{cig}");
        assert_eq!(lotto.cup.len() as u64, one["numero_cup"].as_u64().unwrap(), "{cig}");
        assert!(lotto.cup.iter().any(|cup| cup.as_str() == one["cup_scp"].as_str().unwrap()), "{cig}");
        let links: Vec<_> = records
            .iter()
            .filter_map(|body| match body {
                Body::CollegamentoCupCig(link) if link.cig == Cig::parse(cig).ok() => Some(link),
                _ => None,
            })
            .collect();
        assert_eq!(links.len(), lotto.cup.len(), "{cig}");
        let published = links[0].data_pubblicazione.unwrap().to_string();
        assert_eq!(published, one["pubblicazione"].as_str().unwrap(), "{cig}");
        // The deadline of the tender is a day: what remains of it without the hour.
        let closes = understood.iter().find_map(|one| match one.records.as_slice() {
            [_, procedura, lotto, ..] if matches!(&lotto.body, Body::Lotto(lotto) if lotto.cig.as_str() == cig) => {
                match &procedura.body {
                    Body::Procedura(procedura) => procedura.scadenza_offerte,
                    _ => None,
                }
            }
            _ => None,
        });
        assert!(closes.unwrap().to_string().starts_with(one["scadenza"].as_str().unwrap()), "{cig}");
    }
    for cig in expected["solo_anac"].as_array().unwrap() {
        assert_eq!(lotto(cig.as_str().unwrap()).cig.as_str(), cig.as_str().unwrap());
    }
}

#[test]
fn the_side_of_anac_is_the_one_of_the_published_comparison() {
    let file = |path: &str| -> Value { serde_json::from_str(&std::fs::read_to_string(at(path)).unwrap()).unwrap() };
    let ours = file("contract-tests/systems/anac-opendata/attesi_anac.json");
    let comparison = file("schemas/samples/scp/attesi_scp_anac.json");
    let of = |outcome: &str| -> Vec<&Value> {
        comparison.as_array().unwrap().iter().filter(|row| row["esito"] == outcome).collect()
    };
    let only_here: Vec<_> = of("solo_anac").iter().map(|row| row["cig"].clone()).collect();
    assert_eq!(json!(only_here), ours["solo_anac"]);
    let compared = of("in_entrambi");
    assert_eq!(compared.len(), ours["attesi"].as_array().unwrap().len());
    for (row, one) in compared.into_iter().zip(ours["attesi"].as_array().unwrap()) {
        let of_row = json!({
            "cig": row["cig"],
            "importo_lotto": row["importo_lotto_anac"].to_string(),
            "numero_cup": row["numero_cup_anac"],
            "cup_scp": row["cup_scp"],
            "scadenza": row["scadenza_anac"],
            "pubblicazione": row["pubblicazione_anac"],
        });
        // That the CUP of SCP is among those of ANAC, the records are asked above.
        assert_eq!((&of_row, &row["cup_scp_fra_quelli_anac"]), (one, &json!(true)));
    }
}

/// Columns that the tables have and the description of the portal does not.
const BESIDE: &[&str] = &["id_subappalto", "tipo_collaudo", "cod_categoria", "codice_fiscale", "cod_cpv"];

#[test]
fn every_column_of_a_case_is_a_published_one() {
    let fields: Value =
        serde_json::from_str(include_str!("../../../../schemas/upstream/anac-opendata/1/campi.json")).unwrap();
    let published = fields.to_string().to_ascii_lowercase();
    for name in ["stati-avanzamento", "sospensioni", "varianti", "subappalti", "fine-contratto", "collaudo"] {
        let case = at(&format!("contract-tests/systems/anac-opendata/casi/{name}.json"));
        let case: Value = serde_json::from_str(&std::fs::read_to_string(case).unwrap()).unwrap();
        for column in case["righe"][0].as_object().unwrap().keys() {
            let is_published = published.contains(&format!("\"{}\"", column.to_ascii_lowercase()))
                || published.contains(&format!("\"{}.", column.to_ascii_lowercase()));
            assert!(is_published || BESIDE.contains(&column.as_str()), "{name}: {column}");
        }
    }
}
