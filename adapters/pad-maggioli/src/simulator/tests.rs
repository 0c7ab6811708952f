//! The simulator speaks as the description of the interface says.

use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{Bench, CIG, assert_follows, bench, document};

async fn call(bench: &Bench, verb: &str, path: &str, token: Option<&str>) -> (u16, Value) {
    let key = std::fs::read_to_string(bench.state.path().join("key")).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = http.request(verb.parse().unwrap(), format!("http://{}{path}", bench.running.address));
    for name in ["username", "password", "clientKey", "clientId"] {
        request = request.header(name, key.trim());
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

async fn token(bench: &Bench) -> String {
    let (_, gettone) = call(bench, "POST", "/v1.0/authenticate", None).await;
    assert_follows("Gettone", &gettone);
    gettone["jwttoken"].as_str().unwrap().to_owned()
}

#[rstest]
#[case("/v1.0/getElencoBandi/1/10?statoInCorsoScaduto=INCORSO", "PaginaTestata")]
#[case("/v1.1/getElencoEsiti/1/10", "PaginaTestata")]
#[case("/v1.0/getElencoAvvisi/1/10?statoInCorsoScaduto=INCORSO", "PaginaTestata")]
#[case("/v1.0/trasp/getElencoDati/1/10?annorif=2012", "PaginaRigaDati")]
#[case("/v1.1/trasp/getElencoContrattiEsteso/1/10", "PaginaRigaContratto")]
#[case("/v1.0/getDettaglioEsito/G00030", "DettaglioEsito")]
#[case("/v1.0/trasp/getDettaglioContrattoEsteso/G00030", "DettaglioContratto")]
#[tokio::test]
async fn answers_follow_the_description(#[case] path: &str, #[case] schema: &str) {
    let bench = bench("dati", &Value::Null);
    let (status, answer) = call(&bench, "GET", path, Some(&token(&bench).await)).await;
    assert_eq!(status, 200);
    assert_follows(schema, &answer);
    assert_ne!(answer["content"], json!([]), "nothing to compare");
}

#[tokio::test]
async fn awards_follow_the_description() {
    let bench = bench("dati", &Value::Null);
    let path = format!("/v1.1/getDatiAggiudicazione?cig={CIG}");
    let (_, awards) = call(&bench, "GET", &path, Some(&token(&bench).await)).await;
    assert_eq!(awards.as_array().unwrap().len(), 1);
    assert_follows("DatiAggiudicazione", &awards[0]);
}

#[tokio::test]
async fn pages_of_the_path_begin_at_one_and_numbers_at_zero() {
    let bench = bench("dati", &Value::Null);
    let token = token(&bench).await;
    let path = |page: u8| format!("/v1.0/trasp/getElencoContrattiEsteso/{page}/3");
    let (_, first) = call(&bench, "GET", &path(1), Some(&token)).await;
    let (_, zero) = call(&bench, "GET", &path(0), Some(&token)).await;
    let (_, last) = call(&bench, "GET", &path(2), Some(&token)).await;
    assert_eq!((first["number"].clone(), first["last"].clone()), (json!(0), json!(false)));
    assert_eq!((last["number"].clone(), last["numberOfElements"].clone()), (json!(1), json!(1)));
    assert_eq!(zero, first);
    assert!(first["content"][0].get("scelatContraente").is_some());
}

#[rstest]
#[case::no_value("cig=B1A2B3C3B8&codiceFiscaleSA=80098765433", 400)]
#[case::a_bad_day("cig=B1A2B3C3B8&codiceFiscaleSA=80098765433&dataInizio=02/01/2026", 400)]
#[case::no_authority("cig=B1A2B3C3B8&dataInizio=2026-01-02", 400)]
#[case::unknown_cig("cig=918052266A&codiceFiscaleSA=80098765433&dataInizio=2026-01-02", 404)]
#[case::unknown_authority("cig=B1A2B3C3B8&codiceFiscaleSA=00606750131&dataInizio=2026-01-02", 404)]
#[tokio::test]
async fn what_cannot_be_updated_is_refused_in_the_published_shape(#[case] query: &str, #[case] expected: u16) {
    let bench = bench("dati", &Value::Null);
    let path = format!("/v1.1/updateDatiCig?{query}");
    let (status, answer) = call(&bench, "POST", &path, Some(&token(&bench).await)).await;
    assert_eq!(status, expected);
    assert_follows("Errore", &answer);
}

#[tokio::test]
async fn option_two_fills_what_is_missing_and_raises_the_amount() {
    let bench = bench("dati", &Value::Null);
    let token = token(&bench).await;
    let values = "importoLiquidato=10.00&dataInizio=2020-01-01&dataFine=2020-02-02&opzione=2";
    for cig in [CIG, "B2C0FFECE8"] {
        let path = format!("/v1.1/updateDatiCig?cig={cig}&codiceFiscaleSA=80098765433&{values}");
        assert_eq!(call(&bench, "POST", &path, Some(&token)).await.0, 200);
    }
    let (_, page) = call(&bench, "GET", "/v1.0/trasp/getElencoContrattiEsteso/1/10", Some(&token)).await;
    let held =
        |n: usize| ["importoSommeLiquidate", "datainizio", "datafine"].map(|name| page["content"][n][name].clone());
    assert_eq!(held(0), [json!(59250.0), json!("2024-04-02 00:00:00"), json!("2025-06-30 00:00:00")]);
    assert_eq!(held(1), [json!(10.0), json!("2025-11-15 00:00:00"), json!("2020-02-02 00:00:00")]);
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let bench = bench("dati", &Value::Null);
    for token in [None, Some("gettone-0"), Some("altro")] {
        let (status, answer) = call(&bench, "GET", "/v1.0/getElencoEsiti/1/10", token).await;
        assert_eq!(status, 401);
        assert_follows("Errore", &answer);
    }
}

#[tokio::test]
async fn the_year_asked_for_is_the_first_and_a_cig_may_be_found_inside_another() {
    let bench = bench("dati", &Value::Null);
    let token = token(&bench).await;
    let total = async |path: &str| call(&bench, "GET", path, Some(&token)).await.1["totalElements"].clone();
    assert_eq!(total("/v1.0/trasp/getElencoDati/1/10?annorif=2024").await, json!(4));
    assert_eq!(total("/v1.0/trasp/getElencoDati/1/10?annorif=2025&cig=B1A2B3C3B8").await, json!(1));
    assert_eq!(total("/v1.0/trasp/getElencoContrattiEsteso/1/10?cig=ffe").await, json!(1));
    let (status, _) = call(&bench, "GET", "/v1.0/trasp/getElencoDati/1/10", Some(&token)).await;
    assert_eq!(status, 400);
}

#[test]
fn the_description_has_every_operation_of_the_registers() {
    let paths = document()["paths"].take();
    for register in crate::registers::Register::ALL {
        let list = format!("/{}/{{page}}/{{pageSize}}", register.list().join("/"));
        let parameters = paths[&list]["get"]["parameters"].as_array().unwrap_or_else(|| panic!("{list}"));
        let is_told = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
        for scan in register.scans(&crate::testing::config("http://127.0.0.1:1"), Some("2026-01-01")) {
            assert!(scan.iter().all(|(name, _)| is_told(name)), "{list} {scan:?}");
        }
        if let Some(detail) = register.detail() {
            assert!(paths.get(format!("/{}/{{riferimentoProcedura}}", detail.join("/"))).is_some());
        }
    }
}

#[tokio::test]
async fn a_contract_that_an_officer_adds_can_be_updated_once_it_is_awarded() {
    let bench = bench("dati", &Value::Null);
    let token = token(&bench).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for (reference, cig, winner, expected) in
        [("G00090", "918052266A", Some("Alfa"), 200), ("G00091", "9200001100", None, 404)]
    {
        let body = json!({
            "riferimentoProcedura": reference, "cig": cig, "codiceFiscaleProponente": "80098765433", "oggetto": "Prova",
            "aggiudicatario": winner,
        });
        let url = format!("http://{}/simulatore/contratti", bench.running.address);
        let request = http.post(url).bearer_auth(&token).header("content-type", "application/json");
        assert_eq!(request.body(body.to_string()).send().await.unwrap().status().as_u16(), 200);
        let path = format!("/v1.1/updateDatiCig?cig={cig}&codiceFiscaleSA=80098765433&importoLiquidato=1.00");
        assert_eq!(call(&bench, "POST", &path, Some(&token)).await.0, expected);
    }
}
