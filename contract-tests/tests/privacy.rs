//! Persons never reach a log: what is printed for developers holds neither names nor codes.

use std::collections::BTreeMap;
use std::sync::Arc;

use canonical::identifiers::CodiceFiscale;
use canonical::kinds::{IdentificativoOperatore, OperatoreEconomico, Partecipazione};
use canonical::{Body, FieldPath, Record};
use contract::{Composed, DraftRecord, RawRecord, Shipment, UnitKey};
use contract_tests::records::{record, source};

const NAME: &str = "CANARINO GIALLO";
const CODE: &str = "RSSMRA85T10A562S";

fn operator() -> Body {
    let codice_fiscale = CodiceFiscale::parse(CODE).expect("a person's code");
    let denominazione = Some(NAME.to_owned());
    Body::OperatoreEconomico(OperatoreEconomico { codice_fiscale, denominazione, altri_codici: Vec::new() })
}

#[test]
fn what_is_printed_for_developers_holds_no_person() {
    let code = CodiceFiscale::parse(CODE).expect("a person's code");
    let raw = BTreeMap::from([(FieldPath::from("/codice_fiscale"), CODE.to_owned())]);
    let mut kept: Record = record(operator(), &source(), 1, None);
    kept.provenance.raw.clone_from(&raw);
    let participation = Partecipazione {
        operatore: IdentificativoOperatore::CodiceFiscale(code),
        denominazione: Some(NAME.to_owned()),
        raggruppamento: None,
        ruolo: None,
    };
    let document = Arc::new(simulated::header("a", &[]));
    let text = format!("{NAME} {CODE}");
    let received = RawRecord { document, line: 1, occurrence: 0, text: text.clone() };
    let shipment = Shipment {
        unit: UnitKey("u".to_owned()),
        revision: 1,
        idempotency_key: "k".to_owned(),
        body: text.clone().into_bytes(),
        previous_receipt: None,
    };
    let composed = Composed { body: text.into_bytes(), rows: Vec::new(), findings: Vec::new() };
    let printed = [
        format!("{kept:?}"),
        format!("{:?}", kept.provenance.of("/codice_fiscale")),
        format!("{:?}", DraftRecord { body: operator(), raw }),
        format!("{participation:?}"),
        format!("{received:?}"),
        format!("{shipment:?}"),
        format!("{composed:?}"),
        format!("{:?}", IdentificativoOperatore::NonValido(CODE.to_owned())),
    ];
    for text in printed {
        assert!(!text.contains("CANARINO") && !text.contains(CODE), "a person in {text}");
    }
}
