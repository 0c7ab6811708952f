//! Which test reads which sample. A sample without a reader says nothing, and looks as if it did.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each sample, or all those that a manifest names, and the test that gives it its verdict.
const READERS: &[(&str, &str)] = &[
    ("agid/problem-400.json", "the_problems_of_the_national_rules_are_read"),
    ("agid/problem-404.json", "the_problems_of_the_national_rules_are_read"),
    ("agid/problem-500.json", "the_problems_of_the_national_rules_are_read"),
    ("client-assertions-async.json", "every_assertion_of_an_asynchronous_exchange_is_judged_as_the_platform_judges_it"),
    ("client-assertions.json", "every_client_assertion_is_judged_as_the_platform_judges_it"),
    ("dpop.json", "every_proof_is_judged_as_the_platform_and_the_producer_must"),
    ("errors/gateway-error.html", "a_page_of_a_gateway_is_no_problem_and_its_status_decides"),
    ("errors/govway-400-interop-invalid-request.json", "every_word_of_a_gateway_has_its_error"),
    ("errors/govway-429-too-many.json", "every_word_of_a_gateway_has_its_error"),
    ("errors/govway-502-interop-invalid-response.json", "every_word_of_a_gateway_has_its_error"),
    ("errors/pdnd-token-400.json", "every_no_of_the_token_endpoint_is_told_from_the_others"),
    ("errors/pdnd-token-429.json", "every_no_of_the_token_endpoint_is_told_from_the_others"),
    ("errors/pdnd-token-500.json", "every_no_of_the_token_endpoint_is_told_from_the_others"),
    ("errors/rate-limit-headers.json", "every_dialect_of_the_national_samples_is_understood"),
    ("id-auth-rest.json", "every_identity_without_the_platform_gets_its_verdict"),
    ("integrity.json", "every_signed_message_gets_its_verdict"),
    ("keys/keys.json", "a_private_key_knows_its_name_and_its_public_half"),
    ("keys/pdnd-api-jwks.json", "the_key_of_the_answers_is_the_one_of_the_sample"),
    ("keys/pdnd-client-key-v3.json", "registered_keys_are_those_of_the_samples_and_an_unknown_one_is_none"),
    ("keys/pdnd-jwks.json", "a_set_of_keys_gives_each_by_its_name"),
    ("keys/pdnd-key-events-v3.json", "a_key_is_asked_for_once_until_an_event_says_that_it_was_deleted"),
    ("keys/pdnd-producer-key-v3.json", "registered_keys_are_those_of_the_samples_and_an_unknown_one_is_none"),
    ("keys/rfc7638-thumbprints.json", "a_thumbprint_is_that_of_the_standard_and_of_the_platform"),
    ("oidc/claims.json", "every_provider_gives_the_roles_that_were_written_and_no_others"),
    ("oidc/logout-tokens.json", "every_logout_token_gets_its_verdict_and_is_good_once"),
    ("oidc/pkce.json", "a_challenge_is_the_hash_of_its_verifier_as_the_standard_writes_it"),
    ("signalhub/expected-replay.json", "pages_read_in_order_ask_for_what_the_samples_say"),
    ("signalhub/pseudonyms.json", "every_pseudonym_is_that_of_its_producer"),
    ("signalhub/pull-200.json", "pages_read_in_order_ask_for_what_the_samples_say"),
    ("signalhub/pull-206.json", "pages_read_in_order_ask_for_what_the_samples_say"),
    ("signalhub/pull-empty-200.json", "pages_read_in_order_ask_for_what_the_samples_say"),
    ("signalhub/push-400-duplicate.json", "every_answer_to_a_signal_says_what_to_do"),
    ("signalhub/push-400-higher.json", "every_answer_to_a_signal_says_what_to_do"),
    ("signalhub/push-400-not-sent.json", "every_answer_to_a_signal_says_what_to_do"),
    ("signalhub/push-400-validation.json", "every_answer_to_a_signal_says_what_to_do"),
    ("signalhub/push-403.json", "every_answer_to_a_signal_says_what_to_do"),
    ("signalhub/push-429.json", "every_answer_to_a_signal_says_what_to_do"),
    ("signalhub/push-request-seedupdate.json", "a_signal_is_written_as_the_hub_reads_it"),
    ("signalhub/push-request.json", "a_signal_is_written_as_the_hub_reads_it"),
    ("signalhub/push-response-200.json", "every_answer_to_a_signal_says_what_to_do"),
    ("signalhub/seed-response.json", "a_seed_comes_with_its_hash_and_is_a_secret"),
    ("soap-agid/BLOCK_SOAP_request.xml", EXCHANGES),
    ("soap-agid/BLOCK_SOAP_response_200.xml", EXCHANGES),
    ("soap-agid/BLOCK_SOAP_response_500_fault.xml", "a_fault_is_no_operation_and_says_whose_mistake_it_was"),
    ("soap-agid/ID_AUTH_SOAP_01_request.xml", LAYOUTS),
    ("soap-agid/ID_AUTH_SOAP_02_request.xml", LAYOUTS),
    ("soap-agid/INTEGRITY_SOAP_01_request.xml", LAYOUTS),
    ("soap-agid/NONBLOCK_PULL_SOAP_request.xml", EXCHANGES),
    ("soap-agid/NONBLOCK_PULL_SOAP_request_result.xml", EXCHANGES),
    ("soap-agid/NONBLOCK_PULL_SOAP_request_status.xml", EXCHANGES),
    ("soap-agid/NONBLOCK_PULL_SOAP_response_accepted.xml", EXCHANGES),
    ("soap-agid/NONBLOCK_PULL_SOAP_response_result.xml", EXCHANGES),
    ("soap-agid/NONBLOCK_PULL_SOAP_response_status_done.xml", EXCHANGES),
    ("soap-agid/NONBLOCK_PULL_SOAP_response_status_processing.xml", EXCHANGES),
    ("soap-agid/NONBLOCK_PUSH_SOAP_request_to_erogatore.xml", EXCHANGES),
    ("soap-agid/NONBLOCK_PUSH_SOAP_request_to_fruitore.xml", EXCHANGES),
    ("soap-agid/NONBLOCK_PUSH_SOAP_response_from_erogatore.xml", EXCHANGES),
    ("soap-agid/NONBLOCK_PUSH_SOAP_response_from_fruitore.xml", EXCHANGES),
    ("soap-agid/soap-blocking.wsdl", EXCHANGES),
    ("soap-agid/soap-callback-client.wsdl", EXCHANGES),
    ("soap-agid/soap-callback-server.wsdl", EXCHANGES),
    ("soap-agid/soap-nonblocking.wsdl", EXCHANGES),
    ("soap/vectors.json", "every_envelope_gets_its_verdict"),
    ("status/status-200.json", "a_service_says_how_it_is_and_a_body_that_contradicts_it_says_nothing"),
    ("status/status-503.json", "a_service_says_how_it_is_and_a_body_that_contradicts_it_says_nothing"),
    ("tracing/calls.json", "the_calls_of_a_day_become_its_file"),
    ("tracing/expected.json", "every_tracing_file_has_the_errors_that_the_platform_would_find"),
    ("tracking-evidence.json", "every_evidence_gets_its_verdict_and_its_hash"),
    ("vouchers.json", "every_voucher_is_judged_as_its_producer_must"),
];

