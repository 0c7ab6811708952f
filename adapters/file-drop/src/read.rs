//! From a lot as received to canonical records. Pure: the same lot always gives the same records.

use std::collections::{BTreeMap, HashSet};

use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::kinds::{
    Aggiudicazione, Contratto, Ente, IdentificativoOperatore, Lotto, OperatoreEconomico, Partecipazione,
    RuoloRaggruppamento,
};
use canonical::values::text::read_text;
use canonical::values::{Note, Reading};
use canonical::{Body, FieldPath, Finding, Rule};
use contract::{DraftRecord, Normalized, SetAside};
use serde::{Deserialize, Serialize};

use crate::examine::{
    LottoReading, MOST_OPERATORI, Observation, Sink, examine, has_too_many_operatori, is_masked, role_number,
};
use crate::l190::parse_lotto;
use crate::wire::{Campo, CampoOperatore, Elenco, LottoL190, MetadataL190, OperatoreL190};

/// How many findings of one rule a lot keeps; one more says how many there were beyond. Real lots
/// with hundreds of participants have hundreds.
const MOST_FINDINGS: u64 = 1_000;

/// What a lot must know of the document it stands in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    /// The year to which the dataset refers.
    pub anno_riferimento: Option<u16>,
}

impl Context {
    /// What the metadata of a dataset say.
    pub(crate) fn of(metadata: &MetadataL190) -> Self {
        let year = metadata.anno_riferimento.as_deref().unwrap_or_default().trim().parse().ok();
        Self { anno_riferimento: year.filter(|year| (1900..=2200).contains(year)) }
    }
}

/// Understands the stored text of a lot.
pub(crate) fn normalize_text(text: &str, context: Context, occurrence: u32) -> Normalized {
    parse_lotto(text, |lotto| normalize_lotto(lotto, context, occurrence)).unwrap_or_else(|refusal| Normalized {
        findings: vec![Finding::new(Rule::N03).detail("not_a_lotto")],
        set_aside: Some(SetAside { rule: Rule::N03, reason: refusal.message }),
        records: Vec::new(),
    })
}

/// Understands a lot. The records come in the order in which they must be stored: who, what, how it
/// was awarded, what was signed.
pub(crate) fn normalize_lotto(lotto: &LottoL190, context: Context, occurrence: u32) -> Normalized {
    let mut collected = Collected::new(lotto);
    let reading = examine(lotto, occurrence, &mut collected);
    let Collected { findings, partecipanti, aggiudicatari, .. } = collected;
    let findings = findings.close();
    let usable = if has_too_many_operatori(lotto) { Err(too_many_operatori()) } else { usable(&reading.cig) };
    let cig = match usable {
        Ok(cig) => cig,
        Err(set_aside) => return Normalized { records: Vec::new(), findings, set_aside: Some(set_aside) },
    };
    let key = Key { cig, id_aggiudicazione: occurrence.saturating_add(1), context, reading: &reading };
    let mut records: Vec<DraftRecord> = ente(lotto, &reading).into_iter().collect();
    records.extend(operatori(&aggiudicatari, &partecipanti));
    records.push(lotto_record(lotto, &key));
    let contratto = aggiudicatari.iter().any(OperatoreRead::is_somebody).then(|| contratto(lotto, &key));
    records.push(aggiudicazione(lotto, &key, aggiudicatari, partecipanti));
    records.extend(contratto);
    Normalized { records, findings, set_aside: None }
}

/// What all the records of a lot share.
struct Key<'a> {
    cig: Cig,
    id_aggiudicazione: u32,
    context: Context,
    reading: &'a LottoReading,
}

fn usable(reading: &Reading<Cig>) -> Result<Cig, SetAside> {
    let set_aside = |rule, reason: &str| SetAside { rule, reason: reason.to_owned() };
    match (reading.value, reading.note) {
        (Some(cig), _) if cig.is_null() => {
            Err(set_aside(Rule::R05, "the lot has a null CIG, which is the key of nothing"))
        }
        (Some(cig), _) => Ok(cig),
        (None, None) => Err(set_aside(Rule::R05, "the lot has no CIG")),
        (None, Some(_)) => Err(set_aside(Rule::R04, "the CIG of the lot is malformed")),
    }
}

