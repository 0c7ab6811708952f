//! From a row of the service to a canonical `Pagamento`. Pure.
//!
//! Amounts are `xsd:double`: the written text is read exactly and rounded to the cent, half a cent away
//! from zero, with a finding when something was rounded or an exponent was used. No floating point.
//! Whole numbers and days that .NET cannot leave out come as `0` and `0001-01-01`: they are absent.

use std::collections::BTreeMap;

use canonical::identifiers::{Cig, CodiceFiscale, Cup};
use canonical::kinds::{Atto, IdentificativoOperatore, Pagamento};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::text::read_text;
use canonical::values::{CalendarDate, Importo, Note, Reading};
use canonical::{Body, FieldPath, Finding, Rule, Severity};
use contract::{DraftRecord, Normalized, RawRecord, SetAside};
use kit::{showable, shown};
use serde::{Deserialize, Serialize};

use crate::scissione;
use crate::wire::{Operation, Riga};

/// How many unknown columns of one row are told.
const MOST_STRANGERS: usize = 20;

/// What a row does not say and the document does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    /// The body whose accounts these are.
    pub(crate) ente: CodiceFiscale,
    /// The operation that answered.
    pub(crate) operation: Operation,
    /// Documents that also pay the Treasury: see [`scissione`].
    #[serde(default)]
    pub(crate) scissioni: BTreeMap<String, Option<u8>>,
    /// How many rows say something else than the row before them with the same key, by that key.
    #[serde(default)]
    pub(crate) discordi: BTreeMap<String, u32>,
}

/// Understands one row.
pub(crate) fn normalize(raw: &RawRecord) -> Normalized {
    let Some((ente, operation)) = head(&raw.document.context) else {
        return aside(Rule::N03, "the document does not say whose accounts these are");
    };
    let riga = match Riga::parse(&raw.text) {
        Ok(riga) if riga.is_nil => return aside(Rule::N08, "the row is declared to be nothing"),
        Ok(riga) => riga,
        Err(problem) => return aside(Rule::N03, problem),
    };
    let mut reader = RigaReader::new(&riga);
    reader.strangers(operation);
    let Some(mut pagamento) = reader.pagamento(ente, operation) else {
        let aside = aside(Rule::N08, "the row has no financial year, or no number");
        return Normalized { findings: reader.findings, ..aside };
    };
    let context = &raw.document.context;
    match (raw.occurrence > 0, context["discordi"].get(key(&pagamento)).is_some()) {
        // The service may multiply a row by its financings: counting it twice would pay it twice.
        (true, false) => return aside(Rule::R06, "the row says what another row of the same answer says"),
        // Neither a repetition nor a row with a key of its own: a person must say what is paid.
        (true, true) => {
            return aside(Rule::R02, "the row has the number and the code of another row, and other values");
        }
        (false, true) => {
            let finding = Finding::new(Rule::R02).at("/importo").detail("another_row_differs");
            reader.findings.push(finding.severity(Severity::Warning));
        }
        (false, false) => {}
    }
    if operation == Operation::Mandati
        && let Some(rate) = scissione::document_key(&riga).and_then(|key| context["scissioni"].get(&key))
    {
        reader.split(&mut pagamento, !rate.is_null());
    }
    let RigaReader { raw, findings, .. } = reader;
    Normalized { records: vec![DraftRecord { body: Body::from(pagamento), raw }], findings, set_aside: None }
}

/// What a row says by itself, before the rest of its answer is looked at; none without year or number.
pub(crate) fn pagamento(riga: &Riga, ente: CodiceFiscale, operation: Operation) -> Option<Pagamento> {
    RigaReader::new(riga).pagamento(ente, operation)
}

/// The key of the record.
pub(crate) fn key(pagamento: &Pagamento) -> String {
    Body::from(pagamento.clone()).key().to_string()
}

/// The part of the context that every row needs. The rest may be long and is looked up in place.
fn head(context: &serde_json::Value) -> Option<(CodiceFiscale, Operation)> {
    let ente = CodiceFiscale::deserialize(context.get("ente")?).ok()?;
    Some((ente, Operation::deserialize(context.get("operation")?).ok()?))
}

fn aside(rule: Rule, reason: &str) -> Normalized {
    Normalized { set_aside: Some(SetAside { rule, reason: reason.to_owned() }), ..Normalized::default() }
}

/// Reads an `xsd:double` as an amount: exactly as written, then to the cent, half a cent away from
/// zero. An order that takes money back is negative.
pub(crate) fn read_double(text: &str) -> Reading<Importo> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    // The double of XML has no separators, no symbols and no second sign: nothing else is an amount.
    let is_double = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !is_double {
        return if text.is_empty() { Reading::absent() } else { Reading::unreadable(Note::NotAnAmount) };
    }
    let reading = Importo::read(digits, NumberFormat::Point);
    match reading.value {
        Some(importo) if is_negative => Reading { value: Some(Importo::from_cents(-importo.cents())), ..reading },
        _ => reading,
    }
}