const EXCHANGES: &str = "every_example_of_an_exchange_says_what_it_is_and_its_service_has_that_operation";
const LAYOUTS: &str = "the_signed_examples_show_a_layout_and_prove_nothing";

/// Manifests that name other files, each in the member `file` of a vector.
const MANIFESTS: &[&str] = &["soap/vectors.json", "tracing/expected.json"];

fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extensions));
        } else if extensions.iter().any(|known| path.extension().is_some_and(|extension| extension == *known)) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_sample_has_a_test_that_reads_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let samples = root.join("tests/pdnd");
    let relative = |path: PathBuf| path.strip_prefix(&samples).expect("below").to_string_lossy().into_owned();
    let standing: BTreeSet<_> =
        files(&samples, &["json", "xml", "wsdl", "html", "csv"]).into_iter().map(relative).collect();
    let mut read: BTreeMap<String, &str> = READERS.iter().map(|(file, test)| ((*file).to_owned(), *test)).collect();
    assert_eq!(read.len(), READERS.len(), "a sample is listed twice");
    for manifest in MANIFESTS {
        let (folder, _) = manifest.split_once('/').expect("a folder");
        let test = read[*manifest];
        for vector in crate::samples::json(manifest)["vectors"].as_array().expect("vectors") {
            if let Some(file) = vector["file"].as_str() {
                read.insert(format!("{folder}/{file}"), test);
            }
        }
    }
    let named: BTreeSet<_> = read.keys().cloned().collect();
    assert_eq!(standing.difference(&named).collect::<Vec<_>>(), Vec::<&String>::new(), "samples without a reader");
    assert_eq!(named.difference(&standing).collect::<Vec<_>>(), Vec::<&String>::new(), "readers without a sample");

    let sources: Vec<_> = [root.join("tests"), root.join("src")].iter().flat_map(|it| files(it, &["rs"])).collect();
    let sources: Vec<_> = sources.iter().filter(|path| !path.ends_with("vectors/readers.rs")).collect();
    let sources: Vec<_> = sources.iter().map(|path| std::fs::read_to_string(path).expect("a source")).collect();
    for (file, test) in READERS {
        let in_source = sources.iter().find(|source| source.contains(&format!("fn {test}()")));
        let source = in_source.unwrap_or_else(|| panic!("{file}: no test is called {test}"));
        let stem = Path::new(file).file_stem().and_then(|stem| stem.to_str()).expect("a name");
        assert!(source.contains(stem), "{file}: {test} stands in a file that does not name it");
    }
}