fn too_many_operatori() -> SetAside {
    SetAside { rule: Rule::N03, reason: format!("the lot has more than {MOST_OPERATORI} operators") }
}

fn ente(lotto: &LottoL190, reading: &LottoReading) -> Option<DraftRecord> {
    let codice_fiscale = reading.struttura.value?;
    let mut raw = Raw::default();
    raw.keep("/codice_fiscale", lotto.get(Campo::CodiceFiscaleProp), codice_fiscale.as_str());
    let denominazione = raw.text("/denominazione", lotto.get(Campo::Denominazione));
    let ente = Ente {
        codice_fiscale,
        denominazione,
        altri_codici: Vec::new(),
        codice_ausa: None,
        codice_ipa: None,
        tipo: None,
        codice_istat: None,
        valido_dal: None,
        valido_al: None,
    };
    Some(raw.record(ente))
}

/// Each operator with a readable code once, winners first; the first name given is kept.
fn operatori(aggiudicatari: &[OperatoreRead], partecipanti: &[OperatoreRead]) -> Vec<DraftRecord> {
    let mut met = HashSet::new();
    let readable =
        aggiudicatari.iter().chain(partecipanti).filter_map(|operatore| Some((operatore.codice_fiscale()?, operatore)));
    readable
        .filter(|(codice_fiscale, _)| met.insert(*codice_fiscale))
        .map(|(codice_fiscale, operatore)| {
            let mut raw = Raw::default();
            raw.keep("/codice_fiscale", operatore.received_code.as_deref(), codice_fiscale.as_str());
            raw.keep("/denominazione", operatore.received_name.as_deref(), operatore.name());
            let denominazione = operatore.partecipazione.denominazione.clone();
            raw.record(OperatoreEconomico { codice_fiscale, denominazione, altri_codici: Vec::new() })
        })
        .collect()
}

fn lotto_record(lotto: &LottoL190, key: &Key<'_>) -> DraftRecord {
    let mut raw = Raw::default();
    raw.keep("/cig", lotto.get(Campo::Cig), key.cig.as_str());
    raw.keep("/scelta_contraente", lotto.get(Campo::SceltaContraente), "");
    let record = Lotto {
        oggetto: raw.text("/oggetto", lotto.get(Campo::Oggetto)),
        stazione_appaltante: raw.stazione_appaltante(lotto, key),
        scelta_contraente: key.reading.scelta_contraente.clone(),
        anno_riferimento: key.context.anno_riferimento,
        ..Lotto::new(key.cig)
    };
    raw.record(record)
}

fn aggiudicazione(
    lotto: &LottoL190,
    key: &Key<'_>,
    aggiudicatari: Vec<OperatoreRead>,
    partecipanti: Vec<OperatoreRead>,
) -> DraftRecord {
    let mut raw = Raw::default();
    let aggiudicazione = Aggiudicazione {
        cig: key.cig,
        id_aggiudicazione: key.id_aggiudicazione,
        stazione_appaltante: raw.stazione_appaltante(lotto, key),
        anno_riferimento: key.context.anno_riferimento,
        data: None,
        importo: raw.value("/importo", lotto.get(Campo::ImportoAggiudicazione), &key.reading.aggiudicato),
        ribasso: None,
        esito: None,
        aggiudicatari: raw.elenco("/aggiudicatari", aggiudicatari),
        partecipanti: raw.elenco("/partecipanti", partecipanti),
    };
    raw.record(aggiudicazione)
}

