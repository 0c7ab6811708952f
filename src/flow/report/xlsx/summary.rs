//! The first two sheets: what was compared and what it adds up to, and the trend with its chart.

use rust_xlsxwriter::{Chart, ChartType, Format, Worksheet, XlsxError};

use super::super::forms::{Cell, NOT_KNOWN};
use super::super::model::{About, Sum, Totals, age_class};
use super::super::words::{self, Headings, headings, skipped};
use super::book::{self, Formats};
use crate::discrepancy::State;

/// Writes downwards.
struct Pen<'s> {
    sheet: &'s mut Worksheet,
    formats: &'s Formats,
    row: u32,
}

impl Pen<'_> {
    fn strong(&mut self, text: &str, format: fn(&Formats) -> &Format) -> Result<(), XlsxError> {
        self.sheet.write_string_with_format(self.row, 0, text, format(self.formats))?;
        self.row += 1;
        Ok(())
    }

    fn section(&mut self, text: &str) -> Result<(), XlsxError> {
        self.row += 1;
        self.strong(text, |formats| &formats.strong)
    }

    fn head(&mut self, texts: &[&str]) -> Result<(), XlsxError> {
        for (column, text) in (0..).zip(texts) {
            self.sheet.write_string_with_format(self.row, column, *text, &self.formats.heading)?;
        }
        self.row += 1;
        Ok(())
    }

    fn line(&mut self, cells: impl IntoIterator<Item = Cell>) -> Result<(), XlsxError> {
        for (column, cell) in (0..).zip(cells) {
            book::write(self.sheet, self.row, column, &cell, self.formats)?;
        }
        self.row += 1;
        Ok(())
    }

    /// A table of sums.
    fn sums(
        &mut self,
        title: &str,
        headings: &Headings,
        sums: impl IntoIterator<Item = (String, Sum)>,
    ) -> Result<(), XlsxError> {
        self.section(title)?;
        self.head(&["", headings.count, headings.open, headings.at_stake])?;
        for (of, sum) in sums {
            self.line([text(&of), Cell::Whole(sum.count), Cell::Whole(sum.open), Cell::Amount(sum.at_stake)])?;
        }
        Ok(())
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// Writes the summary.
pub(super) fn write(sheet: &mut Worksheet, formats: &Formats, about: &About, totals: &Totals) -> Result<(), XlsxError> {
    let language = about.language;
    let headings = headings(language);
    for (column, width) in (0..).zip([34_u8, 32, 22, 20, 24, 24, 12, 12, 20, 20, 14]) {
        sheet.set_column_width(column, width)?;
    }
    sheet.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0).set_footer("&L&A&R&P / &N");
    let mut pen = Pen { sheet, formats, row: 0 };
    pen.strong(headings.title, |formats| &formats.title)?;
    pen.line([text(headings.made_at), Cell::Instant(about.made_at)])?;
    let filter = if about.filter.is_empty() { headings.no_filter } else { &about.filter };
    pen.line([text(headings.filter), text(filter)])?;
    pen.line([text(headings.chain_head), text(&about.chain_head)])?;

    pen.section(headings.completeness)?;
    if !about.is_complete() {
        let warning = if about.runs.is_empty() { headings.no_runs } else { headings.incomplete };
        pen.strong(warning, |formats| &formats.alarm)?;
    }
    let Headings { comparison, run, finished_at, only_here, only_there, complete, because, rows_read, .. } = headings;
    let (here, there) = (
        format!("{rows_read}: {}", language.of("qui", "here")),
        format!("{rows_read}: {}", language.of("là", "there")),
    );
    pen.head(&[comparison, run, finished_at, &here, &there, complete, because])?;
    for run in &about.runs {
        pen.line([
            text(&run.comparison),
            Cell::Whole(u64::try_from(run.id).unwrap_or_default()),
            run.finished_at.map_or(Cell::Empty, Cell::Instant),
            Cell::Whole(run.rows_here),
            Cell::Whole(run.rows_there),
            text(if run.is_complete { headings.yes } else { headings.no }),
            Cell::text_of(words::because(run, language)),
        ])?;
    }

    let numbers = totals.row_numbers(&about.runs);
    pen.section(headings.row_numbers)?;
    pen.head(&["", headings.rows, headings.at_stake])?;
    let known = |rows: Option<u64>| rows.map_or_else(|| text(NOT_KNOWN), Cell::Whole);
    pen.line([text(headings.equal), known(numbers.equal)])?;
    for (name, (rows, amount)) in [
        (headings.different, numbers.different),
        (headings.explained, numbers.explained),
        (only_here, numbers.only_here),
        (only_there, numbers.only_there),
    ] {
        pen.line([text(name), known(rows), Cell::Amount(amount)])?;
    }
    pen.line([text(headings.skipped), Cell::Whole(numbers.all_skipped())])?;
    for (reason, rows) in &numbers.skipped {
        pen.line([Cell::Text(format!("   {}", skipped(reason, language))), Cell::Whole(*rows)])?;
    }
    pen.line([text(headings.rows_in_all), Cell::Whole(numbers.all())])?;

    groups(&mut pen, about, totals)?;
    let named = |of: &Option<String>, nobody: &str| of.as_deref().unwrap_or(nobody).to_owned();
    let bodies = totals.by_body.iter().map(|(of, sum)| (named(of, headings.no_body), *sum));
    pen.sums(headings.by_body, headings, bodies)?;
    let offices = totals.by_office.iter().map(|(of, sum)| (named(of, headings.nobody), *sum));
    pen.sums(headings.by_office, headings, offices)?;
    pen.sums(headings.by_system, headings, totals.by_system.iter().map(|(of, sum)| (of.clone(), *sum)))?;
    let states = [State::Open, State::Explained, State::Accepted { until: None }, State::Closed];
    let states = states
        .iter()
        .filter_map(|state| Some((words::state(state, language).to_owned(), *totals.by_state.get(state.name())?)));
    pen.sums(headings.by_state, headings, states)?;
    let ages = totals.by_age.iter().enumerate().map(|(class, sum)| (age_class(class), *sum));
    pen.sums(headings.ageing, headings, ages)?;

    pen.section(headings.signing)?;
    if about.sign_offs.is_empty() {
        pen.line([text(headings.not_signed)])?;
    } else {
        pen.head(&[headings.signed, headings.signed_by, headings.signed_at, headings.open, headings.note])?;
    }
    for signed in &about.sign_offs {
        pen.line([
            text(&signed.period),
            text(&signed.who),
            Cell::Instant(signed.at),
            Cell::Whole(signed.open),
            text(&signed.note),
        ])?;
    }
    Ok(())
}

