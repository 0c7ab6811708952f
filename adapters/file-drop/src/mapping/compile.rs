//! From a mapping file to a plan that can be run, or to the list of what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use canonical::Kind;
use canonical::values::{date, importo};

use super::expression::Expression;
use super::schema::{Reader, Schema, is_position};
use super::{Constant, DateFormat, FieldMapping, FileKind, Mapping, NumberFormat, Problem, RecordMapping};
use crate::pad_file::values::{Formats, read_value};

/// A mapping that can be run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub platform: String,
    pub version: u32,
    pub kind: FileKind,
    /// Columns without which a table is not of this platform.
    pub required_columns: Vec<String>,
    /// Every column that a field, a key or the list of columns names.
    pub known_columns: Vec<String>,
    pub key: Vec<String>,
    pub gather: Vec<String>,
    pub separator: u8,
    pub encoding: super::Encoding,
    pub sheet: Option<String>,
    /// How numbers are written in expressions and in the number cells of a workbook.
    pub number_format: importo::NumberFormat,
    pub records: Vec<RecordPlan>,
    /// Whether any expression must be evaluated.
    pub has_expressions: bool,
}

/// A record, and how it is made.
#[derive(Debug)]
pub(crate) struct RecordPlan {
    pub kind: Kind,
    pub each_row: bool,
    pub when: Option<Expression>,
    pub fields: Vec<FieldPlan>,
    pub lists: Vec<ListPlan>,
    /// Fields without which there is no record.
    pub required: Vec<String>,
    /// The key of the row is the key of this record: a row without it stands aside.
    pub has_key_of_row: bool,
    /// The number of the award is the occurrence of the key, unless it is mapped.
    pub numbers_awards: bool,
}

/// A list of a record: one element for each row, or one element.
#[derive(Debug)]
pub(crate) struct ListPlan {
    pub path: Vec<String>,
    pub each_row: bool,
    pub fields: Vec<FieldPlan>,
    /// Fields without which there is no element.
    pub required: Vec<String>,
}

/// A field, and from where it comes.
#[derive(Debug)]
pub(crate) struct FieldPlan {
    /// Its path as the mapping names it.
    pub name: String,
    /// Its path in the record, or in the element of its list; empty where the element is the value.
    pub path: Vec<String>,
    pub source: Source,
    pub reader: Reader,
    pub formats: Formats,
    pub codes: BTreeMap<String, String>,
    pub foreign: Option<String>,
}

/// From where a value comes.
#[derive(Debug)]
pub(crate) enum Source {
    Column(String),
    Constant(String),
    Expression(Expression),
}

/// Compiles a mapping. Every problem is told, not the first one only.
pub(crate) fn compile(mapping: &Mapping) -> Result<Plan, Vec<Problem>> {
    let mut compiler = Compiler { mapping, problems: Vec::new(), columns: BTreeSet::new() };
    let plan = compiler.plan();
    if compiler.problems.is_empty() { Ok(plan) } else { Err(compiler.problems) }
}

struct Compiler<'m> {
    mapping: &'m Mapping,
    problems: Vec<Problem>,
    /// Columns that a field takes.
    columns: BTreeSet<String>,
}

