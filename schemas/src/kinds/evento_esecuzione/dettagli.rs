//! The details of the events of a contract, one type for each of its schede.
//!
//! Every field that the national schede ask for has a place here, and so have those that the
//! execution platforms keep beside them. A field added after the first release is left out when
//! it is empty, so that older records keep their digest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::soggetto::SoggettoEsecutore;
use crate::identifiers::{Cig, CodiceAusa, CodiceFiscale, Cpv};
use crate::values::{CalendarDate, Importo};

/// Signature of the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Day from which it is enforceable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_esecutivita: Option<CalendarDate>,
    /// AUSA codes of the authorities that sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codici_ausa: Vec<CodiceAusa>,
    /// Identifier of the winner on the national platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_partecipante: Option<String>,
    /// Other CIGs of the same contract: one winner, several lots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altri_cig: Vec<Cig>,
}

/// Start of the execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Day of the order to begin the executive design.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_disposizione_inizio: Option<CalendarDate>,
    /// Day of the approval of the executive design.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_approvazione_progetto: Option<CalendarDate>,
    /// Services and supplies: begun by phases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avvio_per_fasi: Option<bool>,
    /// Day on which the first phase began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_avvio_prima_fase: Option<CalendarDate>,
    /// Day of the record of final delivery, where the delivery is in parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_consegna_definitiva: Option<CalendarDate>,
}

/// Progress. Amounts of the schede are cumulative: both are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Code of list `modalitaPagamento`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modalita_pagamento: Option<String>,
}

/// Suspension.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuperamentoQuarto {
    /// Number of the suspension concerned.
    pub sospensione: u32,
    /// Day on which it was exceeded.
    pub data_superamento: Option<CalendarDate>,
    /// Identifier of the scheda of the suspension on the national platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_scheda_sospensione: Option<String>,
}

/// Resumption.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Identifier of the scheda of the suspension on the national platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_scheda_sospensione: Option<String>,
    /// Effect of a partial suspension on the schedule in per cent, as an exact decimal text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incidenza_cronoprogramma: Option<String>,
    /// One quarter of the contractual time was exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superato_quarto: Option<bool>,
    /// The operator did not sign the records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verbale_non_sottoscritto: Option<bool>,
}

/// Modification of the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Where the documents of the change are published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_documentazione: Option<String>,
    /// Cause of the change, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causa: Option<String>,
    /// The contract is above the EU threshold (M1, `M1_40`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sopra_soglia: Option<bool>,
    /// The contract is a concession (`M1_40`, `M2_40`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concessione: Option<bool>,
    /// Concession: financing and fees of the administration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finanziamenti_canoni_pa: Option<Importo>,
    /// Concession: income from users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrate_utenza: Option<Importo>,
    /// Concession: income for the administration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introito_attivo: Option<Importo>,
    /// Sums for options and renewals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opzioni_rinnovi: Option<Importo>,
}

/// Subcontract request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Other CPVs, after the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altri_cpv: Vec<Cpv>,
    /// Codes of list `categoria` that may be parted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categorie_scorporabili: Vec<String>,
    /// Who does the work, with names and roles where the owner knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub soggetti: Vec<SoggettoEsecutore>,
    /// Subcontract from which this one cascades, on the national platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_subappalto: Option<String>,
    /// Identifier of the subcontractor on the national platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_operatore: Option<String>,
    /// Identifier of the winner who gives the subcontract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_aggiudicatario: Option<String>,
    /// Identifier of the subcontractor who gives it, in a cascade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_subappaltante: Option<String>,
}

/// Subcontract outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Identifier of the scheda of the request on the national platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_scheda_richiesta: Option<String>,
}

/// Subcontract concluded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConclusioneSubappalto {
    /// Number of the request.
    pub richiesta: u32,
    /// Day of the end.
    pub data_ultimazione: Option<CalendarDate>,
    /// Actual amount.
    pub importo_effettivo: Option<Importo>,
    /// Identifier of the scheda of the outcome on the national platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_scheda_esito: Option<String>,
    /// Code of list `motivoMancataEsecuzioneSubappalto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub motivo_mancata_esecuzione: Option<String>,
}

/// Amicable settlement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccordoBonario {
    /// Day of the settlement.
    pub data_accordo: Option<CalendarDate>,
    /// Amount recognised.
    pub importo: Option<Importo>,
    /// Reason.
    pub motivo: Option<String>,
    /// Reservations settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numero_riserve: Option<u32>,
}

/// Conclusion of the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// No contract was signed: the award itself is concluded, by its CIG.
    #[serde(default, skip_serializing_if = "is_false")]
    pub senza_contratto: bool,
    /// Day of the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_stipula: Option<CalendarDate>,
    /// Day from which the contract was enforceable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_esecutivita: Option<CalendarDate>,
    /// Direct award: first day of the performance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_inizio: Option<CalendarDate>,
    /// Amount of the charges that follow from the termination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importo_oneri: Option<Importo>,
    /// Direct award: sums paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub somme_liquidate: Option<Importo>,
    /// The guarantee was cashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incamerata_polizza: Option<bool>,
    /// Accidents with permanent effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infortuni_postumi: Option<u32>,
}

/// Withdrawal or termination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recesso {
    /// Day of the request or act.
    pub data: Option<CalendarDate>,
    /// Amount recognised.
    pub importo: Option<Importo>,
    /// Reason.
    pub motivo: Option<String>,
    /// Code of list `tipoComunicazione`: delay or suspension of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tipo_comunicazione: Option<String>,
    /// Day by which the delivery was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_termine: Option<CalendarDate>,
    /// Days of suspension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durata_sospensione: Option<u32>,
    /// The request was accepted: the contract ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istanza_accolta: Option<bool>,
    /// Delivered late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istanza_tardiva: Option<bool>,
    /// The works were resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istanza_ripresa: Option<bool>,
    /// The operator wrote reservations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub istanza_riserva: Option<bool>,
    /// Amount for the charges of the delay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importo_oneri: Option<Importo>,
}

/// Testing, or certificate of regular execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Day of the static test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_collaudo_statico: Option<CalendarDate>,
    /// The contract is a concession: its amounts have another table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concessione: Option<bool>,
    /// Final design costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progettazione: Option<Importo>,
    /// Final sums not subject to discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub somme_non_ribassabili: Option<Importo>,
    /// Final sums for options and renewals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opzioni_rinnovi: Option<Importo>,
    /// Final sums for repetition of the same works, services or supplies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ripetizioni: Option<Importo>,
    /// Final sums at disposal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub somme_a_disposizione: Option<Importo>,
    /// Concession: financing and fees of the administration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finanziamenti_canoni_pa: Option<Importo>,
    /// Concession: income from users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrate_utenza: Option<Importo>,
    /// Concession: income for the administration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introito_attivo: Option<Importo>,
    /// Reservations settled amicably.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numero_riserve: Option<u32>,
    /// Charges that follow from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importo_oneri: Option<Importo>,
    /// How other reservations were settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definizioni_riserve: Vec<DefinizioneRiserve>,
}

/// How a group of reservations was settled, or will be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefinizioneRiserve {
    /// Settled otherwise than amicably.
    pub ulteriori: Option<bool>,
    /// Reservations settled.
    pub definite: Option<u32>,
    /// Reservations still to be settled.
    pub da_definire: Option<u32>,
    /// Amount asked for.
    pub importo_richiesto: Option<Importo>,
    /// Amount recognised.
    pub importo_definizione: Option<Importo>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is that of serde")]
fn is_false(flag: &bool) -> bool {
    !flag
}
