//! The schede that follow a contract, from its signature to its test; those of its end stand in
//! [`super::fine`].

use canonical::kinds::Fase;

use super::FieldType::{
    AllCodes, Amount, Ausa, Cig, Code, Date, Day, Decimal, FirstCode, Flag, HeadAndTail, Id, Items, List, Number,
    Signed, Text,
};
use super::fine::{
    COLLAUDO, CONCLUSIONE, CONCLUSIONE_NOSTRA, DIRETTO, DIRETTO_NOSTRO, FINALE, FINALE_CONCESSIONI, RECESSO,
};
use super::lotto::SOGGETTO;
use super::{Field, Scheda, When, field};

/// Every scheda of a contract, in the order of its life.
pub(super) const SCHEDE: &[Scheda] = &[
    Scheda {
        code: "SC1",
        fase: Fase::Stipula,
        evento: "stipula",
        day: Some("dettaglio.data_stipula"),
        fields: &[STIPULA],
    },
    Scheda {
        code: "I1",
        fase: Fase::Avvio,
        evento: "avvio",
        day: Some("dettaglio.data_effettivo_inizio"),
        fields: &[CONTRATTO, AVVIO],
    },
    Scheda {
        code: "SA1",
        fase: Fase::Avanzamento,
        evento: "avanzamento",
        day: Some("dettaglio.data_raggiungimento"),
        fields: &[CONTRATTO, AVANZAMENTO],
    },
    Scheda {
        code: "SO1",
        fase: Fase::Sospensione,
        evento: "sospensione",
        day: Some("dettaglio.data_verbale"),
        fields: &[CONTRATTO, SOSPENSIONE],
    },
    Scheda {
        code: "SQ1",
        fase: Fase::SuperamentoQuarto,
        evento: "superamento_quarto",
        day: Some("dettaglio.data_superamento"),
        fields: &[SUPERAMENTO],
    },
    Scheda {
        code: "RI1",
        fase: Fase::Ripresa,
        evento: "ripresa",
        day: Some("dettaglio.data_verbale"),
        fields: &[RIPRESA],
    },
    Scheda {
        code: "M1",
        fase: Fase::Modifica,
        evento: "modifica",
        day: Some("dettaglio.data_approvazione"),
        fields: &[CONTRATTO, MODIFICA, RIDETERMINATO, ATTO_NOSTRO],
    },
    Scheda {
        code: "M1_40",
        fase: Fase::Modifica,
        evento: "modifica",
        day: Some("dettaglio.data_approvazione"),
        fields: &[CONTRATTO, MODIFICA, RIDETERMINATO_CONCESSIONI, ATTO_NOSTRO],
    },
    Scheda {
        code: "M2",
        fase: Fase::Modifica,
        evento: "modifica",
        day: Some("dettaglio.data_approvazione"),
        fields: &[CONTRATTO, MODIFICA, RIDETERMINATO, ATTO],
    },
    Scheda {
        code: "M2_40",
        fase: Fase::Modifica,
        evento: "modifica",
        day: Some("dettaglio.data_approvazione"),
        fields: &[CONTRATTO, MODIFICA, RIDETERMINATO_CONCESSIONI, ATTO],
    },
    Scheda {
        code: "RSU1",
        fase: Fase::RichiestaSubappalto,
        evento: "richiesta_subappalto",
        day: Some("dettaglio.data"),
        fields: &[CONTRATTO, RICHIESTA_SUBAPPALTO],
    },
    Scheda {
        code: "ES1",
        fase: Fase::EsitoSubappalto,
        evento: "esito_subappalto",
        day: Some("dettaglio.data_autorizzazione"),
        fields: &[ESITO_SUBAPPALTO],
    },
    Scheda {
        code: "CS1",
        fase: Fase::ConclusioneSubappalto,
        evento: "conclusione_subappalto",
        day: Some("dettaglio.data_ultimazione"),
        fields: &[CONCLUSIONE_SUBAPPALTO],
    },
    Scheda {
        code: "AC1",
        fase: Fase::AccordoBonario,
        evento: "accordo_bonario",
        day: Some("dettaglio.data_accordo"),
        fields: &[CONTRATTO, ACCORDO],
    },
    Scheda {
        code: "IR1",
        fase: Fase::Recesso,
        evento: "recesso",
        day: Some("dettaglio.data"),
        fields: &[CONTRATTO, RECESSO],
    },
    Scheda {
        code: "CO1",
        fase: Fase::Conclusione,
        evento: "conclusione",
        day: Some("dettaglio.data_ultimazione"),
        fields: &[CONTRATTO, CONCLUSIONE, CONCLUSIONE_NOSTRA],
    },
    Scheda {
        code: "CO2",
        fase: Fase::ConclusioneAffidamentoDiretto,
        evento: "conclusione",
        day: Some("dettaglio.data_ultimazione"),
        fields: &[DIRETTO, DIRETTO_NOSTRO, CONCLUSIONE_NOSTRA],
    },
    Scheda {
        code: "CL1",
        fase: Fase::Collaudo,
        evento: "collaudo",
        day: Some("dettaglio.data_certificato"),
        fields: &[CONTRATTO, COLLAUDO, FINALE, FINALE_CONCESSIONI],
    },
];

