//! What is noticed in a lot: the one place where its texts are read and judged.
//!
//! The inspection counts what is noticed here and the normalisation tells it to the owner of the
//! data, so that the two can never disagree. Nothing is allocated for a lot without defects.

use std::collections::HashSet;

use canonical::code_lists::SceltaContraente;
use canonical::code_lists::scelta_contraente::from_l190;
use canonical::identifiers::{Cig, CigClass, CodiceFiscale};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::text::read_text;
use canonical::values::{CalendarDate, Importo, Note, Reading};
use canonical::{FieldPath, Finding, Rule};

use crate::wire::{Campo, CampoOperatore, Elenco, LottoL190, OperatoreL190};
use kit::showable;

/// How many operators a lot may have, participants and winners together; with more it stands aside.
/// The longest real ones have several hundred.
pub(crate) const MOST_OPERATORI: usize = 5_000;

/// Something noticed, before it costs anything to say it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observation<'a> {
    /// The rule.
    pub rule: Rule,
    /// Where.
    pub place: Place<'a>,
    /// A stable code that says more than the rule.
    pub detail: &'static str,
    /// The received text, where it is not meant to be personal; shown only if it is not.
    pub received: Option<&'a str>,
}

/// Where something was noticed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// The lot as a whole.
    Lotto,
    /// A field of the lot.
    Campo(Campo),
    /// A field of an operator, by its position in its list.
    Operatore(Elenco, usize, CampoOperatore),
    /// An element by its name.
    Element(&'a str),
}

impl Observation<'_> {
    /// The finding that people see. Paths are those of the received document, lists count from one.
    pub(crate) fn finding(&self) -> Finding {
        let path: Option<FieldPath> = match self.place {
            Place::Campo(campo) => Some(campo.path().into()),
            Place::Operatore(elenco, index, campo) => {
                Some(format!("{}/{}/{}", elenco.name(), index + 1, campo.name()).into())
            }
            Place::Lotto | Place::Element("") => None,
            Place::Element(name) => showable(name).map(FieldPath::from),
        };
        let mut finding = Finding::new(self.rule).detail(self.detail);
        finding.field = path;
        finding.received = self.received.and_then(showable);
        finding
    }
}

/// Who is told.
pub(crate) trait Sink<'a> {
    /// Takes something noticed.
    fn observe(&mut self, observation: Observation<'a>);

    /// Takes an operator, once its code was read: the participants first, then the winners.
    fn operatore(&mut self, elenco: Elenco, operatore: &'a OperatoreL190, codice_fiscale: Reading<CodiceFiscale>);
}

/// What the texts of a lot turned out to be.
#[derive(Debug, Clone)]
pub(crate) struct LottoReading {
    /// `cig`.
    pub cig: Reading<Cig>,
    /// `codiceFiscaleProp`.
    pub struttura: Reading<CodiceFiscale>,
    /// `sceltaContraente`, as ANAC's code.
    pub scelta_contraente: Option<SceltaContraente>,
    /// `importoAggiudicazione`.
    pub aggiudicato: Reading<Importo>,
    /// `importoSommeLiquidate`.
    pub liquidato: Reading<Importo>,
    /// `dataInizio`.
    pub inizio: Reading<CalendarDate>,
    /// `dataUltimazione`.
    pub fine: Reading<CalendarDate>,
}

/// Reads the texts of a lot and tells what is noticed, in the order of the document.
pub(crate) fn examine<'a>(lotto: &'a LottoL190, occurrence: u32, sink: &mut impl Sink<'a>) -> LottoReading {
    let mut examiner = Examiner { lotto, sink };
    let cig = examiner.cig(occurrence);
    let struttura = examiner.struttura();
    examiner.text(Place::Campo(Campo::Oggetto), lotto.get(Campo::Oggetto));
    let scelta_contraente = examiner.scelta_contraente();
    examiner.elenco(Elenco::Partecipanti);
    examiner.elenco(Elenco::Aggiudicatari);
    examiner.winners_among_participants();
    if has_too_many_operatori(lotto) {
        examiner.note(Rule::N03, Place::Lotto, "too_many_operators");
    }
    let aggiudicato = examiner.importo(Campo::ImportoAggiudicazione);
    let inizio = examiner.date(Campo::DataInizio);
    let fine = examiner.date(Campo::DataUltimazione);
    if let (Some(inizio), Some(fine)) = (inizio.value, fine.value)
        && fine < inizio
    {
        examiner.note(Rule::R25, Place::Campo(Campo::DataUltimazione), "end_before_start");
    }
    let liquidato = examiner.importo(Campo::ImportoSommeLiquidate);
    if let (Some(aggiudicato), Some(liquidato)) = (aggiudicato.value, liquidato.value)
        && is_paid_above(aggiudicato, liquidato)
    {
        examiner.note(Rule::R17, Place::Campo(Campo::ImportoSommeLiquidate), "paid_above_awarded");
    }
    for (name, reason) in lotto.strangers() {
        examiner.note(Rule::N07, Place::Element(name), reason);
    }
    if lotto.repaired_bytes > 0 {
        examiner.note(Rule::N06, Place::Lotto, "windows_1252_bytes");
    }
    LottoReading { cig, struttura, scelta_contraente, aggiudicato, liquidato, inizio, fine }
}

