//! From the text of a cell to the value of a field. Pure, and the one place where texts are judged.

use canonical::Rule;
use canonical::code_lists::scelta_contraente::from_l190;
use canonical::identifiers::{Cig, CigClass, CodiceAusa, CodiceFiscale, CodiceIpa, CodiceIstat, CodiceNuts};
use canonical::identifiers::{Cpv, Cui, Cup};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::text::read_text;
use canonical::values::{CalendarDate, Importo, Note, Reading, UtcInstant};
use serde_json::{Value, json};

use crate::examine::role_number;
use crate::mapping::Reader;

/// How the values of a field are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Formats {
    pub date: DateFormat,
    pub number: NumberFormat,
    /// Days stand before months, as the mapping says: not worth a finding.
    pub is_day_first: bool,
}

impl Formats {
    /// As the canonical model writes them.
    pub(crate) fn canonical() -> Self {
        Self { date: DateFormat::Iso, number: NumberFormat::Point, is_day_first: false }
    }
}

/// Something noticed in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Noticed {
    pub rule: Rule,
    pub detail: &'static str,
    /// Never shown: it may be a person's.
    pub is_private: bool,
}

/// What was made of a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Made {
    /// The JSON of the value, when the text could be read.
    pub value: Option<Value>,
    pub noticed: Option<Noticed>,
}

impl Made {
    fn nothing() -> Self {
        Self { value: None, noticed: None }
    }

    fn refused(rule: Rule, detail: &'static str) -> Self {
        Self { value: None, noticed: Some(Noticed { rule, detail, is_private: false }) }
    }
}

/// Reads a text. An empty one is nothing.
pub(crate) fn read_value(reader: &Reader, text: &str, formats: Formats) -> Made {
    if text.trim().is_empty() {
        return Made::nothing();
    }
    match reader {
        Reader::Cig => cig(text),
        Reader::CodiceFiscale => codice_fiscale(text),
        Reader::Cup => identifier(&Cup::read(text), Rule::N05),
        Reader::Cui => identifier(&Cui::read(text), Rule::R27),
        Reader::Cpv => identifier(&Cpv::read(text), Rule::N05),
        Reader::CodiceAusa => identifier(&CodiceAusa::read(text), Rule::N05),
        Reader::CodiceIpa => identifier(&CodiceIpa::read(text), Rule::N05),
        Reader::CodiceIstat => identifier(&CodiceIstat::read(text), Rule::N05),
        Reader::CodiceNuts => identifier(&CodiceNuts::read(text), Rule::N05),
        Reader::Importo => importo(text, formats),
        Reader::Date => date(text, formats),
        Reader::Instant => plain(&UtcInstant::read(text)),
        Reader::SceltaContraente => match from_l190(text).map(serde_json::to_value) {
            Some(Ok(value)) => Made { value: Some(value), noticed: None },
            _ => Made::refused(Rule::N05, "scelta_contraente"),
        },
        Reader::Ruolo => ruolo(text),
        Reader::Operatore => operatore(text),
        Reader::Choice(choices) => choice(text, choices),
        Reader::Integer => match text.trim().parse::<u64>() {
            Ok(number) => Made { value: Some(number.into()), noticed: None },
            Err(_) => Made::refused(Rule::N03, "not_a_whole_number"),
        },
        Reader::Truth => truth(text),
        Reader::Decimal => decimal(text, formats.number),
        Reader::Text => {
            let reading = read_text(text);
            let noticed = reading.note.map(|note| Noticed { is_private: true, ..noticed(note) });
            Made { value: reading.value.map(Value::String), noticed }
        }
    }
}

/// The identifier of an operator whose only code is a foreign one.
pub(crate) fn read_foreign(text: &str) -> Made {
    let text = text.trim();
    if text.contains('*') {
        return Made { value: None, noticed: Some(Noticed { is_private: true, ..noticed(Note::Masked) }) };
    }
    let is_italian = CodiceFiscale::read(text).value.is_some_and(CodiceFiscale::is_verified);
    let noticed =
        is_italian.then_some(Noticed { rule: Rule::N04, detail: "italian_code_as_foreign", is_private: true });
    Made { value: Some(json!({"tipo": "estero", "valore": text})), noticed }
}

/// The text that a JSON value shows, to compare it with what was received.
pub(crate) fn spelling(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => fields.get("valore").map(spelling).unwrap_or_default(),
        other => other.to_string(),
    }
}

