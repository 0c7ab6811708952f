//! Judge: two values of one field, and what their difference means.
//!
//! Pure. Equal values give nothing and cost nothing. A difference is explained only when one known
//! cause accounts for the whole of it; otherwise it is left without a cause, for people.

mod amount;
mod code;
mod cups;
mod operator;
mod person;
mod row;
mod text;
mod value;

use std::collections::BTreeSet;

use canonical::kinds::Piano;
use canonical::values::{CalendarDate, Importo};
use canonical::{Rule, Severity};

pub use self::amount::above;
pub use self::row::{kind_of as kind_of_row_field, of_row_field};
pub use self::text::is_mask;
pub use self::value::{Codes, Operators, Value};
use crate::discrepancy::Cause;

/// What a field holds, which decides how two values of it are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// An amount.
    Amount,
    /// A day that has legal effect: any difference counts.
    Date,
    /// A day of publication: systems publish some days after one another.
    Published,
    /// A text written by people.
    Text,
    /// A code: compared as it stands, never without its zeros.
    Code,
    /// A procedure type: compared after the crosswalk of the two lists.
    ProcedureType,
    /// One or many CUP.
    Cups,
    /// A set of codes.
    CodeSet,
    /// The code of an economic operator or of a body.
    Operator,
    /// The operators of an award.
    Operators,
    /// A person in charge.
    Person,
    /// The code of a territory.
    Territory,
    /// An identifier that systems write with and without zeros in front.
    Identifier,
    /// A CUI.
    Cui,
    /// A phase that is counted: a later photograph must not go back.
    Phase,
}

/// The list of procedure types in which a side writes its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CodeList {
    /// ANAC's open data, which is the canonical list.
    #[default]
    Anac,
    /// The datasets of Legge 190/2012.
    L190,
}

/// What is known of codes beyond themselves.
pub trait Known: Send + Sync {
    /// Whether two codes circulate for one operator or body.
    fn are_one_operator(&self, one: &str, other: &str) -> bool;
    /// Whether one territory was given both codes.
    fn are_one_territory(&self, one: &str, other: &str) -> bool;
}

/// Nothing is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nothing;

impl Known for Nothing {
    fn are_one_operator(&self, _: &str, _: &str) -> bool {
        false
    }

    fn are_one_territory(&self, _: &str, _: &str) -> bool {
        false
    }
}

/// What stands around the two values. Each part that is known can account for a difference.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// How many rows were summed into a value: each may have been rounded.
    pub rows: u32,
    /// Security costs of the lot.
    pub security_costs: Option<Importo>,
    /// Sums that take no discount.
    pub non_discountable: Option<Importo>,
    /// Amount of the whole tender.
    pub tender_total: Option<Importo>,
    /// Amount of the framework agreement above.
    pub framework_total: Option<Importo>,
    /// How many winners the award has.
    pub winners: u32,
    /// Sum of the modifications of the contract.
    pub modifications: Option<Importo>,
    /// Whether both values come from one system: then nothing is published later.
    pub is_same_system: bool,
    /// The lists of the procedure types, the owner's first.
    pub lists: (CodeList, CodeList),
    /// The plans of which each side speaks, the owner's first; none when it speaks of all.
    pub plans: (Option<&'a BTreeSet<Piano>>, Option<&'a BTreeSet<Piano>>),
    /// Day on which the person in charge changed.
    pub changed_on: Option<CalendarDate>,
    /// What is known of codes.
    pub known: &'a dyn Known,
}

impl Default for Around<'_> {
    fn default() -> Self {
        Self {
            rows: 1,
            security_costs: None,
            non_discountable: None,
            tender_total: None,
            framework_total: None,
            winners: 1,
            modifications: None,
            is_same_system: false,
            lists: (CodeList::Anac, CodeList::Anac),
            plans: (None, None),
            changed_on: None,
            known: &Nothing,
        }
    }
}

impl std::fmt::Debug for Around<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Around").field("rows", &self.rows).field("winners", &self.winners).finish_non_exhaustive()
    }
}

/// What a difference means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Judgement {
    /// Under which rule it is counted.
    pub rule: Rule,
    /// How grave it is.
    pub severity: Severity,
    /// What accounts for all of it; none: unexplained.
    pub cause: Option<Cause>,
}

impl Judgement {
    /// A difference that nothing explains, as grave as its rule says.
    pub fn unexplained(rule: Rule) -> Self {
        Self { rule, severity: rule.severity(), cause: None }
    }

    /// A difference that a cause accounts for. What somebody typed wrong is explained and wrong.
    pub fn explained(rule: Rule, cause: Cause) -> Self {
        let severity = match cause {
            Cause::DecimalPointLost | Cause::WinnersRepeated | Cause::ReplacedCig => Severity::Warning,
            _ => Severity::Info,
        };
        Self { rule, severity, cause: Some(cause) }
    }