/// True for a lot that stands aside, because its records could take the memory of thousands.
pub(crate) fn has_too_many_operatori(lotto: &LottoL190) -> bool {
    lotto.elenco(Elenco::Partecipanti).len() + lotto.elenco(Elenco::Aggiudicatari).len() > MOST_OPERATORI
}

/// True for a paid amount above an awarded one. Nothing awarded is "not awarded yet", not a limit.
pub(crate) fn is_paid_above(aggiudicato: Importo, liquidato: Importo) -> bool {
    !aggiudicato.is_zero() && liquidato > aggiudicato
}

/// The code by which an operator is recognised among others: as received, without blanks around.
pub(crate) fn identity<'a>(lotto: &'a LottoL190, operatore: &OperatoreL190) -> &'a str {
    let text = |campo| lotto.of(operatore, campo).unwrap_or_default().trim();
    match text(CampoOperatore::CodiceFiscale) {
        "" => text(CampoOperatore::IdentificativoFiscaleEstero),
        codice_fiscale => codice_fiscale,
    }
}

/// The winners whose code no participant has, by position; winners without a code are not judged.
pub(crate) fn winners_not_among_participants(lotto: &LottoL190) -> impl Iterator<Item = usize> {
    let (partecipanti, aggiudicatari) = (lotto.elenco(Elenco::Partecipanti), lotto.elenco(Elenco::Aggiudicatari));
    // Real lists are short; for a hostile pair of long ones a set keeps the time linear.
    let is_long = partecipanti.len().saturating_mul(aggiudicatari.len()) > 4096;
    let set: Option<HashSet<String>> =
        is_long.then(|| partecipanti.iter().map(|operatore| identity(lotto, operatore).to_ascii_uppercase()).collect());
    aggiudicatari.iter().enumerate().filter_map(move |(index, operatore)| {
        let winner = identity(lotto, operatore);
        let is_among = match &set {
            Some(set) => set.contains(&winner.to_ascii_uppercase()),
            None => partecipanti.iter().any(|operatore| identity(lotto, operatore).eq_ignore_ascii_case(winner)),
        };
        (!winner.is_empty() && !is_among).then_some(index)
    })
}

struct Examiner<'a, 's, S> {
    lotto: &'a LottoL190,
    sink: &'s mut S,
}

impl<'a, S: Sink<'a>> Examiner<'a, '_, S> {
    fn note(&mut self, rule: Rule, place: Place<'a>, detail: &'static str) {
        self.sink.observe(Observation { rule, place, detail, received: None });
    }

    fn note_reading(&mut self, note: Note, place: Place<'a>, received: Option<&'a str>) {
        self.sink.observe(Observation { rule: note.rule(), place, detail: note.code(), received });
    }

