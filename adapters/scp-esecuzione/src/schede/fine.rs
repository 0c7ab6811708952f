//! The fields of the schede with which a contract ends: withdrawal, conclusion, test.

use super::FieldType::{Amount, Cig, Code, Date, Day, Flag, Id, Items, Number, Text};
use super::{Field, When, field};

/// IR1.
pub(super) const RECESSO: &[Field] = &[
    field("ritardo.dataTermine", Date, "dettaglio.data_termine"),
    field("ritardo.tipoComunicazione", Code("tipoComunicazione"), "dettaglio.tipo_comunicazione"),
    field("ritardo.durataSospensione", Number, "dettaglio.durata_sospensione"),
    field("ritardo.motivoSospensione", Text, "dettaglio.motivo"),
    field("ritardo.dataIstanzaRecesso", Date, "dettaglio.data"),
    field("ritardo.istanzaAccolta", Flag, "dettaglio.istanza_accolta"),
    field("ritardo.istanzaTardiva", Flag, "dettaglio.istanza_tardiva"),
    field("ritardo.istanzaRipresa", Flag, "dettaglio.istanza_ripresa"),
    field("ritardo.istanzaRiserva", Flag, "dettaglio.istanza_riserva"),
    field("ritardo.impSpese", Amount, "dettaglio.importo"),
    field("ritardo.impOneri", Amount, "dettaglio.importo_oneri"),
];

/// CO1. The CIG stands in place of the contract only where no contract exists.
pub(super) const CONCLUSIONE: &[Field] = &[
    field("cig", Cig, "cig").when(When::If("dettaglio.senza_contratto")),
    field(
        "conclusione.causaInterruzioneAnticipata",
        Code("causaInterruzioneAnticipata"),
        "dettaglio.causa_interruzione",
    ),
    field("conclusione.motiviRisoluzione", Code("motiviRisoluzione"), "dettaglio.motivo_risoluzione"),
    field("conclusione.dataStipula", Date, "dettaglio.data_stipula"),
    field("conclusione.dataEsecutivita", Date, "dettaglio.data_esecutivita"),
    field("conclusione.dataInterruzioneAnticipata", Date, "dettaglio.data_risoluzione"),
    field("conclusione.oneriEconomiciRisoluzioneRecesso", Code("oneriEconomiciRisoluzioneRecesso"), "dettaglio.oneri"),
    field("conclusione.importo", Amount, "dettaglio.importo_oneri"),
    field("conclusione.incamerataPolizza", Flag, "dettaglio.incamerata_polizza"),
    field("conclusione.dataUltimazione", Date, "dettaglio.data_ultimazione"),
    field("conclusione.numeroInfortuni", Number, "dettaglio.infortuni"),
    field("conclusione.diCuiPostumiPermanenti", Number, "dettaglio.infortuni_postumi"),
    field("conclusione.diCuiMortali", Number, "dettaglio.infortuni_mortali"),
    field("integrazioni.dataInizio", Day, "dettaglio.data_inizio"),
    field("integrazioni.sommeLiquidate", Amount, "dettaglio.somme_liquidate"),
];

/// CO2, which has four fields.
pub(super) const DIRETTO: &[Field] = &[
    field("cig", Cig, "cig"),
    field("conclusione.dataInizio", Date, "dettaglio.data_inizio"),
    field("conclusione.dataUltimazione", Date, "dettaglio.data_ultimazione"),
    field("conclusione.importo", Amount, "dettaglio.somme_liquidate"),
];

/// What CO1 publishes and CO2 does not.
pub(super) const DIRETTO_NOSTRO: &[Field] = &[
    field("integrazioni.idContratto", Id, "id_contratto"),
    field("integrazioni.causaInterruzioneAnticipata", Id, "dettaglio.causa_interruzione"),
    field("integrazioni.motiviRisoluzione", Id, "dettaglio.motivo_risoluzione"),
    field("integrazioni.dataStipula", Day, "dettaglio.data_stipula"),
    field("integrazioni.dataEsecutivita", Day, "dettaglio.data_esecutivita"),
    field("integrazioni.dataInterruzioneAnticipata", Day, "dettaglio.data_risoluzione"),
    field("integrazioni.oneriEconomiciRisoluzioneRecesso", Id, "dettaglio.oneri"),
    field("integrazioni.importoOneri", Amount, "dettaglio.importo_oneri"),
    field("integrazioni.incamerataPolizza", Flag, "dettaglio.incamerata_polizza"),
    field("integrazioni.numeroInfortuni", Number, "dettaglio.infortuni"),
    field("integrazioni.diCuiPostumiPermanenti", Number, "dettaglio.infortuni_postumi"),
    field("integrazioni.diCuiMortali", Number, "dettaglio.infortuni_mortali"),
];

/// Kept by the platforms of this family, asked by no national scheda.
pub(super) const CONCLUSIONE_NOSTRA: &[Field] = &[
    field("integrazioni.interruzioneAnticipata", Flag, "dettaglio.interruzione_anticipata"),
    field("integrazioni.dataVerbaleConsegna", Day, "dettaglio.data_verbale_consegna"),
    field("integrazioni.dataFineContrattuale", Day, "dettaglio.data_fine_contrattuale"),
    field("integrazioni.oreLavorate", Number, "dettaglio.ore_lavorate"),
];

