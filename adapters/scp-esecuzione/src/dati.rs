//! What each canonical record says, in the words of its scheda. Pure.
//!
//! One function per kind of event. Absent values are left out: there is no null. What a scheda
//! asks and no canonical event knows (identifiers given by the national platform, declarations of
//! the person who confirms) is left out too: the person completes the draft.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use canonical::identifiers::Cpv;
use canonical::kinds::{
    AccordoBonario, AvanzamentoLavori, AvvioEsecuzione, Collaudo, Conclusione, ConclusioneSubappalto, Contratto,
    Dettaglio, EsitoSubappalto, EventoEsecuzione, Modifica, Recesso, RichiestaSubappalto, Ripresa, Sospensione,
    StipulaContratto, SuperamentoQuarto,
};
use serde_json::{Map, Value};

/// The fields of a scheda by path, before they are nested.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Dati(pub(crate) BTreeMap<&'static str, Value>);

impl Dati {
    /// What an event says.
    pub(crate) fn of_evento(evento: &EventoEsecuzione) -> Self {
        let mut dati = Self::default();
        dati.text("codiceFiscaleSA", evento.stazione_appaltante);
        dati.text("dataEvento", evento.data);
        match &evento.dettaglio {
            Dettaglio::Stipula(it) => dati.stipula(it),
            Dettaglio::Avvio(it) => dati.avvio(it),
            Dettaglio::Avanzamento(it) => dati.avanzamento(it),
            Dettaglio::Sospensione(it) => dati.sospensione(it),
            Dettaglio::SuperamentoQuarto(it) => dati.superamento_quarto(it),
            Dettaglio::Ripresa(it) => dati.ripresa(it),
            Dettaglio::Modifica(it) => dati.modifica(it),
            Dettaglio::RichiestaSubappalto(it) => dati.richiesta_subappalto(it),
            Dettaglio::EsitoSubappalto(it) => dati.esito_subappalto(it),
            Dettaglio::ConclusioneSubappalto(it) => dati.conclusione_subappalto(it),
            Dettaglio::AccordoBonario(it) => dati.accordo_bonario(it),
            Dettaglio::Conclusione(it) => dati.conclusione(it),
            Dettaglio::Recesso(it) => dati.recesso(it),
            Dettaglio::Collaudo(it) => dati.collaudo(it),
        }
        dati
    }

    /// What a contract says of its own signature (SC1). Sums paid are no part of it. Its first and
    /// last day are those of the performance, planned or actual: only the event of the signature
    /// knows from when and until when the contract runs.
    pub(crate) fn of_contratto(contratto: &Contratto) -> Self {
        let mut dati = Self::default();
        dati.text("codiceFiscaleSA", contratto.stazione_appaltante);
        dati.text("datiContratto.numero", contratto.numero.as_ref());
        dati.text("datiContratto.dataStipula", contratto.data_stipula);
        dati.text("datiContratto.importo", contratto.importo);
        dati
    }

    /// The fields as the platform nests them. Paths are in order, so the bytes are always the same.
    pub(crate) fn nested(&self) -> Value {
        let mut root = Map::new();
        for (path, value) in &self.0 {
            let (blocks, name) = path.rsplit_once('.').unwrap_or(("", path));
            let block = blocks.split('.').filter(|block| !block.is_empty()).fold(&mut root, |map, block| {
                let inner = map.entry(block).or_insert_with(|| Value::Object(Map::new()));
                inner.as_object_mut().unwrap_or_else(|| unreachable!("{block} is a block, not a field"))
            });
            block.insert((*name).to_owned(), value.clone());
        }
        Value::Object(root)
    }

    fn stipula(&mut self, stipula: &StipulaContratto) {
        self.text("datiContratto.dataStipula", stipula.data_stipula);
        self.text("datiContratto.dataDecorrenza", stipula.data_decorrenza);
        self.text("datiContratto.dataScadenza", stipula.data_scadenza);
        self.text("datiContratto.importo", stipula.importo);
        self.text("datiContratto.importoCauzione", stipula.importo_cauzione);
    }

    /// The day of delivery has one name when the delivery is in parts and another when it is whole.
    fn avvio(&mut self, avvio: &AvvioEsecuzione) {
        let consegna = if avvio.consegna_frazionata {
            "datiInizio.dataVerbalePrimaConsegna"
        } else {
            "datiInizio.dataVerbaleConsegnaDefinitiva"
        };
        self.text(consegna, avvio.data_verbale_consegna);
        self.flag("datiInizio.consegnaFrazionata", Some(avvio.consegna_frazionata));
        self.flag("datiInizio.consegnaSottoRiserva", Some(avvio.consegna_sotto_riserva));
        self.text("datiInizio.dataEffettivoInizio", avvio.data_effettivo_inizio);
        self.text("datiInizio.dataFinePrevista", avvio.data_fine_prevista);
    }

