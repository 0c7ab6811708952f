//! From a raw record to canonical records, by the plan of its mapping. Pure: the same record and the
//! same mapping always give the same answer.

use std::collections::{BTreeMap, BTreeSet};

use canonical::{Body, FieldPath, Finding, Rule};
use contract::{DraftRecord, Normalized, RawRecord, SetAside};
use kit::{CellsError, showable};
use serde_json::{Map, Value};

use super::rows::RowTexts;
use super::values::{Formats, Made, Noticed, read_foreign, read_value, spelling};
use crate::mapping::{FieldPlan, Given, ListPlan, Plan, Reader, RecordPlan, Scope, Source};

/// How many findings of one rule a record keeps; one more says how many there were beyond.
const MOST_FINDINGS: u64 = 1_000;

/// Understands a raw record.
pub(crate) fn normalize(plan: &Plan, raw: &RawRecord) -> Normalized {
    let rows = match RowTexts::of(raw) {
        Ok(rows) => rows,
        Err(error) => return not_rows(error),
    };
    let scope = plan.has_expressions.then(|| Scope::new(rows.by_column(&plan.known_columns), plan.number_format));
    let mut reader = RecordReader { plan, raw, rows, scope, findings: Findings::default() };
    reader.look_at_document();
    let mut records: Vec<DraftRecord> = Vec::new();
    let mut has_key = true;
    for record in &plan.records {
        has_key &= reader.records(record, &mut records);
    }
    if !has_key {
        records.clear();
    }
    reader.look_at_records(&records);
    let mut findings = reader.findings;
    let set_aside = records.is_empty().then(|| findings.reason());
    Normalized { records, findings: findings.close(), set_aside }
}

/// The answer for a record of a platform that no mapping knows any more.
pub(crate) fn without_mapping() -> Normalized {
    let reason = "no mapping of this platform is there any more: put it back among the mappings";
    Normalized {
        findings: vec![Finding::new(Rule::N03).detail("no_mapping")],
        set_aside: Some(SetAside { rule: Rule::N03, reason: reason.to_owned() }),
        records: Vec::new(),
    }
}

fn not_rows(error: CellsError) -> Normalized {
    Normalized {
        findings: vec![Finding::new(Rule::N03).detail("not_a_row")],
        set_aside: Some(SetAside { rule: Rule::N03, reason: error.to_string() }),
        records: Vec::new(),
    }
}

struct RecordReader<'a> {
    plan: &'a Plan,
    raw: &'a RawRecord,
    rows: RowTexts,
    scope: Option<Scope>,
    findings: Findings,
}

/// What a field gave.
enum Field {
    /// Nothing was there.
    Nothing,
    /// What was there is no value, and a finding of this rule says so.
    Refused(Rule),
    /// A value, with the text it was read from where there is one.
    Value { value: Value, received: Option<String> },
}

/// A value of an element: its path there, and the text it was read from.
type Part = (String, Value, Option<String>);