impl Compiler<'_> {
    fn problem(&mut self, path: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem { path: path.to_owned(), what: what.into(), remedy: remedy.into() });
    }

    fn plan(&mut self) -> Plan {
        let mapping = self.mapping;
        self.head();
        let separator = self.separator();
        if mapping.records.is_empty() {
            self.problem("record", "no record is mapped", "add a `[[record]]` with its kind and fields");
        }
        let records: Vec<_> =
            mapping.records.iter().enumerate().filter_map(|(place, record)| self.record(place, record)).collect();
        let gather = mapping.gather.clone().unwrap_or_else(|| mapping.key.clone());
        if gather.is_empty() && mapping.records.iter().any(|record| record.each_row) {
            self.problem("gather", "`each_row` means nothing where no rows are gathered", "remove it, or name columns");
        }
        self.columns.extend(mapping.key.iter().chain(&gather).cloned());
        let known: BTreeSet<_> = self.columns.iter().chain(&mapping.columns).cloned().collect();
        self.columns_are_distinct(&known);
        let is_optional = |column: &String| mapping.optional_columns.iter().any(|optional| same(optional, column));
        for optional in &mapping.optional_columns {
            if !known.iter().any(|column| same(column, optional)) {
                let what = format!("`{optional}` is a column that nothing takes");
                self.problem("optional_columns", what, "correct its name, or remove it");
            }
        }
        let required_columns: Vec<_> = known.iter().filter(|column| !is_optional(column)).cloned().collect();
        if required_columns.is_empty() {
            self.problem("columns", "no column is required", "name those by which the table is recognised");
        }
        let has_expressions = records.iter().any(RecordPlan::has_expressions);
        Plan {
            platform: mapping.platform.clone(),
            version: mapping.version,
            kind: mapping.kind,
            required_columns,
            known_columns: known.into_iter().collect(),
            key: mapping.key.clone(),
            gather,
            separator,
            encoding: mapping.encoding,
            sheet: mapping.sheet.clone(),
            number_format: number_format(mapping.number_format),
            records,
            has_expressions,
        }
    }

    fn head(&mut self) {
        let mapping = self.mapping;
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if mapping.platform.is_empty() || mapping.platform.len() > 64 || !mapping.platform.bytes().all(is_name) {
            self.problem("platform", "not a name", "write 1 to 64 lower case letters, digits and hyphens");
        }
        if mapping.version == 0 {
            self.problem("version", "versions begin with 1", "write 1, and raise it with every change");
        }
        if mapping.key.is_empty() {
            self.problem("key", "no column is the key of a row", "name the column of the CIG, or of another key");
        }
        for (name, columns) in [
            ("key", Some(&mapping.key)),
            ("gather", mapping.gather.as_ref()),
            ("columns", Some(&mapping.columns)),
            ("optional_columns", Some(&mapping.optional_columns)),
        ] {
            let columns = columns.map_or(&[][..], Vec::as_slice);
            let is_repeated = |(place, column): (usize, &String)| columns[..place].iter().any(|one| same(one, column));
            if let Some(repeated) = columns.iter().enumerate().find(|entry| is_repeated(*entry)) {
                self.problem(name, format!("`{}` is named twice", repeated.1), "name it once");
            }
            if columns.iter().any(|column| column.trim().is_empty()) {
                self.problem(name, "a column without a name", "write the name that the header has");
            }
        }
    }

    fn separator(&mut self) -> u8 {
        let mapping = self.mapping;
        match (mapping.kind, mapping.separator) {
            (FileKind::Csv, None) => {
                self.problem("separator", "not given", "write `;`, `,`, `|` or a tab (\"\\t\")");
            }
            (FileKind::Csv, Some(separator)) if !matches!(separator, ';' | ',' | '|' | '\t') => {
                self.problem("separator", "not a separator of tables", "write `;`, `,`, `|` or a tab (\"\\t\")");
            }
            (FileKind::Xlsx, Some(_)) => self.problem("separator", "a workbook has none", "remove it"),
            _ => {}
        }
        if mapping.kind == FileKind::Csv && mapping.sheet.is_some() {
            self.problem("sheet", "a CSV has none", "remove it");
        }
        mapping.separator.and_then(|separator| u8::try_from(separator).ok()).unwrap_or(b';')
    }

    /// Two spellings of one column would look like two.
    fn columns_are_distinct(&mut self, known: &BTreeSet<String>) {
        let known: Vec<_> = known.iter().collect();
        for (place, column) in known.iter().enumerate() {
            if let Some(other) = known[..place].iter().find(|other| same(other, column)) {
                let what = format!("`{other}` and `{column}` are the same column");
                self.problem("columns", what, "spell it everywhere as the header does");
            }
        }
    }

    fn record(&mut self, place: usize, record: &RecordMapping) -> Option<RecordPlan> {
        let path = format!("record.{}", place + 1);
        let Some((kind, schema)) = Kind::from_name(&record.kind).and_then(|kind| Some((kind, Schema::of(kind)?)))
        else {
            let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
            let what = format!("`{}` is not a kind of record", record.kind);
            self.problem(&format!("{path}.kind"), what, format!("write one of {}", known.join(", ")));
            return None;
        };
        let when = record.when.as_deref().and_then(|source| self.expression(&format!("{path}.when"), source));
        let mut plan = RecordPlan {
            kind,
            each_row: record.each_row,
            when,
            fields: Vec::new(),
            lists: Vec::new(),
            required: schema.required(&[]),
            has_key_of_row: false,
            numbers_awards: schema.has("id_aggiudicazione") && !record.fields.contains_key("id_aggiudicazione"),
        };
        let mut lists: BTreeMap<String, ListPlan> = BTreeMap::new();
        for (name, field) in &record.fields {
            let at = format!("{path}.fields.{name}");
            let parts: Vec<_> = name.split('/').collect();
            let reader = match schema.reader(&parts) {
                Ok(reader) => reader,
                Err((what, remedy)) => {
                    self.problem(&at, what, remedy);
                    continue;
                }
            };
            let Some(mut field) = self.field(&at, field, reader) else { continue };
            let Some(position) = parts.iter().position(|part| is_position(part)) else {
                field.path = owned(&parts);
                plan.fields.push(field);
                continue;
            };
            let each_row = parts[position] == "*";
            if parts[position + 1..].iter().any(|part| is_position(part)) {
                self.problem(&at, "a list inside a list cannot be mapped", "leave it out");
                continue;
            }
            if each_row && record.each_row {
                let remedy = "remove `each_row`, or write `/0` in place of `/*`";
                self.problem(&at, "a record for each row has no other rows to list", remedy);
            }
            field.path = owned(&parts[position + 1..]);
            let list = lists.entry(parts[..=position].join("/")).or_insert_with(|| ListPlan {
                path: owned(&parts[..position]),
                each_row,
                fields: Vec::new(),
                required: schema.required(&parts[..=position]),
            });
            list.fields.push(field);
        }
        plan.lists = lists.into_values().collect();
        plan.has_key_of_row = !record.each_row && plan.fields.iter().any(|field| self.is_key(&plan.required, field));
        for name in plan.required.clone() {
            let is_mapped = record.fields.keys().any(|field| field.split('/').next() == Some(name.as_str()));
            let is_numbered = plan.numbers_awards && name == "id_aggiudicazione";
            if !is_mapped && !is_numbered {
                let what = format!("`{name}` of {kind} is not mapped, and there is no {kind} without");
                self.problem(&format!("{path}.fields"), what, "map it");
            }
        }
        Some(plan)
    }

    fn is_key(&self, required: &[String], field: &FieldPlan) -> bool {
        let is_key = |column: &String| self.mapping.key.iter().any(|key| same(key, column));
        matches!(&field.source, Source::Column(column) if is_key(column))
            && matches!(field.path.as_slice(), [name] if required.contains(name))
    }

    fn field(&mut self, at: &str, field: &FieldMapping, reader: Reader) -> Option<FieldPlan> {
        let reader = match (field.decimal, reader) {
            (true, Reader::Text) => Reader::Decimal,
            (true, reader) => {
                self.problem(at, "`decimal` is for texts", "remove it");
                reader
            }
            (false, reader) => reader,
        };
        if field.foreign.is_some() && reader != Reader::Operatore {
            self.problem(at, "`foreign` is for the identifier of an operator", "remove it");
        }
        let is_received = field.value.is_none();
        let date_format = field.date_format.or(self.mapping.date_format);
        let number_format = field.number_format.or(self.mapping.number_format);
        if is_received && reader == Reader::Date && date_format.is_none() {
            let remedy = "write `date_format` as yyyy-mm-dd, dd/mm/yyyy or dd/mm/yy, for all dates or for this one";
            self.problem(at, "how dates are written is not said", remedy);
        }
        if is_received && matches!(reader, Reader::Importo | Reader::Decimal) && number_format.is_none() {
            let remedy = "write `number_format` as point or comma, for all numbers or for this one";
            self.problem(at, "how numbers are written is not said", remedy);
        }
        let formats = if is_received { Formats::declared(date_format, number_format) } else { Formats::canonical() };
        let source = self.source(at, field)?;
        let canonical: Vec<&String> = match &source {
            Source::Constant(text) => vec![text],
            _ => field.codes.values().collect(),
        };
        for text in canonical {
            if read_value(&reader, text, Formats::canonical()).value.is_none() {
                let remedy = match &reader {
                    Reader::Choice(choices) => format!("write one of {}", choices.join(", ")),
                    _ => "write it in its canonical spelling".to_owned(),
                };
                self.problem(at, format!("`{text}` is not a value of this field"), remedy);
            }
        }
        let foreign = field.foreign.clone();
        self.columns.extend(foreign.clone());
        let name = at.rsplit_once("fields.").map_or(at, |(_, name)| name).to_owned();
        Some(FieldPlan { name, path: Vec::new(), source, reader, formats, codes: field.codes.clone(), foreign })
    }

    fn source(&mut self, at: &str, field: &FieldMapping) -> Option<Source> {
        match (&field.column, &field.value, &field.expression) {
            (Some(column), None, None) if column.trim().is_empty() => {
                self.problem(at, "a column without a name", "write the name that the header has");
                None
            }
            (Some(column), None, None) => {
                self.columns.insert(column.clone());
                Some(Source::Column(column.clone()))
            }
            (None, Some(value), None) => Some(Source::Constant(match value {
                Constant::Text(text) => text.clone(),
                Constant::Integer(number) => number.to_string(),
                Constant::Truth(truth) => truth.to_string(),
            })),
            (None, None, Some(source)) => self.expression(at, source).map(Source::Expression),
            _ => {
                let remedy = "write one of `column`, `value` and `expression`";
                self.problem(at, "from where the value comes is not said, or said twice", remedy);
                None
            }
        }
    }

    fn expression(&mut self, at: &str, source: &str) -> Option<Expression> {
        match Expression::compile(source) {
            Ok(expression) => {
                self.columns.extend(expression.columns().iter().cloned());
                Some(expression)
            }
            Err(what) => {
                self.problem(at, what, "write a CEL expression on row['Column'] or rows");
                None
            }
        }
    }
}

impl RecordPlan {
    fn has_expressions(&self) -> bool {
        let fields = self.fields.iter().chain(self.lists.iter().flat_map(|list| &list.fields));
        self.when.is_some() || fields.into_iter().any(|field| matches!(field.source, Source::Expression(_)))
    }
}

impl Formats {
    fn declared(date: Option<DateFormat>, number: Option<NumberFormat>) -> Self {
        Self {
            date: match date {
                Some(DateFormat::DayFirstShortYear) => date::DateFormat::DayFirstShortYear,
                _ => date::DateFormat::Iso,
            },
            number: number_format(number),
            is_day_first: matches!(date, Some(DateFormat::DayFirst | DateFormat::DayFirstShortYear)),
        }
    }
}

fn number_format(format: Option<NumberFormat>) -> importo::NumberFormat {
    match format {
        None => importo::NumberFormat::Undeclared,
        Some(NumberFormat::Point) => importo::NumberFormat::Point,
        Some(NumberFormat::Comma) => importo::NumberFormat::Comma,
    }
}

fn owned(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

fn same(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

#[cfg(test)]
mod tests;
