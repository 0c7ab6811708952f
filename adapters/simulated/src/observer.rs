//! The observer role: the held units in pages, and an inventory that fails when asked.

use std::ops::Bound;

use async_trait::async_trait;
use contract::{AdapterError, ErrorKind, InventoryPage, ObservedUnit, Observer, UnitKey};

use crate::system::Simulated;

#[async_trait]
impl Observer for Simulated {
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        let mut state = self.state();
        if from.is_none() {
            state.pages_given = 0;
        }
        if state.pages_before_failure.is_some_and(|pages| state.pages_given >= pages) {
            return Err(AdapterError::new(ErrorKind::Unavailable, "simulated inventory"));
        }
        state.pages_given += 1;
        let start = from.map_or(Bound::Unbounded, |from| Bound::Excluded(UnitKey(from.to_owned())));
        let mut rest = state.held.range((start, Bound::Unbounded));
        let observed = |(key, unit): (&UnitKey, &crate::system::HeldUnit)| ObservedUnit {
            revision: None,
            key: key.clone(),
            rows: unit.rows.clone(),
        };
        let units: Vec<_> = rest.by_ref().take(state.page_size).map(observed).collect();
        let next = rest.next().and(units.last()).map(|last| last.key.to_string());
        Ok(InventoryPage { units, next })
    }
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
