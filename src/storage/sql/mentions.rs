//! By what a version is found besides its key: the lots and projects that its body names, and the
//! supra-municipal unit of a body.

use canonical::Body;

/// CIGs, CUPs and the three digits of a unit: their lengths tell them apart.
pub(super) fn of(body: &Body) -> Vec<String> {
    let mut mentioned: Vec<String> = match body {
        Body::Ente(ente) => ente.codice_istat.iter().map(|code| code.unit().as_str().to_owned()).collect(),
        Body::Lotto(lotto) => lotto.cup.iter().map(|cup| cup.as_str().to_owned()).collect(),
        Body::Intervento(intervento) => intervento.cup.iter().map(|cup| cup.as_str().to_owned()).collect(),
        Body::Pagamento(payment) => payment.cup.iter().map(|cup| cup.as_str().to_owned()).collect(),
        _ => Vec::new(),
    };
    mentioned.extend(body.named_lots().iter().map(|cig| cig.as_str().to_owned()));
    mentioned.sort_unstable();
    mentioned.dedup();
    mentioned
}
