//! Awards, contracts and events of the execution: the datasets keyed by CIG and award, and the same
//! parts of the document of a CIG.
//!
//! Events that ANAC publishes were confirmed by who had to. Where the source numbers no events of
//! a kind, their number is the order in which the rows of the same award stand in the document.

use std::collections::BTreeMap;

use canonical::identifiers::{Cig, CodiceFiscale, Cpv};
use canonical::kinds::{
    Aggiudicazione, AvanzamentoLavori, AvvioEsecuzione, Collaudo, Conclusione, ConclusioneSubappalto, Contratto,
    Dettaglio, EsitoSubappalto, EventoEsecuzione, Modifica, RichiestaSubappalto, Ripresa, Sospensione, StatoEvento,
};
use canonical::values::CalendarDate;
use canonical::{FieldPath, Finding, Rule};
use contract::DraftRecord;

use crate::draft::{Draft, whole};
use crate::read::{Context, Mapped, aside, cig, repeated};
use crate::values::Values;

/// What the awards and events of a lot share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Award {
    pub(crate) cig: Cig,
    pub(crate) stazione_appaltante: Option<CodiceFiscale>,
    pub(crate) anno_riferimento: Option<u16>,
}

/// A row of one of the datasets keyed by CIG and award.
pub(crate) fn row(dataset: &str, values: &dyn Values, context: &Context, findings: &mut Vec<Finding>) -> Mapped {
    let award = Award { cig: cig(values, "cig", findings)?, stazione_appaltante: None, anno_riferimento: None };
    // Two suspensions of an award are two rows with the same key, and no mistake.
    if dataset != "sospensioni" {
        repeated("cig", context, findings);
    }
    if dataset == "aggiudicazioni" {
        let (body, raw) = aggiudicazione(values, &award, findings).ok_or_else(no_award)?;
        return Ok(vec![DraftRecord { body: body.into(), raw }]);
    }
    events(dataset, values, &award, context, findings)
}

fn no_award() -> contract::SetAside {
    aside(Rule::N08, "the record does not say which award it belongs to")
}

/// The number of the award.
pub(crate) fn award_id(values: &dyn Values) -> Option<u32> {
    whole(values.given("id_aggiudicazione")?.trim()).parse().ok()
}

/// The award alone: who won stands elsewhere.
pub(crate) fn aggiudicazione(
    values: &dyn Values,
    award: &Award,
    findings: &mut Vec<Finding>,
) -> Option<(Aggiudicazione, BTreeMap<FieldPath, String>)> {
    let id_aggiudicazione = award_id(values)?;
    let mut draft = Draft::on(values, "", findings);
    let body = Aggiudicazione {
        cig: award.cig,
        id_aggiudicazione,
        stazione_appaltante: award.stazione_appaltante,
        anno_riferimento: award.anno_riferimento,
        data: draft.giorno("/data", "data_aggiudicazione_definitiva"),
        importo: draft.importo("/importo", "importo_aggiudicazione"),
        ribasso: draft.decimal("/ribasso", "ribasso_aggiudicazione"),
        esito: draft.code("/esito", "cod_esito").or_else(|| draft.words("/esito", "esito")),
        aggiudicatari: Vec::new(),
        partecipanti: Vec::new(),
    };
    Some((body, draft.into_raw()))
}

