//! Who owns which group of fields, by phase: the table of the law and of the platforms.
//!
//! Adapters are named as the configuration names them; the order is that in which they are believed.

/// A group of fields with one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// CUI, priorities, rows of money, the person in charge of an item.
    Programme,
    /// CUP and its state.
    Cup,
    /// CIG, its state, the identifier of the procedure.
    Cig,
    /// Object, CPV, amounts of the lot, procedure type.
    Lot,
    /// Winners, award amount, discount.
    Award,
    /// Data of the contract.
    Contract,
    /// Events of the execution.
    Events,
    /// Paid amounts.
    Paid,
    /// Identity of a body, territory.
    Identity,
    /// Qualification.
    Qualification,
    /// The person in charge of a procedure.
    Rup,
    /// Participants and offers.
    Participants,
}

impl Group {
    /// Whether the execution platform of the contract is believed first.
    pub fn follows_platform(self) -> bool {
        matches!(self, Self::Contract | Self::Events)
    }
}

/// Where a contract stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Phase {
    /// Only planned.
    Programme,
    /// Tendered or awarded.
    #[default]
    Award,
    /// Under way.
    Execution,
    /// Over.
    Closed,
}

const PROGRAMME: &[&str] = &["scp-programmi", "pad-maggioli", "pad-file", "file-drop"];
const CUP: &[&str] = &["mop-regis", "anac-opendata", "pad-maggioli", "pad-file", "file-drop", "scp-opendata"];
const CIG: &[&str] = &["anac-opendata", "pad-maggioli", "pad-file", "file-drop", "scp-opendata", "osservatorio"];
const PAD: &[&str] = &["pad-maggioli", "pad-file", "file-drop", "anac-opendata", "scp-opendata", "osservatorio"];
const EXECUTION: &[&str] = &["scp-esecuzione", "pad-maggioli", "pad-file", "file-drop", "anac-opendata"];
const PAID: &[&str] = &["contabilita", "pad-file", "file-drop", "mop-regis"];
const IDENTITY: &[&str] = &["registri", "anac-opendata", "mop-regis"];
const QUALIFICATION: &[&str] = &["anac-opendata", "hub"];

/// The owners of a group in a phase, the first before the others. From the award on, what was
/// tendered and awarded is frozen: its owners stay the same, and nobody writes it any more.
pub fn owners_of(group: Group, phase: Phase) -> &'static [&'static str] {
    match (group, phase) {
        (Group::Cup, _) => CUP,
        (Group::Cig, _) => CIG,
        // Of what is not tendered yet there are forecasts only.
        (Group::Programme, _) | (Group::Lot | Group::Award | Group::Participants | Group::Rup, Phase::Programme) => {
            PROGRAMME
        }
        (Group::Lot | Group::Award | Group::Participants | Group::Rup, _) => PAD,
        (Group::Contract | Group::Events, _) => EXECUTION,
        (Group::Paid, _) => PAID,
        (Group::Identity, _) => IDENTITY,
        (Group::Qualification, _) => QUALIFICATION,
    }
}
