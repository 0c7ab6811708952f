//! The observer role: the held units in pages or by digest, and an inventory that fails when asked.

use std::ops::Bound;

use async_trait::async_trait;
use contract::{
    AdapterError, DigestPage, Digests, ErrorKind, Extent, InventoryPage, KeyRange, ObservedUnit, Observer, RangeDigest,
    UnitDigest, UnitKey, rows_digest,
};

use crate::system::{HeldUnit, Simulated, State};

#[async_trait]
impl Observer for Simulated {
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        let mut state = self.state();
        asked(&mut state, from.is_none())?;
        let range = KeyRange { after: from.map(|from| UnitKey(from.to_owned())), up_to: None };
        let page: Vec<&UnitKey> = within(&state, &range).take(state.page_size).map(|(key, _)| key).collect();
        let next = page.last().filter(|last| state.held.keys().next_back() > Some(**last)).map(ToString::to_string);
        let units: Vec<_> = page.into_iter().filter_map(|key| observed(&state, key)).collect();
        let total = Some(state.held.len() as u64).filter(|_| state.says_totals);
        let extent = Extent { elements: units.len() as u64, total, pages: None };
        state.units_given += units.len();
        Ok(InventoryPage { units, next, extent: Some(extent) })
    }

    fn digests(&self) -> Option<&dyn Digests> {
        self.state().has_digests.then_some(self)
    }
}

#[async_trait]
impl Digests for Simulated {
    async fn ranges(&self, ranges: &[KeyRange]) -> Result<Option<Vec<RangeDigest>>, AdapterError> {
        let mut state = self.state();
        asked(&mut state, ranges.first().is_some_and(|range| range.after.is_none()))?;
        Ok(Some(ranges.iter().map(|range| whole(&state, range)).collect()))
    }

    async fn list(&self, range: &KeyRange) -> Result<DigestPage, AdapterError> {
        let mut state = self.state();
        asked(&mut state, false)?;
        let mut rest = within(&state, range);
        let page: Vec<_> = rest.by_ref().take(state.page_size).map(|(key, unit)| (key, &unit.rows)).collect();
        let next = rest.next().and(page.last()).map(|(last, _)| (*last).clone());
        let said = page.into_iter().filter(|(key, _)| !state.silent.contains(*key));
        let units = said.map(|(key, rows)| UnitDigest { key: key.clone(), digest: rows_digest(rows) }).collect();
        Ok(DigestPage { units, next, whole: Some(whole(&state, range)) })
    }

    async fn observe(&self, keys: &[UnitKey]) -> Result<Vec<ObservedUnit>, AdapterError> {
        let mut state = self.state();
        asked(&mut state, false)?;
        let units: Vec<_> = keys.iter().filter_map(|key| observed(&state, key)).collect();
        state.units_given += units.len();
        Ok(units)
    }
}

/// Counts a request about what is held, from the beginning or not, and fails when it should.
fn asked(state: &mut State, is_first: bool) -> Result<(), AdapterError> {
    if is_first {
        state.pages_given = 0;
    }
    if state.pages_before_failure.is_some_and(|pages| state.pages_given >= pages) {
        return Err(AdapterError::new(ErrorKind::Unavailable, "simulated inventory"));
    }
    state.pages_given += 1;
    Ok(())
}

fn within<'a>(state: &'a State, range: &'a KeyRange) -> impl Iterator<Item = (&'a UnitKey, &'a HeldUnit)> {
    let start = range.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    state.held.range((start, Bound::Unbounded)).take_while(|(key, _)| range.is_before_end(key))
}

fn whole(state: &State, range: &KeyRange) -> RangeDigest {
    let digests: Vec<_> = within(state, range).map(|(key, unit)| (key, rows_digest(&unit.rows))).collect();
    RangeDigest::of(digests.iter().map(|(key, digest)| (*key, digest)))
}

