//! Digests of what a system holds: they say what the inventory says, and what was composed has the
//! digest under which it is listed, so that nothing is read in full that does not differ.

use canonical::Record;
use contract::{Digests, KeyRange, RangeDigest, Target, UnitDigest, UnitKey};

use super::target::Inventory;

/// How many pages a list may have here before it is taken for endless.
const PAGES: usize = 1000;
/// How many units are asked for in full at a time.
const BATCH: usize = 16;

/// Tries the digests of a system that holds these units, and these alone.
pub(super) async fn run(
    target: &dyn Target,
    digests: &dyn Digests,
    units: &[(UnitKey, Vec<Record>)],
    inventory: &Inventory,
) -> Result<String, String> {
    let inventory = inventory.as_ref().map_err(Clone::clone)?;
    let listed = list(digests, &KeyRange::default()).await?;
    if !listed.iter().map(|unit| &unit.key).eq(inventory.iter().map(|(key, _)| key)) {
        return Err("the list has other units than the inventory".to_owned());
    }
    for (key, members) in units {
        let composed = target.compose(key, 1, members)?;
        let listed = listed.iter().find(|unit| unit.key == *key).map(|unit| unit.digest);
        if listed.is_none() || digests.digest_of(&composed) != listed {
            return Err(format!("{key} is listed under another digest than that of what was sent"));
        }
    }
    in_parts(digests, &listed).await?;
    let keys: Vec<UnitKey> = listed.iter().map(|unit| unit.key.clone()).collect();
    for (keys, held) in keys.chunks(BATCH).zip(inventory.chunks(BATCH)) {
        let units = digests.observe(keys).await.map_err(|error| error.to_string())?;
        if !units.iter().map(|unit| (&unit.key, &unit.rows)).eq(held.iter().map(|(key, rows)| (key, rows))) {
            return Err("a unit that was asked for is another one than in the inventory".to_owned());
        }
    }
    let nowhere = UnitKey(keys.last().map_or_else(|| "x".to_owned(), |last| format!("{last}x")));
    match digests.observe(&[nowhere]).await {
        Ok(units) if units.is_empty() => Ok(format!("{} units", listed.len())),
        Ok(_) => Err("a unit that nobody holds was given".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Each half of the list, by itself.
async fn in_parts(digests: &dyn Digests, listed: &[UnitDigest]) -> Result<(), String> {
    let Some(middle) = listed.get(listed.len() / 2).map(|unit| unit.key.clone()) else { return Ok(()) };
    let ranges = [KeyRange { after: None, up_to: Some(middle.clone()) }, KeyRange { after: Some(middle), up_to: None }];
    let mut sums = Vec::new();
    for range in &ranges {
        let expected: Vec<_> = listed.iter().filter(|unit| range.contains(&unit.key)).cloned().collect();
        let mut part = list(digests, range).await?;
        part.retain(|unit| range.contains(&unit.key));
        if part != expected {
            return Err("a part of the list is another one than in the whole".to_owned());
        }
        sums.push(sum(&expected));
    }
    match digests.ranges(&ranges).await {
        Ok(None) => Ok(()),
        Ok(Some(told)) if told == sums => Ok(()),
        Ok(Some(_)) => Err("a range has another digest than the units in it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn sum(units: &[UnitDigest]) -> RangeDigest {
    RangeDigest::of(units.iter().map(|unit| (&unit.key, &unit.digest)))
}

/// The units of a range, page by page.
async fn list(digests: &dyn Digests, range: &KeyRange) -> Result<Vec<UnitDigest>, String> {
    let (mut units, mut range) = (Vec::<UnitDigest>::new(), range.clone());
    for _ in 0..PAGES {
        let page = digests.list(&range).await.map_err(|error| error.to_string())?;
        let is_whole = page.whole.is_none_or(|whole| page.next.is_some() || whole == sum(&page.units));
        units.extend(page.units);
        let keys = range.after.iter().filter(|_| units.is_empty()).chain(units.iter().map(|unit| &unit.key));
        if !is_whole || !keys.is_sorted_by(|one, next| one < next) {
            return Err("a list is out of order, or not what it says".to_owned());
        }
        match page.next.filter(|next| range.is_before_end(next)) {
            Some(next) => range.after = Some(next),
            None => return Ok(units),
        }
    }
    Err("a list without an end".to_owned())
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use canonical::Digest;
    use contract::{AdapterError, Composed, DigestPage, ObservedUnit, Row};
    use rstest::rstest;
    use simulated::Simulated;

    use super::*;
    use crate::records::{lotto, record, source};

    /// What the system does wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Lie {
        Nothing,
        LeavesOut,
        ListsAnother,
        AddsUpWrongly,
        GivesAnother,
        GivesWhatItHasNot,
    }

    struct Lying(Simulated, Lie);

    #[async_trait]
    impl Digests for Lying {
        fn digest_of(&self, composed: &Composed) -> Option<Digest> {
            self.0.digest_of(composed)
        }

        async fn ranges(&self, ranges: &[KeyRange]) -> Result<Option<Vec<RangeDigest>>, AdapterError> {
            let mut sums = self.0.ranges(ranges).await?.unwrap_or_default();
            if self.1 == Lie::AddsUpWrongly {
                sums.reverse();
            }
            Ok(Some(sums))
        }

        async fn list(&self, range: &KeyRange) -> Result<DigestPage, AdapterError> {
            let mut page = DigestPage { whole: None, ..self.0.list(range).await? };
            match (self.1, page.units.last_mut()) {
                (Lie::LeavesOut, Some(_)) => drop(page.units.pop()),
                (Lie::ListsAnother, Some(last)) => last.digest = Digest::of(b"another"),
                _ => {}
            }
            Ok(page)
        }

        async fn observe(&self, keys: &[UnitKey]) -> Result<Vec<ObservedUnit>, AdapterError> {
            let mut units = self.0.observe(keys).await?;
            match (self.1, units.last_mut()) {
                (Lie::GivesAnother, Some(last)) => last.rows.push(Row::new("another")),
                (Lie::GivesWhatItHasNot, None) => {
                    let keys = keys.iter().cloned();
                    units.extend(keys.map(|key| ObservedUnit { key, revision: None, rows: Vec::new() }));
                }
                _ => {}
            }
            Ok(units)
        }
    }

    #[rstest]
    #[case(Lie::Nothing, None)]
    #[case(Lie::LeavesOut, Some("other units than the inventory"))]
    #[case(Lie::ListsAnother, Some("under another digest"))]
    #[case(Lie::AddsUpWrongly, Some("a range has another digest"))]
    #[case(Lie::GivesAnother, Some("another one than in the inventory"))]
    #[case(Lie::GivesWhatItHasNot, Some("nobody holds"))]
    #[tokio::test]
    async fn a_system_that_lies_is_found_out(#[case] lie: Lie, #[case] problem: Option<&str>) {
        let system = Simulated::new();
        let mut units = Vec::new();
        for number in 1..=5 {
            let member = record(lotto(number, "una scuola"), &source(), 1, None);
            let key = UnitKey(format!("{}/{}", member.kind(), member.key()));
            let composed = system.compose(&key, 1, std::slice::from_ref(&member)).unwrap();
            system.plant(key.clone(), composed.rows);
            units.push((key, vec![member]));
        }
        let inventory: Inventory = Ok(system.held());
        let outcome = run(&system, &Lying(system.clone(), lie), &units, &inventory).await;
        match (outcome, problem) {
            (Ok(_), None) => {}
            (Err(found), Some(problem)) => assert!(found.contains(problem), "{found}"),
            (outcome, _) => panic!("{outcome:?}"),
        }
    }
}