    /// `impSal` is cumulative by definition of the scheda: the single amount never goes there.
    fn avanzamento(&mut self, avanzamento: &AvanzamentoLavori) {
        self.text("avanzamento.denominazioneAvanzamento", avanzamento.denominazione.as_ref());
        self.text("avanzamento.dataAvanzamento", avanzamento.data_raggiungimento);
        self.text("avanzamento.impSal", avanzamento.importo_cumulato);
        self.text("avanzamento.impSalSingolo", avanzamento.importo_sal);
        self.text("avanzamento.dataCertificatoMandatoPagamento", avanzamento.data_certificato);
        self.text("avanzamento.impCertificatoMandatoPagamento", avanzamento.importo_certificato);
        self.text("avanzamento.avanzamento", avanzamento.avanzamento.as_ref());
        self.number("avanzamento.numGiorniScostamento", avanzamento.giorni_scostamento);
        self.number("avanzamento.numGiorniProroga", avanzamento.giorni_proroga);
        self.text("avanzamento.impAnticipazione", avanzamento.importo_anticipazione);
        self.text("avanzamento.dataCertificatoAnticipazione", avanzamento.data_anticipazione);
    }

    fn sospensione(&mut self, sospensione: &Sospensione) {
        self.flag("sospensione.sospensioneParziale", Some(sospensione.parziale));
        self.text("sospensione.dataVerbaleSospensione", sospensione.data_verbale);
        self.text("sospensione.motivoSospensione", sospensione.motivo.as_ref());
        self.flag("sospensione.riserve", sospensione.riserve);
    }

    fn superamento_quarto(&mut self, superamento: &SuperamentoQuarto) {
        self.number("sospensione.progressivoSospensione", Some(superamento.sospensione));
        self.text("sospensione.dataSuperamento", superamento.data_superamento);
    }

    fn ripresa(&mut self, ripresa: &Ripresa) {
        self.number("sospensione.progressivoSospensione", Some(ripresa.sospensione));
        self.text("sospensione.dataVerbaleRipresa", ripresa.data_verbale);
        self.text("sospensione.nuovaDataFine", ripresa.nuova_data_fine);
        self.flag("sospensione.riserve", ripresa.riserve);
    }

