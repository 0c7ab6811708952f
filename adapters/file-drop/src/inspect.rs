//! What a file is, how much it holds and what is wrong with it, in one pass and without a database.
//!
//! Counts have the names and the meanings of `attesi.json` beside the samples: they describe the
//! file as it is. Findings are those that its records will have once imported, rule by rule, because
//! both come from the same function.

use std::collections::BTreeMap;
use std::io::Read;

use canonical::code_lists::L190Version;
use canonical::identifiers::{CigClass, CodiceFiscale};
use canonical::values::text::has_html_entity;
use canonical::values::{CalendarDate, Importo, Note, Reading};
use canonical::{Finding, Rule, Severity};
use contract::Refusal;
use kit::Occurrences;
use serde::Serialize;

use crate::examine::{LottoReading, Observation, Sink, examine, is_paid_above, winners_not_among_participants};
use crate::l190::{Document, Parser, Receiver};
use crate::ndjson;
use crate::occurrences::add_cig;
use crate::sniff::{Promise, sniff};
use crate::strict_xml;
use crate::wire::{Campo, CampoOperatore, Elenco, LottoL190, MetadataL190, OperatoreL190};

/// What a file is and holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// Name of the file.
    pub file: String,
    /// `l190`, `l190-indice`, `canonical-ndjson`, or `unknown` when it was refused before that.
    pub format: &'static str,
    /// Version of the format; empty for an unknown format.
    pub version: &'static str,
    /// What it holds; for a refused file, what was read before the refusal.
    pub counts: Counts,
    /// How many findings of each rule its records have.
    pub findings: BTreeMap<Rule, u64>,
    /// The first of each rule: where it is, and what is wrong.
    pub first: BTreeMap<Rule, First>,
    /// The gravest of them.
    #[serde(skip)]
    pub worst: Option<Severity>,
    /// Why the file was refused.
    pub refused: Option<Refusal>,
}

/// The first finding of a rule in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct First {
    /// The line on which its record begins.
    pub line: u64,
    /// What is wrong.
    #[serde(flatten)]
    pub finding: Finding,
    /// Why the record stands aside, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<String>,
}

/// What a file holds, by format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Counts {
    /// Refused before anything was read.
    Nothing {},
    /// A dataset of lots.
    Lotti(Box<LottoCounts>),
    /// An index of datasets.
    Indice {
        /// How many datasets it lists.
        dataset_elencati: u64,
    },
    /// Canonical records: `righe`, and how many of them are of each kind.
    Righe(BTreeMap<&'static str, u64>),
}

/// Counts of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LottoCounts {
    /// Lots.
    pub lotti: u64,
    /// Lots by class of their CIG.
    pub cig: CigCounts,
    /// Lots beyond the first with the same CIG, null and empty excluded.
    pub cig_ripetuti_righe_in_eccesso: u64,
    /// Winners by class of their code.
    pub codici_fiscali_aggiudicatari: CodiceFiscaleCounts,
    /// Lots without winners.
    pub lotti_senza_aggiudicatario: u64,
    /// Winners with a code that no participant of their lot has.
    pub aggiudicatari_non_fra_i_partecipanti: u64,
    /// Lots whose start is absent or empty.
    pub senza_data_inizio: u64,
    /// Lots whose end is absent or empty.
    pub senza_data_fine: u64,
    /// ISO dates with a time zone.
    pub date_con_fuso: u64,
    /// Other texts that are not ISO dates.
    pub date_non_iso: u64,
    /// Lots whose end is before their start, both being ISO dates.
    pub fine_prima_di_inizio: u64,
    /// Amounts that cannot be read.
    pub importi_non_numerici: u64,
    /// Awarded amounts of zero.
    pub aggiudicazione_zero: u64,
    /// Paid amounts above an awarded one that is not zero.
    pub liquidato_oltre_aggiudicato: u64,
    /// Procedure types that do not begin with a code.
    pub scelta_contraente_senza_codice: u64,
    /// Objects absent or blank.
    pub oggetto_vuoto: u64,
    /// Objects with an HTML entity.
    pub oggetto_con_entita_html: u64,
}