fn noticed(note: Note) -> Noticed {
    Noticed { rule: note.rule(), detail: note.code(), is_private: false }
}

fn plain<T: ToString>(reading: &Reading<T>) -> Made {
    Made {
        value: reading.value.as_ref().map(|value| Value::String(value.to_string())),
        noticed: reading.note.map(noticed),
    }
}

/// A wrong shape or check digit counts under the rule of the identifier, not of fiscal codes.
fn identifier<T: ToString>(reading: &Reading<T>, rule: Rule) -> Made {
    let mut made = plain(reading);
    if let Some(noticed) = &mut made.noticed
        && matches!(reading.note, Some(Note::Malformed | Note::CheckDigit))
    {
        noticed.rule = rule;
    }
    made
}

fn cig(text: &str) -> Made {
    let reading = Cig::read(text);
    let at = |rule, detail| Some(Noticed { rule, detail, is_private: false });
    let noticed = match (reading.value, reading.note) {
        (None, Some(_)) => at(Rule::R04, "malformed"),
        (Some(cig), _) if cig.is_null() => return Made::refused(Rule::R05, "null_cig"),
        (Some(_), Some(Note::CheckDigit)) => at(Rule::R04, "check_digit"),
        (Some(cig), _) if cig.class() == CigClass::SmartCig => at(Rule::R09, "smartcig"),
        (Some(_), Some(note)) => Some(noticed(note)),
        (_, None) => None,
    };
    Made { value: reading.value.map(|cig| Value::String(cig.to_string())), noticed }
}

fn codice_fiscale(text: &str) -> Made {
    let reading = CodiceFiscale::read(text);
    // In full: it is what the record holds, and it never leaves through a message.
    let value = reading.value.map(|code| Value::String(code.as_str().to_owned()));
    Made { value, noticed: reading.note.map(|note| Noticed { is_private: true, ..noticed(note) }) }
}

fn importo(text: &str, formats: Formats) -> Made {
    let mut made = plain(&Importo::read(text, formats.number));
    let is_declared = formats.number != NumberFormat::Undeclared;
    let is_as_declared = |noticed: &Noticed| {
        [Note::DecimalComma, Note::ThousandsSeparator].iter().any(|note| note.code() == noticed.detail)
    };
    if is_declared && made.value.is_some() && made.noticed.as_ref().is_some_and(is_as_declared) {
        made.noticed = None;
    }
    made
}

fn date(text: &str, formats: Formats) -> Made {
    let reading = CalendarDate::read(text, formats.date);
    let mut made = plain(&reading);
    if formats.is_day_first && reading.value.is_some() && reading.note == Some(Note::DateNotIso) {
        made.noticed = None;
    }
    made
}

fn ruolo(text: &str) -> Made {
    let name = match role_number(text) {
        Some(1) => "mandante",
        Some(2) => "mandataria",
        Some(3) => "associata",
        Some(4) => "capogruppo",
        Some(5) => "consorziata",
        _ => {
            let known = ["mandante", "mandataria", "associata", "capogruppo", "consorziata"];
            let Some(name) = known.into_iter().find(|name| text.trim().eq_ignore_ascii_case(name)) else {
                let noticed = Noticed { rule: Rule::N05, detail: "ruolo", is_private: false };
                return Made { value: Some(json!({"altro": text.trim()})), noticed: Some(noticed) };
            };
            name
        }
    };
    Made { value: Some(name.into()), noticed: None }
}

fn operatore(text: &str) -> Made {
    let reading = CodiceFiscale::read(text);
    let value = match (reading.value, reading.note) {
        (Some(code), _) => Some(json!({"tipo": "codice_fiscale", "valore": code.as_str()})),
        (None, Some(Note::Masked) | None) => None,
        (None, Some(_)) => Some(json!({"tipo": "non_valido", "valore": text.trim()})),
    };
    Made { value, noticed: reading.note.map(|note| Noticed { is_private: true, ..noticed(note) }) }
}

fn choice(text: &str, choices: &[String]) -> Made {
    let text = text.trim();
    match choices.iter().find(|choice| choice.eq_ignore_ascii_case(text)) {
        Some(choice) => Made { value: Some(choice.clone().into()), noticed: None },
        None => Made::refused(Rule::N05, "not_in_list"),
    }
}