    fn grave(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// Judges two values of one field; none when they say the same.
pub fn judge(
    field: FieldKind,
    owner: Option<Value<'_>>,
    other: Option<Value<'_>>,
    around: &Around<'_>,
) -> Option<Judgement> {
    match (owner, other) {
        (None, None) => None,
        (Some(owner), Some(other)) => both(field, owner, other, around),
        (Some(value), None) | (None, Some(value)) => one(field, value),
    }
}

/// A value on one side only.
fn one(field: FieldKind, value: Value<'_>) -> Option<Judgement> {
    match value {
        Value::Amount(amount) if amount.is_zero() => Some(Judgement::explained(Rule::R02, Cause::NullAgainstZero)),
        // An empty set says no more than no set at all.
        Value::Codes(codes) if codes.is_empty() => None,
        Value::Operators(operators) if operators.is_empty() => None,
        Value::Text(text) | Value::Code(text) if is_mask(text) => {
            Some(Judgement::explained(Rule::R22, Cause::MaskedValue))
        }
        _ => Some(Judgement::unexplained(rule_of(field))),
    }
}

fn both(field: FieldKind, owner: Value<'_>, other: Value<'_>, around: &Around<'_>) -> Option<Judgement> {
    if let (Some(owner), Some(other)) = (owner.as_text(), other.as_text()) {
        // The common case of texts and codes: the same bytes, unless the lists differ.
        if owner == other && (field != FieldKind::ProcedureType || around.lists.0 == around.lists.1) {
            return None;
        }
        if is_mask(owner) || is_mask(other) {
            return Some(Judgement::explained(Rule::R22, Cause::MaskedValue));
        }
        return match field {
            FieldKind::Code | FieldKind::CodeSet => Some(Judgement::unexplained(Rule::R14)),
            FieldKind::ProcedureType => code::procedure_type(owner, other, around.lists),
            FieldKind::Operator => operator::one(owner, other, around.known),
            FieldKind::Territory => code::territory(owner, other, around.known),
            FieldKind::Identifier => code::identifier(owner, other),
            FieldKind::Cui => code::cui(owner, other),
            FieldKind::Person => person::names(owner, other, around.changed_on),
            FieldKind::Cups => cups::sets(Codes::One(owner), Codes::One(other), around.plans),
            FieldKind::Text => text::texts(owner, other),
            FieldKind::Amount | FieldKind::Date | FieldKind::Published | FieldKind::Operators | FieldKind::Phase => {
                Some(Judgement::unexplained(rule_of(field)))
            }
        };
    }
    match (owner, other) {
        (Value::Amount(owner), Value::Amount(other)) => amount::amounts(owner, other, around),
        (Value::Number(owner), Value::Number(other)) => {
            (owner != other).then(|| Judgement::unexplained(rule_of(field)))
        }
        (Value::Codes(owner), Value::Codes(other)) if field == FieldKind::Cups => {
            cups::sets(owner, other, around.plans)
        }
        (Value::Codes(owner), Value::Codes(other)) => {
            (!owner.is_same(other)).then(|| Judgement::unexplained(rule_of(field)))
        }
        (Value::Operators(owner), Value::Operators(other)) => operator::sets(owner, other, around.known),
        (Value::Person(owner), Value::Person(other)) => person::persons(owner, other, around.changed_on),
        (owner, other) => match (owner.days(), other.days()) {
            (Some(owner), Some(other)) => dates(field, owner, other, around),
            // Values of two shapes, for instance a text where a day was expected.
            _ => Some(Judgement::unexplained(rule_of(field))),
        },
    }
}

/// Days that systems publish after one another, at most.
const PUBLICATION_LAG_DAYS: u64 = 10;

/// Days after dropping hour and zone: one for a day, up to two for an instant.
fn dates(
    field: FieldKind,
    owner: (CalendarDate, CalendarDate),
    other: (CalendarDate, CalendarDate),
    around: &Around<'_>,
) -> Option<Judgement> {
    if owner.0 == other.0 || owner.0 == other.1 || owner.1 == other.0 || owner.1 == other.1 {
        return None;
    }
    let is_lag = field == FieldKind::Published
        && !around.is_same_system
        && owner.0.days_until(other.0).unsigned_abs() <= PUBLICATION_LAG_DAYS;
    Some(if is_lag {
        Judgement::explained(Rule::R03, Cause::PublicationLag)
    } else {
        Judgement::unexplained(Rule::R03)
    })
}

/// The rule under which a difference of such a field is counted when nothing more is known of it.
fn rule_of(field: FieldKind) -> Rule {
    match field {
        FieldKind::Amount => Rule::R02,
        FieldKind::Date | FieldKind::Published => Rule::R03,
        FieldKind::Text => Rule::R12,
        FieldKind::Code
        | FieldKind::ProcedureType
        | FieldKind::CodeSet
        | FieldKind::Territory
        | FieldKind::Identifier
        | FieldKind::Cui
        | FieldKind::Phase => Rule::R14,
        FieldKind::Cups => Rule::R13,
        FieldKind::Operator | FieldKind::Operators => Rule::R11,
        FieldKind::Person => Rule::R10,
    }
}
