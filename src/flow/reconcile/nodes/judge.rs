//! What two nodes hold of one key that differs, and what that means. Pure: `nodes` reads both sides and notes
//! what comes of it.

use canonical::Kind;
use canonical::identifiers::{CodiceFiscale, holds_personal_code};
use canonical::values::UtcInstant;
use contract::{Row, UnitKey};
use serde_json::Value;

use super::holdings::name_of;
use super::row::row_of;
use super::wire::TheirRecord;
use crate::discrepancy::{Act, Discrepancy};
use crate::flow::exchange::item::Item;
use crate::flow::exchange::shape::leaving;
use crate::flow::reconcile::rows::{Around, compare_rows};
use crate::storage::ReconciliationCounts;
use crate::storage::exchange::{Scope, StoredVersion};

/// Fields of a record of theirs, at most: an award with four thousand parties has fewer.
const MOST_FIELDS: usize = 20_000;

/// What keys that differ mean.
pub(super) struct Judge<'a> {
    /// The other node.
    pub(super) name: &'a str,
    /// When the comparison began.
    pub(super) asked: UtcInstant,
    /// What was stored later is not expected on the other side yet.
    pub(super) fresh_since: UtcInstant,
}

/// What came of one key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Its counts.
    pub(super) counts: ReconciliationCounts,
    /// What both sides disagree about.
    pub(super) found: Vec<Discrepancy>,
    /// The unit of which nothing can be said yet.
    pub(super) kept: Option<String>,
}

impl Judge<'_> {
    /// One key that differs, by what both sides hold under it now; none where neither holds anything.
    pub(super) fn of(&self, mine: Option<(&StoredVersion, &Item)>, theirs: Option<&TheirRow>) -> Option<Judged> {
        let unit = mine.map(|(_, item)| name_of(item.kind, &item.key));
        let unit = unit.or_else(|| theirs.map(|record| record.unit.clone()))?;
        // Whoever says that he stored it tomorrow is believed as far as now.
        let theirs_at = theirs.map(|record| record.stored_at).filter(|at| *at <= self.asked);
        let stored = mine.iter().map(|(version, _)| version.stored_at).chain(theirs_at);
        if stored.max().is_some_and(|at| at > self.fresh_since) {
            let (expected, observed) = (u64::from(mine.is_some()), u64::from(theirs.is_some()));
            let counts = ReconciliationCounts { expected, observed, on_its_way: 1, ..ReconciliationCounts::default() };
            return Some(Judged { counts, found: Vec::new(), kept: Some(unit) });
        }
        let owner = mine.map(|(version, _)| version.content.provenance.source.as_str());
        let body = mine.and_then(|(version, _)| version.content.body.ente().copied());
        let body = body.or(theirs.and_then(|record| record.body));
        let body = body.as_ref().map(CodiceFiscale::masked);
        let around = Around { target: self.name, owner, body, has_desk: false };
        let row_of_mine = mine.map(|(_, item)| row_of(&item.key, &item.body));
        let row_of_theirs = theirs.map(|record| record.row.clone());
        let (counts, found) = compare_rows(&UnitKey(unit), row_of_mine.as_slice(), row_of_theirs.as_slice(), &around);
        Some(Judged { counts, found: found.into_iter().map(of_partners).collect(), kept: None })
    }
}

/// Nothing of ours is delivered to another node: what differs there is settled with whoever runs it.
fn of_partners(found: Discrepancy) -> Discrepancy {
    let act = if found.act == Act::SendAgain { Act::AskPartner } else { found.act };
    Discrepancy { act, ..found }
}

/// A record of theirs, without whatever it may say of persons, and only where it is of a body of which
/// both sides speak.
pub(super) struct TheirRow {
    /// Its name.
    pub(super) unit: String,
    row: Row,
    body: Option<CodiceFiscale>,
    stored_at: UtcInstant,
}

