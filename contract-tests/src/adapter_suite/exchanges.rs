//! Every request and answer that passed, held against the specification of the system.

use std::path::Path;

use super::openapi::Specification;
use super::proxy::Exchange;
use super::soap::Wsdl;
use super::{Certificate, Subject};

/// A document that says what exchanges look like.
enum Contract {
    OpenApi(Specification),
    Wsdl(Box<Wsdl>),
}

impl Contract {
    fn open(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("wsdl") => Self::Wsdl(Box::new(Wsdl::open(path))),
            _ => Self::OpenApi(Specification::open(path)),
        }
    }

    /// What is wrong with an exchange. None: it is of no operation.
    fn check(&self, exchange: &Exchange) -> Option<Result<(), String>> {
        match self {
            Self::OpenApi(specification) => specification.check(exchange),
            Self::Wsdl(wsdl) => wsdl.check(exchange),
        }
    }
}

/// Runs when the evidence names a specification (`contract.txt`: paths from the root of the
/// project, one a line). Systems whose contract is a table of columns have none.
pub(super) fn run(subject: &Subject, certificate: &mut Certificate) {
    let Some(named) = subject.evidence("contract.txt") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let contracts: Vec<Contract> = named
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|path| Contract::open(&root.join(path)))
        .collect();
    let exchanges = subject.exchanges();
    let mut problems = Vec::new();
    for exchange in &exchanges {
        let mut strange = None;
        let known = contracts.iter().any(|contract| match contract.check(exchange) {
            Some(Ok(())) => true,
            Some(Err(problem)) => {
                strange = Some(problem);
                true
            }
            None => false,
        });
        if !known {
            problems.push(format!("{} {} is no operation of the contract", exchange.method, exchange.path));
        }
        problems.extend(strange);
    }
    problems.sort();
    problems.dedup();
    let kept = match problems.first() {
        _ if exchanges.is_empty() => Err("nothing passed".to_owned()),
        None => Ok(format!("{} exchanges", exchanges.len())),
        Some(first) => Err(format!("{} problems, first: {first}", problems.len())),
    };
    certificate.note("exchanges_follow_the_contract", kept);
}