/// The contract, where the owner knows how the national platform calls it.
const CONTRATTO: &[Field] = &[field("idContratto", Id, "id_contratto")];

/// SC1. The number is known to the contract, not to the event.
const STIPULA: &[Field] = &[
    field("datiContratto.codiceAusa", List(&Ausa), "dettaglio.codici_ausa"),
    field("datiContratto.idPartecipante", Id, "dettaglio.id_partecipante"),
    field("datiContratto.cig", HeadAndTail(&Cig, "dettaglio.altri_cig"), "cig"),
    field("datiContratto.dataStipula", Date, "dettaglio.data_stipula"),
    field("datiContratto.dataEsecutivita", Date, "dettaglio.data_esecutivita"),
    field("datiContratto.dataDecorrenza", Date, "dettaglio.data_decorrenza"),
    field("datiContratto.dataScadenza", Date, "dettaglio.data_scadenza"),
    field("datiContratto.importoCauzione", Amount, "dettaglio.importo_cauzione"),
    field("integrazioni.idContratto", Id, "id_contratto"),
    field("integrazioni.importo", Amount, "dettaglio.importo"),
    field("integrazioni.numero", Text, "numero"),
];

/// I1. The day of delivery has one name when the delivery is in parts and another when it is whole.
const AVVIO: &[Field] = &[
    field("datiInizio.dataDisposizioneInizio", Date, "dettaglio.data_disposizione_inizio"),
    field("datiInizio.dataApprovazione", Date, "dettaglio.data_approvazione_progetto"),
    field("datiInizio.consegnaFrazionata", Flag, "dettaglio.consegna_frazionata"),
    field("datiInizio.avvioPerFasi", Flag, "dettaglio.avvio_per_fasi"),
    field("datiInizio.dataVerbalePrimaConsegna", Date, "dettaglio.data_verbale_consegna")
        .when(When::If("dettaglio.consegna_frazionata")),
    field("datiInizio.dataAvvioPrimaFase", Date, "dettaglio.data_avvio_prima_fase"),
    field("datiInizio.dataVerbaleConsegnaDefinitiva", Date, "dettaglio.data_verbale_consegna")
        .when(When::Unless("dettaglio.consegna_frazionata")),
    field("datiInizio.dataVerbaleConsegnaDefinitiva", Date, "dettaglio.data_consegna_definitiva")
        .when(When::If("dettaglio.consegna_frazionata")),
    field("datiInizio.consegnaSottoRiserva", Flag, "dettaglio.consegna_sotto_riserva"),
    field("datiInizio.dataEffettivoInizio", Date, "dettaglio.data_effettivo_inizio"),
    field("datiInizio.dataFinePrevista", Date, "dettaglio.data_fine_prevista"),
];

