//! Findings: what the owner of the data should know about a record.
//!
//! A finding never stops its neighbours. It says which rule, how grave, where, what was received
//! and what to do; the rule codes never change once released. `R` rules are the rules of
//! reconciliation, `N` rules those of reading and normalisation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::provenance::FieldPath;
use crate::values::Note;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know; nothing to do.
    Info,
    /// Probably wrong; somebody should look.
    Warning,
    /// Wrong; the owner of the data must correct it.
    Error,
}

macro_rules! rules {
    ($( $(#[doc = $doc:literal])+ $name:ident $severity:ident $summary:literal; )+) => {
        /// The code of a rule. Codes are stable: they are stored, shown and exchanged.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Rule { $( $(#[doc = $doc])+ $name, )+ }

        impl Rule {
            /// Every rule, in the order of its code.
            pub const ALL: &'static [Rule] = &[ $( Rule::$name, )+ ];

            /// The stable code, for instance `R04`.
            pub fn code(self) -> &'static str {
                match self { $( Self::$name => stringify!($name), )+ }
            }

            /// How grave a finding of this rule is unless its context says otherwise.
            pub fn severity(self) -> Severity {
                match self { $( Self::$name => Severity::$severity, )+ }
            }

            /// One English line that says what the rule looks at.
            pub fn summary(self) -> &'static str {
                match self { $( Self::$name => $summary, )+ }
            }
        }
    };
}

rules! {
    /// Missing on one side.
    R01 Error "record missing on one side";
    /// Amounts differ by more than a cent.
    R02 Error "amount differs";
    /// Calendar days differ.
    R03 Error "date differs";
    /// CIG malformed, or its check digits do not verify.
    R04 Error "CIG not valid";
    /// CIG null or empty.
    R05 Warning "CIG null or absent";
    /// Same CIG more than once in one source and period.
    R06 Warning "CIG repeated in the same document";
    /// CIG cancelled or replaced by another.
    R07 Error "CIG cancelled or replaced";
    /// The child of a framework agreement: amounts are those of the child.
    R08 Info "child of a framework agreement";
    /// SmartCIG: never expected in PCP or on execution platforms.
    R09 Info "SmartCIG";
    /// The person in charge differs.
    R10 Warning "RUP differs";
    /// Two codes for one operator, or two operators.
    R11 Warning "operator code differs";
    /// Normalised texts differ.
    R12 Warning "text differs";
    /// Sets of CUP differ.
    R13 Warning "set of CUP differs";
    /// Codes differ after the crosswalk.
    R14 Error "code differs";
    /// A later snapshot with an earlier phase.
    R15 Warning "phase went back";
    /// Two platforms send events of one phase for one contract.
    R16 Error "two owners of one phase";
    /// Paid more than awarded.
    R17 Warning "paid amount above awarded amount";
    /// Awarded above the base of the lot.
    R18 Warning "awarded amount above base amount";
    /// A winner that is not among the participants.
    R19 Warning "winner not among the participants";
    /// The code of a territory changed.
    R20 Info "territory code changed";
    /// A snapshot older than its period.
    R21 Warning "source is stale";
    /// A masked value: the comparison is skipped.
    R22 Info "masked value";
    /// An event that was not admissible when it took place.
    R23 Error "events out of order";
    /// A body that was not qualified for the procedure on its day.
    R24 Warning "body not qualified";
    /// End before start: both dates are kept.
    R25 Error "end date before start date";
    /// Same identifier with and without zero padding.
    R26 Info "identifier repaired by zero padding";
    /// CUI malformed.
    R27 Warning "CUI not valid";
    /// An amount not written in the canonical form, or rounded.
    N01 Info "amount in a non-canonical form";
    /// A date not written in the canonical form.
    N02 Info "date in a non-canonical form";
    /// A value that could not be read: the received text is kept.
    N03 Error "value not readable";
    /// A fiscal code that is malformed or does not verify: kept as received.
    N04 Warning "fiscal code not valid";
    /// A code that is not in its list: kept as received.
    N05 Warning "code not in its list";
    /// A text with entities, control characters or a wrong encoding, repaired.
    N06 Info "text repaired";
    /// An element that the schema of the document does not know.
    N07 Info "unknown element";
    /// A mandatory value that is absent.
    N08 Warning "mandatory value absent";
    /// A value that belongs to a natural person and was left out of what is sent.
    N09 Info "personal value withheld";
}

/// One finding about one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// How grave.
    pub severity: Severity,
    /// The field concerned, as a path inside the record or the received document.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<FieldPath>,
    /// The text as received, when showing it reveals no personal data.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub received: Option<String>,
    /// A stable code that says more than the rule, for instance `decimal_comma`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}

impl Finding {
    /// A finding of `rule`, with the rule's own severity.
    pub fn new(rule: Rule) -> Self {
        Self { rule, severity: rule.severity(), field: None, received: None, detail: None }
    }

    /// The same finding about one field.
    #[must_use]
    pub fn at(mut self, field: impl Into<FieldPath>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same finding with the received text. Never pass a personal code.
    #[must_use]
    pub fn received(mut self, text: impl Into<String>) -> Self {
        self.received = Some(text.into());
        self
    }

    /// The same finding with a stable detail code.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same finding with another severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }
}

impl From<Note> for Finding {
    /// The finding that a reading note deserves, without field and text.
    fn from(note: Note) -> Self {
        Self::new(note.rule()).detail(note.code())
    }
}

impl Note {
    /// The rule under which this note is counted.
    pub fn rule(self) -> Rule {
        match self {
            Self::DecimalComma
            | Self::ThousandsSeparator
            | Self::CurrencySymbol
            | Self::Exponent
            | Self::ExtraDecimals => Rule::N01,
            Self::DateWithZone | Self::DateWithTime | Self::DateNotIso => Rule::N02,
            Self::AmbiguousAmount | Self::NegativeAmount | Self::NotAnAmount | Self::NotADate => Rule::N03,
            Self::Trimmed | Self::TextRepaired => Rule::N06,
            Self::ZeroPadded => Rule::R26,
            Self::Masked => Rule::R22,
            Self::Malformed | Self::CheckDigit => Rule::N04,
        }
    }
}
