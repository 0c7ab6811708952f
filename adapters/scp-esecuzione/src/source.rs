//! The reading loop: the CIGs that changed, then the schede of each.
//!
//! A window is asked with both bounds, or the filter would be silently ignored. It begins an hour
//! before the last one ended, since the server speaks local time and hours repeat when summer ends;
//! it ends in a year that nobody will see, since there is no clock here. Where the next window
//! begins is what the server says of its own time: a server that does not say it is read whole
//! every time, which costs work and loses nothing. What comes twice is told once: by identifier
//! and content here, by digest of the document in the flow.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use canonical::Digest;
use contract::{AdapterError, DocumentHeader, ErrorKind, RawRecord, RawSink, ReadRequest, Received, Refusal};
use kit::{hand_over, showable};
use serde_json::Value;

use crate::client::Client;
use crate::read::schede_of;
use crate::wire::{ListaSchede, SchedaLetta};
use crate::{SYSTEM, rome};

/// The window of a read that never took place before.
const FIRST: &str = "2000-01-01T00:00:00";
const LAST: &str = "2199-12-31T23:59:59";
/// Local time may repeat an hour.
const OVERLAP_HOURS: i64 = 1;

/// Reads what changed since the cursor, or the files named.
pub(crate) async fn read(client: &Client, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
    if let Some(files) = request.files {
        return read_files(files, sink).await;
    }
    let from = match &request.cursor {
        None => FIRST.to_owned(),
        // A cursor that nobody understands is no reason to miss anything.
        Some(cursor) => rome::hours_before(cursor, OVERLAP_HOURS).unwrap_or_else(|| FIRST.to_owned()),
    };
    let changed = client.changed(&from, LAST).await?;
    let mut told = Told::default();
    for cig in changed.data.unwrap_or_default().into_iter().collect::<BTreeSet<_>>() {
        let remote_id = format!("getJsonListaSchede/{}", kit::shown(&cig));
        let received = match client.schede(&cig).await? {
            Ok((answer, lista)) => told.document(&remote_id, &answer.body, &cig, &lista),
            Err(refusal) => {
                let message = format!("the platform has nothing to say about this CIG ({})", refusal.error_data);
                vec![Received::Refused {
                    remote_id,
                    refusal: Refusal { code: refusal.error_data, message, line: None },
                }]
            }
        };
        for received in received {
            give(&sink, received).await?;
        }
    }
    match changed.data_ora.filter(|time| rome::hours_before(time, 0).is_some()) {
        Some(time) => give(&sink, Received::Cursor(time)).await,
        None => Ok(()),
    }
}

async fn give(sink: &RawSink, received: Received) -> Result<(), AdapterError> {
    sink.send(received).await.map_err(|_| kit::Closed.into())
}

/// What this read has already told.
#[derive(Default)]
struct Told(HashSet<(String, String)>);

impl Told {
    /// An answer as a document and its records.
    fn document(&mut self, remote_id: &str, bytes: &[u8], cig: &str, lista: &ListaSchede) -> Vec<Received> {
        let document = Arc::new(DocumentHeader {
            remote_id: remote_id.to_owned(),
            digest: Digest::of(bytes).to_string(),
            format: SYSTEM.to_owned(),
            version: "v0".to_owned(),
            as_of: None,
            context: Value::Null,
        });
        let mut received = vec![Received::Begin(document.clone())];
        let schede = schede_of(cig, lista).into_iter().filter(|letta| self.is_new(letta));
        received.extend((1..).zip(schede).filter_map(|(line, letta)| {
            let text = serde_json::to_string(&letta).ok()?;
            Some(Received::Record(RawRecord { document: document.clone(), line, occurrence: 0, text }))
        }));
        received.push(Received::End);
        received
    }

    fn is_new(&mut self, letta: &SchedaLetta) -> bool {
        let id = letta.scheda.get("idScheda").and_then(Value::as_str).unwrap_or_default();
        let place = format!("{}/{:?}/{}/{id}", letta.cig, letta.id_aggiudicazione, letta.nome);
        id.is_empty() || self.0.insert((place, Digest::of(letta.scheda.to_string().as_bytes()).to_string()))
    }
}

/// Files, each of them an answer of `getJsonListaSchede` named after its CIG.
async fn read_files(files: Vec<PathBuf>, sink: RawSink) -> Result<(), AdapterError> {
    hand_over(sink, move |give| {
        let mut told = Told::default();
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let remote_id = kit::shown(&name).into_owned();
            match read_file(&file)? {
                Ok((bytes, lista)) => {
                    let cig = file.file_stem().unwrap_or_default().to_string_lossy();
                    for received in told.document(&remote_id, &bytes, &cig, &lista) {
                        give(received)?;
                    }
                }
                Err(refusal) => give(Received::Refused { remote_id, refusal })?,
            }
        }
        Ok(())
    })
    .await
}

/// The longest file that is read.
const LARGEST_FILE: u64 = 20 * 1024 * 1024;

fn read_file(path: &Path) -> Result<Result<(Vec<u8>, ListaSchede), Refusal>, AdapterError> {
    let failed = |error: std::io::Error| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = showable(&name).unwrap_or_default();
        AdapterError::new(ErrorKind::Local, format!("{SYSTEM} read file {name}")).caused_by(error)
    };
    let refused =
        |code: &str, message: &str| Ok(Err(Refusal { code: code.to_owned(), message: message.to_owned(), line: None }));
    if std::fs::metadata(path).map_err(failed)?.len() > LARGEST_FILE {
        return refused("too_large", "the file is longer than an answer may be");
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    match serde_json::from_slice::<ListaSchede>(&bytes) {
        Ok(lista) if lista.esito => Ok(Ok((bytes, lista))),
        Ok(_) => refused("failure", "the file is an answer that says that it failed"),
        Err(_) => refused("not_schede", "the file is not an answer of getJsonListaSchede"),
    }
}

#[cfg(test)]
mod tests;
