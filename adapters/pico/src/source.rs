//! Reading the resources that Pi.Co. publishes: page by page from a cursor, or from files in which
//! somebody kept such pages.

use std::path::Path;
use std::sync::Arc;

use canonical::Digest;
use contract::{AdapterError, DocumentHeader, ErrorKind, RawRecord, RawSink, ReadRequest, Received, Refusal};

use crate::client::Client;
use crate::wire::PaginaRisorse;

/// The name of the format of the pages.
const FORMAT: &str = "pico-risorse";
/// A page kept in a file is never larger than this.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// Reads and hands over. The cursor goes out only when its whole page was handed over.
pub(crate) async fn read(client: &Client, request: ReadRequest, sink: &RawSink) -> Result<(), AdapterError> {
    if let Some(files) = &request.files {
        for file in files {
            read_file(file, sink).await?;
        }
        return Ok(());
    }
    let mut cursor = request.cursor;
    loop {
        let (page, digest) = client.resources(cursor.as_deref()).await?;
        let place = format!("/v0/risorse?dopo={}", cursor.as_deref().unwrap_or_default());
        let has_more = page.altri;
        if cursor.as_deref() != Some(page.cursore.as_str()) {
            let next = page.cursore.clone();
            hand_over(place, digest, page, sink).await?;
            give(sink, Received::Cursor(next.clone())).await?;
            cursor = Some(next);
        }
        if !has_more {
            return Ok(());
        }
    }
}

async fn read_file(path: &Path, sink: &RawSink) -> Result<(), AdapterError> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let attempted = || format!("read {name}");
    let local = |error: std::io::Error| AdapterError::new(ErrorKind::Local, attempted()).caused_by(error);
    let size = tokio::fs::metadata(path).await.map_err(local)?.len();
    let refused = |code: &str, message: &str| {
        let refusal = Refusal { code: code.to_owned(), message: message.to_owned(), line: None };
        Received::Refused { remote_id: name.clone(), refusal }
    };
    if size > LARGEST_FILE {
        return give(sink, refused("too_large", "larger than any page of Pi.Co.")).await;
    }
    let bytes = tokio::fs::read(path).await.map_err(local)?;
    match serde_json::from_slice::<PaginaRisorse>(&bytes) {
        Ok(page) => hand_over(name, Digest::of(&bytes), page, sink).await,
        Err(_) => give(sink, refused("not_a_page", "not a page of the resources of Pi.Co.")).await,
    }
}

async fn hand_over(place: String, digest: Digest, page: PaginaRisorse, sink: &RawSink) -> Result<(), AdapterError> {
    let document = Arc::new(DocumentHeader {
        remote_id: place,
        digest: digest.to_string(),
        format: FORMAT.to_owned(),
        version: "v0".to_owned(),
        as_of: None,
        context: serde_json::Value::Null,
    });
    give(sink, Received::Begin(document.clone())).await?;
    for (line, element) in (1..).zip(page.elementi) {
        let text = Box::<str>::from(element).into_string();
        give(sink, Received::Record(RawRecord { document: document.clone(), line, occurrence: 0, text })).await?;
    }
    give(sink, Received::End).await
}

async fn give(sink: &RawSink, received: Received) -> Result<(), AdapterError> {
    let closed = |_| AdapterError::new(ErrorKind::Local, "hand over records that nobody takes any more");
    sink.send(received).await.map_err(closed)
}
