//! Every adapter, every promise of its roles, and the certificate that says so.

use std::path::Path;

use contract_tests::adapter_suite::{self, Subject, table};
use raccordo::registry::PARTS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_adapter_keeps_the_promises_of_its_roles() {
    let mut certificates = Vec::new();
    let mut problems = Vec::new();
    for factory in PARTS.adapters {
        let system = (factory.capability)().system;
        let certificate = adapter_suite::run(factory).await;
        let waivers = Subject::open(factory).waivers();
        problems.extend(certificate.problems(&waivers).into_iter().map(|problem| format!("{system}: {problem}")));
        certificates.push((system, certificate, waivers));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));

    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("certificate.md");
    let today = table(&certificates);
    if std::env::var_os("RACCORDO_WRITE_CERTIFICATE").is_some() {
        std::fs::write(&committed, &today).expect("the certificate is written");
    }
    let is_the_same = std::fs::read_to_string(&committed).is_ok_and(|committed| committed == today);
    assert!(is_the_same, "contract-tests/certificate.md is not what the adapters do today: run `cargo xtask tables`");
}
