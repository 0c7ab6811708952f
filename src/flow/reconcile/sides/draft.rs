//! A discrepancy while it is written down: where it stands, what each side says, what to do.

use canonical::values::{CalendarDate, Importo};
use canonical::{Record, Rule, Severity};

use super::super::judge::{Judgement, Value};
use super::context::Context;
use crate::discrepancy::shown::said;
use crate::discrepancy::{Act, Cause, Discrepancy, SOURCES, Shape, Side};

/// Where a discrepancy stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// `kind/key`.
    pub(super) unit: String,
    /// The key.
    pub(super) row: String,
    /// Tax code of the body concerned.
    pub(super) body: Option<String>,
}

impl Place {
    pub(super) fn of(record: &Record) -> Self {
        let key = record.key();
        let body = record.body.ente().map(|code| code.masked().to_owned());
        Self { unit: format!("{}/{key}", record.kind()), row: key.to_string(), body }
    }
}

/// A discrepancy that still wants its sides.
pub(super) struct Draft(Discrepancy);

/// Begins a discrepancy.
pub(super) fn finding(place: &Place, field: Option<&str>, judgement: Judgement, shape: Shape, against: &str) -> Draft {
    let Judgement { rule, severity, cause } = judgement;
    Draft(Discrepancy {
        comparison: SOURCES.to_owned(),
        unit: place.unit.clone(),
        row: place.row.clone(),
        field: field.map(str::to_owned),
        rule,
        severity,
        shape,
        against: against.to_owned(),
        cause,
        sides: Vec::new(),
        at_stake: None,
        body: place.body.clone(),
        deadline: None,
        act: act(rule, shape, severity, cause),
    })
}

impl Draft {
    /// What a record says. The owner comes first, the others in order of their names.
    pub(super) fn side(mut self, record: &Record, is_owner: bool, value: Option<String>) -> Self {
        let from = &record.provenance;
        let system = from.source.as_str().to_owned();
        // Whatever a source wrote, also as a reason: it holds no personal code from here on.
        let (value, seen) = value.map(|value| said(&value, false)).unzip();
        self.0.sides.push(Side { system, is_owner, value, seen: seen.flatten(), as_of: from.as_of });
        if self.0.body.is_none() {
            self.0.body = record.body.ente().map(|code| code.masked().to_owned());
        }
        self
    }

    /// What a record says in a field. A person is hidden, and told apart from another all the same.
    pub(super) fn says(self, record: &Record, is_owner: bool, value: Option<Value<'_>>) -> Self {
        let hidden = value.and_then(Value::hidden);
        let mut draft = self.side(record, is_owner, value.map(Value::shown));
        if let Some(side) = draft.0.sides.last_mut() {
            side.seen = hidden.or(side.seen.take());
        }
        draft
    }

    /// A source that has nothing.
    pub(super) fn nothing(mut self, source: &str, is_owner: bool) -> Self {
        self.0.sides.push(Side { system: source.to_owned(), is_owner, value: None, seen: None, as_of: None });
        self
    }

    pub(super) fn stake(mut self, at_stake: Option<Importo>) -> Self {
        self.0.at_stake = at_stake;
        self
    }

    /// By when the law or an agreement wants it settled.
    pub(super) fn due(mut self, deadline: Option<CalendarDate>) -> Self {
        self.0.deadline = deadline;
        self
    }

    /// Whoever runs a system with a help desk is asked there.
    pub(super) fn at_desk(mut self, context: &Context<'_>, system: &str) -> Self {
        if self.0.act == Act::AskPartner && context.sources.get(system).is_some_and(|facts| facts.has_desk) {
            self.0.act = Act::OpenSegnalazione;
        }
        self
    }

    pub(super) fn done(mut self) -> Discrepancy {
        self.0.sides.sort_by(|one, other| {
            other.is_owner.cmp(&one.is_owner).then_with(|| (&one.system, one.as_of).cmp(&(&other.system, other.as_of)))
        });
        self.0
    }
}

/// What should be done, by rule, shape and cause. The owner of a field corrects what only it can know;
/// a system that disagrees with the owner is asked.
fn act(rule: Rule, shape: Shape, severity: Severity, cause: Option<Cause>) -> Act {
    match cause {
        Some(Cause::StaleSource) => return Act::ReadAgain,
        Some(Cause::DecimalPointLost | Cause::WinnersRepeated | Cause::ReplacedCig) => return Act::AskPartner,
        Some(_) => return Act::Nothing,
        None if severity == Severity::Info => return Act::Nothing,
        None => {}
    }
    match (rule, shape) {
        (Rule::R21, _) => Act::ReadAgain,
        (Rule::R01, Shape::MissingThere) | (_, Shape::Differs) => Act::AskPartner,
        (Rule::R01, _) | (_, Shape::Breaks | Shape::MissingHere | Shape::MissingThere) => Act::CorrectAtSource,
    }
}