/// SA1. `impSal` is cumulative by definition: the single amount never goes there.
const AVANZAMENTO: &[Field] = &[
    field("avanzamento.denominazioneAvanzamento", Text, "dettaglio.denominazione"),
    field("avanzamento.modalitaPagamento", Code("modalitaPagamento"), "dettaglio.modalita_pagamento"),
    field("avanzamento.impAnticipazione", Amount, "dettaglio.importo_anticipazione"),
    field("avanzamento.dataCertificatoAnticipazione", Date, "dettaglio.data_anticipazione"),
    field("avanzamento.dataAvanzamento", Date, "dettaglio.data_raggiungimento"),
    field("avanzamento.impSal", Amount, "dettaglio.importo_cumulato"),
    field("avanzamento.dataCertificatoMandatoPagamento", Date, "dettaglio.data_certificato"),
    field("avanzamento.impCertificatoMandatoPagamento", Amount, "dettaglio.importo_certificato"),
    field("avanzamento.avanzamento", Code("avanzamento"), "dettaglio.avanzamento"),
    field("avanzamento.numGiorniScostamento", Signed, "dettaglio.giorni_scostamento"),
    field("avanzamento.numGiorniProroga", Number, "dettaglio.giorni_proroga"),
    field("integrazioni.impSalSingolo", Amount, "dettaglio.importo_sal"),
];

/// SO1. The reservations are published for RI1 only.
const SOSPENSIONE: &[Field] = &[
    field("sospensione.sospensioneParziale", Flag, "dettaglio.parziale"),
    field("sospensione.dataVerbaleSospensione", Date, "dettaglio.data_verbale"),
    field("sospensione.motivoSospensione", Code("motivoSospensione"), "dettaglio.motivo"),
    field("integrazioni.riserve", Flag, "dettaglio.riserve"),
];

/// SQ1. Which suspension: by the scheda of it where the owner knows it, by its number always.
const SUPERAMENTO: &[Field] = &[
    field("idScheda", Id, "dettaglio.id_scheda_sospensione"),
    field("sospensione.dataSuperamento", Date, "dettaglio.data_superamento"),
    field("integrazioni.progressivoSospensione", Number, "dettaglio.sospensione"),
];

/// RI1.
const RIPRESA: &[Field] = &[
    field("idScheda", Id, "dettaglio.id_scheda_sospensione"),
    field("sospensione.dataVerbaleRipresa", Date, "dettaglio.data_verbale"),
    field("sospensione.incidenzaCronoprogramma", Decimal, "dettaglio.incidenza_cronoprogramma"),
    field("sospensione.superatoTempo", Flag, "dettaglio.superato_quarto"),
    field("sospensione.riserve", Flag, "dettaglio.riserve"),
    field("sospensione.verbaleNonSottoscritto", Flag, "dettaglio.verbale_non_sottoscritto"),
    field("integrazioni.progressivoSospensione", Number, "dettaglio.sospensione"),
    field("integrazioni.nuovaDataFine", Day, "dettaglio.nuova_data_fine"),
];

/// What the four schede of a modification share. One reason of revision is published, the others are ours.
const MODIFICA: &[Field] = &[
    field("modificaContrattuale.dataApprovazione", Date, "dettaglio.data_approvazione"),
    field("modificaContrattuale.urlDocumentazione", Id, "dettaglio.url_documentazione"),
    field(
        "modificaContrattuale.motivoRevisionePrezzi",
        FirstCode("motivoRevisionePrezzi"),
        "dettaglio.motivi_revisione_prezzi",
    ),
    field("modificaContrattuale.cigNuovaProcedura", Cig, "dettaglio.nuovo_cig"),
    field("integrazioni.motiviRevisionePrezzi", AllCodes, "dettaglio.motivi_revisione_prezzi"),
    field("integrazioni.impContratto", Amount, "dettaglio.importo_contratto"),
    field("integrazioni.quintoObbligo", Flag, "dettaglio.quinto_d_obbligo"),
];

