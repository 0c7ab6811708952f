//! Why a record was not given to a target, in words.

use crate::flow::report::words::Language;

/// The words of a code.
pub(crate) fn withheld_title(code: &str, language: Language) -> &'static str {
    let (italian, english) = match code {
        "senza_adesione" => ("ente senza adesione a Pi.Co. in vigore", "body without a standing membership of Pi.Co."),
        "owned_elsewhere" => ("un'altra fonte è titolare del dato", "another source is believed about it"),
        "smartcig" => (
            "SmartCIG: non previsto dalle piattaforme di esecuzione (R09)",
            "SmartCIG: the execution platforms take none (R09)",
        ),
        "mapping_stopped" => {
            ("la mappatura si è fermata: serve uno sviluppatore", "the mapping stopped: a developer must look")
        }
        "draft" => ("evento ancora in bozza presso il suo titolare", "event that is still a draft with its owner"),
        "no_plan" => ("progetto senza piano PNRR, PNC o fondi europei", "project without PNRR, PNC or European funds"),
        "null_cig" => ("CIG nullo", "null CIG"),
        "programme_unknown" => {
            ("programma non noto: manca l'identificativo", "unknown programme: it has no identifier")
        }
        "personal_key" | "chiave_non_valida" | "dato_personale" => {
            ("la chiave potrebbe contenere un dato personale", "the key might hold personal data")
        }
        "unusable_id" => {
            ("identificativo che non può stare in un indirizzo", "identifier that cannot stand in an address")
        }
        "rejected" => ("evento scartato dal suo titolare", "event rejected by its owner"),
        "no_period" => ("manca l'anno di riferimento", "its year is missing"),
        "no_authority" => {
            ("manca il codice fiscale della stazione appaltante", "the fiscal code of its authority is missing")
        }
        "not_a_body" => (
            "il codice fiscale della stazione appaltante non è di un ente",
            "the fiscal code of its authority is not that of a body",
        ),
        _ => ("altro motivo", "another reason"),
    };
    language.of(italian, english)
}