/// The events of one row or part, and the contract of a start.
pub(crate) fn events(
    dataset: &str,
    values: &dyn Values,
    award: &Award,
    context: &Context,
    findings: &mut Vec<Finding>,
) -> Mapped {
    let id = award_id(values).ok_or_else(no_award)?;
    let mut draft = Draft::on(values, "", findings);
    let order = context.occurrence.saturating_add(1);
    let event = |progressivo, data, dettaglio| Event { progressivo, data, dettaglio, id_remoto: None };
    let (first, others) = match dataset {
        "stati-avanzamento" => {
            let progressivo = draft.number("progressivo_sal").unwrap_or(order);
            let sal = sal(&mut draft);
            (event(progressivo, sal.data_raggiungimento, Dettaglio::Avanzamento(sal)), Vec::new())
        }
        "sospensioni" => sospensione(&mut draft, order),
        "varianti" => (variante(&mut draft, order), Vec::new()),
        "subappalti" => subappalto(&mut draft, order),
        "fine-contratto" => {
            let fine = conclusione(&mut draft);
            (event(1, fine.data_ultimazione.or(fine.data_risoluzione), Dettaglio::Conclusione(fine)), Vec::new())
        }
        "collaudo" => {
            let collaudo = collaudo(&mut draft);
            (event(1, collaudo.data_certificato.or(collaudo.data_delibera), Dettaglio::Collaudo(collaudo)), Vec::new())
        }
        "avvio-contratto" => return Ok(avvio(draft, award, id)),
        _ => return Err(aside(Rule::N07, "the dataset is not one of those that are read")),
    };
    // The received texts stand with the first record of the row.
    let mut records = vec![draft.record(first.body(award, id))];
    records.extend(others.into_iter().map(|other| plain(other.body(award, id))));
    Ok(records)
}

fn plain(body: EventoEsecuzione) -> DraftRecord {
    DraftRecord { body: body.into(), raw: BTreeMap::new() }
}

/// An event without what it shares with those of its award.
pub(crate) struct Event {
    pub(crate) progressivo: u32,
    pub(crate) data: Option<CalendarDate>,
    pub(crate) id_remoto: Option<String>,
    pub(crate) dettaglio: Dettaglio,
}

impl Event {
    /// The event of an award.
    pub(crate) fn body(self, award: &Award, id_aggiudicazione: u32) -> EventoEsecuzione {
        EventoEsecuzione {
            cig: award.cig,
            id_aggiudicazione,
            stazione_appaltante: award.stazione_appaltante,
            anno_riferimento: award.anno_riferimento,
            progressivo: self.progressivo,
            data: self.data,
            stato: StatoEvento::Confermato,
            id_remoto: self.id_remoto,
            id_contratto: None,
            dettaglio: self.dettaglio,
        }
    }
}

fn sal(draft: &mut Draft<'_>) -> AvanzamentoLavori {
    AvanzamentoLavori {
        denominazione: draft.words("/dettaglio/denominazione", "denominazione_sal"),
        data_raggiungimento: draft.giorno("/dettaglio/data_raggiungimento", "data_emissione_sal"),
        importo_sal: draft.importo("/dettaglio/importo_sal", "importo_sal"),
        data_certificato: draft.giorno("/dettaglio/data_certificato", "data_cert_pagamento"),
        importo_certificato: draft.importo("/dettaglio/importo_certificato", "importo_cert_pagamento"),
        // 9 on time, 10 early, 11 late.
        avanzamento: draft.listed("/dettaglio/avanzamento", "flag_ritardo", "avanzamento"),
        giorni_scostamento: draft.number("n_giorni_scostamento"),
        giorni_proroga: draft.number("giorni_proroga"),
        ..AvanzamentoLavori::default()
    }
}

/// A suspension, and its resumption when there was one.
fn sospensione(draft: &mut Draft<'_>, order: u32) -> (Event, Vec<Event>) {
    let data_verbale = draft.giorno("/dettaglio/data_verbale", "data_sospensione");
    let motivo = draft
        .listed("/dettaglio/motivo", "codice_motivo", "motivoSospensione")
        .or_else(|| draft.words("/dettaglio/motivo", "descrizione_motivo"));
    let dettaglio = Dettaglio::Sospensione(Sospensione { data_verbale, motivo, ..Sospensione::default() });
    let first = Event { progressivo: order, data: data_verbale, id_remoto: None, dettaglio };
    let ripresa = draft.giorno("/ripresa/data_verbale", "data_ripresa").map(|data| {
        let ripresa = Ripresa { sospensione: order, data_verbale: Some(data), ..Ripresa::default() };
        Event { progressivo: order, data: Some(data), id_remoto: None, dettaglio: Dettaglio::Ripresa(ripresa) }
    });
    if let (Some(begin), Some(end)) = (data_verbale, ripresa.as_ref().and_then(|ripresa| ripresa.data))
        && end < begin
    {
        draft.find(Finding::new(Rule::R25), "data_ripresa");
    }
    (first, ripresa.into_iter().collect())
}