/// The amounts of M1 and M2.
const RIDETERMINATO: &[Field] = &[
    field("modificaContrattuale.quadroEconomicoStandardRideterminato.impLavori", Amount, "dettaglio.importo_lavori"),
    field("modificaContrattuale.quadroEconomicoStandardRideterminato.impServizi", Amount, "dettaglio.importo_servizi"),
    field(
        "modificaContrattuale.quadroEconomicoStandardRideterminato.impForniture",
        Amount,
        "dettaglio.importo_forniture",
    ),
    field(
        "modificaContrattuale.quadroEconomicoStandardRideterminato.impTotaleSicurezza",
        Amount,
        "dettaglio.oneri_sicurezza",
    ),
    field(
        "modificaContrattuale.quadroEconomicoStandardRideterminato.impProgettazione",
        Amount,
        "dettaglio.progettazione",
    ),
    field(
        "modificaContrattuale.quadroEconomicoStandardRideterminato.ulterioriSommeNoRibasso",
        Amount,
        "dettaglio.somme_non_ribassabili",
    ),
    field(
        "modificaContrattuale.quadroEconomicoStandardRideterminato.sommeADisposizione",
        Amount,
        "dettaglio.somme_a_disposizione",
    ),
    field(
        "modificaContrattuale.quadroEconomicoStandardRideterminato.numGiorniProroga",
        Number,
        "dettaglio.giorni_proroga",
    ),
    field("integrazioni.sommeOpzioniRinnovi", Amount, "dettaglio.opzioni_rinnovi"),
];

/// The amounts of `M1_40` and `M2_40`.
const RIDETERMINATO_CONCESSIONI: &[Field] = &[
    field("modificaContrattuale.quadroEconomicoConcessioniRideterminato.impLavori", Amount, "dettaglio.importo_lavori"),
    field(
        "modificaContrattuale.quadroEconomicoConcessioniRideterminato.impServizi",
        Amount,
        "dettaglio.importo_servizi",
    ),
    field(
        "modificaContrattuale.quadroEconomicoConcessioniRideterminato.impForniture",
        Amount,
        "dettaglio.importo_forniture",
    ),
    field(
        "modificaContrattuale.quadroEconomicoConcessioniRideterminato.finanziamentiCanoniPA",
        Amount,
        "dettaglio.finanziamenti_canoni_pa",
    ),
    field(
        "modificaContrattuale.quadroEconomicoConcessioniRideterminato.entrateUtenza",
        Amount,
        "dettaglio.entrate_utenza",
    ),
    field(
        "modificaContrattuale.quadroEconomicoConcessioniRideterminato.introitoAttivo",
        Amount,
        "dettaglio.introito_attivo",
    ),
    field(
        "modificaContrattuale.quadroEconomicoConcessioniRideterminato.impTotaleSicurezza",
        Amount,
        "dettaglio.oneri_sicurezza",
    ),
    field(
        "modificaContrattuale.quadroEconomicoConcessioniRideterminato.ulterioriSommeNoRibasso",
        Amount,
        "dettaglio.somme_non_ribassabili",
    ),
    field(
        "modificaContrattuale.quadroEconomicoConcessioniRideterminato.sommeOpzioniRinnovi",
        Amount,
        "dettaglio.opzioni_rinnovi",
    ),
    field(
        "modificaContrattuale.quadroEconomicoConcessioniRideterminato.sommeADisposizione",
        Amount,
        "dettaglio.somme_a_disposizione",
    ),
    field("integrazioni.impProgettazione", Amount, "dettaglio.progettazione"),
    field("integrazioni.numGiorniProroga", Number, "dettaglio.giorni_proroga"),
];