impl RecordReader<'_> {
    fn look_at_document(&mut self) {
        let is_windows_1252 = self.raw.document.context.get("encoding").is_some();
        if is_windows_1252 && !self.raw.text.is_ascii() {
            self.findings.add(Finding::new(Rule::N06).detail("windows_1252_bytes"));
        }
        if self.raw.occurrence > 0 {
            let finding = Finding::new(Rule::R06).detail("repeated_in_document");
            self.findings.add(Finding { field: column_path(&self.plan.key.join("+")), ..finding });
        }
    }

    /// What no single field tells.
    fn look_at_records(&mut self, records: &[DraftRecord]) {
        let awarded = records.iter().find_map(|record| match &record.body {
            Body::Aggiudicazione(aggiudicazione) => aggiudicazione.importo,
            _ => None,
        });
        for record in records {
            let Body::Contratto(contratto) = &record.body else { continue };
            if let (Some(begin), Some(end)) = (contratto.data_inizio, contratto.data_fine)
                && end < begin
            {
                self.findings.add(Finding::new(Rule::R25).at("contratto/data_fine").detail("end_before_start"));
            }
            if let (Some(awarded), Some(paid)) = (awarded, contratto.somme_liquidate)
                && crate::examine::is_paid_above(awarded, paid)
            {
                let finding = Finding::new(Rule::R17).at("contratto/somme_liquidate");
                self.findings.add(finding.detail("paid_above_awarded"));
            }
        }
    }

    /// Makes the records of a plan. False when the key of the row is not one: without it, what the
    /// row says of others would be stored and what it says of itself be lost.
    fn records(&mut self, plan: &RecordPlan, records: &mut Vec<DraftRecord>) -> bool {
        let mut has_key = true;
        let made_before = records.len();
        let rows: Vec<Option<usize>> =
            if plan.each_row { (0..self.rows.len()).map(Some).collect() } else { vec![None] };
        for row in rows {
            if !self.is_wanted(plan, row) {
                continue;
            }
            if let Some(record) = self.record(plan, row) {
                // Rows repeat what they share: the same record again says nothing new.
                if !records[made_before..].iter().any(|made| made.body == record.body) {
                    records.push(record);
                }
            } else {
                has_key &= !plan.has_key_of_row;
            }
        }
        has_key
    }

    fn is_wanted(&mut self, plan: &RecordPlan, row: Option<usize>) -> bool {
        let (Some(condition), Some(scope)) = (&plan.when, &self.scope) else { return true };
        scope.is_true(condition, row.unwrap_or_default()).unwrap_or_else(|| {
            let path = format!("{}/when", plan.kind);
            self.findings.add(Finding::new(Rule::N03).at(path).detail("expression_failed"));
            false
        })
    }

    /// A record of one row, or of all of them.
    fn record(&mut self, plan: &RecordPlan, row: Option<usize>) -> Option<DraftRecord> {
        let mut body = Map::new();
        let mut raw = BTreeMap::new();
        let mut refused = BTreeMap::new();
        for field in &plan.fields {
            match self.field(plan, field, row) {
                Field::Nothing => {}
                Field::Refused(rule) => {
                    refused.extend(field.path.first().map(|name| (name, rule)));
                }
                Field::Value { value, received } => {
                    keep(&mut raw, &field.path.join("/"), &value, received);
                    put(&mut body, &field.path, value);
                }
            }
        }
        if plan.numbers_awards {
            body.insert("id_aggiudicazione".to_owned(), self.raw.occurrence.saturating_add(1).into());
        }
        let missing = plan.required.iter().find(|name| !body.contains_key(*name));
        let is_list = |name: &String| plan.lists.iter().any(|list| list.path.first() == Some(name));
        if let Some(missing) = missing.filter(|name| !is_list(name)) {
            // A row without a winner is no operator: only what was meant for all rows is missed.
            match refused.get(missing) {
                Some(rule) if plan.has_key_of_row => self.findings.refused_key = Some(*rule),
                None if !plan.each_row => {
                    let path = format!("{}/{missing}", plan.kind);
                    self.findings.add_absent(Finding::new(Rule::N08).at(path).detail("absent"));
                }
                _ => {}
            }
            return None;
        }
        for list in &plan.lists {
            self.list(plan, list, row, &mut body, &mut raw);
        }
        let body = serde_json::to_string(&body).ok().and_then(|json| Body::from_json(plan.kind, &json).ok());
        if body.is_none() {
            self.findings.add(Finding::new(Rule::N03).at(plan.kind.name()).detail("not_a_record"));
        }
        body.map(|body| DraftRecord { body, raw })
    }

    fn list(
        &mut self,
        plan: &RecordPlan,
        list: &ListPlan,
        row: Option<usize>,
        body: &mut Map<String, Value>,
        raw: &mut BTreeMap<FieldPath, String>,
    ) {
        let rows: Vec<Option<usize>> = if list.each_row { (0..self.rows.len()).map(Some).collect() } else { vec![row] };
        for row in rows {
            let Some((element, received)) = self.element(plan, list, row) else { continue };
            let Some(elements) = list_of(body, &list.path) else { return };
            // A row for each lot, winner and something else repeats its winners.
            if elements.contains(&element) {
                continue;
            }
            let at = elements.len();
            elements.push(element);
            for (path, value, text) in received {
                let path = [list.path.join("/"), at.to_string(), path].join("/");
                keep(raw, path.trim_end_matches('/'), &value, text);
            }
        }
    }

    /// An element, where a column or an expression gave something: constants alone are none.
    fn element(&mut self, plan: &RecordPlan, list: &ListPlan, row: Option<usize>) -> Option<(Value, Vec<Part>)> {
        let mut element = Map::new();
        let mut received = Vec::new();
        let mut scalar = None;
        let mut is_given = false;
        for field in &list.fields {
            let Field::Value { value, received: text } = self.field(plan, field, row) else { continue };
            is_given |= !matches!(field.source, Source::Constant(_));
            received.push((field.path.join("/"), value.clone(), text));
            if field.path.is_empty() {
                scalar = Some(value);
            } else {
                put(&mut element, &field.path, value);
            }
        }
        if !is_given {
            return None;
        }
        if let Some(scalar) = scalar {
            return Some((scalar, received));
        }
        // A name without a code is an operator all the same.
        let is_operator =
            |field: &&FieldPlan| field.reader == Reader::Operatore && !element.contains_key(&field.path[0]);
        if let Some(path) = list.fields.iter().find(is_operator).map(|field| field.path.clone()) {
            put(&mut element, &path, serde_json::json!({"tipo": "assente"}));
        }
        if let Some(missing) = list.required.iter().find(|name| !element.contains_key(*name)) {
            let path = format!("{}/{}/{missing}", plan.kind, list.path.join("/"));
            self.findings.add(Finding::new(Rule::N08).at(path).detail("absent"));
            return None;
        }
        Some((element.into(), received))
    }

    fn field(&mut self, plan: &RecordPlan, field: &FieldPlan, row: Option<usize>) -> Field {
        let path = || Some(FieldPath::from(format!("{}/{}", plan.kind, field.name)));
        match &field.source {
            Source::Constant(text) => {
                let made = read_value(&field.reader, text, Formats::canonical());
                made.value.map_or(Field::Nothing, |value| Field::Value { value, received: None })
            }
            Source::Expression(expression) => {
                let scope = self.scope.as_ref();
                match scope.and_then(|scope| scope.evaluate(expression, row.unwrap_or_default())) {
                    None => self.fail(path(), "expression_failed"),
                    Some(Given::Nothing) => Field::Nothing,
                    Some(Given::Inexact(_)) if matches!(field.reader, Reader::Importo | Reader::Decimal) => {
                        self.fail(path(), "expression_not_exact")
                    }
                    // What was computed was not received.
                    Some(Given::Text(text) | Given::Inexact(text)) => match self.value(field, text, path()) {
                        Field::Value { value, .. } => Field::Value { value, received: None },
                        other => other,
                    },
                }
            }
            Source::Column(column) => {
                let (at, text) = self.text(column, row);
                if text.is_empty()
                    && let Some(foreign) = &field.foreign
                {
                    let (at, text) = self.text(foreign, row);
                    let path = self.received_path(foreign, at);
                    return if text.is_empty() { Field::Nothing } else { self.made(read_foreign(&text), text, path) };
                }
                let path = self.received_path(column, at);
                self.value(field, text, path)
            }
        }
    }

    /// The text of a column: of this row, or of the first row that has one.
    fn text(&mut self, column: &str, row: Option<usize>) -> (usize, String) {
        if let Some(row) = row {
            return (row, self.rows.get(row, column).to_owned());
        }
        let mut given =
            (0..self.rows.len()).map(|row| (row, self.rows.get(row, column))).filter(|(_, text)| !text.is_empty());
        let Some((at, text)) = given.next() else { return (0, String::new()) };
        let differs = given.any(|(_, other)| other != text);
        let found = (at, text.to_owned());
        if differs {
            let finding = Finding { field: column_path(column), ..Finding::new(Rule::R06).detail("rows_differ") };
            self.findings.add(finding);
        }
        found
    }

    fn value(&mut self, field: &FieldPlan, text: String, path: Option<FieldPath>) -> Field {
        if text.trim().is_empty() {
            return Field::Nothing;
        }
        if field.codes.is_empty() {
            let made = read_value(&field.reader, &text, field.formats);
            return self.made(made, text, path);
        }
        let is_it = |code: &&String| code.trim().eq_ignore_ascii_case(text.trim());
        let Some(canonical) = field.codes.keys().find(is_it).and_then(|code| field.codes.get(code)) else {
            let noticed = Noticed { rule: Rule::N05, detail: "not_in_codes", is_private: false };
            return self.made(Made { value: None, noticed: Some(noticed) }, text, path);
        };
        let made = read_value(&field.reader, canonical, Formats::canonical());
        self.made(made, text, path)
    }

    fn made(&mut self, made: Made, received: String, path: Option<FieldPath>) -> Field {
        let rule = made.noticed.map(|noticed| noticed.rule);
        if let Some(noticed) = made.noticed {
            let mut finding = Finding::new(noticed.rule).detail(noticed.detail);
            finding.field = path;
            finding.received = if noticed.is_private { None } else { showable(&received) };
            self.findings.add(finding);
        }
        match (made.value, rule) {
            (Some(value), _) => Field::Value { value, received: Some(received) },
            (None, Some(rule)) => Field::Refused(rule),
            (None, None) => Field::Nothing,
        }
    }

    fn fail(&mut self, path: Option<FieldPath>, detail: &'static str) -> Field {
        self.findings.add(Finding { field: path, ..Finding::new(Rule::N03).detail(detail) });
        Field::Refused(Rule::N03)
    }

    /// Where a text stands: its column, after the number of its row where there are several.
    fn received_path(&self, column: &str, row: usize) -> Option<FieldPath> {
        if self.rows.len() > 1 { column_path(&format!("{}/{column}", row + 1)) } else { column_path(column) }
    }
}