fn variante(draft: &mut Draft<'_>, order: u32) -> Event {
    let id_remoto = draft.code("/id_remoto", "id_variante");
    let mut motivi: Vec<String> = draft.code("/dettaglio/motivi", "cod_motivo_variante").into_iter().collect();
    motivi.extend(draft.codes_of("MOTIVI_VARIANTE", "COD_MOTIVO_VARIANTE"));
    let data_approvazione = draft.giorno("/dettaglio/data_approvazione", "data_approvazione_variante");
    let modifica = Modifica {
        data_approvazione,
        data_atto_aggiuntivo: draft.giorno("/dettaglio/data_atto_aggiuntivo", "data_atto_aggiuntivo"),
        motivi,
        giorni_proroga: draft.number("giorni_proroga"),
        nuovo_cig: draft.cig("/dettaglio/nuovo_cig", "cig_proroga"),
        ..Modifica::default()
    };
    // The number of the source is unique in its phase, and stays the same in every dump.
    let progressivo = id_remoto.as_deref().and_then(|id| id.parse().ok()).unwrap_or(order);
    Event { progressivo, data: data_approvazione, id_remoto, dettaglio: Dettaglio::Modifica(modifica) }
}

/// A subcontract: its request, its authorisation, and what it cost in the end.
fn subappalto(draft: &mut Draft<'_>, order: u32) -> (Event, Vec<Event>) {
    let id_remoto = draft.code("/id_remoto", "id_subappalto");
    let progressivo = id_remoto.as_deref().and_then(|id| id.parse().ok()).unwrap_or(order);
    let cpv_name = if draft.given("cod_cpv").is_some() { "cod_cpv" } else { "CPV.COD_CPV" };
    let cpv: Option<Cpv> = draft.cpv("/dettaglio/cpv", cpv_name);
    let who = if draft.given("codice_fiscale").is_some() { "codice_fiscale" } else { "SUBAPPALTATORE.CODICE_FISCALE" };
    let richiesta = RichiestaSubappalto {
        // The day of the request is not published.
        oggetto: draft.words("/dettaglio/oggetto", "oggetto"),
        importo_presunto: draft.importo("/dettaglio/importo_presunto", "importo_presunto"),
        categoria: draft.words("/dettaglio/categoria", "cod_categoria"),
        cpv,
        subappaltatore: draft.codice_fiscale("/dettaglio/subappaltatore", who),
        ..RichiestaSubappalto::default()
    };
    let first = Event {
        progressivo,
        data: None,
        id_remoto: id_remoto.clone(),
        dettaglio: Dettaglio::RichiestaSubappalto(richiesta),
    };
    let later = |data, dettaglio| Event { progressivo, data, id_remoto: id_remoto.clone(), dettaglio };
    let mut others = Vec::new();
    if let Some(data) = draft.giorno("/esito/data_autorizzazione", "data_autorizzazione") {
        let (richiesta, data) = (progressivo, Some(data));
        let esito = EsitoSubappalto {
            richiesta,
            autorizzato: Some(true),
            data_autorizzazione: data,
            ..EsitoSubappalto::default()
        };
        others.push(later(data, Dettaglio::EsitoSubappalto(esito)));
    }
    if let Some(importo) =
        draft.importo("/conclusione/importo_effettivo", "importo_effettivo").filter(|it| !it.is_zero())
    {
        let fine = ConclusioneSubappalto {
            richiesta: progressivo,
            importo_effettivo: Some(importo),
            ..ConclusioneSubappalto::default()
        };
        others.push(later(None, Dettaglio::ConclusioneSubappalto(fine)));
    }
    (first, others)
}