fn groups(pen: &mut Pen<'_>, about: &About, totals: &Totals) -> Result<(), XlsxError> {
    let language = about.language;
    let headings = headings(language);
    pen.section(headings.groups)?;
    let Headings { cause, rule, comparison, field, against, shape, count, new, at_stake, oldest, deadline, .. } =
        headings;
    pen.head(&[cause, rule, comparison, field, against, shape, count, new, at_stake, oldest, deadline])?;
    for group in totals.groups() {
        let found = group.cause.map_or_else(|| words::unexplained(language), |cause| words::cause(cause, language));
        pen.line([
            text(found.title),
            Cell::Text(format!("{} {}", group.rule.code(), words::rule(group.rule, language))),
            text(&group.comparison),
            text(group.field.as_deref().unwrap_or(headings.whole_row)),
            text(&group.against),
            text(words::shape(group.shape, language)),
            Cell::Whole(group.count),
            Cell::Whole(group.new),
            Cell::Amount(group.at_stake),
            Cell::Instant(group.oldest),
            group.deadline.map_or(Cell::Empty, Cell::Day),
        ])?;
    }
    pen.line([Cell::Text(format!("{}: {}", headings.items, totals.standing().sentence(language)))])?;
    pen.line([text(headings.total)].into_iter().chain((0..5).map(|_| Cell::Empty)).chain([
        Cell::Whole(totals.all.count),
        Cell::Empty,
        Cell::Amount(totals.all.at_stake),
    ]))
}

/// Writes the trend: a table, and the chart of it.
pub(super) fn write_trend(sheet: &mut Worksheet, formats: &Formats, about: &About) -> Result<(), XlsxError> {
    let headings = headings(about.language);
    let language = about.language;
    let name = sheet.name();
    for column in 0..4 {
        sheet.set_column_width(column, 16)?;
    }
    sheet.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0).set_freeze_panes(1, 0)?;
    let day = language.of("Giorno", "Day");
    let series = [headings.open, language.of("Spiegate", "Explained"), language.of("Accettate", "Accepted")];
    let mut pen = Pen { sheet, formats, row: 0 };
    pen.head(&[day, series[0], series[1], series[2]])?;
    let points = about.trend();
    for point in &points {
        let counts = [point.open, point.explained, point.accepted].map(Cell::Whole);
        pen.line([Cell::Day(point.day)].into_iter().chain(counts))?;
    }
    if points.is_empty() {
        return pen.line([text(headings.no_runs)]);
    }
    let last = pen.row - 1;
    let mut chart = Chart::new(ChartType::ColumnStacked);
    chart.title().set_name(headings.chart);
    chart.x_axis().set_name(day).set_text_axis(true).set_num_format(language.of("dd/mm/yyyy", "yyyy-mm-dd"));
    chart.y_axis().set_name(headings.items);
    for (column, color) in (1..=3).zip(["#B3131B", "#0058B3", "#7A8794"]) {
        chart
            .add_series()
            .set_name((name.as_str(), 0, column))
            .set_categories((name.as_str(), 1, 0, last, 0))
            .set_values((name.as_str(), 1, column, last, column))
            .set_format(
                rust_xlsxwriter::ChartFormat::new()
                    .set_solid_fill(rust_xlsxwriter::ChartSolidFill::new().set_color(color)),
            );
    }
    chart.set_width(860).set_height(420).set_alt_text(headings.chart);
    sheet.insert_chart(1, 5, &chart)?;
    Ok(())
}
