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
