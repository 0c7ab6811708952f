//! What our API writes, read by the reader that we have for what others write.

use kit::answer::Answer;
use kit::modi::service::Standing;
use kit::problem::Problem;
use reqwest::Response;

use crate::bench::Bench;

async fn answer(response: Response) -> Answer {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (status, content_type) = (response.status().as_u16(), header("content-type"));
    Answer { status, content_type, body: response.bytes().await.unwrap(), ..Answer::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_problems_are_those_of_the_national_rules() {
    let bench = Bench::open().await;
    let unknown = answer(bench.with_token(None, "get", "/api/v1/changes").await).await;
    let absent = answer(bench.ask("legge", "get", "/api/v1/nulla").await).await;
    let method = answer(bench.ask("legge", "delete", "/api/v1/changes").await).await;
    for (answer, code) in [(unknown, "non_autenticato"), (absent, "non_trovato"), (method, "metodo_non_ammesso")] {
        assert!(answer.is_json(), "{answer:?}");
        let problem = Problem::read(&answer).expect("a problem");
        assert_eq!((problem.status, problem.code()), (Some(answer.status), Some(code)));
        assert_eq!(problem.kind, Some(format!("urn:raccordo:problem:{code}")));
        assert!(problem.title.is_some_and(|title| title.len() <= 64 && title.is_ascii()));
        assert!(problem.detail.is_some() && problem.reference.is_some_and(|reference| reference.len() >= 16), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_state_is_read_as_active() {
    let bench = Bench::open().await;
    let status = answer(bench.with_token(None, "get", "/status").await).await;
    assert_eq!(Standing::of(&status), Standing::Active);
}
