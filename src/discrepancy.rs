//! A discrepancy: one thing about which systems disagree, from the day it was first seen until the
//! sides agree.
//!
//! What a run finds is a [`Discrepancy`]: pure, the same for the same input. What people work on is a
//! [`WorkItem`]: the same discrepancy over all runs that saw it, with its state, whose turn it is and
//! what was decided. States change by functions that can refuse; both databases repeat the list.

pub mod lifecycle;
pub mod shown;
pub mod working_days;

use canonical::values::{CalendarDate, Importo, UtcInstant};
use canonical::{Digest, Rule, Severity};
use serde::{Deserialize, Serialize};

/// How a discrepancy shows itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The owner has it, the other side does not.
    MissingThere,
    /// The other side has it, the owner does not.
    MissingHere,
    /// Both have it and differ.
    Differs,
    /// What the sides say together breaks a rule.
    Breaks,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 4] = [Self::MissingThere, Self::MissingHere, Self::Differs, Self::Breaks];

    /// The shape with a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.name() == name)
    }

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MissingThere => "missing_there",
            Self::MissingHere => "missing_here",
            Self::Differs => "differs",
            Self::Breaks => "breaks",
        }
    }
}

macro_rules! causes {
    ($( $(#[doc = $doc:literal])+ $name:ident $code:literal; )+) => {
        /// A known cause that accounts for the whole of a difference. What has no cause is unexplained.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Cause { $( $(#[doc = $doc])+ #[serde(rename = $code)] $name, )+ }

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )+ ];

            /// Stable code.
            pub fn code(self) -> &'static str {
                match self { $( Self::$name => $code, )+ }
            }

            /// The cause with a code.
            pub fn of_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|cause| cause.code() == code)
            }
        }
    };
}

causes! {
    /// Inside the grace time of the source.
    TooEarly "too_early";
    /// Null on one side and zero on the other: not awarded yet, or not declared.
    NullAgainstZero "null_against_zero";
    /// A cent for each row that was summed, at most.
    Rounding "rounding";
    /// One side with VAT at 22 %.
    Vat22 "vat_22";
    /// One side with VAT at 10 %.
    Vat10 "vat_10";
    /// One side with VAT at 5 %.
    Vat5 "vat_5";
    /// One side with VAT at 4 %, or with the professional fund of 4 %: the same figure.
    Vat4OrFund "vat_4_or_fund";
    /// One side with the professional fund of 4 % and VAT at 22 %.
    FundAndVat22 "fund_and_vat_22";
    /// One side without the security costs.
    SecurityCosts "security_costs";
    /// One side without the sums that take no discount.
    NonDiscountableSums "non_discountable_sums";
    /// The lot on one side, the whole tender on the other.
    LotAgainstTender "lot_against_tender";
    /// The sum over winners, each with the whole amount.
    WinnersRepeated "winners_repeated";
    /// A decimal point was lost: ten, a hundred or a thousand times.
    DecimalPointLost "decimal_point_lost";
    /// The amount with its modifications.
    WithModifications "with_modifications";
    /// Published some days later.
    PublicationLag "publication_lag";
    /// The same code in two lists.
    Crosswalk "crosswalk";
    /// A territory that was given another code.
    RecodedTerritory "recoded_territory";
    /// A source that holds one CUP, or those of its plan only.
    CupSubset "cup_subset";
    /// A masked value: nothing can be compared.
    MaskedValue "masked_value";
    /// Tax code and VAT number of one company.
    SameOperator "same_operator";
    /// The same words in another order, or with a title.
    SamePerson "same_person";
    /// Texts that are nearly the same.
    SimilarText "similar_text";
    /// The same identifier with and without zeros in front.
    ZeroPadding "zero_padding";
    /// The agreement on one side, the contract under it on the other.
    FrameworkChild "framework_child";
    /// The CIG was cancelled and another took its place.
    ReplacedCig "replaced_cig";
    /// One body acts for another.
    Delegation "delegation";
    /// A snapshot that is older than its period.
    StaleSource "stale_source";
    /// The source gave a reason for what is absent.
    ReasonGiven "reason_given";
    /// The person in charge changed, with a date.
    ChangedWithDate "changed_with_date";
}

/// What should be done about a discrepancy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Nothing: it is explained, or will end by itself.
    Nothing,
    /// Send our value to the target again.
    SendAgain,
    /// Read the source again.
    ReadAgain,
    /// The owner of the field corrects it in its own system.
    CorrectAtSource,
    /// Ask whoever runs the other system.
    AskPartner,
    /// Open a Segnalazione at the help desk of Pi.Co.
    OpenSegnalazione,
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 6] = [
        Self::Nothing,
        Self::SendAgain,
        Self::ReadAgain,
        Self::CorrectAtSource,
        Self::AskPartner,
        Self::OpenSegnalazione,
    ];

    /// The act with a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.name() == name)
    }

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::SendAgain => "send_again",
            Self::ReadAgain => "read_again",
            Self::CorrectAtSource => "correct_at_source",
            Self::AskPartner => "ask_partner",
            Self::OpenSegnalazione => "open_segnalazione",
        }
    }
}

