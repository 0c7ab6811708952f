//! An event of the execution of a contract.
//!
//! Events are kept, not schede: the schede of the national platform change, the events do not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::{Cig, CodiceFiscale, Cpv};
use crate::values::{CalendarDate, Importo};

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
}

/// Signature of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StipulaContratto {
    /// Day of the signature.
    pub data_stipula: Option<CalendarDate>,
    /// Day from which it runs.
    pub data_decorrenza: Option<CalendarDate>,
    /// Contractual end.
    pub data_scadenza: Option<CalendarDate>,
    /// Amount, net of VAT.
    pub importo: Option<Importo>,
    /// Final guarantee.
    pub importo_cauzione: Option<Importo>,
}

/// Start of the execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AvvioEsecuzione {
    /// Day of the record of delivery.
    pub data_verbale_consegna: Option<CalendarDate>,
    /// Actual start.
    pub data_effettivo_inizio: Option<CalendarDate>,
    /// Expected end.
    pub data_fine_prevista: Option<CalendarDate>,
    /// Delivered in parts.
    #[serde(default)]
    pub consegna_frazionata: bool,
    /// Delivered before the contract, under reserve of law.
    #[serde(default)]
    pub consegna_sotto_riserva: bool,
}

/// Progress. Amounts of the schede are cumulative: both are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AvanzamentoLavori {
    /// Label.
    pub denominazione: Option<String>,
    /// Day on which the progress was reached.
    pub data_raggiungimento: Option<CalendarDate>,
    /// Amount of this progress alone.
    pub importo_sal: Option<Importo>,
    /// Amount up to this progress.
    pub importo_cumulato: Option<Importo>,
    /// Day of the payment certificate.
    pub data_certificato: Option<CalendarDate>,
    /// Amount of the payment certificate.
    pub importo_certificato: Option<Importo>,
    /// Code of list `avanzamento`: on time, early, late.
    pub avanzamento: Option<String>,
    /// Days of deviation.
    pub giorni_scostamento: Option<i32>,
    /// Days of extension.
    pub giorni_proroga: Option<u32>,
    /// Advance.
    pub importo_anticipazione: Option<Importo>,
    /// Day of the certificate of the advance.
    pub data_anticipazione: Option<CalendarDate>,
}

/// Suspension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sospensione {
    /// Day of the record.
    pub data_verbale: Option<CalendarDate>,
    /// Code of list `motivoSospensione`.
    pub motivo: Option<String>,
    /// Only a part is suspended.
    #[serde(default)]
    pub parziale: bool,
    /// The operator wrote reservations.
    pub riserve: Option<bool>,
}

/// One quarter of the contractual time exceeded by a suspension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuperamentoQuarto {
    /// Number of the suspension concerned.
    pub sospensione: u32,
    /// Day on which it was exceeded.
    pub data_superamento: Option<CalendarDate>,
}

/// Resumption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ripresa {
    /// Number of the suspension that ends.
    pub sospensione: u32,
    /// Day of the record.
    pub data_verbale: Option<CalendarDate>,
    /// New contractual end.
    pub nuova_data_fine: Option<CalendarDate>,
    /// The operator wrote reservations.
    pub riserve: Option<bool>,
}

/// Modification of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Modifica {
    /// Day of the approval.
    pub data_approvazione: Option<CalendarDate>,
    /// Day of the additional act.
    pub data_atto_aggiuntivo: Option<CalendarDate>,
    /// Codes of list `motiviModifica`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub motivi: Vec<String>,
    /// Days of extension.
    pub giorni_proroga: Option<u32>,
    /// Redetermined amount of works.
    pub importo_lavori: Option<Importo>,
    /// Redetermined amount of services.
    pub importo_servizi: Option<Importo>,
    /// Redetermined amount of supplies.
    pub importo_forniture: Option<Importo>,
    /// Redetermined security costs.
    pub oneri_sicurezza: Option<Importo>,
    /// Redetermined design costs.
    pub progettazione: Option<Importo>,
    /// Sums not subject to discount.
    pub somme_non_ribassabili: Option<Importo>,
    /// Sums at disposal.
    pub somme_a_disposizione: Option<Importo>,
    /// New amount of the contract.
    pub importo_contratto: Option<Importo>,
    /// CIG of the new procedure, when one was needed.
    pub nuovo_cig: Option<Cig>,
    /// Within one fifth of the amount.
    pub quinto_d_obbligo: Option<bool>,
    /// Codes of list `motivoRevisionePrezzi`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub motivi_revisione_prezzi: Vec<String>,
}