fn column_path(column: &str) -> Option<FieldPath> {
    showable(column).map(FieldPath::from)
}

/// Keeps a received text that is not the canonical one.
fn keep(raw: &mut BTreeMap<FieldPath, String>, path: &str, value: &Value, received: Option<String>) {
    if let Some(received) = received
        && spelling(value) != received
    {
        raw.insert(format!("/{path}").into(), received);
    }
}

fn put(body: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => {
            body.insert(name.clone(), value);
        }
        [name, rest @ ..] => {
            let inner = body.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn list_of<'b>(body: &'b mut Map<String, Value>, path: &[String]) -> Option<&'b mut Vec<Value>> {
    match path {
        [] => None,
        [name] => body.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new())).as_array_mut(),
        [name, rest @ ..] => {
            let inner = body.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            list_of(inner.as_object_mut()?, rest)
        }
    }
}

/// The findings of a raw record: each once, and bounded whatever the record holds.
#[derive(Default)]
struct Findings {
    kept: Vec<Finding>,
    met: BTreeSet<(Rule, Option<FieldPath>, Option<String>)>,
    counts: BTreeMap<Rule, u64>,
    /// The rule by which the key of the row is none.
    refused_key: Option<Rule>,
    /// Some mandatory value was absent.
    has_absent: bool,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        let is_new =
            self.met.len() > 100_000 || self.met.insert((finding.rule, finding.field.clone(), finding.detail.clone()));
        if !is_new {
            return;
        }
        let count = self.counts.entry(finding.rule).or_default();
        *count += 1;
        if *count <= MOST_FINDINGS {
            self.kept.push(finding);
        }
    }

    fn add_absent(&mut self, finding: Finding) {
        self.has_absent = true;
        self.add(finding);
    }

    /// Why there is no record at all; some finding has the same rule.
    fn reason(&mut self) -> SetAside {
        let (rule, reason) = match self.refused_key {
            Some(Rule::R05) => (Rule::R05, "the row has a null CIG, which is the key of nothing"),
            Some(rule) => (rule, "the key of the row is malformed"),
            None if self.has_absent => (Rule::N08, "a value without which there is no record is absent"),
            None => {
                self.add(Finding::new(Rule::N08).detail("no_record"));
                (Rule::N08, "the mapping makes no record of the row")
            }
        };
        SetAside { rule, reason: reason.to_owned() }
    }

    fn close(mut self) -> Vec<Finding> {
        for (rule, count) in self.counts {
            if count > MOST_FINDINGS {
                self.kept.push(Finding::new(rule).detail(format!("and_more:{}", count - MOST_FINDINGS)));
            }
        }
        self.kept
    }
}
