//! Two nodes that hold a million records each and differ in ten: what goes over the wire.

use anyhow::{Result, ensure};
use canonical::Digest;
use raccordo::flow::reconcile::inventory::Completeness;
use raccordo::flow::reconcile::inventory::ranges::{Index, Reconciler, Salt, SessionLimits, Step};

use super::Bars;

const RECORDS: u64 = 1_000_000;
/// Four changed, three on each side only.
const DIFFERENCES: u64 = 10;
const MOST_BYTES: usize = 20 * 1024;
const MOST_MESSAGES: usize = 7;

pub(super) fn measure(bars: &mut Bars) -> Result<()> {
    let salt = Salt(*b"told to the peer");
    let indices = [node(salt, false)?, node(salt, true)?];
    let new = |index| Reconciler::new(index, &Completeness::Complete, SessionLimits::default());
    let mut sides = [new(&indices[0]), new(&indices[1])];
    let mut message = sides[0].initiate();
    let (mut bytes, mut messages) = (message.len(), 1);
    while let Step::Send(answer) = sides[messages % 2].respond(&message)? {
        (bytes, messages) = (bytes + answer.len(), messages + 1);
        message = answer;
    }
    for side in &sides {
        let outcome = side.outcome();
        let found = outcome.only_ours.keys().len() + outcome.only_theirs.keys().len() + outcome.different.len();
        ensure!(found as u64 == DIFFERENCES, "a node found {found} differences of {DIFFERENCES}");
    }
    println!("\ntwo nodes, {DIFFERENCES} differences in {RECORDS} records:");
    bars.bar("bytes", &bytes.to_string(), "20480", bytes <= MOST_BYTES);
    bars.bar("messages", &messages.to_string(), "7", messages <= MOST_MESSAGES);
    Ok(())
}

fn node(salt: Salt, is_other: bool) -> Result<Index> {
    let step = RECORDS / DIFFERENCES;
    let record = |n: u64| {
        let special = n.is_multiple_of(step).then_some(n / step);
        let content = match special {
            Some(1..=3) if is_other => return None,
            Some(4..=6) if !is_other => return None,
            Some(0 | 7..) if is_other => format!("{n}, changed"),
            _ => n.to_string(),
        };
        Some((format!("B{n:09X}"), Digest::of(content.as_bytes())))
    };
    Ok(Index::new(salt, (0..RECORDS).filter_map(record))?)
}
