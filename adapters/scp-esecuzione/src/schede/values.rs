//! One value, both ways: from the canonical text to the JSON of a scheda and back. Pure.
//!
//! Values go through JSON on both sides, so that the table alone decides what goes where. Numbers
//! are made from and read as decimal text: no arithmetic is done on them.

use std::collections::BTreeMap;

use canonical::code_lists;
use canonical::identifiers::{Cig, CodiceAusa, CodiceFiscale, Cpv, Cup};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::text::read_text;
use canonical::values::{CalendarDate, Importo, Note, Reading};
use canonical::{FieldPath, Finding, Rule};
use kit::showable;
use serde_json::{Map, Number, Value, json};

use super::{Field, FieldType, at};
use crate::rome;

/// What was learnt on the way.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    /// What the owner of the data should know.
    pub(crate) findings: Vec<Finding>,
    /// Received texts that were not canonical, by path of the canonical body.
    pub(crate) raw: BTreeMap<FieldPath, String>,
}

impl Field {
    /// The value of this field in a scheda, made of a canonical body. Codes are checked as of a
    /// day, and never dropped.
    pub(crate) fn write(&self, body: &Value, on: Option<CalendarDate>, learnt: &mut Learnt) -> Option<Value> {
        if !self.applies(body) {
            return None;
        }
        let source = at(body, self.from).filter(|value| !value.is_null());
        let mut one = |kind: &FieldType, value: &Value| write_one(*kind, value, on, self.path, learnt);
        let list = match self.kind {
            FieldType::FirstCode(list) => return one(&FieldType::Code(list), source?.as_array()?.first()?),
            FieldType::AllCodes => {
                return source.filter(|all| all.as_array().is_some_and(|all| all.len() > 1)).cloned();
            }
            FieldType::List(kind) => match source? {
                Value::Array(values) => values.iter().filter_map(|value| one(kind, value)).collect(),
                value => Vec::from_iter(one(kind, value)),
            },
            FieldType::HeadAndTail(kind, tail) => {
                let tail = at(body, tail).and_then(Value::as_array).into_iter().flatten();
                source.into_iter().chain(tail).filter_map(|value| one(kind, value)).collect()
            }
            FieldType::Items(fields) => {
                let items = source?.as_array()?.iter();
                items.map(|item| write_all(fields.iter(), item, on, learnt)).collect()
            }
            FieldType::Itself(fields) => vec![write_all(fields.iter(), body, on, learnt)],
            scalar => return one(&scalar, source?),
        };
        (!list.is_empty()).then_some(Value::Array(list))
    }

    /// Reads the value of this field from a scheda into a canonical body.
    pub(crate) fn read(&self, received: &Value, body: &mut Value, learnt: &mut Learnt) {
        let mut one = |kind: FieldType, value: &Value| read_one(kind, value, (self.path, self.from), learnt);
        match self.kind {
            FieldType::FirstCode(list) => {
                if let Some(code) = one(FieldType::Code(list), received) {
                    put(body, self.from, json!([code]));
                }
            }
            FieldType::AllCodes => {
                let codes = values(received).filter_map(|code| one(FieldType::Id, code)).collect();
                put(body, self.from, Value::Array(codes));
            }
            FieldType::List(kind) => {
                let values = values(received).filter_map(|value| one(*kind, value)).collect();
                put(body, self.from, Value::Array(values));
            }
            FieldType::HeadAndTail(kind, tail) => {
                let mut values: Vec<_> = values(received).filter_map(|value| one(*kind, value)).collect();
                match at(body, self.from).cloned() {
                    Some(head) => values.retain(|value| *value != head),
                    None if values.is_empty() => return,
                    None => put(body, self.from, values.remove(0)),
                }
                if !values.is_empty() {
                    put(body, tail, Value::Array(values));
                }
            }
            FieldType::Items(fields) => {
                let items = values(received).map(|item| read_all(fields, item, json!({}), learnt)).collect();
                put(body, self.from, Value::Array(items));
            }
            FieldType::Itself(fields) => {
                let cig = body["cig"].clone();
                for item in values(received) {
                    if item["cig"] == cig {
                        *body = read_all(fields, item, std::mem::take(body), learnt);
                    } else {
                        learnt.findings.push(Finding::new(Rule::N07).at(self.path).detail("another_lot"));
                    }
                }
            }
            scalar => {
                if let Some(value) = one(scalar, received) {
                    put(body, self.from, value);
                }
            }
        }
    }
}

