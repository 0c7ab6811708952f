//! ANAC's own examples of the national platform (PCP, FVOE): no adapter speaks these services, and no
//! example is data of anybody. They are held against the published shapes, defects included, and what
//! they share with the open data (CIG, codes) against the types and lists by which these are read.

use std::collections::{BTreeMap, BTreeSet};

use canonical::code_lists;
use canonical::identifiers::{Cig, CigClass};
use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;

use super::*;

const EXAMPLES: &str = "schemas/samples/anac/ufficiali";
const SHAPES: &str = "schemas/upstream/anac-pcp/2026-06";

fn json_file(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(at(path)).unwrap()).unwrap()
}

fn example(file: &str) -> Value {
    json_file(&format!("{EXAMPLES}/{file}"))
}

fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

/// Where a document does not follow its schema, as `place: rule`; for names that are missing or too
/// many, which.
fn problems(schema: &Value, document: &Value) -> BTreeSet<String> {
    let told = |error: jsonschema::ValidationError<'_>| {
        let place = error.instance_path().to_string();
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                vec![format!("{place}/{}: missing", property.as_str().unwrap())]
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                unexpected.iter().map(|name| format!("{place}/{name}: unexpected")).collect()
            }
            ValidationErrorKind::Type { .. } if document.pointer(&place).is_some_and(Value::is_null) => {
                vec![format!("{place}: null")]
            }
            kind => vec![format!("{place}: {}", kind.keyword())],
        }
    };
    validator(schema).iter_errors(document).flat_map(told).collect()
}

fn check(schema: &Value, document: &Value, expected: &[&str], file: &str) {
    let expected: BTreeSet<String> = expected.iter().map(|&problem| problem.to_owned()).collect();
    assert_eq!(problems(schema, document), expected, "{file}");
}

#[test]
fn the_requests_are_those_of_the_model_before_june_2026() {
    let check = |code: &str, expected: &[&str]| {
        let request = example(&format!("richieste/{code}.json"));
        assert_eq!(request["scheda"]["codice"], json!({"idTipologica": "codiceScheda", "codice": code}));
        let schema = json_file(&format!("{SHAPES}/{code}.schema.json"));
        check(&schema, &request["scheda"]["body"], expected, code);
    };
    check(
        "P1_16",
        &[
            "/anacForm/lotti/0/ccnl: type",
            "/anacForm/lotti/0/finanziamenti: missing",
            "/anacForm/lotti/0/iniziativeNonSoddisfacenti: unexpected",
            "/anacForm/lotti/0/regimeParticolare: unexpected",
            "/anacForm/lotti/0/saNonSoggettaObblighi24Dicembre2015: unexpected",
            "/anacForm/lotti/1/ccnl: type",
            "/anacForm/lotti/1/finanziamenti: missing",
            "/anacForm/lotti/1/iniziativeNonSoddisfacenti: unexpected",
            "/anacForm/lotti/1/regimeParticolare: unexpected",
            "/anacForm/lotti/1/saNonSoggettaObblighi24Dicembre2015: unexpected",
        ],
    );
    check(
        "S2",
        &[
            "/anacForm/elencoSoggetti/0/partecipanti/0/impreseAusiliarie: unexpected",
            "/anacForm/elencoSoggetti/1/partecipanti/0/impreseAusiliarie: unexpected",
            "/anacForm/elencoSoggetti/1/partecipanti/1/impreseAusiliarie: unexpected",
        ],
    );
    check(
        "A1_29",
        &[
            "/anacForm/aggiudicazioni/0/offertePresentate/0/ccnl: type",
            "/anacForm/aggiudicazioni/0/offertePresentate/0/offertaAnomala: missing",
        ],
    );
}

