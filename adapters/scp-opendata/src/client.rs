//! One function per operation of the portal, and the one table from answer to error.
//!
//! | answer to a page of rows | error |
//! |---|---|
//! | 200 with `success` and rows | none |
//! | a page for people, with status 200 | unavailable: again in 15 minutes at least |
//! | 404 | the resource has another identifier: a configuration task |
//! | 400, 409, or 200 without `success` | the portal does not understand the query: a person must look |
//! | what every system shares | see [`common_error`] |
//! | anything else | not understood |
//!
//! Every request reads: nothing here can be in doubt. The daily file is [`HttpClient::download`].

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;

use canonical::identifiers::CodiceFiscale;
use contract::{AdapterError, Advice, ErrorKind, Phase};
use kit::Downloaded;
use kit::answer::{Answer, common_error};
use kit::download::PAUSE_AFTER_PAGE;
use kit::http::{HttpClient, Method};

use crate::wire::{CkanAnswer, CkanRecord, ROW_NUMBER, colonna};

/// A page of the rows of a resource.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<CkanRecord>,
    pub(crate) answer: Answer,
    /// The number of the last row; none on an empty page.
    pub(crate) last: Option<u64>,
}

/// The query of a page: rows after a number, in order, of some bodies or of all.
pub(crate) fn sql(resource_id: &str, after: u64, of: &BTreeSet<CodiceFiscale>, rows: NonZeroU32) -> String {
    let codes: Vec<_> = of.iter().map(|code| format!("'{}'", code.as_str())).collect();
    let bodies = match codes.as_slice() {
        [] => String::new(),
        codes => format!(" AND {} IN ({})", colonna::STAZIONE_APPALTANTE, codes.join(",")),
    };
    format!("SELECT * FROM \"{resource_id}\" WHERE {ROW_NUMBER} > {after}{bodies} ORDER BY {ROW_NUMBER} LIMIT {rows}")
}

/// `GET /api/3/action/datastore_search_sql?sql=`.
pub(crate) async fn page(http: &HttpClient, sql: &str) -> Result<Page, AdapterError> {
    let path = ["api", "3", "action", "datastore_search_sql"];
    let answer = http.exchange(http.request(Method::GET, &path, &[("sql", sql)])).await?;
    let rows = match answer.status {
        200 if !answer.is_html() => answer.json::<CkanAnswer>()?,
        _ => return Err(error_of(&answer)),
    };
    let Some(result) = rows.result.filter(|_| rows.success) else { return Err(no_such_query(&answer)) };
    let number = |record: &CkanRecord| record.get(ROW_NUMBER)?.as_u64();
    let last = match result.records.last() {
        Some(last) => Some(number(last).ok_or_else(|| answer.not_understood("a row without its number"))?),
        None => None,
    };
    Ok(Page { records: result.records, answer, last })
}

/// The daily file, to a local one.
pub(crate) async fn download(
    http: &HttpClient,
    path: &str,
    to: &Path,
    max_bytes: u64,
) -> Result<Downloaded, AdapterError> {
    let segments: Vec<_> = path.trim_matches('/').split('/').collect();
    http.download(http.request(Method::GET, &segments, &[]), to, max_bytes).await
}

fn error_of(answer: &Answer) -> AdapterError {
    match answer.status {
        200 => {
            let error = AdapterError::new(ErrorKind::Unavailable, answer.attempted.clone()).remote_code("200");
            let after = answer.retry_after.unwrap_or_default().max(PAUSE_AFTER_PAGE);
            error.advice(Advice::Retry { after: Some(after) }).caused_by("a page for people instead of data")
        }
        404 => {
            let error = answer.not_understood("no such resource: correct resource_id or base_url");
            error.phase(Phase::Refused).advice(Advice::FixConfiguration)
        }
        400 | 409 => no_such_query(answer),
        _ => common_error(&answer.attempted, answer)
            .unwrap_or_else(|| answer.not_understood("answer outside the contract")),
    }
}

fn no_such_query(answer: &Answer) -> AdapterError {
    answer.not_understood("the portal does not admit the query").phase(Phase::Refused).advice(Advice::AskPerson)
}

#[cfg(test)]
mod tests {
    use kit::http::HttpSettings;
    use rstest::rstest;
    use serde_json::json;
    use wiremock::matchers::{path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    async fn asked(answer: ResponseTemplate) -> Result<Page, AdapterError> {
        let server = MockServer::start().await;
        Mock::given(path("/api/3/action/datastore_search_sql"))
            .and(query_param("sql", "SELECT 1"))
            .respond_with(answer)
            .mount(&server)
            .await;
        let http = HttpClient::new(crate::SYSTEM, &HttpSettings::new(server.uri())).unwrap();
        page(&http, "SELECT 1").await
    }

    #[test]
    fn a_query_names_its_bodies_and_its_place() {
        let of = BTreeSet::from([CodiceFiscale::parse("80004650133").unwrap()]);
        assert_eq!(
            sql("e1d07a87", 7, &of, NonZeroU32::MIN),
            "SELECT * FROM \"e1d07a87\" WHERE _id > 7 AND codice_fiscale_stazione_appaltante IN ('80004650133') \
             ORDER BY _id LIMIT 1"
        );
    }

    #[tokio::test]
    async fn a_page_says_where_it_ends() {
        let rows = json!({"success": true, "result": {"records": [{"_id": 3}, {"_id": 9}], "fields": []}});
        let page = asked(ResponseTemplate::new(200).set_body_json(rows)).await.unwrap();
        assert_eq!((page.records.len(), page.last), (2, Some(9)));
    }

    #[rstest]
    #[case::page(ResponseTemplate::new(200).set_body_raw("<!DOCTYPE html>", "text/html"), ErrorKind::Unavailable)]
    #[case::page_called_json(ResponseTemplate::new(200).set_body_raw("<html>", "application/json"), ErrorKind::Unavailable)]
    #[case::cut_short(ResponseTemplate::new(200).set_body_raw(r#"{"success":tr"#, "application/json"), ErrorKind::NotUnderstood)]
    #[case::no_success(ResponseTemplate::new(200).set_body_json(json!({"success": false})), ErrorKind::NotUnderstood)]
    #[case::bad_query(ResponseTemplate::new(409).set_body_json(json!({"success": false})), ErrorKind::NotUnderstood)]
    #[case::no_number(ResponseTemplate::new(200).set_body_json(json!({"success": true, "result": {"records": [{}]}})), ErrorKind::NotUnderstood)]
    #[case::no_resource(ResponseTemplate::new(404).set_body_json(json!({"success": false})), ErrorKind::NotUnderstood)]
    #[case::not_permitted(ResponseTemplate::new(403), ErrorKind::Permission)]
    #[case::too_many(ResponseTemplate::new(429), ErrorKind::RateLimited)]
    #[case::bad_gateway(ResponseTemplate::new(502), ErrorKind::Unavailable)]
    #[tokio::test]
    async fn anything_else_is_an_error(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind) {
        let error = asked(answer).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }

    #[tokio::test]
    async fn a_page_for_people_means_come_back_later() {
        let error = asked(ResponseTemplate::new(200).set_body_raw("<html>", "text/html")).await.unwrap_err();
        assert_eq!(error.advice, Advice::Retry { after: Some(PAUSE_AFTER_PAGE) });
    }
}
