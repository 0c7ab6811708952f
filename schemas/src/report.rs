//! The report of a reconciliation as other programs read it: who compared what, what disagrees, and
//! what it adds up to.
//!
//! Codes are the stable ones; words for people stand in the other forms of the same report. Plain
//! data: whoever writes a report fills these types, whoever reads one finds them as a JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::{Rule, Severity};
use crate::values::{CalendarDate, Importo, UtcInstant};

/// A report of discrepancies between systems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// What was compared, and which discrepancies are told.
    pub about: ReportAbout,
    /// The discrepancies, in order of number.
    pub items: Vec<ReportItem>,
    /// What they add up to.
    pub totals: ReportTotals,
}

/// What was compared, and which discrepancies are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportAbout {
    /// When the report was made.
    pub made_at: UtcInstant,
    /// The filter, as the query of an address; empty: all that are not closed.
    pub filter: String,
    /// Number and hash of the last entry of the audit chain, when the report was made.
    pub chain_head: String,
    /// Whether both sides of every comparison were read completely.
    pub complete: bool,
    /// The last run of each comparison.
    pub runs: Vec<ReportRun>,
    /// Where matters stood at the end of each day with a run.
    pub trend: Vec<ReportTrendPoint>,
    /// The periods that were signed off, the newest first.
    pub sign_offs: Vec<ReportSignOff>,
}

/// A run of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportRun {
    /// Its number.
    pub run: i64,
    /// Which comparison.
    pub comparison: String,
    /// When it began.
    pub started_at: UtcInstant,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub finished_at: Option<UtcInstant>,
    /// Whether both sides were read completely.
    pub complete: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub incomplete_because: Option<String>,
    /// Rows on this side.
    pub rows_here: u64,
    /// Rows on the other side.
    pub rows_there: u64,
    /// Rows equal in every field.
    pub equal: u64,
    /// Rows that differ.
    pub different: u64,
    /// Of these, the ones that known causes account for.
    pub different_explained: u64,
    /// Rows that only this side has.
    pub only_here: u64,
    /// Rows that only the other side has.
    pub only_there: u64,
    /// Rows not compared, by reason.
    pub skipped: BTreeMap<String, u64>,
}

/// Where matters stood at the end of a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportTrendPoint {
    /// The day, in Italy.
    pub day: CalendarDate,
    /// Open discrepancies.
    pub open: u64,
    /// Explained ones.
    pub explained: u64,
    /// Accepted ones.
    pub accepted: u64,
}

/// A period that somebody signed off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSignOff {
    /// The period: a month or a year.
    pub period: String,
    /// Who signed.
    pub who: String,
    /// What was written with it.
    pub note: String,
    /// When.
    pub at: UtcInstant,
    /// Discrepancies that were open then.
    pub open: u64,
}

/// What one system says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSide {
    /// The system.
    pub system: String,
    /// Whether it owns the field.
    pub is_owner: bool,
    /// Its value as text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// The day of its data.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub as_of: Option<CalendarDate>,
}

/// A discrepancy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportItem {
    /// Its number.
    pub id: i64,
    /// Which comparison.
    pub comparison: String,
    /// The unit.
    pub unit: String,
    /// The row inside the unit.
    pub row: String,
    /// The field; absent where the whole row is concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// The rule.
    pub rule: Rule,
    /// How grave.
    pub severity: Severity,
    /// How it shows itself.
    #[schemars(extend("enum" = ["missing_there", "missing_here", "differs", "breaks"]))]
    pub shape: String,
    /// The system that disagrees with the owner.
    pub against: String,
    /// The code of the cause that accounts for all of it; absent: unexplained. New codes may be added.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// What every system says: the owner first.
    pub sides: Vec<ReportSide>,
    /// The amount in question.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at_stake: Option<Importo>,
    /// Tax code of the body concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
    /// By when it must be settled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deadline: Option<CalendarDate>,
    /// What should be done.
    #[schemars(extend("enum" = [
        "nothing", "send_again", "read_again", "correct_at_source", "ask_partner", "open_segnalazione"
    ]))]
    pub act: String,
    /// Where it stands.
    #[schemars(extend("enum" = ["open", "explained", "accepted", "closed"]))]
    pub state: String,
    /// Until when it is accepted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub accepted_until: Option<CalendarDate>,
    /// Seen first.
    pub first_seen: UtcInstant,
    /// Seen last.
    pub last_seen: UtcInstant,
    /// When its values changed last.
    pub changed_at: UtcInstant,
    /// How old it is, in Italian working days.
    pub working_days: u64,
    /// How often it came back after it was closed.
    pub reopened: u32,
    /// The office whose turn it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub office: Option<String>,
    /// Since when somebody above was told.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub escalated_at: Option<UtcInstant>,
}

/// A count of discrepancies and the sum of their amounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSum {
    /// Of what: a tax code, an office, a system, a state, a class of age; absent: not given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub of: Option<String>,
    /// How many.
    pub count: u64,
    /// Of these, open.
    pub open: u64,
    /// The sum of the amounts in question.
    pub at_stake: Importo,
}

/// All discrepancies with one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportGroup {
    /// Which comparison.
    pub comparison: String,
    /// The rule.
    pub rule: Rule,
    /// The code of the cause; absent: unexplained.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// The field; absent for whole rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// The system that disagrees.
    pub against: String,
    /// How it shows itself.
    #[schemars(extend("enum" = ["missing_there", "missing_here", "differs", "breaks"]))]
    pub shape: String,
    /// How grave, at worst.
    pub severity: Severity,
    /// How many.
    pub count: u64,
    /// Of these, first seen by the last run.
    pub new: u64,
    /// The sum of the amounts in question.
    pub at_stake: Importo,
    /// First seen, the oldest of them.
    pub oldest: UtcInstant,
    /// The nearest deadline.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deadline: Option<CalendarDate>,
}

/// A count of rows and the amounts of their discrepancies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportNumber {
    /// Rows.
    pub rows: u64,
    /// The sum of the amounts in question.
    pub at_stake: Importo,
}

/// What the discrepancies of a report add up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportTotals {
    /// Rows equal in every field.
    pub equal: u64,
    /// Rows that differ.
    pub different: ReportNumber,
    /// Of these rows, the ones that known causes account for.
    pub different_explained: u64,
    /// Rows that only this side has.
    pub only_here: ReportNumber,
    /// Rows that only the other side has.
    pub only_there: ReportNumber,
    /// Rows not compared, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// All discrepancies of the report.
    pub all: ReportSum,
    /// One line for each cause.
    pub groups: Vec<ReportGroup>,
    /// By tax code of the body.
    pub by_body: Vec<ReportSum>,
    /// By office.
    pub by_office: Vec<ReportSum>,
    /// By the system that disagrees.
    pub by_system: Vec<ReportSum>,
    /// By state.
    pub by_state: Vec<ReportSum>,
    /// By age in working days.
    pub by_working_days: Vec<ReportSum>,
}
