//! The details of the events that concern a lot rather than its contract: S3, S4, ID.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::soggetto::SoggettoEsecutore;
use crate::identifiers::{Cig, Cup};
use crate::kinds::Persona;
use crate::values::CalendarDate;

/// Technical tasks and design services given for a lot (S3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ElencoIncarichi {
    /// Technical tasks: direction of works, safety, testing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incarichi: Vec<Incarico>,
    /// Design services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prestazioni: Vec<PrestazioneProgettuale>,
}

/// A technical task. Addresses and telephones of persons are absent on purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Incarico {
    /// Code of list `tipoIncarico`.
    pub tipo: Option<String>,
    /// The person who has it.
    pub persona: Option<Persona>,
    /// The person comes from abroad.
    pub estero: Option<bool>,
    /// The companies that have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub soggetti: Vec<SoggettoEsecutore>,
}

/// A design service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrestazioneProgettuale {
    /// Code of list `tipoProgettazione`.
    pub tipo_progettazione: Option<String>,
    /// Code of list `tipoSoggetto`.
    pub tipo_soggetto: Option<String>,
    /// Given outside the administration.
    pub esterna: Option<bool>,
    /// The person who has it.
    pub persona: Option<Persona>,
    /// The person comes from abroad.
    pub estero: Option<bool>,
    /// The companies that have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub soggetti: Vec<SoggettoEsecutore>,
    /// CIG of the service, when it was given outside.
    pub cig: Option<Cig>,
    /// Day on which it was given.
    pub data_affidamento: Option<CalendarDate>,
    /// Day of the delivery of the project.
    pub data_consegna: Option<CalendarDate>,
}

/// Change of the winner, or a special purpose company in its place (S4).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VariazioneAggiudicatario {
    /// The new winner.
    pub soggetto: Option<SoggettoEsecutore>,
    /// Identifier of the winner on the national platform.
    pub id_partecipante: Option<String>,
    /// Country, as published.
    pub paese: Option<String>,
    /// Relies on the capacities of others.
    pub avvalimento: Option<bool>,
    /// Code of list `tipologiaAvvalimento`.
    pub tipologia_avvalimento: Option<String>,
    /// Code of list `motivoVariazione`.
    pub motivo: Option<String>,
}

/// Data of a lot completed or corrected afterwards (ID): one block, or more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrazioneDati {
    /// Code of list `motivoRichiestaModifica`.
    pub motivo_richiesta: Option<String>,
    /// Code of list `motivoVariazioneCUP`.
    pub motivo_variazione_cup: Option<String>,
    /// The whole set of CUP of the lot: it replaces the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cup: Vec<Cup>,
    /// Identifier of the winner whose discount is completed.
    pub id_partecipante: Option<String>,
    /// Code of list `motivoCorrezione`.
    pub motivo_correzione: Option<String>,
    /// Discount in per cent, as an exact decimal text; negative for an offer above the base.
    pub ribasso: Option<String>,
    /// A feasibility study exempts from digital methods of design.
    pub doc_fap: Option<bool>,
    /// Code of list `motivoCorrezioneUrl`.
    pub motivo_correzione_url: Option<String>,
    /// Where the documents of the procedure are published.
    pub url: Option<String>,
}