/// Each message of the two scenarios, its operation, and where it does not follow its shape.
const MESSAGES: &[(&str, &str, &[&str])] = &[
    ("scenario-p1-16/01-crea-appalto.risposta", "crea-appalto", &[]),
    ("scenario-p1-16/02-conferma-appalto.richiesta", "conferma-appalto", &[]),
    ("scenario-p1-16/02-conferma-appalto.risposta", "conferma-appalto", &[]),
    ("scenario-p1-16/03-esito-operazione-ap-conf.risposta", "esito-operazione", &[]),
    ("scenario-p1-16/04-recupera-cig.risposta", "recupera-cig", &[]),
    ("scenario-p1-16/05-pubblica-avviso.richiesta", "pubblica-avviso", &[]),
    ("scenario-p1-16/05-pubblica-avviso.risposta", "pubblica-avviso", &[]),
    ("scenario-p1-16/06-stato-avviso.risposta", "stato-avviso", &["/statoAvviso/idPianificazione: null"]),
    (
        "scenario-p1-16/07-consulta-avviso.risposta",
        "consulta-avviso",
        &[
            "/avviso/dataPubblicazione: null",
            "/avviso/datiPubblicazioneEU/dataPubblicazione: null",
            "/avviso/datiPubblicazioneEU/dataRicezionePubblicazione: null",
            "/avviso/datiPubblicazioneIT/dataControllo: null",
            "/avviso/datiPubblicazioneIT/dataInoltroPubblicazione: null",
            "/avviso/datiPubblicazioneIT/dataPubblicazione: null",
            "/avviso/datiPubblicazioneIT/stato: null",
            "/instance: null",
        ],
    ),
    ("scenario-p1-16/08-crea-scheda-s2.risposta", "crea-scheda", &[]),
    ("scenario-p1-16/09-conferma-scheda-s2.richiesta", "conferma-scheda", &[]),
    ("scenario-p1-16/09-conferma-scheda-s2.risposta", "conferma-scheda", &[]),
    ("scenario-p1-16/10-crea-scheda-a1-29.risposta", "crea-scheda", &[]),
    ("scenario-p1-16/11-conferma-scheda-a1-29.richiesta", "conferma-scheda", &[]),
    ("scenario-p1-16/11-conferma-scheda-a1-29.risposta", "conferma-scheda", &[]),
    // The shape asks for a tender and a plan together; the example has a tender.
    ("scenario-fascicolo/01-richiesta-accesso-fvoe.richiesta", "richiesta-accesso-fvoe", &["/piano: missing"]),
    ("scenario-fascicolo/01-richiesta-accesso-fvoe.risposta", "richiesta-accesso-fvoe", &[]),
    ("scenario-fascicolo/02-verifica-richiesta-accesso-in-attesa.risposta", "verifica-richiesta-accesso-fvoe", WAITING),
    (
        "scenario-fascicolo/02-verifica-richiesta-accesso-autorizzata.risposta",
        "verifica-richiesta-accesso-fvoe",
        WAITING,
    ),
    // Codes are named by `id` here, by `idTipologica` in the shapes.
    (
        "scenario-fascicolo/03-ricerca-documenti-fvoe.risposta",
        "ricerca-documenti-fvoe",
        &[
            "/result/0/fascicoli/0/tipoFascicolo/idTipologica: missing",
            "/result/0/stato/idTipologica: missing",
            "/result/0/tipo/idTipologica: missing",
            "/result/1/fascicoli/0/tipoFascicolo/idTipologica: missing",
            "/result/1/stato/idTipologica: missing",
            "/result/1/tipo/idTipologica: missing",
        ],
    ),
    (
        "scenario-fascicolo/04-recupera-documento-fvoe.risposta",
        "recupera-documento-fvoe",
        &[
            "/documento/fascicoli/0/tipoFascicolo/idTipologica: missing",
            "/documento/stato/idTipologica: missing",
            "/documento/tipo/idTipologica: missing",
        ],
    ),
];