fn truth(text: &str) -> Made {
    let text = text.trim().to_lowercase();
    let value = match text.as_str() {
        "true" | "vero" | "si" | "sì" | "s" | "1" => true,
        "false" | "falso" | "no" | "n" | "0" => false,
        _ => return Made::refused(Rule::N05, "not_yes_or_no"),
    };
    Made { value: Some(value.into()), noticed: None }
}

/// A rate, exactly as written, with a decimal point.
fn decimal(text: &str, format: NumberFormat) -> Made {
    let text = text.trim().trim_end_matches('%').trim_end();
    let separator = if format == NumberFormat::Comma { ',' } else { '.' };
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once(separator).unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_fraction = digits.contains(separator);
    if whole.is_empty() || digits.len() > 28 || !is_number(whole) || !is_number(fraction) {
        return Made::refused(Rule::N03, "not_a_decimal");
    }
    if has_fraction && fraction.is_empty() {
        return Made::refused(Rule::N03, "not_a_decimal");
    }
    let point = if has_fraction { "." } else { "" };
    Made { value: Some(format!("{sign}{whole}{point}{fraction}").into()), noticed: None }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn italian() -> Formats {
        Formats { date: DateFormat::Iso, number: NumberFormat::Comma, is_day_first: true }
    }

    #[rstest]
    #[case(Reader::Importo, "1.234,50", json!("1234.50"), None)]
    #[case(Reader::Importo, "€ 12", json!("12.00"), Some("currency_symbol"))]
    #[case(Reader::Date, "31/03/2026", json!("2026-03-31"), None)]
    #[case(Reader::Date, "2026-03-31 10:00", json!("2026-03-31"), Some("date_with_time"))]
    #[case(Reader::Decimal, "12,5 %", json!("12.5"), None)]
    #[case(Reader::Integer, " 2026 ", json!(2026), None)]
    #[case(Reader::Truth, "Sì", json!(true), None)]
    #[case(Reader::Ruolo, "02-MANDATARIA", json!("mandataria"), None)]
    #[case(Reader::Ruolo, "Mandante", json!("mandante"), None)]
    #[case(Reader::Ruolo, "socio", json!({"altro": "socio"}), Some("ruolo"))]
    #[case(Reader::Choice(vec!["sua".to_owned()]), "SUA", json!("sua"), None)]
    #[case(Reader::SceltaContraente, "23-AFFIDAMENTO DIRETTO", json!("24"), None)]
    #[case(
        Reader::Operatore,
        "1894100302",
        json!({"tipo": "codice_fiscale", "valore": "01894100302"}),
        Some("zero_padded"),
    )]
    #[case(Reader::Operatore, "boh", json!({"tipo": "non_valido", "valore": "boh"}), Some("malformed"))]
    fn a_text_becomes_a_value(
        #[case] reader: Reader,
        #[case] text: &str,
        #[case] value: Value,
        #[case] detail: Option<&str>,
    ) {
        let made = read_value(&reader, text, italian());
        assert_eq!((made.value, made.noticed.map(|noticed| noticed.detail)), (Some(value), detail), "{text}");
    }

    #[rstest]
    #[case(Reader::Cig, "0000000000", Rule::R05)]
    #[case(Reader::Cig, "GARA 1", Rule::R04)]
    #[case(Reader::Cui, "X1", Rule::R27)]
    #[case(Reader::Cup, "X1", Rule::N05)]
    #[case(Reader::Importo, "dieci", Rule::N03)]
    #[case(Reader::Date, "2026-02-31", Rule::N03)]
    #[case(Reader::Decimal, "12.5", Rule::N03)]
    #[case(Reader::Decimal, "1,", Rule::N03)]
    #[case(Reader::Integer, "2.026", Rule::N03)]
    #[case(Reader::Truth, "forse", Rule::N05)]
    #[case(Reader::Choice(vec!["sua".to_owned()]), "cuc", Rule::N05)]
    fn what_is_not_a_value_is_noticed(#[case] reader: Reader, #[case] text: &str, #[case] rule: Rule) {
        let made = read_value(&reader, text, italian());
        assert_eq!((made.value, made.noticed.map(|noticed| noticed.rule)), (None, Some(rule)), "{text}");
    }

    #[test]
    fn an_empty_text_is_nothing() {
        for reader in [Reader::Cig, Reader::Importo, Reader::Text, Reader::Operatore, Reader::Truth] {
            assert_eq!(read_value(&reader, "  ", italian()), Made::nothing());
        }
    }
}
