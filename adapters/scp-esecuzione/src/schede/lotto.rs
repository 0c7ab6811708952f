//! The schede that concern a lot, and the subjects that several schede name.

use canonical::kinds::Fase;

use super::FieldType::{Cig, Code, CodiceFiscale, Cup, Date, Decimal, Flag, Id, Items, Itself, List, Text, Words};
use super::{Field, Scheda, field};

/// Every scheda of a lot.
pub(super) const SCHEDE: &[Scheda] = &[
    Scheda { code: "S3", fase: Fase::ElencoIncarichi, evento: "elenco_incarichi", day: None, fields: &[S3] },
    Scheda {
        code: "S4",
        fase: Fase::VariazioneAggiudicatario,
        evento: "variazione_aggiudicatario",
        day: None,
        fields: &[S4],
    },
    Scheda { code: "ID", fase: Fase::IntegrazioneDati, evento: "integrazione_dati", day: None, fields: &[ID] },
];

/// A company, or a person in business.
pub(super) const SOGGETTO: &[Field] = &[
    field("codiceFiscale", CodiceFiscale, "codice_fiscale"),
    field("denominazione", Text, "denominazione"),
    field("ruoloOE", Code("ruoloOE"), "ruolo"),
    field("tipoOE", Code("tipoOE"), "tipo"),
    field("operatoreEstero", Flag, "estero"),
];

/// The same where the scheda does not ask whether it is foreign.
const SOGGETTO_GIURIDICO: &[Field] = &[
    field("codiceFiscale", CodiceFiscale, "codice_fiscale"),
    field("denominazione", Text, "denominazione"),
    field("ruoloOE", Code("ruoloOE"), "ruolo"),
    field("tipoOE", Code("tipoOE"), "tipo"),
    field("idPartecipante", Id, "id_partecipante"),
];

/// S3: one event for each lot, so a list of one.
const S3: &[Field] = &[field("elencoIncarichi", Itself(INCARICHI), "dettaglio")];

const INCARICHI: &[Field] = &[
    field("cig", Cig, "cig"),
    field("prestazioni", Items(PRESTAZIONE), "dettaglio.prestazioni"),
    field("incarichi", Items(INCARICO), "dettaglio.incarichi"),
];

/// A technical task. Telephones and addresses of persons are left out on purpose.
const INCARICO: &[Field] = &[
    field("tipoIncarico", Code("tipoIncarico"), "tipo"),
    field("datiPersonaFisica.codiceFiscale", CodiceFiscale, "persona.codice_fiscale"),
    field("datiPersonaFisica.cognome", Text, "persona.cognome"),
    field("datiPersonaFisica.nome", Text, "persona.nome"),
    field("datiPersonaFisica.incaricatoEstero", Flag, "estero"),
    field("datiPersonaGiuridica", Items(SOGGETTO_GIURIDICO), "soggetti"),
];

/// A design service.
const PRESTAZIONE: &[Field] = &[
    field("progettazioneInternaEsterna", Words("ESTERNA", "INTERNA"), "esterna"),
    field("tipoSoggetto", Code("tipoSoggetto"), "tipo_soggetto"),
    field("datiPersonaFisica.codiceFiscale", CodiceFiscale, "persona.codice_fiscale"),
    field("datiPersonaFisica.cognome", Text, "persona.cognome"),
    field("datiPersonaFisica.nome", Text, "persona.nome"),
    field("datiPersonaFisica.incaricatoEstero", Flag, "estero"),
    field("datiPersonaGiuridica", Items(SOGGETTO_GIURIDICO), "soggetti"),
    field("tipoProgettazione", Code("tipoProgettazione"), "tipo_progettazione"),
    field("cig", Cig, "cig"),
    field("dataAffidamentoIncarico", Date, "data_affidamento"),
    field("dataConsegna", Date, "data_consegna"),
];

/// S4.
const S4: &[Field] = &[
    field("cig", Cig, "cig"),
    field("partecipante.codiceFiscale", CodiceFiscale, "dettaglio.soggetto.codice_fiscale"),
    field("partecipante.denominazione", Text, "dettaglio.soggetto.denominazione"),
    field("partecipante.ruoloOE", Code("ruoloOE"), "dettaglio.soggetto.ruolo"),
    field("partecipante.tipoOE", Code("tipoOE"), "dettaglio.soggetto.tipo"),
    field("partecipante.idPartecipante", Id, "dettaglio.id_partecipante"),
    field("partecipante.paeseOperatoreEconomico", Id, "dettaglio.paese"),
    field("partecipante.avvalimento", Flag, "dettaglio.avvalimento"),
    field("partecipante.tipologiaAvvalimento", Code("tipologiaAvvalimento"), "dettaglio.tipologia_avvalimento"),
    field("motivoVariazione", Code("motivoVariazione"), "dettaglio.motivo"),
    field("integrazioni.operatoreEstero", Flag, "dettaglio.soggetto.estero"),
];

/// ID. The set of CUP replaces the one before: the event must carry it whole.
const ID: &[Field] = &[
    field("cig", Cig, "cig"),
    field("comunicazione.motivoRichiestaModifica", Code("motivoRichiestaModifica"), "dettaglio.motivo_richiesta"),
    field(
        "comunicazione.comunicazioneCUP.motivoVariazioneCUP",
        Code("motivoVariazioneCUP"),
        "dettaglio.motivo_variazione_cup",
    ),
    field("comunicazione.comunicazioneCUP.cup", List(&Cup), "dettaglio.cup"),
    field("comunicazione.comunicazioneRibassoAggiudicazione.idPartecipante", Id, "dettaglio.id_partecipante"),
    field(
        "comunicazione.comunicazioneRibassoAggiudicazione.motivoCorrezione",
        Code("motivoCorrezione"),
        "dettaglio.motivo_correzione",
    ),
    field("comunicazione.comunicazioneRibassoAggiudicazione.ribassoAggiudicazione", Decimal, "dettaglio.ribasso"),
    field("comunicazione.docFAP", Flag, "dettaglio.doc_fap"),
    field(
        "comunicazione.comunicazioneUrl.motivoCorrezioneUrl",
        Code("motivoCorrezioneUrl"),
        "dettaglio.motivo_correzione_url",
    ),
    field("comunicazione.comunicazioneUrl.url", Id, "dettaglio.url"),
];
