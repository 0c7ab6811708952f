//! The one operation of the service that the adapter uses, and the one table from answer to error.
//!
//! | answer | outcome |
//! |---|---|
//! | 200 with `data` and no `error` | the table |
//! | 404 with an `error` | no such table |
//! | 404 without | not this service: the address is wrong |
//! | what every system shares | see [`common_error`] |
//! | anything else | not understood |
//!
//! `/Tabellati/Valore` wants a token and gives one value of what `Valori` gives whole: not used.

use contract::{AdapterError, Advice, Phase};
use kit::answer::{Answer, common_error};
use kit::http::{HttpClient, Method};

use crate::wire::{Tabella, TabellatoEntry, TabellatoResult};

/// Asks for a table; none when the service has no table of this name.
pub(crate) async fn table(
    http: &HttpClient,
    tabella: &Tabella,
) -> Result<Option<(Vec<TabellatoEntry>, Answer)>, AdapterError> {
    let (operation, wants_name) = tabella.operation();
    let query: &[_] = if wants_name { &[("cod", tabella.name())] } else { &[] };
    let answer = http.exchange(http.request(Method::GET, &["Tabellati", operation], query)).await?;
    let failed = |error: Option<String>| error.filter(|error| !error.trim().is_empty());
    match (answer.status, answer.json::<TabellatoResult>()) {
        (200, Ok(TabellatoResult { error, data: Some(data) })) if failed(error.clone()).is_none() => {
            Ok(Some((data, answer)))
        }
        (404, Ok(TabellatoResult { error, .. })) if failed(error.clone()).is_some() => Ok(None),
        (404, _) => {
            let error = answer.not_understood("the service has no such operation at this address");
            Err(error.phase(Phase::Refused).advice(Advice::FixConfiguration))
        }
        (_, shape) => Err(common_error(&answer.attempted, &answer)
            .or_else(|| shape.err())
            .unwrap_or_else(|| answer.not_understood("neither a table nor its absence"))),
    }
}

#[cfg(test)]
mod tests {
    use contract::ErrorKind;
    use kit::http::HttpSettings;
    use rstest::rstest;
    use serde_json::json;
    use wiremock::matchers::{path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    async fn asked(
        name: &str,
        answer: ResponseTemplate,
    ) -> Result<Option<(Vec<TabellatoEntry>, Answer)>, AdapterError> {
        let server = MockServer::start().await;
        let mock = match Tabella::named(name).operation() {
            (operation, true) => Mock::given(path(format!("/Tabellati/{operation}"))).and(query_param("cod", name)),
            (operation, false) => Mock::given(path(format!("/Tabellati/{operation}"))),
        };
        mock.respond_with(answer).mount(&server).await;
        let http = HttpClient::new(crate::SYSTEM, &HttpSettings::new(server.uri())).unwrap();
        table(&http, &Tabella::named(name)).await
    }

    #[rstest]
    #[case::by_name("Priorita")]
    #[case::by_operation("Regioni")]
    #[tokio::test]
    async fn a_table_is_asked_for_where_it_is(#[case] name: &str) {
        let data = json!({"error": null, "data": [{"code": "1", "value": "uno"}]});
        let (data, _) = asked(name, ResponseTemplate::new(200).set_body_json(data)).await.unwrap().unwrap();
        assert_eq!((data.len(), data[0].code.as_deref()), (1, Some("1")));
    }

    #[tokio::test]
    async fn a_table_that_is_not_there_is_no_error() {
        let answer = ResponseTemplate::new(404).set_body_json(json!({"error": "not-found"}));
        assert!(asked("Inventata", answer).await.unwrap().is_none());
    }

    #[rstest]
    #[case::wrong_address(ResponseTemplate::new(404), ErrorKind::NotUnderstood)]
    #[case::page(ResponseTemplate::new(200).set_body_raw("<html>", "text/html"), ErrorKind::NotUnderstood)]
    #[case::cut_short(ResponseTemplate::new(200).set_body_raw(r#"{"data":[{"#, "application/json"), ErrorKind::NotUnderstood)]
    #[case::error_in_200(ResponseTemplate::new(200).set_body_json(json!({"error": "x", "data": []})), ErrorKind::NotUnderstood)]
    #[case::nothing(ResponseTemplate::new(200).set_body_json(json!({})), ErrorKind::NotUnderstood)]
    #[case::unexpected(ResponseTemplate::new(500).set_body_json(json!({"error": "unexpected-error"})), ErrorKind::Unavailable)]
    #[case::not_admitted(ResponseTemplate::new(401), ErrorKind::Authentication)]
    #[case::too_many(ResponseTemplate::new(429).insert_header("retry-after", "9"), ErrorKind::RateLimited)]
    #[tokio::test]
    async fn anything_else_is_an_error(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind) {
        let error = asked("Priorita", answer).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        if kind == ErrorKind::RateLimited {
            assert_eq!(error.advice, Advice::Retry { after: Some(std::time::Duration::from_secs(9)) });
        }
    }
}