    fn modifica(&mut self, modifica: &Modifica) {
        self.text("modificaContrattuale.dataApprovazione", modifica.data_approvazione);
        self.text("modificaContrattuale.cigNuovaProcedura", modifica.nuovo_cig);
        self.list("modificaContrattuale.motivoRevisionePrezzi", &modifica.motivi_revisione_prezzi);
        self.text("modificaContrattuale.impContratto", modifica.importo_contratto);
        self.flag("modificaContrattuale.quintoObbligo", modifica.quinto_d_obbligo);
        self.text(
            "modificaContrattuale.datiBaseModificaContrattuale.dataSottoscrizione",
            modifica.data_atto_aggiuntivo,
        );
        self.list("modificaContrattuale.datiBaseModificaContrattuale.motiviModifica", &modifica.motivi);
        for (path, importo) in [
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.impLavori", modifica.importo_lavori),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.impServizi", modifica.importo_servizi),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.impForniture", modifica.importo_forniture),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.impTotaleSicurezza", modifica.oneri_sicurezza),
            ("modificaContrattuale.quadroEconomicoStandardRideterminato.impProgettazione", modifica.progettazione),
            (
                "modificaContrattuale.quadroEconomicoStandardRideterminato.ulterioriSommeNoRibasso",
                modifica.somme_non_ribassabili,
            ),
            (
                "modificaContrattuale.quadroEconomicoStandardRideterminato.sommeADisposizione",
                modifica.somme_a_disposizione,
            ),
        ] {
            self.text(path, importo);
        }
        self.number(
            "modificaContrattuale.quadroEconomicoStandardRideterminato.numGiorniProroga",
            modifica.giorni_proroga,
        );
    }

    /// The subcontractor may be a person: the platform is the Ministry's and asks for the code.
    fn richiesta_subappalto(&mut self, richiesta: &RichiestaSubappalto) {
        self.text("subappalto.dataRichiesta", richiesta.data);
        self.text("subappalto.oggetto", richiesta.oggetto.as_ref());
        self.text("subappalto.importoPresunto", richiesta.importo_presunto);
        self.text("subappalto.categoria", richiesta.categoria.as_ref());
        self.list("subappalto.cpv", richiesta.cpv.as_ref().map(Cpv::digits));
        self.list("subappalto.codiciFiscaliOE", richiesta.subappaltatore);
    }

    fn esito_subappalto(&mut self, esito: &EsitoSubappalto) {
        self.number("subappalto.progressivoRichiesta", Some(esito.richiesta));
        self.flag("subappalto.autorizzato", esito.autorizzato);
        self.text("subappalto.dataAutorizzazione", esito.data_autorizzazione);
        self.text("subappalto.motivoMancatoSubappalto", esito.motivo_mancato.as_ref());
    }

    fn conclusione_subappalto(&mut self, conclusione: &ConclusioneSubappalto) {
        self.number("subappalto.progressivoRichiesta", Some(conclusione.richiesta));
        self.text("subappalto.dataUltimazione", conclusione.data_ultimazione);
        self.text("subappalto.importoEffettivo", conclusione.importo_effettivo);
    }

    fn accordo_bonario(&mut self, accordo: &AccordoBonario) {
        self.text("accordoBonario.dataAccordo", accordo.data_accordo);
        self.text("accordoBonario.oneriDerivanti", accordo.importo);
        self.text("accordoBonario.motivo", accordo.motivo.as_ref());
    }

    fn conclusione(&mut self, conclusione: &Conclusione) {
        self.flag("conclusione.interruzioneAnticipata", Some(conclusione.interruzione_anticipata));
        self.text("conclusione.causaInterruzioneAnticipata", conclusione.causa_interruzione.as_ref());
        self.text("conclusione.motiviRisoluzione", conclusione.motivo_risoluzione.as_ref());
        self.text("conclusione.dataInterruzioneAnticipata", conclusione.data_risoluzione);
        self.text("conclusione.oneriEconomiciRisoluzioneRecesso", conclusione.oneri.as_ref());
        self.text("conclusione.dataVerbaleConsegna", conclusione.data_verbale_consegna);
        self.text("conclusione.dataFineContrattuale", conclusione.data_fine_contrattuale);
        self.text("conclusione.dataUltimazione", conclusione.data_ultimazione);
        self.number("conclusione.numeroInfortuni", conclusione.infortuni);
        self.number("conclusione.diCuiMortali", conclusione.infortuni_mortali);
        self.number("conclusione.oreLavorate", conclusione.ore_lavorate);
    }

    fn recesso(&mut self, recesso: &Recesso) {
        self.text("ritardo.dataIstanzaRecesso", recesso.data);
        self.text("ritardo.impSpese", recesso.importo);
        self.text("ritardo.motivoSospensione", recesso.motivo.as_ref());
    }

    /// The national rules forbid the certificate of regular execution where there is a mode of
    /// testing, and ask for the certificate of testing there: one day, two names.
    fn collaudo(&mut self, collaudo: &Collaudo) {
        let certificato =
            if collaudo.modo.is_some() { "collaudo.dataRedazioneCertificato" } else { "collaudo.dataCertificato" };
        self.text(certificato, collaudo.data_certificato);
        self.text("collaudo.modoCollaudo", collaudo.modo.as_ref());
        self.text("collaudo.dataNomina", collaudo.data_nomina);
        self.text("collaudo.dataInizio", collaudo.data_inizio);
        self.text("collaudo.dataDeliberaAmmissibilita", collaudo.data_delibera);
        self.text("collaudo.esito", collaudo.esito.as_ref());
        self.text("collaudo.quadroEconomicoStandard.impLavori", collaudo.importo_finale_lavori);
        self.text("collaudo.quadroEconomicoStandard.impServizi", collaudo.importo_finale_servizi);
        self.text("collaudo.quadroEconomicoStandard.impForniture", collaudo.importo_finale_forniture);
        self.text("collaudo.quadroEconomicoStandard.impTotaleSicurezza", collaudo.oneri_sicurezza);
        self.flag("collaudo.riserve", collaudo.riserve);
    }

    /// Amounts, days, codes and texts all travel as text.
    fn text(&mut self, path: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.0.insert(path, Value::String(value.to_string()));
        }
    }

    fn number(&mut self, path: &'static str, value: Option<impl Into<i64>>) {
        if let Some(value) = value {
            self.0.insert(path, Value::from(value.into()));
        }
    }

    fn flag(&mut self, path: &'static str, value: Option<bool>) {
        if let Some(value) = value {
            self.0.insert(path, Value::Bool(value));
        }
    }

    /// A set: in order and without repetitions, whatever the order in which it was received.
    fn list<T: Display>(&mut self, path: &'static str, values: impl IntoIterator<Item = T>) {
        let values: BTreeSet<String> = values.into_iter().map(|value| value.to_string()).collect();
        if !values.is_empty() {
            self.0.insert(path, values.into_iter().collect());
        }
    }
}