fn observed(state: &State, key: &UnitKey) -> Option<ObservedUnit> {
    let unit = state.held.get(key).filter(|_| !state.silent.contains(key))?;
    Some(ObservedUnit { key: key.clone(), revision: None, rows: unit.rows.clone() })
}

#[cfg(test)]
mod tests {
    use contract::{FieldValue, Row};

    use super::*;

    fn holding(keys: &[&str]) -> Simulated {
        let system = Simulated::new();
        for key in keys {
            system.plant(UnitKey((*key).to_owned()), vec![Row::new(*key)]);
        }
        system.set_page_size(2);
        system
    }

    async fn all(system: &Simulated) -> Result<Vec<String>, AdapterError> {
        let (mut keys, mut from) = (Vec::new(), None);
        loop {
            let page = system.inventory(from.as_deref()).await?;
            keys.extend(page.units.into_iter().map(|unit| unit.key.0));
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(keys),
            }
        }
    }

    #[tokio::test]
    async fn the_inventory_is_in_order_across_pages() {
        assert_eq!(all(&holding(&["c", "a", "d", "b"])).await.unwrap(), ["a", "b", "c", "d"]);
        assert_eq!(all(&holding(&[])).await.unwrap(), [""; 0]);
    }

    #[tokio::test]
    async fn an_inventory_fails_midway_until_it_is_mended() {
        let system = holding(&["a", "b", "c"]);
        system.fail_inventory_after(Some(1));
        assert!(all(&system).await.is_err());
        assert!(all(&system).await.is_err());
        system.fail_inventory_after(None);
        assert_eq!(all(&system).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn digests_tell_what_the_inventory_tells() {
        let system = holding(&["a", "b", "c", "d", "e"]);
        let range = KeyRange { after: Some(UnitKey("a".to_owned())), up_to: Some(UnitKey("d".to_owned())) };
        let first = system.list(&range).await.unwrap();
        assert_eq!(first.next, Some(UnitKey("c".to_owned())));
        let rest = system.list(&KeyRange { after: first.next.clone(), ..range.clone() }).await.unwrap();
        assert_eq!(rest.next, None);
        let listed: Vec<_> = first.units.iter().chain(&rest.units).map(|unit| (&unit.key, &unit.digest)).collect();
        let whole = RangeDigest::of(listed.iter().copied());
        assert_eq!((whole.units, Some(whole)), (3, first.whole));
        assert_eq!(system.ranges(std::slice::from_ref(&range)).await.unwrap(), Some(vec![whole]));
        assert_eq!(system.units_given(), 0, "nothing was given in full");
        let units = system.observe(&[UnitKey("b".to_owned()), UnitKey("x".to_owned())]).await.unwrap();
        assert_eq!((units.len(), rows_digest(&units[0].rows)), (1, first.units[0].digest));
        assert_eq!(system.units_given(), 1);
    }

    #[tokio::test]
    async fn what_is_kept_silent_is_counted_all_the_same() {
        let system = holding(&["a", "b"]);
        system.keep_silent_about([UnitKey("b".to_owned())]);
        let page = system.inventory(None).await.unwrap();
        assert_eq!(page.extent, Some(Extent { elements: 1, total: Some(2), pages: None }));
        let page = system.list(&KeyRange::default()).await.unwrap();
        assert_eq!((page.units.len(), page.whole.unwrap().units), (1, 2));
        assert!(system.observe(&[UnitKey("b".to_owned())]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_is_done_behind_the_back_of_the_flow_is_seen() {
        let system = holding(&["a", "b"]);
        let value = FieldValue::Code("x".to_owned());
        assert!(system.tamper(&UnitKey("a".to_owned()), "campo", Some(&value)));
        assert!(system.forget(&UnitKey("b".to_owned())));
        assert!(!system.forget(&UnitKey("b".to_owned())));
        let units = system.inventory(None).await.unwrap().units;
        assert_eq!(units.len(), 1);
        assert_eq!(units[0].rows[0].fields["campo"], value);
    }
}
