//! The one operation of the portal that is used: a file, by its path.
//!
//! | answer | error |
//! |---|---|
//! | 200 with bytes | none |
//! | 200 with a page ("Request Rejected"), whatever its content type | unavailable, again in 15 minutes at least |
//! | other status, empty, too long, cut short | see [`HttpClient::download`] |

use std::path::Path;

use contract::AdapterError;
use kit::Downloaded;
use kit::http::{HttpClient, Method};

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
