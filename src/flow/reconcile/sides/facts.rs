//! What is known of a source: how late it may be, whether all of it was read, what it is expected to hold.
//!
//! Three voices, each over the one before: what systems of its kind publish, what the configuration says,
//! and how far it was read. A source is expected to hold what systems of its kind hold whole, about the
//! bodies of which it has ever spoken; more than that only when the configuration says so.

use std::collections::{BTreeMap, BTreeSet};

use canonical::Kind;
use canonical::identifiers::CodiceFiscale;
use canonical::values::CalendarDate;
use serde::Deserialize;
use time::Duration;

use super::super::inventory::Completeness;
use super::super::inventory::completeness::{Expected, Read};
use crate::clock::italian_day;
use crate::storage::SourceState;

/// What is known of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFacts {
    /// The adapter behind it.
    pub adapter: String,
    /// Days that a thing may take to appear in it.
    pub grace_days: u32,
    /// Whether its last reading was complete: only then is something missing there.
    pub is_complete: bool,
    /// The kinds that it is expected to hold.
    pub expects: BTreeSet<Kind>,
    /// The bodies of which it speaks, by kind; none: all.
    pub bodies: Option<BTreeMap<Kind, BTreeSet<CodiceFiscale>>>,
    /// Before this day nothing is expected of it; none: no such day.
    pub since: Option<CalendarDate>,
    /// The fields that it always gives, by kind: their absence is a difference.
    pub carries: BTreeSet<(Kind, String)>,
    /// Whether it is a platform that follows execution, and numbers its events.
    pub is_platform: bool,
    /// Whether it has a desk at which a Segnalazione is opened.
    pub has_desk: bool,
    /// The day to which it dates its newest data.
    pub as_of: Option<CalendarDate>,
    /// Days after which its data are old.
    pub period_days: Option<u32>,
}

/// What the configuration says of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourcePolicy {
    /// The kinds that it holds whole, in place of those that systems of its kind hold.
    pub expects: Option<BTreeSet<Kind>>,
    /// The bodies about which it holds them, in place of those of which it has spoken.
    pub bodies: Option<BTreeSet<CodiceFiscale>>,
    /// Nothing before this day is expected of it.
    pub since: Option<CalendarDate>,
    /// Fields that it always gives, as `kind.field`.
    pub carries: Vec<CarriedField>,
    /// Days that a thing may take to appear in it, as agreed.
    pub grace_days: Option<u32>,
    /// Days after which its data are old.
    pub period_days: Option<u32>,
}

/// A field that a source always gives, written `lotto.importo_totale`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CarriedField(Kind, String);

impl TryFrom<String> for CarriedField {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = text.split_once('.').and_then(|(kind, field)| {
            let kind = Kind::from_name(kind)?;
            let is_known = super::fields_of(kind).iter().any(|known| known.name == field);
            is_known.then(|| Self(kind, field.to_owned()))
        });
        known.ok_or_else(|| format!("`{text}` is no field that is compared: write it as `lotto.importo_totale`"))
    }
}

/// What systems of a kind publish: days until a thing appears, days after which data are old, the kinds
/// that they hold whole.
fn published(adapter: &str) -> (u32, Option<u32>, &'static [Kind]) {
    match adapter {
        "scp-opendata" => (2, Some(2), &[Kind::Lotto]),
        "anac-opendata" => (45, Some(45), &[Kind::Lotto, Kind::Aggiudicazione]),
        "file-drop" => (365, Some(366 + 31), &[Kind::Lotto, Kind::Aggiudicazione]),
        "mop-regis" => (45, Some(183), &[]),
        "hub" => (0, None, &[Kind::Qualificazione]),
        "scp-programmi" => (0, None, &[Kind::Intervento]),
        _ => (0, None, &[]),
    }
}

/// Fields without which a system refuses or never gives a row, by its published contract.
fn always_given(adapter: &str) -> &'static [(Kind, &'static str)] {
    match adapter {
        // `Importo` of GetImpegni and GetMandati is a number that is always there.
        "contabilita" => &[(Kind::Pagamento, "importo")],
        _ => &[],
    }
}

impl SourceFacts {
    /// The usual facts of the sources of an adapter: grace and period as they are published.
    pub fn of_adapter(adapter: &str) -> Self {
        let (grace_days, period_days, _) = published(adapter);
        let is_platform = matches!(adapter, "scp-esecuzione" | "pad-maggioli" | "pad-file");
        let carries = always_given(adapter).iter().map(|(kind, field)| (*kind, (*field).to_owned())).collect();
        Self { adapter: adapter.to_owned(), grace_days, period_days, is_platform, carries, ..Self::default() }
    }

