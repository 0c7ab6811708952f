//! Exports of exactly the filter of the page: made in a file without a name, then sent.

use std::io::{self, Seek};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::io::AsyncReadExt;
use tokio::sync::OwnedSemaphorePermit;

use super::super::{Format, SOON, failed, report_form};
use super::{Desk, asked, not_understood};
use crate::flow::report::file::private_folder;
use crate::flow::report::gather::{self, GatherError};
use crate::flow::report::print::{Report, ReportError};
use crate::storage::ItemFilter;

/// Bytes that are sent at once.
const PART: usize = 1 << 16;

pub(super) async fn export(
    State(desk): State<Arc<Desk>>,
    Path(form): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(format) = Format::of_name(&form) else {
        return (StatusCode::NOT_FOUND, "le forme del rapporto sono html, xlsx, csv e json\n").into_response();
    };
    let (filter, _) = match asked(query) {
        Ok(asked) => asked,
        Err(error) => return not_understood(&error),
    };
    let Ok(permit) = Arc::clone(&desk.exports).try_acquire_owned() else {
        let busy = "altri rapporti sono in preparazione: riprovare fra poco\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, SOON)], busy).into_response();
    };
    let file = match written(&desk, &filter, format).await {
        Ok(file) => file,
        Err(error) => return failed(&error),
    };
    let (ending, media_type) = format.kind();
    let day = crate::clock::italian_day(desk.clock.now());
    let disposition = format!("attachment; filename=\"riconciliazione-{day}.{ending}\"");
    let headers = [(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    (headers, sent(file, permit)).into_response()
}

/// The report, whole, in a file without a name.
async fn written(desk: &Desk, filter: &ItemFilter, format: Format) -> Result<std::fs::File, GatherError> {
    let about = desk.about(filter).await?;
    let mut file = tempfile::tempfile().map_err(ReportError::from)?;
    let handle = file.try_clone().map_err(ReportError::from)?;
    let folder = private_folder(None).map_err(ReportError::from)?;
    let form = report_form(format, handle, &about, folder)?;
    let mut report = Report::begin(about, form);
    gather::feed(&mut report, desk.items.as_ref(), filter, None).await?;
    // A spreadsheet is packed at its end, which takes a while.
    let finished = tokio::task::spawn_blocking(move || report.finish()).await;
    finished.map_err(|_| ReportError::from(io::Error::other("the end of the report was not written")))??;
    file.rewind().map_err(ReportError::from)?;
    Ok(file)
}

/// The file as a body. The permit is given back when it was sent, or nobody takes it any more.
fn sent(file: std::fs::File, permit: OwnedSemaphorePermit) -> Body {
    let file = tokio::fs::File::from_std(file);
    Body::from_stream(stream::try_unfold((file, permit), |(mut file, permit)| async move {
        let mut part = vec![0; PART];
        let read = file.read(&mut part).await?;
        part.truncate(read);
        Ok::<_, io::Error>((read > 0).then(|| (Bytes::from(part), (file, permit))))
    }))
}
