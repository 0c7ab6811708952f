//! Links of one project that have no CIG: what tells them apart is the identifier that their source gives
//! to the procedure, and sources write it with and without zeros in front.

use canonical::kinds::CollegamentoCupCig;
use canonical::{Body, Kind, Record, Rule};

use super::super::judge::{Around, FieldKind, Value, judge};
use super::context::Context;
use super::draft::{Place, finding};
use super::in_order;
use super::owners::Group;
use crate::discrepancy::{Discrepancy, Shape};

/// R26: pairs of links of one project, each from another source, whose identifiers differ in their form
/// alone.
pub fn compare_links<'a>(records: impl IntoIterator<Item = &'a Record>, context: &Context<'_>) -> Vec<Discrepancy> {
    let links = records.into_iter().filter_map(|record| match &record.body {
        Body::CollegamentoCupCig(link) if link.cig.is_none() => Some((record, link)),
        _ => None,
    });
    let rank = |record: &Record| {
        let source = record.provenance.source.as_str();
        (context.rank(Group::Cup, Kind::CollegamentoCupCig, source), source.to_owned(), record.key())
    };
    let mut links: Vec<(&Record, &CollegamentoCupCig)> = links.collect();
    links.sort_by_cached_key(|(record, _)| rank(record));
    let mut found = Vec::new();
    for (number, (owner, ours)) in links.iter().enumerate() {
        for (other, theirs) in &links[number + 1..] {
            if ours.cup != theirs.cup || owner.provenance.source == other.provenance.source {
                continue;
            }
            let value = |link: &'a CollegamentoCupCig| link.id_procedura.as_deref().map(Value::Code);
            let (ours, theirs) = (value(ours), value(theirs));
            let judgement = judge(FieldKind::Identifier, ours, theirs, &Around::default());
            // Any others are two procedures.
            let Some(judgement) = judgement.filter(|judgement| judgement.rule == Rule::R26) else { continue };
            let against = other.provenance.source.as_str();
            let draft = finding(&Place::of(owner), Some("id_procedura"), judgement, Shape::Differs, against);
            let draft = draft.side(owner, true, ours.map(Value::shown)).side(other, false, theirs.map(Value::shown));
            found.push(draft.done());
        }
    }
    in_order(found)
}
