//! Which work items: every filter of a list stands in the address of its page.
//!
//! The words of the address are those of the commands. What is not understood is refused, not
//! ignored: a list that shows more than was asked for is worse than none.

use canonical::values::UtcInstant;
use canonical::{Rule, Severity};

use crate::discrepancy::{Cause, Shape};

/// Which of the causes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CauseFilter {
    /// With and without.
    #[default]
    Any,
    /// Those with any cause.
    Explained,
    /// Those without.
    Unexplained,
    /// Those with this one.
    Is(Cause),
}

/// Which of the states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StateFilter {
    /// All but the closed ones.
    #[default]
    Standing,
    /// Somebody must act.
    Open,
    /// A known cause accounts for it.
    Explained,
    /// A person lives with it.
    Accepted,
    /// The sides agree again, or are compared no more.
    Closed,
    /// All.
    Any,
}

impl StateFilter {
    const NAMES: [(Self, &'static str); 5] = [
        (Self::Open, "open"),
        (Self::Explained, "explained"),
        (Self::Accepted, "accepted"),
        (Self::Closed, "closed"),
        (Self::Any, "any"),
    ];

    /// Whether they may be what somebody must act on, and nothing that ended.
    pub fn may_be_open(self) -> bool {
        matches!(self, Self::Standing | Self::Open)
    }
}

/// First seen by which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewIn {
    /// The last one of its comparison.
    Last,
    /// That one.
    Run(i64),
}

/// Which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldFilter {
    /// Whole rows.
    WholeRow,
    /// That one.
    Is(String),
}

/// Which work items. The default: all that are not closed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemFilter {
    /// Of this comparison.
    pub comparison: Option<String>,
    /// Under this rule.
    pub rule: Option<Rule>,
    /// With this cause.
    pub cause: CauseFilter,
    /// About this field.
    pub field: Option<FieldFilter>,
    /// Of this shape.
    pub shape: Option<Shape>,
    /// Where this system disagrees.
    pub against: Option<String>,
    /// Of this body, by its tax code.
    pub body: Option<String>,
    /// On the turn of this office.
    pub office: Option<String>,
    /// In this state.
    pub state: StateFilter,
    /// At least so grave.
    pub severity: Option<Severity>,
    /// First seen by this run.
    pub new_in: Option<NewIn>,
    /// With this text in the unit or the row.
    pub key: Option<String>,
    /// Whose repair waits for a second person.
    pub to_approve: bool,
    /// Opened, for the last time, before.
    pub opened_before: Option<UtcInstant>,
    /// Of which nobody above was told.
    pub not_escalated: bool,
}

/// A filter that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the filter {name} has no meaning with this value, or is unknown")]
pub struct NotAFilter {
    /// Its name.
    pub name: String,
}

