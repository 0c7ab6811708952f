//! What people wrote on the platform by themselves before anybody sent a draft: the execution of
//! one contract, from its signature to its test. It is visible to the reads of the original family
//! only; the schede are the published samples of the national platform.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

/// The CIG of the contract.
pub(super) const CIG: &str = "K00003EC3A";
/// When its last scheda was sent, in local time.
pub(super) const SENT: &str = "2025-12-19T18:30:00";

macro_rules! samples {
    ($(($name:literal, $file:literal, $id:literal)),* $(,)?) => {
        &[$((
            $name,
            include_str!(concat!(
                "../../../../schemas/samples/anac/sintetici/richieste/crea-scheda.", $file, ".json"
            )),
            concat!("00000000-0000-4000-8000-0000000000", $id),
        )),*]
    };
}

/// Name in the award, request, identifier: those that the requests refer to, and others.
const SCHEDE: &[(&str, &str, &str)] = samples![
    ("SC1", "SC1", "01"),
    ("I1", "I1", "02"),
    ("SA1", "SA1", "03"),
    ("SO1", "SO1", "04"),
    ("SQ1", "SQ1", "05"),
    ("RSU1", "RSU1.v1", "06"),
    ("ES1", "ES1", "07"),
    ("CS1", "CS1", "08"),
    ("RI1", "RI1", "09"),
    ("M", "M2", "10"),
    ("AC1", "AC1", "11"),
    ("CO1", "CO1.ordinaria", "12"),
    ("CL1", "CL1.collaudo", "13"),
    ("ID", "ID.cup", "14"),
];

/// The award with its schede.
pub(super) fn award() -> &'static Map<String, Value> {
    static AWARD: OnceLock<Map<String, Value>> = OnceLock::new();
    AWARD.get_or_init(|| {
        let mut award = Map::from_iter([("idAggiudicazione".to_owned(), json!(1))]);
        for (name, request, id) in SCHEDE {
            let request: Value =
                serde_json::from_str(request).unwrap_or_else(|never| unreachable!("a sample is JSON: {never}"));
            let scheda = json!({
                "idScheda": id,
                "idDocumento": format!("{id}-1"),
                "scheda": request["scheda"]["codice"]["codice"],
                "progressivo": 1,
                "stato": "accettata",
                "anacForm": request["scheda"]["body"]["anacForm"],
            });
            super::legacy::put(&mut award, name, scheda);
        }
        award
    })
}