fn contratto(lotto: &LottoL190, key: &Key<'_>) -> DraftRecord {
    let mut raw = Raw::default();
    let reading = key.reading;
    let contratto = Contratto {
        cig: key.cig,
        id_aggiudicazione: key.id_aggiudicazione,
        stazione_appaltante: raw.stazione_appaltante(lotto, key),
        anno_riferimento: key.context.anno_riferimento,
        numero: None,
        data_stipula: None,
        // The file knows the awarded amount only: the award carries it.
        importo: None,
        data_inizio: raw.value("/data_inizio", lotto.get(Campo::DataInizio), &reading.inizio),
        data_fine: raw.value("/data_fine", lotto.get(Campo::DataUltimazione), &reading.fine),
        somme_liquidate: raw.value("/somme_liquidate", lotto.get(Campo::ImportoSommeLiquidate), &reading.liquidato),
        piattaforma_esecuzione: None,
    };
    raw.record(contratto)
}

/// The received texts of a record's values, by path, where they differ from the canonical ones.
#[derive(Default)]
struct Raw(BTreeMap<FieldPath, String>);

impl Raw {
    fn keep(&mut self, path: &str, received: Option<&str>, canonical: &str) {
        if let Some(received) = received
            && received != canonical
            && !received.trim().is_empty()
        {
            self.0.insert(path.into(), received.to_owned());
        }
    }

    fn value<T: ToString + Copy>(&mut self, path: &str, received: Option<&str>, reading: &Reading<T>) -> Option<T> {
        let canonical = reading.value.map(|value| value.to_string());
        self.keep(path, received, canonical.as_deref().unwrap_or_default());
        reading.value
    }

    fn text(&mut self, path: &str, received: Option<&str>) -> Option<String> {
        let value = received.and_then(|text| read_text(text).value);
        self.keep(path, received, value.as_deref().unwrap_or_default());
        value
    }

    fn stazione_appaltante(&mut self, lotto: &LottoL190, key: &Key<'_>) -> Option<CodiceFiscale> {
        self.value("/stazione_appaltante", lotto.get(Campo::CodiceFiscaleProp), &key.reading.struttura)
    }

    fn elenco(&mut self, path: &str, operatori: Vec<OperatoreRead>) -> Vec<Partecipazione> {
        let keep = |(index, operatore): (usize, OperatoreRead)| {
            let at = |field| format!("{path}/{index}/{field}");
            self.keep(&at("operatore"), operatore.received_code.as_deref(), operatore.code());
            self.keep(&at("denominazione"), operatore.received_name.as_deref(), operatore.name());
            operatore.partecipazione
        };
        operatori.into_iter().enumerate().map(keep).collect()
    }

    fn record(self, body: impl Into<Body>) -> DraftRecord {
        DraftRecord { body: body.into(), raw: self.0 }
    }
}

/// An operator of the award, with the texts it was read from.
struct OperatoreRead {
    partecipazione: Partecipazione,
    received_code: Option<String>,
    received_name: Option<String>,
}

impl OperatoreRead {
    fn new(lotto: &LottoL190, operatore: &OperatoreL190, codice_fiscale: &Reading<CodiceFiscale>) -> Self {
        let text = |campo| lotto.of(operatore, campo);
        let trimmed = |campo| text(campo).unwrap_or_default().trim();
        let received = trimmed(CampoOperatore::CodiceFiscale);
        let estero = trimmed(CampoOperatore::IdentificativoFiscaleEstero);
        let (identificativo, source) = match (codice_fiscale.value, codice_fiscale.note) {
            (Some(codice_fiscale), _) => {
                (IdentificativoOperatore::CodiceFiscale(codice_fiscale), CampoOperatore::CodiceFiscale)
            }
            (None, Some(Note::Masked)) => (IdentificativoOperatore::Assente, CampoOperatore::CodiceFiscale),
            (None, Some(_)) => (IdentificativoOperatore::NonValido(received.to_owned()), CampoOperatore::CodiceFiscale),
            (None, None) if estero.is_empty() || is_masked(estero) => {
                (IdentificativoOperatore::Assente, CampoOperatore::IdentificativoFiscaleEstero)
            }
            (None, None) => {
                (IdentificativoOperatore::Estero(estero.to_owned()), CampoOperatore::IdentificativoFiscaleEstero)
            }
        };
        let received_name = text(CampoOperatore::RagioneSociale);
        Self {
            partecipazione: Partecipazione {
                operatore: identificativo,
                denominazione: received_name.and_then(|name| read_text(name).value),
                raggruppamento: operatore.raggruppamento,
                ruolo: operatore.raggruppamento.and_then(|_| ruolo(trimmed(CampoOperatore::Ruolo))),
            },
            received_code: text(source).map(str::to_owned),
            received_name: received_name.map(str::to_owned),
        }
    }