    /// The facts of a source that reads these kinds, as the configuration and its readings make them.
    pub fn of_source(adapter: &str, reads: &[Kind], policy: Option<&SourcePolicy>, state: &SourceState) -> Self {
        let mut facts = Self::of_adapter(adapter);
        facts.is_complete = is_complete(state);
        // A system that dates nothing shows what it holds on the day on which it is asked.
        facts.as_of = state.as_of.or_else(|| state.read_at.map(italian_day));
        let (_, _, whole) = published(adapter);
        facts.expects = whole.iter().copied().filter(|kind| reads.contains(kind)).collect();
        facts.bodies = Some(state.spoken_of.clone());
        let Some(policy) = policy else { return facts };
        if let Some(expects) = &policy.expects {
            facts.expects.clone_from(expects);
            facts.bodies = None;
        }
        if let Some(bodies) = &policy.bodies {
            facts.bodies = Some(facts.expects.iter().map(|kind| (*kind, bodies.clone())).collect());
        }
        facts.since = policy.since;
        facts.carries.extend(policy.carries.iter().map(|CarriedField(kind, field)| (*kind, field.clone())));
        facts.grace_days = policy.grace_days.unwrap_or(facts.grace_days);
        facts.period_days = policy.period_days.or(facts.period_days);
        facts
    }

    /// Whether its newest data are older than its period.
    pub fn is_stale(&self, today: CalendarDate) -> bool {
        match (self.as_of, self.period_days) {
            (Some(as_of), Some(period)) => as_of.days_until(today) > i64::from(period),
            _ => false,
        }
    }

    /// Whether it is expected to hold a kind about a body, where all of it was read. Of whom a record
    /// speaks that names nobody is known to those alone who hold everything.
    pub fn holds(&self, kind: Kind, body: Option<&CodiceFiscale>) -> bool {
        let concerns = match (&self.bodies, body) {
            (None, _) => true,
            (Some(bodies), Some(body)) => bodies.get(&kind).is_some_and(|bodies| bodies.contains(body)),
            (Some(_), None) => false,
        };
        self.expects.contains(&kind) && concerns
    }
}

/// The gate: the last reading came to its end, no document was refused, no row stands aside that could
/// be what is looked for.
fn is_complete(state: &SourceState) -> bool {
    let problem = (!state.is_read).then(|| "reading did not come to its end".to_owned());
    let read = Read { unreadable: state.refused.saturating_add(state.unreadable), problem, ..Read::default() };
    Completeness::of(&Expected::default(), &read).proof().is_some()
}

/// A day some days later; none behind the end of the calendar.
pub(super) fn days_after(day: CalendarDate, days: u32) -> Option<CalendarDate> {
    let later = day.to_date().checked_add(Duration::days(i64::from(days)))?;
    CalendarDate::try_from(later).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS: &[Kind] = &[Kind::Lotto, Kind::Aggiudicazione, Kind::Procedura];

    fn read() -> SourceState {
        let body = CodiceFiscale::parse("80098765433").expect("a tax code");
        let read_at = canonical::values::UtcInstant::parse("2026-01-15T08:00:00Z").ok();
        let spoken_of = BTreeMap::from([(Kind::Lotto, BTreeSet::from([body]))]);
        SourceState { is_read: true, read_at, spoken_of, ..SourceState::default() }
    }

    fn body(code: &str) -> CodiceFiscale {
        CodiceFiscale::parse(code).expect("a tax code")
    }

    #[test]
    fn a_source_is_expected_to_hold_what_it_has_spoken_of() {
        let facts = SourceFacts::of_source("anac-opendata", READS, None, &read());
        assert!(facts.is_complete && facts.holds(Kind::Lotto, Some(&body("80098765433"))));
        assert!(!facts.holds(Kind::Lotto, Some(&body("80004650133"))), "of another body it never spoke");
        assert!(!facts.holds(Kind::Aggiudicazione, Some(&body("80098765433"))), "it never spoke of awards");
        assert!(!facts.holds(Kind::Procedura, Some(&body("80098765433"))), "procedures it does not hold whole");
        assert!(!facts.holds(Kind::Lotto, None));
    }

    #[test]
    fn the_configuration_says_what_it_holds() {
        let policy = SourcePolicy { expects: Some([Kind::Procedura].into()), ..SourcePolicy::default() };
        let facts = SourceFacts::of_source("anac-opendata", READS, Some(&policy), &read());
        assert!(facts.holds(Kind::Procedura, None) && !facts.holds(Kind::Lotto, None));
    }

    #[test]
    fn a_reading_that_ended_early_or_left_something_out_is_not_complete() {
        for state in [
            SourceState { is_read: false, ..read() },
            SourceState { refused: 1, ..read() },
            SourceState { unreadable: 1, ..read() },
        ] {
            assert!(!SourceFacts::of_source("anac-opendata", READS, None, &state).is_complete, "{state:?}");
        }
    }

    #[test]
    fn a_field_that_is_not_compared_is_refused() {
        assert!(CarriedField::try_from("lotto.importo_totale".to_owned()).is_ok());
        for text in ["lotto", "lotto.prezzo", "cosa.importo"] {
            assert!(CarriedField::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
