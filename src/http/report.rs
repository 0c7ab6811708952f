//! The report as one page for reading and printing: self-contained, without scripts.
//!
//! What stands first is known last, so the rows wait in a file of their own until the end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use askama::Template;

use super::facts::{Facts, GroupRow, ItemRow};
use crate::discrepancy::{Group, State, WorkItem};
use crate::flow::report::forms::{amount, instant, whole};
use crate::flow::report::model::{About, Sum, Totals, age_class};
use crate::flow::report::print::{Form, ReportError};
use crate::flow::report::words::{self, Headings, Language, headings};

#[derive(Template)]
#[template(path = "report.html", config = "src/http/ui/askama.toml")]
struct Beginning<'a> {
    language: &'static str,
    words: &'static Headings,
    made_at: String,
    filter: &'a str,
    chain_head: &'a str,
    facts: Facts,
    groups: Vec<GroupRow>,
    tables: Vec<Table>,
    total: String,
    total_amount: String,
    sign_offs: Vec<[String; 5]>,
    has_items: bool,
}

/// A table of sums.
struct Table {
    title: &'static str,
    rows: Vec<[String; 4]>,
}

#[derive(Template)]
#[template(path = "report_items.html", config = "src/http/ui/askama.toml")]
struct Rows {
    items: Vec<ItemRow>,
}

#[derive(Template)]
#[template(path = "report_end.html", config = "src/http/ui/askama.toml")]
struct End {
    words: &'static Headings,
    has_items: bool,
}

/// The report as a page.
#[derive(Debug)]
pub(super) struct Html<W> {
    out: W,
    rows: File,
}

impl<W: Write + Send> Html<W> {
    /// A page whose rows wait in a file without a name.
    pub(super) fn begin(out: W, rows: File) -> Self {
        Self { out, rows }
    }
}

fn rendered(page: &impl Template) -> Result<String, ReportError> {
    page.render().map_err(|error| ReportError::Page(Box::new(error)))
}

impl<W: Write + Send> Form for Html<W> {
    fn items(&mut self, items: &[WorkItem], about: &About) -> Result<(), ReportError> {
        let items = items.iter().map(|item| ItemRow::of(item, about, None)).collect();
        Ok(self.rows.write_all(rendered(&Rows { items })?.as_bytes())?)
    }

    fn finish(mut self: Box<Self>, about: &About, totals: &Totals) -> Result<(), ReportError> {
        let words = headings(about.language);
        let has_items = totals.all.count > 0;
        self.out.write_all(rendered(&head(about, totals, words, has_items))?.as_bytes())?;
        self.rows.seek(SeekFrom::Start(0))?;
        let mut part = vec![0; 1 << 16];
        loop {
            let read = self.rows.read(&mut part)?;
            if read == 0 {
                break;
            }
            self.out.write_all(&part[..read])?;
        }
        self.out.write_all(rendered(&End { words, has_items })?.as_bytes())?;
        Ok(self.out.flush()?)
    }
}

fn head<'a>(about: &'a About, totals: &Totals, words: &'static Headings, has_items: bool) -> Beginning<'a> {
    let language = about.language;
    // Where nothing is open, nothing is overdue.
    let today = (totals.all.open > 0).then(|| about.today());
    let group = |group: &Group| GroupRow::of(group, language, today, None);
    Beginning {
        language: language.tag(),
        words,
        made_at: instant(about.made_at, language),
        filter: if about.filter.is_empty() { words.no_filter } else { &about.filter },
        chain_head: &about.chain_head,
        facts: Facts::of(about, &totals.row_numbers(&about.runs)),
        groups: totals.groups().into_iter().map(group).collect(),
        tables: tables(totals, words, language),
        total: totals.standing().sentence(language),
        total_amount: amount(totals.all.at_stake, language),
        sign_offs: about
            .sign_offs
            .iter()
            .map(|signed| {
                let (at, open) = (instant(signed.at, language), whole(signed.open, language));
                [signed.period.clone(), signed.who.clone(), at, open, signed.note.clone()]
            })
            .collect(),
        has_items,
    }
}

fn tables(totals: &Totals, words: &'static Headings, language: Language) -> Vec<Table> {
    let row = |of: &str, sum: &Sum| {
        [of.to_owned(), whole(sum.count, language), whole(sum.open, language), amount(sum.at_stake, language)]
    };
    let states = [State::Open, State::Explained, State::Accepted { until: None }, State::Closed];
    let named = |of: &Option<String>, nobody: &str| of.as_deref().unwrap_or(nobody).to_owned();
    let bodies = totals.by_body.iter().map(|(of, sum)| row(&named(of, words.no_body), sum));
    let offices = totals.by_office.iter().map(|(of, sum)| row(&named(of, words.nobody), sum));
    let systems = totals.by_system.iter().map(|(of, sum)| row(of, sum));
    let states =
        states.iter().filter_map(|state| Some(row(words::state(state, language), totals.by_state.get(state.name())?)));
    let ages = totals.by_age.iter().enumerate().map(|(class, sum)| row(&age_class(class), sum));
    vec![
        Table { title: words.by_body, rows: bodies.collect() },
        Table { title: words.by_office, rows: offices.collect() },
        Table { title: words.by_system, rows: systems.collect() },
        Table { title: words.by_state, rows: states.collect() },
        Table { title: words.ageing, rows: ages.collect() },
    ]
}