    fn codice_fiscale(&self) -> Option<CodiceFiscale> {
        match self.partecipazione.operatore {
            IdentificativoOperatore::CodiceFiscale(codice_fiscale) => Some(codice_fiscale),
            _ => None,
        }
    }

    fn code(&self) -> &str {
        match &self.partecipazione.operatore {
            IdentificativoOperatore::CodiceFiscale(codice_fiscale) => codice_fiscale.as_str(),
            IdentificativoOperatore::Estero(text) | IdentificativoOperatore::NonValido(text) => text,
            IdentificativoOperatore::Assente => "",
        }
    }

    fn name(&self) -> &str {
        self.partecipazione.denominazione.as_deref().unwrap_or_default()
    }

    /// Some identity, or at least a name.
    fn is_somebody(&self) -> bool {
        self.partecipazione.operatore != IdentificativoOperatore::Assente || self.partecipazione.denominazione.is_some()
    }
}

fn ruolo(text: &str) -> Option<RuoloRaggruppamento> {
    Some(match role_number(text) {
        Some(1) => RuoloRaggruppamento::Mandante,
        Some(2) => RuoloRaggruppamento::Mandataria,
        Some(3) => RuoloRaggruppamento::Associata,
        Some(4) => RuoloRaggruppamento::Capogruppo,
        Some(5) => RuoloRaggruppamento::Consorziata,
        _ if text.is_empty() => return None,
        _ => RuoloRaggruppamento::Altro(text.to_owned()),
    })
}

/// The findings of a lot, which are bounded whatever the lot holds.
struct Findings {
    kept: Vec<Finding>,
    met: [u64; Rule::ALL.len()],
}

impl Findings {
    fn add(&mut self, observation: &Observation<'_>) {
        let met = &mut self.met[observation.rule as usize];
        *met += 1;
        if *met <= MOST_FINDINGS {
            self.kept.push(observation.finding());
        }
    }

    /// The findings kept, and for each rule that had more of them, one that says how many.
    fn close(mut self) -> Vec<Finding> {
        for (rule, met) in Rule::ALL.iter().zip(self.met) {
            if met > MOST_FINDINGS {
                self.kept.push(Finding::new(*rule).detail(format!("and_more:{}", met - MOST_FINDINGS)));
            }
        }
        self.kept
    }
}

struct Collected<'a> {
    lotto: &'a LottoL190,
    /// Whether the operators are wanted: those of a lot that stands aside are not.
    wants_operatori: bool,
    findings: Findings,
    partecipanti: Vec<OperatoreRead>,
    aggiudicatari: Vec<OperatoreRead>,
}

impl<'a> Collected<'a> {
    fn new(lotto: &'a LottoL190) -> Self {
        Self {
            lotto,
            wants_operatori: !has_too_many_operatori(lotto),
            findings: Findings { kept: Vec::new(), met: [0; Rule::ALL.len()] },
            partecipanti: Vec::new(),
            aggiudicatari: Vec::new(),
        }
    }
}

impl<'a> Sink<'a> for Collected<'a> {
    fn observe(&mut self, observation: Observation<'a>) {
        self.findings.add(&observation);
    }

    fn operatore(&mut self, elenco: Elenco, operatore: &'a OperatoreL190, codice_fiscale: Reading<CodiceFiscale>) {
        if !self.wants_operatori {
            return;
        }
        let read = OperatoreRead::new(self.lotto, operatore, &codice_fiscale);
        match elenco {
            Elenco::Partecipanti => self.partecipanti.push(read),
            Elenco::Aggiudicatari => self.aggiudicatari.push(read),
        }
    }
}