const WAITING: &[&str] = &[
    "/autorizzazione/richiestaAccesso/appalto: missing",
    "/autorizzazione/richiestaAccesso/dataInizioAutorizzazione: missing",
    "/autorizzazione/richiestaAccesso/operatoriEconomici: missing",
    "/autorizzazione/richiestaAccesso/piano: missing",
    "/autorizzazione/stato/idTipologica: missing",
];

#[test]
fn every_message_of_the_scenarios_has_the_shape_of_its_operation() {
    let shapes = json_file(&format!("{SHAPES}/operazioni.json"));
    for (file, operation, expected) in MESSAGES {
        let side = file.rsplit('.').next().unwrap();
        let schema = &shapes["operazioni"][operation][side];
        assert!(schema.is_object(), "{file}");
        check(schema, &example(&format!("{file}.json")), expected, file);
    }
}

#[test]
fn no_example_is_left_unread() {
    let mut found = BTreeSet::new();
    for folder in ["richieste", "scenario-fascicolo", "scenario-p1-16"] {
        for entry in std::fs::read_dir(at(&format!("{EXAMPLES}/{folder}"))).unwrap() {
            found.insert(format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy()));
        }
    }
    let requests = ["A1_29", "P1_16", "S2"].map(|code| format!("richieste/{code}.json"));
    let read: BTreeSet<String> = MESSAGES.iter().map(|(file, ..)| format!("{file}.json")).chain(requests).collect();
    assert_eq!((found.len(), found), (24, read));
}

#[test]
fn the_lots_of_the_scenario_keep_their_cig_from_the_notice_to_the_award() {
    let given = example("scenario-p1-16/04-recupera-cig.risposta.json");
    let cig = |node: &Value| Cig::parse(node["cig"].as_str().unwrap()).unwrap();
    let list = |node: &Value| node.as_array().unwrap().clone();
    let lots: BTreeMap<String, Cig> = list(&given["result"])
        .iter()
        .map(|lot| (lot["lotIdentifier"].as_str().unwrap().to_owned(), cig(lot)))
        .collect();
    assert!(lots.values().all(|cig| cig.class() == CigClass::Pcp && cig.is_verified()), "{lots:?}");

    let notice = example("richieste/P1_16.json");
    let tendered = list(&notice["scheda"]["body"]["anacForm"]["lotti"]);
    assert!(tendered.iter().all(|lot| lots.contains_key(lot["lotIdentifier"].as_str().unwrap())));
    assert_eq!(tendered.len(), lots.len());

    let took_part = example("richieste/S2.json");
    let took_part = list(&took_part["scheda"]["body"]["anacForm"]["elencoSoggetti"]);
    assert_eq!(took_part.iter().map(cig).collect::<BTreeSet<_>>(), lots.values().copied().collect());
    let counts = |name: &str| took_part.iter().map(|lot| list(&lot[name]).len()).collect::<Vec<_>>();
    assert_eq!((counts("partecipanti"), counts("invitatiCheNonHannoPresentatoOfferta")), (vec![1, 2], vec![1, 1]));
    for operator in took_part.iter().flat_map(|lot| list(&lot["partecipanti"])) {
        for list in ["ruoloOE", "tipoOE", "tipologiaAvvalimento"] {
            let code = operator[list]["codice"].as_str().unwrap();
            assert!(code_lists::lookup(list, code, None).is_some(), "{list} {code}");
        }
    }

    // The winner is told by the number of a participant, and is one of its lot.
    let awards = example("richieste/A1_29.json");
    let awards = list(&awards["scheda"]["body"]["anacForm"]["aggiudicazioni"]);
    let [award] = awards.as_slice() else { panic!("{}", awards.len()) };
    let of_lot = took_part.iter().find(|lot| cig(lot) == cig(award)).unwrap();
    let winner = &award["offertePresentate"][0]["idPartecipante"];
    assert!(list(&of_lot["partecipanti"]).iter().any(|participant| &participant["idPartecipante"] == winner));
}