impl TheirRow {
    /// Reads it; none where it is not one of which we asked.
    pub(super) fn read(record: &TheirRecord, scope: &Scope) -> Option<Self> {
        let kind = Kind::from_name(&record.kind)?;
        if holds_personal_code(&record.key) {
            return None;
        }
        let (body, _) = leaving(kind, record.body.clone());
        let ente = ente_of(kind, &body);
        if !scope.everything && !ente.is_some_and(|ente| scope.bodies.contains(&ente)) {
            return None;
        }
        let row = row_of(&record.key, &body);
        let is_small = row.fields.len() <= MOST_FIELDS;
        let unit = name_of(kind, &record.key);
        is_small.then_some(Self { unit, row, body: ente, stored_at: record.stored_at })
    }
}

/// The body that a record of theirs is about.
fn ente_of(kind: Kind, body: &Value) -> Option<CodiceFiscale> {
    let names: &[&str] =
        if kind == Kind::Ente { &["codice_fiscale"] } else { &["stazione_appaltante", "ente", "ente_erogatore"] };
    let text = names.iter().find_map(|name| body[*name].as_str())?;
    CodiceFiscale::parse(text).ok().filter(|code| !code.is_person())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::discrepancy::{Shape, Side};

    const BODY: &str = "80004650133";

    fn at(text: &str) -> UtcInstant {
        UtcInstant::parse(text).expect("an instant")
    }

    fn scope(bodies: &[&str]) -> Scope {
        let bodies = bodies.iter().map(|body| CodiceFiscale::parse(body).expect("a code")).collect();
        Scope { everything: false, bodies, units: Vec::new() }
    }

    fn lotto(key: &str, stored_at: &str) -> TheirRecord {
        let body = json!({ "cig": "B000001279", "oggetto": "una scuola", "stazione_appaltante": BODY });
        TheirRecord { kind: "lotto".to_owned(), key: key.to_owned(), stored_at: at(stored_at), body }
    }

    fn judged(stored_at: &str) -> Judged {
        let (asked, fresh_since) = (at("2026-11-20T09:00:00Z"), at("2026-11-19T09:00:00Z"));
        let theirs = TheirRow::read(&lotto("B000001279", stored_at), &scope(&[BODY])).expect("a row");
        Judge { name: "vicina", asked, fresh_since }.of(None, Some(&theirs)).expect("judged")
    }

    #[test]
    fn what_only_they_hold_is_missing_here_and_nobody_repairs_it_there() {
        let judged = judged("2026-11-01T09:00:00Z");
        assert_eq!((judged.counts.missing_here, judged.counts.observed, judged.kept), (1, 1, None));
        let [found] = &judged.found[..] else { panic!("one: {:?}", judged.found) };
        assert_eq!((found.shape, found.act, found.body.as_deref()), (Shape::MissingHere, Act::AskPartner, Some(BODY)));
        assert!(found.sides.iter().any(Side::is_of_nobody));
    }

    #[test]
    fn what_was_stored_there_just_now_is_on_its_way_and_what_is_of_tomorrow_is_not_believed() {
        let fresh = judged("2026-11-20T08:00:00Z");
        assert_eq!((fresh.counts.on_its_way, fresh.kept.as_deref()), (1, Some("lotto/B000001279")));
        assert!(fresh.found.is_empty());
        assert_eq!(judged("2026-11-21T08:00:00Z").counts.missing_here, 1);
    }

    #[test]
    fn a_record_of_a_person_or_of_another_body_is_not_read() {
        let stored = "2026-11-01T09:00:00Z";
        assert!(TheirRow::read(&lotto("RSSMRA80A01H501U", stored), &scope(&[BODY])).is_none());
        assert!(TheirRow::read(&lotto("B000001279", stored), &scope(&["80098765433"])).is_none());
        let of_another_time = TheirRecord { kind: "futuro".to_owned(), ..lotto("B000001279", stored) };
        assert!(TheirRow::read(&of_another_time, &scope(&[BODY])).is_none());
    }
}