/// Stands in place of a source of ours where none knows the row.
pub const NO_SOURCE: &str = "raccordo";

/// What one system says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The system.
    pub system: String,
    /// Whether it owns the field.
    pub is_owner: bool,
    /// Its value as text; none when it has none. Never a personal code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub value: Option<String>,
    /// The digest of what it really says, where the value hides a person. It goes no further than the
    /// comparison with what was seen before.
    #[serde(skip)]
    pub seen: Option<Digest>,
    /// The day of its data, where it says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub as_of: Option<CalendarDate>,
}

impl Side {
    /// Whether it is ours, and no source of ours knows the row: then nobody here owns it.
    pub fn is_of_nobody(&self) -> bool {
        self.is_owner && self.value.is_none() && self.system == NO_SOURCE
    }
}

/// One thing about which systems disagree, as a run found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discrepancy {
    /// Which comparison: the name of a target, or [`SOURCES`].
    pub comparison: String,
    /// The unit of the target, or `kind/key` of the record.
    pub unit: String,
    /// The row inside the unit; the key of the record where all systems are compared.
    pub row: String,
    /// The field; none when the whole row is missing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// The rule.
    pub rule: Rule,
    /// How grave, in this context.
    pub severity: Severity,
    /// How it shows itself.
    pub shape: Shape,
    /// The system that disagrees with the owner.
    pub against: String,
    /// The cause that accounts for all of it; none: unexplained.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<Cause>,
    /// What every system says: the owner first, the others by name.
    pub sides: Vec<Side>,
    /// The amount in question.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at_stake: Option<Importo>,
    /// Tax code of the body concerned.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
    /// By when it must be settled, where the law or an agreement says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deadline: Option<CalendarDate>,
    /// What should be done.
    pub act: Act,
}

/// The comparison of all systems that know one record.
pub const SOURCES: &str = "fonti";

impl Discrepancy {
    /// What makes it the same one in every run: comparison, place, rule and who disagrees, not the
    /// values.
    pub fn identity(&self) -> Digest {
        let parts = [
            self.comparison.as_str(),
            &self.unit,
            &self.row,
            self.field.as_deref().unwrap_or_default(),
            self.rule.code(),
            self.shape.name(),
            &self.against,
        ];
        Digest::of_parts(parts.map(str::as_bytes))
    }
}

/// Where a discrepancy stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Somebody must act.
    Open,
    /// A known cause accounts for all of it: nobody must act.
    Explained,
    /// A person lives with it, until a day or until it changes.
    Accepted {
        /// Until when; none: until it changes.
        until: Option<CalendarDate>,
    },
    /// The sides agree, or their comparison is configured no more.
    Closed,
}

impl State {
    /// Stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Explained => "explained",
            Self::Accepted { .. } => "accepted",
            Self::Closed => "closed",
        }
    }
}

/// A discrepancy over all runs that saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkItem {
    /// Its number, for people.
    pub id: i64,
    /// As it was seen last.
    #[serde(flatten)]
    pub discrepancy: Discrepancy,
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// Seen first; a return after it was closed does not change this.
    pub first_seen: UtcInstant,
    /// Seen last.
    pub last_seen: UtcInstant,
    /// When its values changed last.
    pub changed_at: UtcInstant,
    /// How often it came back after it was closed.
    pub reopened: u32,
    /// The office whose turn it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub office: Option<String>,
    /// Since when somebody above was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalated_at: Option<UtcInstant>,
}

impl WorkItem {
    /// Whether somebody must act, and the day by which it had to be settled has passed.
    pub fn is_overdue(&self, today: CalendarDate) -> bool {
        self.state == State::Open && self.discrepancy.deadline.is_some_and(|by| by < today)
    }
}

/// All work items with one cause: one line for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Which comparison.
    pub comparison: String,
    /// The rule.
    pub rule: Rule,
    /// The cause; none: unexplained.
    pub cause: Option<Cause>,
    /// The field; none for whole rows.
    pub field: Option<String>,
    /// The system that disagrees.
    pub against: String,
    /// How it shows itself.
    pub shape: Shape,
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
    pub deadline: Option<CalendarDate>,
}

impl Group {
    /// Whether the nearest deadline of what nobody can explain has passed; of what nobody must act on, no
    /// day is given.
    pub fn is_overdue(&self, today: Option<CalendarDate>) -> bool {
        let passed = self.deadline.zip(today).is_some_and(|(by, today)| by < today);
        self.cause.is_none() && passed
    }
}