impl Riga {
    /// A whole number as text; none when it is zero, absent or not a number.
    fn whole(&self, column: &str) -> Option<String> {
        let number: u64 = self.get(column)?.parse().ok()?;
        (number != 0).then(|| number.to_string())
    }
}

struct RigaReader<'r> {
    riga: &'r Riga,
    raw: BTreeMap<FieldPath, String>,
    findings: Vec<Finding>,
}

impl<'r> RigaReader<'r> {
    fn new(riga: &'r Riga) -> Self {
        Self { riga, raw: BTreeMap::new(), findings: Vec::new() }
    }

    fn pagamento(&mut self, ente: CodiceFiscale, operation: Operation) -> Option<Pagamento> {
        let riga = self.riga;
        let year =
            |column| riga.get(column).and_then(|text| text.parse::<u16>().ok()).filter(|it| (1900..=2200).contains(it));
        let (esercizio, numero) = (year("Esercizio")?, riga.whole("Numero")?);
        let subnumero = riga.whole("Subnumero");
        let (numero, impegno) = match operation {
            Operation::Mandati => (numero, None),
            Operation::Impegni => {
                let anno = year("Anno").unwrap_or(esercizio);
                let impegno = format!("{anno}/{numero}/{}", subnumero.as_deref().unwrap_or("0"));
                // The numbers of each year begin again, and the commitments of past years live on.
                (if anno == esercizio { numero } else { format!("{anno}-{numero}") }, Some(impegno))
            }
        };
        let [importo, pagato, da_pagare] = match operation {
            Operation::Impegni => ["ImportoImpegno", "ImportoMandati", "ImportoMandatiDaEmettere"],
            Operation::Mandati => ["Importo", "ImportoPagato", "ImportoDaPagare"],
        };
        Some(Pagamento {
            ente,
            tipo: operation.tipo(),
            esercizio,
            numero,
            subnumero,
            capitolo: riga.whole("Capitolo"),
            impegno,
            data: None,
            atto: self.atto(),
            beneficiario: self.beneficiario(),
            cig: self.cig(),
            cup: self.cup(),
            importo: self.amount(importo, "/importo"),
            iva: None,
            importo_netto: None,
            importo_pagato: self.amount(pagato, "/importo_pagato"),
            importo_da_pagare: self.amount(da_pagare, "/importo_da_pagare"),
            scissione_pagamenti: None,
        })
    }

    fn strangers(&mut self, operation: Operation) {
        let unknown = self.riga.unknown(operation).map(|name| (name, "unknown_column"));
        let repeated = self.riga.repeated.iter().map(|name| (name.as_str(), "repeated_column"));
        let strangers = unknown.chain(repeated).take(MOST_STRANGERS);
        self.findings.extend(
            strangers.map(|(name, detail)| Finding::new(Rule::N07).at(shown(name).into_owned()).detail(detail)),
        );
    }

    /// Keeps the received text where the canonical one differs.
    fn keep(&mut self, path: &str, received: &str, canonical: &str) {
        if received != canonical {
            self.raw.insert(path.into(), received.to_owned());
        }
    }

    /// Notes what was made of a text. The text itself is shown only where it cannot be personal.
    fn note(&mut self, rule: Option<Rule>, note: Note, path: &str, received: Option<&str>) {
        let finding = Finding::new(rule.unwrap_or(note.rule())).at(path).detail(note.code());
        let received = received.and_then(showable);
        self.findings.push(match received {
            Some(received) => finding.received(received),
            None => finding,
        });
    }

    fn amount(&mut self, column: &str, path: &str) -> Option<Importo> {
        let Some(text) = self.riga.get(column) else {
            self.findings.push(Finding::new(Rule::N08).at(path).detail("absent"));
            return None;
        };
        let Reading { value, note } = read_double(text);
        self.keep(path, text, &value.map(|value| value.to_string()).unwrap_or_default());
        if let Some(note) = note {
            self.note(None, note, path, Some(text));
        }
        if value.is_some_and(|value| value < Importo::ZERO) {
            self.findings.push(Finding::new(Rule::N01).at(path).received(text).detail("negative_amount"));
        }
        value
    }