/// Subcontract request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RichiestaSubappalto {
    /// Day of the request.
    pub data: Option<CalendarDate>,
    /// Object.
    pub oggetto: Option<String>,
    /// Presumed amount.
    pub importo_presunto: Option<Importo>,
    /// Category.
    pub categoria: Option<String>,
    /// CPV.
    pub cpv: Option<Cpv>,
    /// Subcontractor.
    pub subappaltatore: Option<CodiceFiscale>,
}

/// Subcontract outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EsitoSubappalto {
    /// Number of the request.
    pub richiesta: u32,
    /// Authorised.
    pub autorizzato: Option<bool>,
    /// Day of the authorisation.
    pub data_autorizzazione: Option<CalendarDate>,
    /// Code of list `motivoMancatoSubappalto`.
    pub motivo_mancato: Option<String>,
}

/// Subcontract concluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConclusioneSubappalto {
    /// Number of the request.
    pub richiesta: u32,
    /// Day of the end.
    pub data_ultimazione: Option<CalendarDate>,
    /// Actual amount.
    pub importo_effettivo: Option<Importo>,
}

/// Amicable settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccordoBonario {
    /// Day of the settlement.
    pub data_accordo: Option<CalendarDate>,
    /// Amount recognised.
    pub importo: Option<Importo>,
    /// Reason.
    pub motivo: Option<String>,
}

/// Conclusion of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conclusione {
    /// Direct award: phase 19, scheda CO2, instead of phase 4, CO1.
    #[serde(default)]
    pub affidamento_diretto: bool,
    /// Ended before its time.
    #[serde(default)]
    pub interruzione_anticipata: bool,
    /// Code of list `causaInterruzioneAnticipata`.
    pub causa_interruzione: Option<String>,
    /// Code of list `motiviRisoluzione`.
    pub motivo_risoluzione: Option<String>,
    /// Day of the termination.
    pub data_risoluzione: Option<CalendarDate>,
    /// Code of list `oneriEconomiciRisoluzioneRecesso`.
    pub oneri: Option<String>,
    /// Day of the delivery.
    pub data_verbale_consegna: Option<CalendarDate>,
    /// Contractual end.
    pub data_fine_contrattuale: Option<CalendarDate>,
    /// Actual end.
    pub data_ultimazione: Option<CalendarDate>,
    /// Accidents.
    pub infortuni: Option<u32>,
    /// Fatal accidents.
    pub infortuni_mortali: Option<u32>,
    /// Hours worked.
    pub ore_lavorate: Option<u32>,
}

/// Withdrawal or termination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recesso {
    /// Day of the request or act.
    pub data: Option<CalendarDate>,
    /// Amount recognised.
    pub importo: Option<Importo>,
    /// Reason.
    pub motivo: Option<String>,
}

/// Testing, or certificate of regular execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Collaudo {
    /// Day of the appointment of the tester.
    pub data_nomina: Option<CalendarDate>,
    /// First day of the operations.
    pub data_inizio: Option<CalendarDate>,
    /// Day of the certificate.
    pub data_certificato: Option<CalendarDate>,
    /// Day of the resolution that admits it.
    pub data_delibera: Option<CalendarDate>,
    /// Code of list `modoCollaudo`.
    pub modo: Option<String>,
    /// Code of list `esito`.
    pub esito: Option<String>,
    /// Final amount of works.
    pub importo_finale_lavori: Option<Importo>,
    /// Final amount of services.
    pub importo_finale_servizi: Option<Importo>,
    /// Final amount of supplies.
    pub importo_finale_forniture: Option<Importo>,
    /// Final security costs.
    pub oneri_sicurezza: Option<Importo>,
    /// The operator wrote reservations.
    pub riserve: Option<bool>,
}