impl ItemFilter {
    /// Reads the query of an address: `rule=R02&against=hub`. Empty values say nothing. Parts whose
    /// names stand in `others` belong to somebody else.
    pub fn from_query(query: &str, others: &[&str]) -> Result<Self, NotAFilter> {
        let mut filter = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if value.is_empty() || others.contains(&name.as_ref()) {
                continue;
            }
            filter.set(&name, &value).ok_or_else(|| NotAFilter { name: name.chars().take(40).collect() })?;
        }
        Ok(filter)
    }

    /// Sets one filter by its name in the address; none when it has no meaning.
    pub fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let text = || Some(value.to_owned());
        match name {
            "comparison" => self.comparison = text(),
            "rule" => self.rule = Some(Rule::ALL.iter().copied().find(|rule| rule.code() == value)?),
            "cause" => {
                self.cause = match value {
                    "any" => CauseFilter::Any,
                    "explained" => CauseFilter::Explained,
                    "unexplained" => CauseFilter::Unexplained,
                    code => CauseFilter::Is(Cause::of_code(code)?),
                }
            }
            "field" if value == "-" => self.field = Some(FieldFilter::WholeRow),
            "field" => self.field = Some(FieldFilter::Is(value.to_owned())),
            "shape" => self.shape = Some(Shape::of_name(value)?),
            "against" => self.against = text(),
            "body" => self.body = text(),
            "office" => self.office = text(),
            "state" if value == "standing" => self.state = StateFilter::Standing,
            "state" => self.state = StateFilter::NAMES.into_iter().find(|(_, name)| *name == value)?.0,
            "severity" => self.severity = Some(severity(value)?),
            "new" if value == "last" => self.new_in = Some(NewIn::Last),
            "new" => self.new_in = Some(NewIn::Run(value.parse().ok().filter(|run| *run > 0)?)),
            "key" => self.key = text(),
            "to_approve" => self.to_approve = flag(value)?,
            "opened_before" => self.opened_before = Some(UtcInstant::parse(value).ok()?),
            "not_escalated" => self.not_escalated = flag(value)?,
            _ => return None,
        }
        Some(())
    }

    /// The query of an address, which [`Self::from_query`] reads back; empty for the default.
    pub fn to_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.pairs() {
            query.append_pair(name, &value);
        }
        query.finish()
    }

    /// Names and values of all that is filtered, in a fixed order.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let cause = match self.cause {
            CauseFilter::Any => None,
            CauseFilter::Explained => Some("explained"),
            CauseFilter::Unexplained => Some("unexplained"),
            CauseFilter::Is(cause) => Some(cause.code()),
        };
        let field = self.field.as_ref().map(|field| match field {
            FieldFilter::WholeRow => "-",
            FieldFilter::Is(field) => field,
        });
        let state = StateFilter::NAMES.into_iter().find(|(state, _)| *state == self.state).map(|(_, name)| name);
        let new = self.new_in.map(|new| match new {
            NewIn::Last => "last".to_owned(),
            NewIn::Run(run) => run.to_string(),
        });
        let own = |text: &str| text.to_owned();
        let yes = |is_set: bool| is_set.then(|| "yes".to_owned());
        let pairs = [
            ("comparison", self.comparison.clone()),
            ("rule", self.rule.map(|rule| own(rule.code()))),
            ("cause", cause.map(own)),
            ("field", field.map(own)),
            ("shape", self.shape.map(|shape| own(shape.name()))),
            ("against", self.against.clone()),
            ("body", self.body.clone()),
            ("office", self.office.clone()),
            ("state", state.map(own)),
            ("severity", self.severity.map(|severity| own(severity_name(severity)))),
            ("new", new),
            ("key", self.key.clone()),
            ("to_approve", yes(self.to_approve)),
            ("opened_before", self.opened_before.map(|at| at.to_string())),
            ("not_escalated", yes(self.not_escalated)),
        ];
        pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn severity(name: &str) -> Option<Severity> {
    [Severity::Info, Severity::Warning, Severity::Error].into_iter().find(|severity| severity_name(*severity) == name)
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_has_an_empty_address() {
        assert_eq!(ItemFilter::default().to_query(), "");
        assert_eq!(ItemFilter::from_query("", &[]), Ok(ItemFilter::default()));
        assert_eq!(ItemFilter::from_query("rule=&key=", &[]), Ok(ItemFilter::default()));
    }

    #[test]
    fn what_is_not_understood_is_refused_unless_it_is_of_somebody_else() {
        for query in ["regola=R02", "rule=R99", "cause=magic", "state=asleep", "new=0", "severity=grave", "shape=round"]
        {
            assert!(ItemFilter::from_query(query, &[]).is_err(), "{query}");
        }
        assert_eq!(ItemFilter::from_query("after=12", &["after"]), Ok(ItemFilter::default()));
    }

    fn texts() -> impl Strategy<Value = Option<String>> {
        proptest::option::of("[a-zA-Z&=+%/ àè]{1,12}")
    }

    proptest! {
        #[test]
        fn every_filter_comes_back_from_its_address(
            (comparison, against, body, office, key) in (texts(), texts(), texts(), texts(), texts()),
            rule in proptest::option::of(proptest::sample::select(Rule::ALL)),
            cause in prop_oneof![
                Just(CauseFilter::Any), Just(CauseFilter::Explained), Just(CauseFilter::Unexplained),
                proptest::sample::select(Cause::ALL).prop_map(CauseFilter::Is)
            ],
            field in proptest::option::of(prop_oneof![
                Just(FieldFilter::WholeRow), "[a-z_.]{2,9}".prop_map(FieldFilter::Is)
            ]),
            state in proptest::sample::select(vec![
                StateFilter::Standing, StateFilter::Open, StateFilter::Explained, StateFilter::Accepted,
                StateFilter::Closed, StateFilter::Any,
            ]),
            new_in in proptest::option::of(prop_oneof![Just(NewIn::Last), (1_i64..).prop_map(NewIn::Run)]),
            (to_approve, not_escalated) in any::<(bool, bool)>(),
        ) {
            let filter = ItemFilter {
                comparison, rule, cause, field, shape: Some(Shape::Differs), against, body, office, state,
                severity: Some(Severity::Warning), new_in, key, to_approve,
                opened_before: UtcInstant::parse("2026-11-02T07:00:00Z").ok(), not_escalated,
            };
            prop_assert_eq!(ItemFilter::from_query(&filter.to_query(), &[]), Ok(filter));
        }
    }
}
