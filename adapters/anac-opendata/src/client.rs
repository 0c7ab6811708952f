//! The one operation of the portal that is used: a file, by its path.
//!
//! | answer | error | concerns |
//! |---|---|---|
//! | 200 with bytes | none | |
//! | 200 with a page ("Request Rejected"), whatever its content type | unavailable, again in 15 minutes at least | the portal |
//! | 403, 404 and the like, empty, too long | not permitted, not understood | this file: it is refused |
//! | cut short, or not there in time | broken, timeout | this transfer: the other files are read |
//! | 401, 429, 5xx, no connection | see [`HttpClient::download`] | the portal |

use std::path::Path;

use contract::{AdapterError, ErrorKind, Refusal};
use kit::http::{HttpClient, Method};
use kit::{Downloaded, refuse};

/// `GET {base_url}/{path}` into a local file.
pub(crate) async fn download(
    portal: &HttpClient,
    path: &str,
    to: &Path,
    max_bytes: u64,
) -> Result<Downloaded, AdapterError> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    portal.download(portal.request(Method::GET, &segments, &[]), to, max_bytes).await
}

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concern {
    /// Asking again for this file will get the same answer.
    File,
    /// This file may come the next time.
    Transfer,
    /// The other files would fare no better.
    Portal,
}

/// What an error is about.
pub(crate) fn concerns(error: &AdapterError) -> Concern {
    match error.kind {
        ErrorKind::NotUnderstood | ErrorKind::Permission => Concern::File,
        ErrorKind::Broken | ErrorKind::Timeout => Concern::Transfer,
        ErrorKind::Unreachable
        | ErrorKind::Authentication
        | ErrorKind::RateLimited
        | ErrorKind::Unavailable
        | ErrorKind::Local => Concern::Portal,
    }
}

/// The refusal of a file that the portal does not give.
pub(crate) fn refusal(error: &AdapterError) -> Refusal {
    let cause = error.source.as_ref().map(|cause| format!(", {cause}")).unwrap_or_default();
    refuse("not_downloaded", format!("{error}{cause}: correct or take away its path in the settings"))
}