/// The fields of a body, nested as their paths say. Absent values are left out: there is no null.
pub(super) fn write_all<'f>(
    fields: impl Iterator<Item = &'f Field>,
    body: &Value,
    on: Option<CalendarDate>,
    learnt: &mut Learnt,
) -> Value {
    let mut root = json!({});
    for field in fields {
        if let Some(value) = field.write(body, on, learnt) {
            put(&mut root, field.path, value);
        }
    }
    root
}

fn read_all(fields: &[Field], item: &Value, mut body: Value, learnt: &mut Learnt) -> Value {
    for field in fields {
        if let Some(value) = at(item, field.path).filter(|value| !value.is_null()) {
            field.read(value, &mut body, learnt);
        }
    }
    body
}

/// Puts a value at a path of names parted by points; blocks on the way are made.
pub(crate) fn put(root: &mut Value, path: &str, value: Value) {
    let mut place = root;
    for name in path.split('.') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[name];
    }
    *place = value;
}

/// The values of a list; a value alone is a list of one.
fn values(received: &Value) -> impl Iterator<Item = &Value> {
    let list = received.as_array().map(Vec::as_slice);
    list.unwrap_or(std::slice::from_ref(received)).iter()
}

fn write_one(
    kind: FieldType,
    value: &Value,
    on: Option<CalendarDate>,
    path: &str,
    learnt: &mut Learnt,
) -> Option<Value> {
    Some(match (kind, value.as_str()) {
        (_, _) if value.is_null() => return None,
        (FieldType::Amount | FieldType::Decimal, Some(text)) => {
            number(text).map_or_else(|| value.clone(), Value::Number)
        }
        (FieldType::Date, Some(text)) => match CalendarDate::parse(text) {
            Ok(day) => Value::String(rome::midnight(day)),
            Err(_) => value.clone(),
        },
        (FieldType::Code(list), Some(code)) => {
            let cpv = if list == "CPV" { Cpv::parse(code).ok() } else { None };
            let code = cpv.as_ref().map_or(code, Cpv::digits);
            learnt.findings.extend(code_finding(list, code, on).map(|finding| finding.at(path)));
            json!({"idTipologica": list, "codice": code})
        }
        (FieldType::Words(yes, no), None) => json!(if value == &Value::Bool(true) { yes } else { no }),
        _ => value.clone(),
    })
}

/// What is to be said of a code: it is not in its list, or it was not in force on that day.
fn code_finding(list: &str, code: &str, on: Option<CalendarDate>) -> Option<Finding> {
    code_lists::rows(list)?;
    let finding = || Finding::new(Rule::N05).received(showable(code).unwrap_or_default());
    if code_lists::lookup(list, code, None).is_none() {
        return Some(finding().detail("unknown_code"));
    }
    on.filter(|day| code_lists::lookup(list, code, Some(*day)).is_none()).map(|_| finding().detail("code_not_in_force"))
}

/// A JSON number in its shortest spelling: `5200.00` is 5200, `61250.40` is 61250.4.
pub(crate) fn number(text: &str) -> Option<Number> {
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    short.parse::<i64>().ok().map(Number::from).or_else(|| serde_json::from_str(short).ok())
}

/// The decimal text of a number, without useless zeros.
pub(crate) fn number_text(text: &str) -> Option<String> {
    Some(number(text.trim())?.to_string()).filter(|text| !text.contains(['e', 'E']))
}

