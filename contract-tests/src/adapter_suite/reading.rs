//! A read of a source, as the suite takes it, and what a system must hold before it can be read.

use contract::{AdapterError, Followed, Outcome, RawRecord, ReadRequest, Received};
use tokio::sync::mpsc;

use super::Subject;
use super::subject::Running;
use super::target::shipment;

/// How often a shipment is followed until it ends.
const FOLLOWED: usize = 8;

/// What a read gave.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) records: Vec<RawRecord>,
    pub(super) ended: usize,
    pub(super) refused: usize,
    pub(super) cursor: Option<String>,
    pub(super) error: Option<AdapterError>,
    /// What was handed over against the order of the contract.
    pub(super) disorder: Option<String>,
}

/// Reads from a cursor, or everything.
pub(super) async fn read(running: &Running, cursor: Option<String>) -> Given {
    let source = running.adapter.source().expect("a source");
    let (sender, mut receiver) = mpsc::channel(64);
    let reading = source.read(ReadRequest { files: None, cursor }, sender);
    let taking = async {
        let (mut given, mut is_open) = (Given::default(), false);
        while let Some(received) = receiver.recv().await {
            match received {
                Received::Begin(_) if is_open => given.disorder = Some("a document began inside another".to_owned()),
                Received::Begin(_) => is_open = true,
                Received::Record(raw) => {
                    if !is_open {
                        given.disorder = Some("a record of no document".to_owned());
                    }
                    given.records.push(raw);
                }
                Received::End => (given.ended, is_open) = (given.ended + 1, false),
                Received::Refused { .. } => (given.refused, is_open) = (given.refused + 1, false),
                Received::Cursor(cursor) => {
                    if is_open {
                        given.disorder = Some("a cursor inside a document".to_owned());
                    }
                    given.cursor = Some(cursor);
                }
            }
        }
        (given, is_open)
    };
    let (outcome, (mut given, is_open)) = tokio::join!(reading, taking);
    given.error = outcome.err();
    if is_open && given.error.is_none() {
        given.disorder = Some("a document without an end".to_owned());
    }
    given
}

/// Sends everything there is to send, and follows it to its end.
pub(super) async fn populate(subject: &Subject, running: &Running) {
    let adapter = running.adapter.as_ref();
    let Some(target) = adapter.target() else { return };
    for (key, members) in &subject.units(adapter) {
        let shipment = shipment(subject.system, target, key, members);
        let Ok(sent) = target.send(&shipment).await else { continue };
        let Outcome::Submitted { receipt, .. } = sent else { continue };
        for _ in 0..FOLLOWED {
            match target.follow(&shipment, &receipt).await {
                Ok(Followed::Pending(_)) => {}
                _ => break,
            }
        }
    }
}