macro_rules! classes {
    ($(#[$doc:meta])+ $name:ident { $( $(#[$field_doc:meta])+ $field:ident, )+ }) => {
        $(#[$doc])+
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
        pub struct $name {
            $( $(#[$field_doc])+ #[serde(skip_serializing_if = "is_zero")] pub $field: u64, )+
        }
    };
}

classes! {
    /// Lots by class of their CIG. Classes that do not occur are not written.
    CigCounts {
        /// Ordinary, verified.
        cig_simog,
        /// Of the PCP generation, verified.
        cig_pcp,
        /// SmartCIG, verified.
        smartcig,
        /// `0000000000`.
        cig_nullo,
        /// Malformed, or with wrong check digits.
        non_valido,
        /// Absent or empty.
        vuoto,
    }
}

classes! {
    /// Winners by class of their code, as received. Classes that do not occur are not written.
    CodiceFiscaleCounts {
        /// Neither 11 digits nor the 16 characters of a person.
        altra_forma,
        /// A person's, with a wrong control character.
        cf_persona_non_valido,
        /// A person's, verified.
        cf_persona_valido,
        /// No fiscal code, but a foreign identifier.
        identificativo_estero,
        /// 11 digits with a wrong check digit.
        p_iva_non_valida,
        /// 11 digits with the right check digit; eleven zeros are among them.
        p_iva_valida,
        /// No code at all.
        vuoto,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Inspects a file, in one pass and in memory that hardly grows with it: see [`Occurrences`].
pub fn inspect(mut source: impl Read, name: &str) -> Inspection {
    let (promise, prefix) = match sniff(&mut source) {
        Ok(sniffed) => sniffed,
        Err(refusal) => {
            return Inspection::new(name, "unknown", "", Counts::Nothing {}, &Tally::default(), Some(refusal));
        }
    };
    let source = prefix.chain(source);
    match promise {
        Promise::Xml => inspect_l190(source, name),
        Promise::Json => inspect_ndjson(source, name),
    }
}

trait Chain {
    /// These bytes, and then the rest.
    fn chain<R: Read>(self, rest: R) -> impl Read;
}

impl Chain for Vec<u8> {
    fn chain<R: Read>(self, rest: R) -> impl Read {
        Read::chain(std::io::Cursor::new(self), rest)
    }
}

fn inspect_l190(source: impl Read, name: &str) -> Inspection {
    let mut parser = Parser::new(Inspector::default());
    let refused = strict_xml::parse(source, &mut parser).and_then(|()| parser.finish()).err();
    let (document, version, listed) = (parser.document(), parser.version(), parser.listed());
    let Inspector { counts, tally, .. } = parser.into_receiver();
    let (format, version, counts) = match document {
        None => ("unknown", "", Counts::Nothing {}),
        Some(Document::Dataset) => ("l190", version.as_str(), Counts::Lotti(Box::new(counts))),
        Some(Document::Indice) => ("l190-indice", version.as_str(), Counts::Indice { dataset_elencati: listed }),
    };
    Inspection::new(name, format, version, counts, &tally, refused)
}

fn inspect_ndjson(source: impl Read, name: &str) -> Inspection {
    let mut counts = BTreeMap::from([("righe", 0)]);
    let mut tally = Tally::default();
    let refused = ndjson::read_lines(source, |line| {
        let mut count = |name| *counts.entry(name).or_default() += 1;
        count("righe");
        if let Some(body) = &line.body {
            count(body.kind().name());
        }
        let normalized = ndjson::normalize_line(&line.text, line.occurrence);
        for finding in normalized.findings {
            tally.add(finding.rule, || First {
                line: line.number,
                set_aside: normalized
                    .set_aside
                    .as_ref()
                    .filter(|aside| aside.rule == finding.rule)
                    .map(|aside| aside.reason.clone()),
                finding,
            });
        }
        Ok(())
    })
    .err();
    Inspection::new(name, ndjson::FORMAT, ndjson::VERSION, Counts::Righe(counts), &tally, refused)
}

impl Inspection {
    fn new(
        name: &str,
        format: &'static str,
        version: &'static str,
        counts: Counts,
        tally: &Tally,
        refused: Option<Refusal>,
    ) -> Self {
        let findings: BTreeMap<Rule, u64> = tally.counts().collect();
        let worst = findings.keys().map(|rule| rule.severity()).max();
        let first = tally.first.clone();
        Self { file: name.to_owned(), format, version, counts, findings, first, worst, refused }
    }
}

/// How many findings of each rule, and the first of each.
#[derive(Debug)]
struct Tally {
    counts: [u64; Rule::ALL.len()],
    first: BTreeMap<Rule, First>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { counts: [0; Rule::ALL.len()], first: BTreeMap::new() }
    }
}

impl Tally {
    /// Counts one, which is written out only where it is the first of its rule.
    fn add(&mut self, rule: Rule, written_out: impl FnOnce() -> First) {
        self.counts[rule as usize] += 1;
        if self.counts[rule as usize] == 1 {
            self.first.insert(rule, written_out());
        }
    }

    fn counts(&self) -> impl Iterator<Item = (Rule, u64)> {
        Rule::ALL.iter().map(|rule| (*rule, self.counts[*rule as usize])).filter(|(_, count)| *count > 0)
    }
}

#[derive(Debug, Default)]
struct Inspector {
    counts: LottoCounts,
    tally: Tally,
    occurrences: Occurrences,
}

impl Receiver for Inspector {
    const WANTS_TEXT: bool = false;

    fn envelope(&mut self, _: Document, _: &MetadataL190, _: L190Version) -> Result<(), Refusal> {
        Ok(())
    }

    fn lotto(&mut self, lotto: &LottoL190, line: u64, _: &str) -> Result<(), Refusal> {
        let occurrence = add_cig(&mut self.occurrences, lotto.get(Campo::Cig));
        let reading =
            examine(lotto, occurrence, &mut Counting { lotto, line, counts: &mut self.counts, tally: &mut self.tally });
        self.counts.add(lotto, occurrence, &reading);
        Ok(())
    }
}

struct Counting<'a, 'c> {
    lotto: &'a LottoL190,
    line: u64,
    counts: &'c mut LottoCounts,
    tally: &'c mut Tally,
}

impl<'a> Sink<'a> for Counting<'a, '_> {
    fn observe(&mut self, observation: Observation<'a>) {
        let line = self.line;
        self.tally.add(observation.rule, || First { line, finding: observation.finding(), set_aside: None });
    }

    fn operatore(&mut self, elenco: Elenco, operatore: &'a OperatoreL190, codice_fiscale: Reading<CodiceFiscale>) {
        if elenco == Elenco::Aggiudicatari {
            let text = |campo| self.lotto.of(operatore, campo).unwrap_or_default();
            let estero = text(CampoOperatore::IdentificativoFiscaleEstero);
            self.counts.codici_fiscali_aggiudicatari.add(&codice_fiscale, text(CampoOperatore::CodiceFiscale), estero);
        }
    }
}

impl LottoCounts {
    fn add(&mut self, lotto: &LottoL190, occurrence: u32, reading: &LottoReading) {
        self.lotti += 1;
        self.cig_ripetuti_righe_in_eccesso += u64::from(occurrence > 0);
        *self.cig.class(reading) += 1;
        self.lotti_senza_aggiudicatario += u64::from(lotto.elenco(Elenco::Aggiudicatari).is_empty());
        self.aggiudicatari_non_fra_i_partecipanti += winners_not_among_participants(lotto).count() as u64;

        let text = |campo| lotto.get(campo).unwrap_or_default().trim();
        let inizio = Self::date(
            text(Campo::DataInizio),
            &reading.inizio,
            &mut self.senza_data_inizio,
            &mut self.date_con_fuso,
            &mut self.date_non_iso,
        );
        let fine = Self::date(
            text(Campo::DataUltimazione),
            &reading.fine,
            &mut self.senza_data_fine,
            &mut self.date_con_fuso,
            &mut self.date_non_iso,
        );
        self.fine_prima_di_inizio += u64::from(inizio.zip(fine).is_some_and(|(inizio, fine)| fine < inizio));

        let is_unreadable =
            |reading: &Reading<Importo>, campo| u64::from(reading.value.is_none() && !text(campo).is_empty());
        self.importi_non_numerici += is_unreadable(&reading.aggiudicato, Campo::ImportoAggiudicazione);
        self.importi_non_numerici += is_unreadable(&reading.liquidato, Campo::ImportoSommeLiquidate);
        let (aggiudicato, liquidato) = (reading.aggiudicato.value, reading.liquidato.value);
        self.aggiudicazione_zero += u64::from(aggiudicato.is_some_and(Importo::is_zero));
        let is_above =
            aggiudicato.zip(liquidato).is_some_and(|(aggiudicato, liquidato)| is_paid_above(aggiudicato, liquidato));
        self.liquidato_oltre_aggiudicato += u64::from(is_above);

        let has_code = text(Campo::SceltaContraente).starts_with(|character: char| character.is_ascii_digit());
        self.scelta_contraente_senza_codice += u64::from(!has_code);
        let oggetto = text(Campo::Oggetto);
        self.oggetto_vuoto += u64::from(oggetto.is_empty());
        self.oggetto_con_entita_html += u64::from(oggetto.contains('&') && has_html_entity(oggetto));
    }

    /// Counts a date, and gives it back when it is an ISO one.
    fn date(
        text: &str,
        reading: &Reading<CalendarDate>,
        absent: &mut u64,
        with_zone: &mut u64,
        other: &mut u64,
    ) -> Option<CalendarDate> {
        match reading.note {
            _ if text.is_empty() => *absent += 1,
            None | Some(Note::Trimmed) if reading.value.is_some() => return reading.value,
            Some(Note::DateWithZone) => {
                *with_zone += 1;
                return reading.value;
            }
            _ => *other += 1,
        }
        None
    }
}

impl CigCounts {
    fn class(&mut self, reading: &LottoReading) -> &mut u64 {
        match (reading.cig.value, reading.cig.note) {
            (None, None) => &mut self.vuoto,
            (None, _) | (_, Some(Note::CheckDigit)) => &mut self.non_valido,
            (Some(cig), _) => match cig.class() {
                CigClass::Ordinary => &mut self.cig_simog,
                CigClass::Pcp => &mut self.cig_pcp,
                CigClass::SmartCig => &mut self.smartcig,
                CigClass::Null => &mut self.cig_nullo,
            },
        }
    }
}

impl CodiceFiscaleCounts {
    /// Counts what was received: a code that reading repairs is of another form all the same.
    fn add(&mut self, reading: &Reading<CodiceFiscale>, text: &str, estero: &str) {
        let as_received = match reading {
            Reading { value, note: None } => *value,
            _ => CodiceFiscale::parse(&text.trim().to_ascii_uppercase()).ok(),
        };
        let count = match as_received.map(|code| (code.is_person(), code.is_verified())) {
            Some((false, true)) => &mut self.p_iva_valida,
            Some((false, false)) => &mut self.p_iva_non_valida,
            Some((true, true)) => &mut self.cf_persona_valido,
            Some((true, false)) => &mut self.cf_persona_non_valido,
            None if text.trim() == "00000000000" => &mut self.p_iva_valida,
            None if !text.trim().is_empty() => &mut self.altra_forma,
            None if !estero.trim().is_empty() => &mut self.identificativo_estero,
            None => &mut self.vuoto,
        };
        *count += 1;
    }
}