fn conclusione(draft: &mut Draft<'_>) -> Conclusione {
    let causa_interruzione = draft.listed_or_simog(
        "/dettaglio/causa_interruzione",
        "cod_motivo_interruzione_anticipata",
        "causaInterruzioneAnticipata",
        1..=5,
    );
    let data_risoluzione = draft.giorno("/dettaglio/data_risoluzione", "data_conclusione_anticipata");
    Conclusione {
        interruzione_anticipata: causa_interruzione.is_some() || data_risoluzione.is_some(),
        causa_interruzione,
        motivo_risoluzione: draft.listed_or_simog(
            "/dettaglio/motivo_risoluzione",
            "cod_motivo_risoluzione",
            "motiviRisoluzione",
            1..=5,
        ),
        data_risoluzione,
        data_ultimazione: draft.giorno("/dettaglio/data_ultimazione", "data_effettiva_ultimazione"),
        somme_liquidate: draft.importo("/dettaglio/somme_liquidate", "importo_somme_liquidate"),
        // Whether the award was direct is not said: phase 4 is that of every other contract.
        ..Conclusione::default()
    }
}

fn collaudo(draft: &mut Draft<'_>) -> Collaudo {
    Collaudo {
        data_nomina: draft.giorno("/dettaglio/data_nomina", "data_nomina_coll"),
        data_inizio: draft.giorno("/dettaglio/data_inizio", "data_inizio_oper"),
        // The certificate of regular execution stands in for that of testing.
        data_certificato: draft
            .giorno("/dettaglio/data_certificato", "data_cert_collaudo")
            .or_else(|| draft.giorno("/dettaglio/data_certificato", "data_regolare_esec")),
        data_delibera: draft.giorno("/dettaglio/data_delibera", "data_delibera"),
        modo: draft.listed("/dettaglio/modo", "tipo_collaudo", "modoCollaudo"),
        esito: draft.code("/dettaglio/esito", "esito_collaudo"),
        data_collaudo_statico: draft.giorno("/dettaglio/data_collaudo_statico", "data_collaudo_stat"),
        ..Collaudo::default()
    }
}

/// The contract and the start of its execution.
fn avvio(mut draft: Draft<'_>, award: &Award, id_aggiudicazione: u32) -> Vec<DraftRecord> {
    let contratto = Contratto {
        cig: award.cig,
        id_aggiudicazione,
        stazione_appaltante: award.stazione_appaltante,
        anno_riferimento: award.anno_riferimento,
        numero: None,
        data_stipula: draft.giorno("/data_stipula", "data_stipula_contratto"),
        importo: None,
        data_inizio: draft.giorno("/data_inizio", "data_inizio_effettiva"),
        data_fine: draft.giorno("/data_fine", "data_termine_contrattuale"),
        somme_liquidate: None,
        piattaforma_esecuzione: None,
    };
    let consegna = draft
        .giorno("/dettaglio/data_verbale_consegna", "data_verbale_prima_consegna")
        .or_else(|| draft.giorno("/dettaglio/data_verbale_consegna", "data_verbale_consegna_definitiva"));
    let avvio = AvvioEsecuzione {
        data_verbale_consegna: consegna,
        data_effettivo_inizio: contratto.data_inizio,
        data_fine_prevista: contratto.data_fine,
        consegna_frazionata: draft.flag("consegna_frazionata").unwrap_or(false),
        consegna_sotto_riserva: draft.flag("consegna_sotto_riserva").unwrap_or(false),
        data_approvazione_progetto: draft.giorno("/dettaglio/data_approvazione_progetto", "data_appr_prog_ese"),
        ..AvvioEsecuzione::default()
    };
    let has_begun = avvio.data_verbale_consegna.is_some() || avvio.data_effettivo_inizio.is_some();
    let data = avvio.data_effettivo_inizio.or(avvio.data_verbale_consegna);
    let mut records = vec![draft.record(contratto)];
    if has_begun {
        let event = Event { progressivo: 1, data, id_remoto: None, dettaglio: Dettaglio::Avvio(avvio) };
        records.push(plain(event.body(award, id_aggiudicazione)));
    }
    records
}