    fn cig(&mut self, occurrence: u32) -> Reading<Cig> {
        let place = Place::Campo(Campo::Cig);
        let received = self.lotto.get(Campo::Cig);
        let text = received.unwrap_or_default();
        let reading = Cig::read(text);
        match (reading.value, reading.note) {
            (None, None) => self.note(Rule::R05, place, if received.is_some() { "empty" } else { "absent" }),
            (None, Some(_)) => {
                self.sink.observe(Observation { rule: Rule::R04, place, detail: "malformed", received: Some(text) });
            }
            (Some(cig), note) => {
                if cig.as_str() != text {
                    self.note_reading(Note::Trimmed, place, Some(text));
                }
                if cig.is_null() {
                    self.note(Rule::R05, place, "null_cig");
                } else if note == Some(Note::CheckDigit) {
                    self.sink.observe(Observation {
                        rule: Rule::R04,
                        place,
                        detail: "check_digit",
                        received: Some(text),
                    });
                } else if cig.class() == CigClass::SmartCig {
                    self.note(Rule::R09, place, "smartcig");
                }
            }
        }
        if occurrence > 0 {
            self.note(Rule::R06, place, "repeated_in_document");
        }
        reading
    }

    fn struttura(&mut self) -> Reading<CodiceFiscale> {
        let place = Place::Campo(Campo::CodiceFiscaleProp);
        let reading = CodiceFiscale::read(self.lotto.get(Campo::CodiceFiscaleProp).unwrap_or_default());
        self.codice_fiscale(&reading, place);
        self.text(Place::Campo(Campo::Denominazione), self.lotto.get(Campo::Denominazione));
        reading
    }

    /// A wrong fiscal code is never shown: it may be a person's.
    fn codice_fiscale(&mut self, reading: &Reading<CodiceFiscale>, place: Place<'a>) {
        match (reading.value, reading.note) {
            (_, Some(note)) => self.note_reading(note, place, None),
            (None, None) => self.note(Rule::N08, place, "absent"),
            (Some(_), None) => {}
        }
    }

    fn text(&mut self, place: Place<'a>, text: Option<&str>) {
        let text = text.unwrap_or_default();
        if is_plain(text) {
            return;
        }
        let reading = read_text(text);
        match (reading.value, reading.note) {
            (_, Some(note)) => self.note_reading(note, place, None),
            (None, None) => self.note(Rule::N08, place, "absent"),
            (Some(_), None) => {}
        }
    }

    fn scelta_contraente(&mut self) -> Option<SceltaContraente> {
        let place = Place::Campo(Campo::SceltaContraente);
        let text = self.lotto.get(Campo::SceltaContraente).unwrap_or_default();
        let scelta_contraente = from_l190(text);
        if text.trim().is_empty() {
            self.note(Rule::N08, place, "absent");
        } else if scelta_contraente.is_none() {
            self.sink.observe(Observation {
                rule: Rule::N05,
                place,
                detail: "scelta_contraente",
                received: Some(text),
            });
        }
        scelta_contraente
    }

    fn importo(&mut self, campo: Campo) -> Reading<Importo> {
        let text = self.lotto.get(campo).unwrap_or_default();
        let reading = read_importo(text);
        match (reading.value, reading.note) {
            (_, Some(note)) => self.note_reading(note, Place::Campo(campo), Some(text)),
            (None, None) => self.note(Rule::N08, Place::Campo(campo), "absent"),
            (Some(_), None) => {}
        }
        reading
    }

    /// Both dates may be absent: the work has not begun, or has not ended.
    fn date(&mut self, campo: Campo) -> Reading<CalendarDate> {
        let text = self.lotto.get(campo).unwrap_or_default();
        let reading = CalendarDate::read(text, DateFormat::Iso);
        if let Some(note) = reading.note {
            self.note_reading(note, Place::Campo(campo), Some(text));
        } else if reading.value.is_none() && !text.trim().is_empty() {
            self.note(Rule::N02, Place::Campo(campo), "hyphen_for_nothing");
        }
        reading
    }

    fn elenco(&mut self, elenco: Elenco) {
        for (index, operatore) in self.lotto.elenco(elenco).iter().enumerate() {
            let reading = self.operatore(elenco, index, operatore);
            self.sink.operatore(elenco, operatore, reading);
        }
    }