/// The additional act: published below the threshold only. One reason is published, the others are ours.
const ATTO: &[Field] = &[
    field(
        "modificaContrattuale.datiBaseModificaContrattuale.dataSottoscrizione",
        Date,
        "dettaglio.data_atto_aggiuntivo",
    ),
    field(
        "modificaContrattuale.datiBaseModificaContrattuale.motiviModifica",
        FirstCode("motiviModifica"),
        "dettaglio.motivi",
    ),
    field("modificaContrattuale.datiBaseModificaContrattuale.causaModifica", Text, "dettaglio.causa"),
    field("integrazioni.motiviModifica", AllCodes, "dettaglio.motivi"),
];

/// The same above the threshold, where it stands in the notice of the person who confirms.
const ATTO_NOSTRO: &[Field] = &[
    field("integrazioni.dataSottoscrizione", Day, "dettaglio.data_atto_aggiuntivo"),
    field("integrazioni.motiviModifica", List(&Id), "dettaglio.motivi"),
    field("integrazioni.causaModifica", Text, "dettaglio.causa"),
];

/// RSU1, second model. The subcontractor may be a person: the platform is the Ministry's and asks for
/// the code.
const RICHIESTA_SUBAPPALTO: &[Field] = &[
    field("idSubappalto", Id, "dettaglio.id_subappalto"),
    field("subappalto.operatoreEconomicoSubappaltatore.idOE", Id, "dettaglio.id_operatore"),
    field("subappalto.operatoreEconomicoSubappaltatore.elencoSoggetti", Items(SOGGETTO), "dettaglio.soggetti"),
    field("subappalto.conferenteSubappalto.idAggiudicatario", Id, "dettaglio.id_aggiudicatario"),
    field("subappalto.conferenteSubappalto.idSubappaltanteACascata", Id, "dettaglio.id_subappaltante"),
    field("subappalto.oggetto", Text, "dettaglio.oggetto"),
    field("subappalto.importoPresunto", Amount, "dettaglio.importo_presunto"),
    field("subappalto.categoria", Code("categoria"), "dettaglio.categoria"),
    field("subappalto.categoriaScorporabile", List(&Code("categoria")), "dettaglio.categorie_scorporabili"),
    field("subappalto.cpv", HeadAndTail(&Code("CPV"), "dettaglio.altri_cpv"), "dettaglio.cpv"),
    field("integrazioni.dataRichiesta", Day, "dettaglio.data"),
];

/// ES1.
const ESITO_SUBAPPALTO: &[Field] = &[
    field("idScheda", Id, "dettaglio.id_scheda_richiesta"),
    field("subappalto.dataAutorizzazione", Date, "dettaglio.data_autorizzazione"),
    field("subappalto.motivoMancatoSubappalto", Code("motivoMancatoSubappalto"), "dettaglio.motivo_mancato"),
    field("integrazioni.progressivoRichiesta", Number, "dettaglio.richiesta"),
    field("integrazioni.autorizzato", Flag, "dettaglio.autorizzato"),
];

/// CS1.
const CONCLUSIONE_SUBAPPALTO: &[Field] = &[
    field("idScheda", Id, "dettaglio.id_scheda_esito"),
    field("subappalto.importoEffettivo", Amount, "dettaglio.importo_effettivo"),
    field("subappalto.dataUltimazione", Date, "dettaglio.data_ultimazione"),
    field(
        "subappalto.motivoMancataEsecuzioneSubappalto",
        Code("motivoMancataEsecuzioneSubappalto"),
        "dettaglio.motivo_mancata_esecuzione",
    ),
    field("integrazioni.progressivoRichiesta", Number, "dettaglio.richiesta"),
];

/// AC1.
const ACCORDO: &[Field] = &[
    field("accordoBonario.dataAccordo", Date, "dettaglio.data_accordo"),
    field("accordoBonario.oneriDerivanti", Amount, "dettaglio.importo"),
    field("accordoBonario.numeroRiserve", Number, "dettaglio.numero_riserve"),
    field("integrazioni.motivo", Text, "dettaglio.motivo"),
];
