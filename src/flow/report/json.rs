//! The report for programs: one JSON object, written as the pages come. Its shape is published as
//! `schemas/json/v1/report.schema.json`.

use std::io::Write;

use canonical::report::{
    ReportAbout, ReportGroup, ReportItem, ReportNumber, ReportRun, ReportSide, ReportSignOff, ReportSum, ReportTotals,
    ReportTrendPoint,
};

use super::model::{self, About, RunFacts, Sum, Totals};
use super::print::{Form, ReportError};
use crate::discrepancy::{Cause, Group, State, WorkItem};

/// The report for programs.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
    is_first: bool,
}

impl<W: Write> Json<W> {
    /// Writes what is known before the first discrepancy.
    pub fn begin(mut out: W, about: &About) -> Result<Self, ReportError> {
        out.write_all(b"{\"about\":")?;
        write(&mut out, &self::about(about))?;
        out.write_all(b",\"items\":[")?;
        Ok(Self { out, is_first: true })
    }
}

impl<W: Write + Send> Form for Json<W> {
    fn items(&mut self, items: &[WorkItem], about: &About) -> Result<(), ReportError> {
        for item in items {
            self.out.write_all(if self.is_first { b"\n" } else { b",\n" })?;
            self.is_first = false;
            write(&mut self.out, &self::item(item, about))?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, about: &About, totals: &Totals) -> Result<(), ReportError> {
        self.out.write_all(b"],\n\"totals\":")?;
        write(&mut self.out, &self::totals(about, totals))?;
        self.out.write_all(b"}\n")?;
        Ok(self.out.flush()?)
    }
}

fn write(out: &mut impl Write, value: &impl serde::Serialize) -> Result<(), ReportError> {
    Ok(serde_json::to_writer(out, value).map_err(std::io::Error::from)?)
}

fn about(about: &About) -> ReportAbout {
    let trend = about.trend().into_iter().map(|point| ReportTrendPoint {
        day: point.day,
        open: point.open,
        explained: point.explained,
        accepted: point.accepted,
    });
    let sign_offs = about.sign_offs.iter().map(|signed| ReportSignOff {
        period: signed.period.clone(),
        who: signed.who.clone(),
        note: signed.note.clone(),
        at: signed.at,
        open: signed.open,
    });
    ReportAbout {
        made_at: about.made_at,
        filter: about.filter.clone(),
        chain_head: about.chain_head.clone(),
        complete: about.is_complete(),
        runs: about.runs.iter().map(run).collect(),
        trend: trend.collect(),
        sign_offs: sign_offs.collect(),
    }
}

fn run(run: &RunFacts) -> ReportRun {
    ReportRun {
        run: run.id,
        comparison: run.comparison.clone(),
        started_at: run.started_at,
        finished_at: run.finished_at,
        complete: run.is_complete,
        incomplete_because: run.incomplete_because.clone(),
        rows_here: run.rows_here,
        rows_there: run.rows_there,
        equal: run.equal,
        different: run.different,
        different_explained: run.different_explained,
        only_here: run.only_here,
        only_there: run.only_there,
        skipped: run.skipped.clone(),
    }
}

fn item(item: &WorkItem, about: &About) -> ReportItem {
    let found = &item.discrepancy;
    let sides = found.sides.iter().map(|side| ReportSide {
        system: side.system.clone(),
        is_owner: side.is_owner,
        value: side.value.clone(),
        as_of: side.as_of,
    });
    ReportItem {
        id: item.id,
        comparison: found.comparison.clone(),
        unit: found.unit.clone(),
        row: found.row.clone(),
        field: found.field.clone(),
        rule: found.rule,
        severity: found.severity,
        shape: found.shape.name().to_owned(),
        against: found.against.clone(),
        cause: found.cause.map(code),
        sides: sides.collect(),
        at_stake: found.at_stake,
        body: found.body.clone(),
        deadline: found.deadline,
        act: found.act.name().to_owned(),
        state: item.state.name().to_owned(),
        accepted_until: match item.state {
            State::Accepted { until } => until,
            _ => None,
        },
        first_seen: item.first_seen,
        last_seen: item.last_seen,
        changed_at: item.changed_at,
        working_days: about.age(item),
        reopened: item.reopened,
        office: item.office.clone(),
        escalated_at: item.escalated_at,
    }
}

fn code(cause: Cause) -> String {
    cause.code().to_owned()
}

fn group(group: &Group) -> ReportGroup {
    ReportGroup {
        comparison: group.comparison.clone(),
        rule: group.rule,
        cause: group.cause.map(code),
        field: group.field.clone(),
        against: group.against.clone(),
        shape: group.shape.name().to_owned(),
        severity: group.severity,
        count: group.count,
        new: group.new,
        at_stake: group.at_stake,
        oldest: group.oldest,
        deadline: group.deadline,
    }
}

fn sum(of: Option<String>, sum: Sum) -> ReportSum {
    ReportSum { of, count: sum.count, open: sum.open, at_stake: sum.at_stake }
}

fn totals(about: &About, totals: &Totals) -> ReportTotals {
    let rows = totals.row_numbers(&about.runs);
    // For programs there is always a number: whether it is all stands beside each run.
    let sure = Option::unwrap_or_default;
    let number = |(rows, at_stake)| ReportNumber { rows: sure(rows), at_stake };
    let (different, explained) = (sure(rows.different.0), sure(rows.explained.0));
    let ages = totals.by_age.iter().enumerate();
    ReportTotals {
        equal: sure(rows.equal),
        // For programs these rows include the explained ones, which are counted once more beside them.
        different: number((Some(different + explained), model::plus(rows.different.1, Some(rows.explained.1)))),
        different_explained: explained,
        only_here: number(rows.only_here),
        only_there: number(rows.only_there),
        skipped: rows.skipped,
        all: sum(None, totals.all),
        groups: totals.groups().into_iter().map(group).collect(),
        by_body: totals.by_body.iter().map(|(of, found)| sum(of.clone(), *found)).collect(),
        by_office: totals.by_office.iter().map(|(of, found)| sum(of.clone(), *found)).collect(),
        by_system: totals.by_system.iter().map(|(of, found)| sum(Some(of.clone()), *found)).collect(),
        by_state: totals.by_state.iter().map(|(of, found)| sum(Some((*of).to_owned()), *found)).collect(),
        by_working_days: ages.map(|(class, found)| sum(Some(model::age_class(class)), *found)).collect(),
    }
}