/// CL1. The national rules forbid the certificate of regular execution where there is a mode of
/// testing, and ask for the certificate of testing there: one day, two names.
pub(super) const COLLAUDO: &[Field] = &[
    field("collaudo.dataCollaudo", Date, "dettaglio.data_collaudo_statico"),
    field("collaudo.modoCollaudo", Code("modoCollaudo"), "dettaglio.modo"),
    field("collaudo.dataCertificato", Date, "dettaglio.data_certificato").when(When::Unless("dettaglio.modo")),
    field("collaudo.dataRedazioneCertificato", Date, "dettaglio.data_certificato").when(When::If("dettaglio.modo")),
    field("collaudo.dataNomina", Date, "dettaglio.data_nomina"),
    field("collaudo.dataInizio", Date, "dettaglio.data_inizio"),
    field("collaudo.dataDeliberaAmmissibilita", Date, "dettaglio.data_delibera"),
    field("collaudo.esito", Id, "dettaglio.esito"),
    field("collaudo.numeroTotaleRiserve", Number, "dettaglio.numero_riserve"),
    field("collaudo.oneri", Amount, "dettaglio.importo_oneri"),
    field("collaudo.modalitaDefinizione", Items(DEFINIZIONE), "dettaglio.definizioni_riserve"),
    field("integrazioni.riserve", Flag, "dettaglio.riserve"),
];

/// The final amounts.
pub(super) const FINALE: &[Field] = &[
    field("collaudo.quadroEconomicoStandard.impLavori", Amount, "dettaglio.importo_finale_lavori")
        .when(When::Unless("dettaglio.concessione")),
    field("collaudo.quadroEconomicoStandard.impServizi", Amount, "dettaglio.importo_finale_servizi")
        .when(When::Unless("dettaglio.concessione")),
    field("collaudo.quadroEconomicoStandard.impForniture", Amount, "dettaglio.importo_finale_forniture")
        .when(When::Unless("dettaglio.concessione")),
    field("collaudo.quadroEconomicoStandard.impTotaleSicurezza", Amount, "dettaglio.oneri_sicurezza")
        .when(When::Unless("dettaglio.concessione")),
    field("collaudo.quadroEconomicoStandard.ulterioriSommeNoRibasso", Amount, "dettaglio.somme_non_ribassabili")
        .when(When::Unless("dettaglio.concessione")),
    field("collaudo.quadroEconomicoStandard.impProgettazione", Amount, "dettaglio.progettazione")
        .when(When::Unless("dettaglio.concessione")),
    field("collaudo.quadroEconomicoStandard.sommeOpzioniRinnovi", Amount, "dettaglio.opzioni_rinnovi")
        .when(When::Unless("dettaglio.concessione")),
    field("collaudo.quadroEconomicoStandard.sommeRipetizioni", Amount, "dettaglio.ripetizioni")
        .when(When::Unless("dettaglio.concessione")),
    field("collaudo.quadroEconomicoStandard.sommeADisposizione", Amount, "dettaglio.somme_a_disposizione")
        .when(When::Unless("dettaglio.concessione")),
];

/// The final amounts of a concession.
pub(super) const FINALE_CONCESSIONI: &[Field] = &[
    field("collaudo.quadroEconomicoConcessioni.impLavori", Amount, "dettaglio.importo_finale_lavori")
        .when(When::If("dettaglio.concessione")),
    field("collaudo.quadroEconomicoConcessioni.impServizi", Amount, "dettaglio.importo_finale_servizi")
        .when(When::If("dettaglio.concessione")),
    field("collaudo.quadroEconomicoConcessioni.impForniture", Amount, "dettaglio.importo_finale_forniture")
        .when(When::If("dettaglio.concessione")),
    field("collaudo.quadroEconomicoConcessioni.finanziamentiCanoniPA", Amount, "dettaglio.finanziamenti_canoni_pa")
        .when(When::If("dettaglio.concessione")),
    field("collaudo.quadroEconomicoConcessioni.entrateUtenza", Amount, "dettaglio.entrate_utenza")
        .when(When::If("dettaglio.concessione")),
    field("collaudo.quadroEconomicoConcessioni.introitoAttivo", Amount, "dettaglio.introito_attivo")
        .when(When::If("dettaglio.concessione")),
    field("collaudo.quadroEconomicoConcessioni.impTotaleSicurezza", Amount, "dettaglio.oneri_sicurezza")
        .when(When::If("dettaglio.concessione")),
    field("collaudo.quadroEconomicoConcessioni.ulterioriSommeNoRibasso", Amount, "dettaglio.somme_non_ribassabili")
        .when(When::If("dettaglio.concessione")),
    field("collaudo.quadroEconomicoConcessioni.sommeOpzioniRinnovi", Amount, "dettaglio.opzioni_rinnovi")
        .when(When::If("dettaglio.concessione")),
    field("collaudo.quadroEconomicoConcessioni.sommeADisposizione", Amount, "dettaglio.somme_a_disposizione")
        .when(When::If("dettaglio.concessione")),
];

/// How other reservations were settled.
const DEFINIZIONE: &[Field] = &[
    field("ulterioriRiserve", Flag, "ulteriori"),
    field("numeroRiserveDefinite", Number, "definite"),
    field("numeroRiserveDaDefinire", Number, "da_definire"),
    field("impTotaleRichiesto", Amount, "importo_richiesto"),
    field("impTotaleDefinizione", Amount, "importo_definizione"),
];