    fn operatore(&mut self, elenco: Elenco, index: usize, operatore: &'a OperatoreL190) -> Reading<CodiceFiscale> {
        let at = |campo| Place::Operatore(elenco, index, campo);
        let text = |campo| self.lotto.of(operatore, campo).unwrap_or_default();
        let reading = CodiceFiscale::read(text(CampoOperatore::CodiceFiscale));
        let estero = text(CampoOperatore::IdentificativoFiscaleEstero).trim();
        let (name, ruolo) = (text(CampoOperatore::RagioneSociale), text(CampoOperatore::Ruolo));
        if let Some(note) = reading.note {
            self.note_reading(note, at(CampoOperatore::CodiceFiscale), None);
        } else if reading.value.is_none() {
            if estero.is_empty() {
                self.note(Rule::N08, at(CampoOperatore::CodiceFiscale), "absent");
            } else if is_masked(estero) {
                self.note_reading(Note::Masked, at(CampoOperatore::IdentificativoFiscaleEstero), None);
            } else if CodiceFiscale::read(estero).value.is_some_and(CodiceFiscale::is_verified) {
                self.note(Rule::N04, at(CampoOperatore::IdentificativoFiscaleEstero), "italian_code_as_foreign");
            }
        }
        self.text(at(CampoOperatore::RagioneSociale), Some(name));
        if operatore.raggruppamento.is_some() {
            if ruolo.trim().is_empty() {
                self.note(Rule::N08, at(CampoOperatore::Ruolo), "absent");
            } else if role_number(ruolo).is_none() {
                let place = at(CampoOperatore::Ruolo);
                self.sink.observe(Observation { rule: Rule::N05, place, detail: "ruolo", received: Some(ruolo) });
            }
        }
        reading
    }

    fn winners_among_participants(&mut self) {
        for index in winners_not_among_participants(self.lotto) {
            let place = Place::Operatore(Elenco::Aggiudicatari, index, CampoOperatore::CodiceFiscale);
            self.note(Rule::R19, place, "not_among_participants");
        }
    }
}

/// Reads an amount. The schema says decimal point and two decimals; what is not so written does not
/// follow the schema, and then `1.234` may be a thousand: ambiguous texts are refused, others noted.
fn read_importo(text: &str) -> Reading<Importo> {
    Importo::read(text, NumberFormat::Undeclared)
}

/// The number of a role in a group, from one to five; labels are never looked at.
pub(crate) fn role_number(ruolo: &str) -> Option<usize> {
    let ruolo = ruolo.trim_start();
    let digits = ruolo.bytes().take_while(u8::is_ascii_digit).count();
    ruolo.get(..digits)?.parse().ok().filter(|number| (1..=5).contains(number))
}

/// Asterisks in place of a person.
pub(crate) fn is_masked(text: &str) -> bool {
    text.contains('*')
}

/// True for most texts: those that [`read_text`] would give back as they are. Plain ASCII and the
/// letters from `À` to `ÿ`, single blanks, no entity. Saying no costs time only.
fn is_plain(text: &str) -> bool {
    let mut before = b' ';
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' if before == b' ' => return false,
            b'&' | 0x7f => return false,
            b' '..=b'~' => {}
            // The second byte of `U+00C0` to `U+00FF`.
            0xc3 => _ = bytes.next(),
            _ => return false,
        }
        before = byte;
    }
    before != b' '
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_plain_text_is_one_that_reading_leaves_alone(text in "[ -~À-ÿ&¿\u{a0}\u{301}\t]{0,12}") {
            if is_plain(&text) {
                prop_assert_eq!(read_text(&text), Reading::canonical(text));
            }
        }
    }

    #[test]
    fn most_real_texts_are_plain() {
        assert!(is_plain("Affidamento diretto: città di Forlì, n. 12"));
        for text in ["", " a", "a ", "a  b", "a &egrave; b", "dell¿aria", "a\tb"] {
            assert!(!is_plain(text), "{text}");
        }
    }

    #[test]
    fn a_role_is_its_number() {
        assert_eq!(role_number("02-MANDATARIA"), Some(2));
        assert_eq!(role_number(" 4"), Some(4));
        for text in ["", "MANDATARIA", "06-ALTRO", "0", "99999999999999999999999"] {
            assert_eq!(role_number(text), None, "{text}");
        }
    }
}