/// A received value as text; none for what has none.
pub(super) fn text_of(received: &Value) -> Option<String> {
    match received {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(received.to_string()),
        Value::Object(code) => code.get("codice").and_then(text_of),
        Value::Null | Value::Array(_) => None,
    }
}

/// A received value in its canonical form, with what is to be said of it.
pub(super) fn canonical_one(kind: FieldType, received: &Value) -> (Option<Value>, Option<Finding>) {
    let unreadable = || Some(Finding::new(Rule::N03));
    let Some(text) = text_of(received) else {
        return (None, if received.is_null() { None } else { unreadable() });
    };
    match kind {
        FieldType::Amount => spoken(Importo::read(&text, NumberFormat::Point), None),
        FieldType::Decimal => match number_text(&text) {
            Some(text) => (Some(Value::String(text)), None),
            None => (None, unreadable()),
        },
        FieldType::Date | FieldType::Day => match rome::day_of(&text) {
            Some(day) => (Some(Value::String(day.to_string())), None),
            None => spoken(CalendarDate::read(&text, DateFormat::Iso), None),
        },
        FieldType::Text => spoken(read_text(&text), None),
        FieldType::Cig => spoken(Cig::read(&text), Some(Rule::R04)),
        FieldType::Cup => spoken(Cup::read(&text), Some(Rule::N03)),
        FieldType::Ausa => spoken(CodiceAusa::read(&text), Some(Rule::N03)),
        FieldType::Code("CPV") => spoken(Cpv::read(&text), Some(Rule::N03)),
        FieldType::CodiceFiscale => spoken(CodiceFiscale::read(&text), None),
        FieldType::Number => match text.parse::<u32>() {
            Ok(number) => (Some(json!(number)), None),
            Err(_) => (None, unreadable()),
        },
        FieldType::Signed => match text.parse::<i32>() {
            Ok(number) => (Some(json!(number)), None),
            Err(_) => (None, unreadable()),
        },
        FieldType::Flag => match text.as_str() {
            "true" => (Some(Value::Bool(true)), None),
            "false" => (Some(Value::Bool(false)), None),
            _ => (None, unreadable()),
        },
        FieldType::Words(yes, no) if text == yes || text == no => (Some(Value::Bool(text == yes)), None),
        FieldType::Words(..) => (None, unreadable()),
        FieldType::Code(list) | FieldType::FirstCode(list) => {
            let finding = code_finding(list, &text, None);
            (Some(Value::String(text)).filter(|code| code != ""), finding)
        }
        _ => (Some(Value::String(text.trim().to_owned())).filter(|text| text != ""), None),
    }
}

/// A reading as a JSON value and a finding. `malformed` is the rule for a code that is not one.
fn spoken<T: ToString>(reading: Reading<T>, malformed: Option<Rule>) -> (Option<Value>, Option<Finding>) {
    let finding = reading.note.map(|note| match malformed {
        Some(rule) if matches!(note, Note::Malformed | Note::CheckDigit) => Finding::new(rule).detail(note.code()),
        _ => Finding::from(note),
    });
    (reading.value.map(|value| Value::String(value.to_string())), finding)
}

fn read_one(kind: FieldType, received: &Value, (path, from): (&str, &str), learnt: &mut Learnt) -> Option<Value> {
    let (value, finding) = canonical_one(kind, received);
    let text = text_of(received).unwrap_or_default();
    if let Some(finding) = finding {
        let finding = finding.at(path);
        let finding = if finding.received.is_some() { finding } else { shown(finding, &text) };
        learnt.findings.push(finding);
    }
    let is_canonical = value.as_ref().and_then(text_of).is_some_and(|canonical| canonical == text);
    if !is_canonical && !text.is_empty() {
        learnt.raw.insert(format!("/{}", from.replace('.', "/")).as_str().into(), text);
    }
    value
}

fn shown(finding: Finding, text: &str) -> Finding {
    match showable(text) {
        Some(text) => finding.received(text),
        None => finding,
    }
}
