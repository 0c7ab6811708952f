//! The table from answer to error, row by row.

use canonical::identifiers::Cig;
use kit::http::HttpSettings;
use rstest::rstest;
use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::simulator::envelope;
use crate::testing::{CIG, columns};
use crate::wire::{Code, Operation};

fn question() -> Question {
    Question { operation: Operation::Mandati, code: Code::Cig(Cig::parse(CIG).unwrap()), esercizio: Some(2026) }
}

async fn ask(answer: ResponseTemplate, access: Access) -> (MockServer, Result<(Bytes, Vec<RowText>), AdapterError>) {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/conti.asmx")).respond_with(answer).mount(&server).await;
    let http = HttpClient::new(crate::SYSTEM, &HttpSettings::new(format!("{}/conti.asmx", server.uri()))).unwrap();
    let result = Client::new(http, access).ask(&question()).await;
    (server, result)
}

fn xml(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_owned(), "text/xml; charset=utf-8")
}

fn answer(operation: Operation) -> String {
    envelope(operation, std::iter::once(&columns(&serde_json::json!({}))))
}

fn fault_of(code: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{}\"><s:Body><s:Fault><faultcode>s:{code}</faultcode>\
         <faultstring>RSSMRA85T10A562S segreto</faultstring></s:Fault></s:Body></s:Envelope>",
        SOAP[0]
    )
}

#[tokio::test]
async fn the_question_carries_its_action_and_the_answer_its_rows() {
    let (server, result) = ask(xml(200, &answer(Operation::Mandati)), Access::Nobody).await;
    let (bytes, rows) = result.unwrap();
    assert_eq!((rows.len(), &bytes[..]), (1, answer(Operation::Mandati).as_bytes()));
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!(request.headers["soapaction"], "\"http://services.apkappa.it/GetMandati\"");
    assert_eq!(request.headers["content-type"], "text/xml; charset=utf-8");
    let body = std::str::from_utf8(&request.body).unwrap();
    assert!(body.contains("<Esercizio>2026</Esercizio>") && body.contains("<CodiceCIG>B000001279</CodiceCIG>"));
    assert!(!body.contains("AuthenticationDetails"));
}

#[tokio::test]
async fn credentials_travel_where_the_settings_say() {
    let secret = || Secret::new("p<&ss");
    let (server, result) = ask(xml(200, &answer(Operation::Mandati)), Access::Soap("u".to_owned(), secret())).await;
    result.unwrap();
    let request = &server.received_requests().await.unwrap()[0];
    let body = std::str::from_utf8(&request.body).unwrap();
    assert!(body.contains("<UserName>u</UserName><Password>p&lt;&amp;ss</Password>"));
    assert!(!request.headers.contains_key("authorization"));

    let server = MockServer::start().await;
    Mock::given(header("authorization", "Basic dTpwPCZzcw=="))
        .and(body_string_contains("GetMandati"))
        .respond_with(xml(200, &answer(Operation::Mandati)))
        .mount(&server)
        .await;
    let http = HttpClient::new(crate::SYSTEM, &HttpSettings::new(server.uri())).unwrap();
    let client = Client::new(http, Access::Basic("u".to_owned(), secret()));
    assert_eq!(client.ask(&question()).await.unwrap().1.len(), 1);
    assert!(!format!("{client:?}").contains("p<&ss"));
}

#[rstest]
#[case::client(500, "Client", ErrorKind::NotUnderstood, true)]
#[case::sender_in_200(200, "Sender", ErrorKind::NotUnderstood, true)]
#[case::credentials(500, "Client.Authentication", ErrorKind::Authentication, true)]
#[case::server(500, "Server", ErrorKind::Unavailable, false)]
#[case::receiver(503, "Receiver", ErrorKind::Unavailable, false)]
#[case::version(500, "VersionMismatch", ErrorKind::NotUnderstood, true)]
#[tokio::test]
async fn a_fault_is_classified_by_its_code_and_never_repeated(
    #[case] status: u16,
    #[case] code: &str,
    #[case] kind: ErrorKind,
    #[case] is_configuration: bool,
) {
    let (_server, result) = ask(xml(status, &fault_of(code)), Access::Nobody).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind, error.phase), (kind, Phase::Refused));
    assert_eq!(error.advice == Advice::FixConfiguration, is_configuration);
    assert_eq!(error.remote_code, Some(format!("soap:{code}")));
    assert!(!format!("{error} {error:?}").contains("segreto"));
}

#[rstest]
#[case::page(ResponseTemplate::new(200).set_body_raw("<!DOCTYPE html><html></html>", "text/html"), ErrorKind::NotUnderstood)]
#[case::page_as_xml(xml(200, "<html><body>Request Rejected</body></html>"), ErrorKind::NotUnderstood)]
#[case::empty(xml(200, ""), ErrorKind::NotUnderstood)]
#[case::cut_short(xml(200, answer(Operation::Mandati).split_at(300).0), ErrorKind::NotUnderstood)]
#[case::another_operation(xml(200, &answer(Operation::Impegni)), ErrorKind::NotUnderstood)]
#[case::json(ResponseTemplate::new(200).set_body_raw("{}", "application/json"), ErrorKind::NotUnderstood)]
#[case::not_here(ResponseTemplate::new(404), ErrorKind::NotUnderstood)]
#[case::rejected(ResponseTemplate::new(401), ErrorKind::Authentication)]
#[case::forbidden(ResponseTemplate::new(403), ErrorKind::Permission)]
#[case::too_many(ResponseTemplate::new(429).insert_header("retry-after", "7"), ErrorKind::RateLimited)]
#[case::down(ResponseTemplate::new(502), ErrorKind::Unavailable)]
#[case::failing_without_a_fault(xml(500, "<x/>"), ErrorKind::Unavailable)]
#[case::redirect(ResponseTemplate::new(302), ErrorKind::NotUnderstood)]
#[tokio::test]
async fn any_other_answer_is_an_error(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind) {
    let (_server, result) = ask(answer, Access::Nobody).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind, kind, "{error:?}");
    assert!(error.attempted.ends_with("GetMandati"), "{error}");
    if kind == ErrorKind::RateLimited {
        assert_eq!(error.advice, Advice::Retry { after: Some(std::time::Duration::from_secs(7)) });
    }
}

#[rstest]
#[case("", "")]
#[case("f", "Zg==")]
#[case("fo", "Zm8=")]
#[case("foo", "Zm9v")]
#[case("foob", "Zm9vYg==")]
#[case("ü:~", "w7w6fg==")]
fn base64_is_that_of_the_standard(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(base64(text.as_bytes()), expected);
}
