//! An event of the execution of a contract.
//!
//! Events are kept, not schede: the schede of the national platform change, the events do not.

mod dettagli;
mod lotto;
mod soggetto;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use dettagli::{
    AccordoBonario, AvanzamentoLavori, AvvioEsecuzione, Collaudo, Conclusione, ConclusioneSubappalto,
    DefinizioneRiserve, EsitoSubappalto, Modifica, Recesso, RichiestaSubappalto, Ripresa, Sospensione,
    StipulaContratto, SuperamentoQuarto,
};
pub use lotto::{ElencoIncarichi, Incarico, IntegrazioneDati, PrestazioneProgettuale, VariazioneAggiudicatario};
pub use soggetto::SoggettoEsecutore;

use crate::identifiers::{Cig, CodiceFiscale};
use crate::values::CalendarDate;

/// The phase of an event, by the codes of the execution platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fase {
    /// 2, scheda I1.
    Avvio,
    /// 3, scheda SA1.
    Avanzamento,
    /// 4, scheda CO1.
    Conclusione,
    /// 5, scheda CL1.
    Collaudo,
    /// 6, scheda SO1.
    Sospensione,
    /// 7, schede M1, `M1_40`, M2, `M2_40`.
    Modifica,
    /// 8, scheda AC1.
    AccordoBonario,
    /// 10, scheda IR1.
    Recesso,
    /// 13, scheda SC1.
    Stipula,
    /// 14, scheda SQ1.
    SuperamentoQuarto,
    /// 15, scheda RI1.
    Ripresa,
    /// 16, scheda RSU1.
    RichiestaSubappalto,
    /// 17, scheda ES1.
    EsitoSubappalto,
    /// 18, scheda CS1.
    ConclusioneSubappalto,
    /// 19, scheda CO2.
    ConclusioneAffidamentoDiretto,
    /// 20, scheda S3.
    ElencoIncarichi,
    /// 21, scheda S4.
    VariazioneAggiudicatario,
    /// 90, scheda ID. The number is ours: the platforms give none to this scheda.
    IntegrazioneDati,
}

impl Fase {
    /// Every phase, by code.
    pub const ALL: &'static [(u8, Fase, &'static str)] = &[
        (2, Fase::Avvio, "I1"),
        (3, Fase::Avanzamento, "SA1"),
        (4, Fase::Conclusione, "CO1"),
        (5, Fase::Collaudo, "CL1"),
        (6, Fase::Sospensione, "SO1"),
        (7, Fase::Modifica, "M1"),
        (8, Fase::AccordoBonario, "AC1"),
        (10, Fase::Recesso, "IR1"),
        (13, Fase::Stipula, "SC1"),
        (14, Fase::SuperamentoQuarto, "SQ1"),
        (15, Fase::Ripresa, "RI1"),
        (16, Fase::RichiestaSubappalto, "RSU1"),
        (17, Fase::EsitoSubappalto, "ES1"),
        (18, Fase::ConclusioneSubappalto, "CS1"),
        (19, Fase::ConclusioneAffidamentoDiretto, "CO2"),
        (20, Fase::ElencoIncarichi, "S3"),
        (21, Fase::VariazioneAggiudicatario, "S4"),
        (90, Fase::IntegrazioneDati, "ID"),
    ];

    /// The numeric code of the execution platforms.
    pub fn code(self) -> u8 {
        Self::ALL.iter().find(|row| row.1 == self).map_or(0, |row| row.0)
    }

    /// The phase with this numeric code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().find(|row| row.0 == code).map(|row| row.1)
    }
}

/// The state of an event on its owner's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatoEvento {
    /// Written and not yet sent.
    Bozza,
    /// Sent, no answer yet.
    Inviato,
    /// Confirmed by the person that the law names.
    Confermato,
    /// Rejected.
    Scartato,
}