    fn atto(&mut self) -> Atto {
        let data = self.riga.get("AttoData").filter(|text| !text.starts_with("0001-01-01")).and_then(|text| {
            let Reading { value, note } = CalendarDate::read(text, DateFormat::Iso);
            self.keep("/atto/data", text, &value.map(|value| value.to_string()).unwrap_or_default());
            // A `dateTime` always has an hour: midnight says nothing.
            let note = note.filter(|_| !text.ends_with("T00:00:00"));
            if let Some(note) = note.or(value.is_none().then_some(Note::NotADate)) {
                self.note(None, note, "/atto/data", Some(text));
            }
            value
        });
        let tipo = self.riga.get("AttoTipologia").and_then(|text| {
            let Reading { value, .. } = read_text(text);
            self.keep("/atto/tipo", text, value.as_deref().unwrap_or_default());
            value
        });
        Atto { tipo, numero: self.riga.whole("AttoNumero"), data, ..Atto::default() }
    }

    fn cig(&mut self) -> Option<Cig> {
        let Some(text) = self.riga.get("CodiceCIG") else {
            self.findings.push(Finding::new(Rule::R05).at("/cig").detail("absent"));
            return None;
        };
        let Reading { value, note } = Cig::read(text);
        let value = match value {
            Some(cig) if cig.is_null() => {
                self.findings.push(Finding::new(Rule::R05).at("/cig").detail("null"));
                None
            }
            value => value,
        };
        self.keep("/cig", text, value.as_ref().map(Cig::as_str).unwrap_or_default());
        if let Some(note) = note {
            let rule = matches!(note, Note::Malformed | Note::CheckDigit).then_some(Rule::R04);
            self.note(rule, note, "/cig", Some(text));
        }
        value
    }

    fn cup(&mut self) -> Option<Cup> {
        let text = self.riga.get("CodiceCUP")?;
        let Reading { value, note } = Cup::read(text);
        self.keep("/cup", text, value.as_ref().map(Cup::as_str).unwrap_or_default());
        if let Some(note) = note {
            let rule = (note == Note::Malformed).then_some(Rule::R13);
            self.note(rule, note, "/cup", Some(text));
        }
        value
    }

    /// Who is paid: by fiscal code, or by VAT number where the fiscal code gives nobody. What was
    /// received is never shown: a malformed code may still be a person's.
    fn beneficiario(&mut self) -> Option<IdentificativoOperatore> {
        const PATH: &str = "/beneficiario";
        let (cf, piva) = (self.riga.get("BeneficiarioCF"), self.riga.get("BeneficiarioPIVA"));
        let [first, second] = [cf, piva].map(|text| text.map(|text| (text, CodiceFiscale::read(text))));
        let readings = || [&first, &second].into_iter().flatten();
        for (text, reading) in readings() {
            // Another country's number is no malformed fiscal code.
            if let Some(note) = reading.note.filter(|note| *note != Note::Malformed || !is_foreign(text)) {
                self.note(None, note, PATH, None);
            }
            if reading.value.is_some() {
                break;
            }
        }
        if let Some((text, value)) = readings().find_map(|(text, reading)| Some((*text, reading.value?))) {
            self.keep(PATH, text, value.as_str());
            return Some(IdentificativoOperatore::CodiceFiscale(value));
        }
        let (text, reading) = readings().next()?;
        if reading.note == Some(Note::Masked) {
            self.keep(PATH, text, "");
            return Some(IdentificativoOperatore::Assente);
        }
        Some(match text {
            text if is_foreign(text) => IdentificativoOperatore::Estero((*text).to_owned()),
            text => IdentificativoOperatore::NonValido((*text).to_owned()),
        })
    }

    /// One half of a split payment: all net or all VAT. Not proven: nothing is concluded.
    fn split(&mut self, pagamento: &mut Pagamento, is_proven: bool) {
        if !is_proven {
            let finding = Finding::new(Rule::R02).at("/scissione_pagamenti").detail("split_payment_not_proven");
            self.findings.push(finding.severity(Severity::Info));
            return;
        }
        let (net, vat) = if scissione::is_erario(self.riga) {
            (Some(Importo::ZERO), pagamento.importo)
        } else {
            (pagamento.importo, Some(Importo::ZERO))
        };
        pagamento.scissione_pagamenti = Some(true);
        pagamento.importo_netto = net;
        pagamento.iva = vat;
    }
}

/// A VAT number of another country: two letters that are not Italy's, then digits with two letters
/// among them at most. The code of a person, cut or misspelt, has more.
fn is_foreign(text: &str) -> bool {
    let Some((country, number)) = text.split_at_checked(2) else { return false };
    let count = |is: fn(&u8) -> bool| number.bytes().filter(is).count();
    let (digits, letters) = (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase));
    country != "IT"
        && country.bytes().all(|byte| byte.is_ascii_uppercase())
        && digits + letters == number.len()
        && digits >= 5
        && letters <= 2
}

#[cfg(test)]
mod tests;
