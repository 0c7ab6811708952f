//! Everything at once: lines, tables, and OCDS packages that the official schema takes.

use contract_tests::records::cig;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::bench::{Bench, OURS};

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_are_all_records_and_the_feed_goes_on_behind_them() {
    let bench = Bench::open().await;
    bench.fill().await;
    let answer = bench.ask("esporta", "get", "/api/v1/exports/records.ndjson").await;
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let cursor = answer.headers()["feed-cursor"].to_str().unwrap().to_owned();
    let text = answer.text().await.unwrap();
    let items: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(items.len(), 7);
    assert!(
        items.iter().any(|item| item["body"]["importo_totale"] == json!({ "amount": "12500.00", "currency": "EUR" }))
    );
    let feed = bench.json("legge", &format!("/api/v1/changes?cursor={cursor}")).await;
    assert_eq!((&feed["items"], &feed["has_more"]), (&json!([]), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_holds_no_formula_and_every_row_its_fields() {
    let bench = Bench::open().await;
    bench.fill().await;
    let answer = bench.ask("esporta", "get", "/api/v1/exports/records.csv?kind=lotto").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let text = answer.text().await.unwrap();
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let headings = rows.headers().unwrap().clone();
    let column = |name: &str| headings.iter().position(|heading| heading == name).unwrap_or_else(|| panic!("{name}"));
    let rows: Vec<csv::StringRecord> = rows.records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(&rows[0][column("importo_totale_amount")], "12500.00");
    assert_eq!(&rows[0][column("importo_totale_currency")], "EUR");
    assert_eq!(&rows[0][column("stazione_appaltante")], OURS);
    assert!(rows[0][column("oggetto")].starts_with("'=lavori 1"), "{}", &rows[0][column("oggetto")]);
    for cell in rows.iter().flatten() {
        assert!(!cell.starts_with(['=', '+', '@', '\t']), "{cell}");
    }
    let all = bench.ask("esporta", "get", "/api/v1/exports/records.csv").await;
    assert_eq!(all.status(), StatusCode::BAD_REQUEST, "a table is of one kind");
}

/// The official schema of a package, with the one of a release beside it.
fn package_schema() -> jsonschema::Validator {
    let read = |name: &str| -> Value {
        let path = format!("{}/../schemas/upstream/ocds/1.1.5/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let release = read("release-schema.json");
    let address = release["id"].as_str().unwrap().to_owned();
    let resource = jsonschema::Draft::Draft4.create_resource(release);
    let registry = jsonschema::Registry::new().add(address, resource).unwrap().prepare().unwrap();
    let options = jsonschema::options().with_draft(jsonschema::Draft::Draft4).should_validate_formats(true);
    options.with_registry(&registry).build(&read("release-package-schema.json")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_package_is_valid_by_the_official_schema_and_leads_to_the_next() {
    let bench = Bench::open().await;
    bench.fill().await;
    let schema = package_schema();
    let (mut path, mut found) = ("/api/v1/ocds/release-packages?limit=1".to_owned(), Vec::new());
    loop {
        let package = bench.json("tutto", &path).await;
        let problems: Vec<String> =
            schema.iter_errors(&package).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(problems.is_empty(), "{problems:#?}\n{package:#}");
        found.extend(package["releases"].as_array().unwrap().clone());
        match package["links"]["next"].as_str() {
            Some(next) => path = next.trim_start_matches("https://scambio.provincia.example").to_owned(),
            None => break,
        }
    }
    let ids: Vec<&str> = found.iter().map(|release| release["ocid"].as_str().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3].map(|number| format!("ocds-prova1-{}", cig(number).as_str())));
    assert_eq!(found[1]["tag"], json!(["tender", "award", "contract"]));
    assert_eq!(found[1]["awards"][0]["suppliers"][0]["id"], "IT-CF-00606750131");
    assert_eq!(found[1]["awards"][0]["value"], json!({ "amount": 11_000.5, "currency": "EUR" }));
    assert!(found[0]["awards"][0].get("suppliers").is_none(), "a person is no supplier here");
    let mut broken = bench.json("tutto", "/api/v1/ocds/release-packages").await;
    broken["releases"][0]["tag"] = json!(["inventato"]);
    assert!(!schema.is_valid(&broken), "the schema can say no");
    let none = Bench::open().await;
    assert_eq!(none.ask("tutto", "get", "/api/v1/ocds/release-packages").await.status(), StatusCode::NOT_FOUND);
}