/// An event of the execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventoEsecuzione {
    /// CIG of the lot.
    pub cig: Cig,
    /// Number of the award inside the CIG.
    pub id_aggiudicazione: u32,
    /// Fiscal code of the contracting authority.
    pub stazione_appaltante: Option<CodiceFiscale>,
    /// Year to which the owner refers the lot: the period in which aggregate systems count it.
    pub anno_riferimento: Option<u16>,
    /// Number of the event inside its phase, counted from one, given by the owner.
    pub progressivo: u32,
    /// Day of the event.
    pub data: Option<CalendarDate>,
    /// State on the owner's side.
    pub stato: StatoEvento,
    /// Identifier on the owner's side, when it gives one.
    pub id_remoto: Option<String>,
    /// Identifier of the contract on the national platform, when the owner knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_contratto: Option<String>,
    /// What happened.
    pub dettaglio: Dettaglio,
}

impl EventoEsecuzione {
    pub(crate) fn key(&self) -> String {
        format!("{}/{}/{}/{}", self.cig.as_str(), self.id_aggiudicazione, self.fase().code(), self.progressivo)
    }

    /// The phase, which the detail decides.
    pub fn fase(&self) -> Fase {
        match &self.dettaglio {
            Dettaglio::Stipula(_) => Fase::Stipula,
            Dettaglio::Avvio(_) => Fase::Avvio,
            Dettaglio::Avanzamento(_) => Fase::Avanzamento,
            Dettaglio::Sospensione(_) => Fase::Sospensione,
            Dettaglio::SuperamentoQuarto(_) => Fase::SuperamentoQuarto,
            Dettaglio::Ripresa(_) => Fase::Ripresa,
            Dettaglio::Modifica(_) => Fase::Modifica,
            Dettaglio::RichiestaSubappalto(_) => Fase::RichiestaSubappalto,
            Dettaglio::EsitoSubappalto(_) => Fase::EsitoSubappalto,
            Dettaglio::ConclusioneSubappalto(_) => Fase::ConclusioneSubappalto,
            Dettaglio::AccordoBonario(_) => Fase::AccordoBonario,
            Dettaglio::Conclusione(conclusione) if conclusione.affidamento_diretto => {
                Fase::ConclusioneAffidamentoDiretto
            }
            Dettaglio::Conclusione(_) => Fase::Conclusione,
            Dettaglio::Recesso(_) => Fase::Recesso,
            Dettaglio::Collaudo(_) => Fase::Collaudo,
            Dettaglio::ElencoIncarichi(_) => Fase::ElencoIncarichi,
            Dettaglio::VariazioneAggiudicatario(_) => Fase::VariazioneAggiudicatario,
            Dettaglio::IntegrazioneDati(_) => Fase::IntegrazioneDati,
        }
    }
}

/// What happened, by kind of event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "evento", rename_all = "snake_case")]
pub enum Dettaglio {
    /// Signature of the contract (SC1).
    Stipula(StipulaContratto),
    /// Start of the execution (I1).
    Avvio(AvvioEsecuzione),
    /// Progress (SA1).
    Avanzamento(AvanzamentoLavori),
    /// Suspension (SO1).
    Sospensione(Sospensione),
    /// One quarter of the time exceeded by a suspension (SQ1).
    SuperamentoQuarto(SuperamentoQuarto),
    /// Resumption (RI1).
    Ripresa(Ripresa),
    /// Modification (M1, `M1_40`, M2, `M2_40`).
    Modifica(Modifica),
    /// Subcontract request (RSU1).
    RichiestaSubappalto(RichiestaSubappalto),
    /// Subcontract outcome (ES1).
    EsitoSubappalto(EsitoSubappalto),
    /// Subcontract concluded (CS1).
    ConclusioneSubappalto(ConclusioneSubappalto),
    /// Amicable settlement (AC1).
    AccordoBonario(AccordoBonario),
    /// Conclusion (CO1, CO2).
    Conclusione(Conclusione),
    /// Withdrawal or termination (IR1).
    Recesso(Recesso),
    /// Testing or regular execution (CL1).
    Collaudo(Collaudo),
    /// Technical tasks and design services (S3).
    ElencoIncarichi(ElencoIncarichi),
    /// Change of the winner (S4).
    VariazioneAggiudicatario(VariazioneAggiudicatario),
    /// Data of the lot completed afterwards (ID).
    IntegrazioneDati(IntegrazioneDati),
}
