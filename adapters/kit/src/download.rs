//! A published file, from its address to a local file, complete or not at all.
//!
//! Nothing is sent again and nothing waits here. After an error the local file holds rubbish. The
//! deadline of the whole exchange is `total_seconds` of the settings: give a client for downloads
//! settings of its own, long enough for the largest file.

use std::io;
use std::path::Path;
use std::time::Duration;

use contract::{AdapterError, Advice, ErrorKind, Phase};
use reqwest::header;
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::answer::common_error;
use crate::documents::{PREFIX, hexadecimal, is_html};
use crate::http::{HttpClient, Request, text};

/// What was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// How many bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub digest: String,
    /// The content type as received; the bytes decide what the file is.
    pub content_type: Option<String>,
    /// When the file last changed, in the words of the system.
    pub last_modified: Option<String>,
    /// The version of the file, in the words of the system.
    pub etag: Option<String>,
}

/// How long a portal that sends a page for people instead of the data is left alone. Firewalls
/// such as that of the ANAC portal answer 200 with "Request Rejected", and go on for minutes.
pub const PAUSE_AFTER_PAGE: Duration = Duration::from_mins(15);

impl HttpClient {
    /// Sends a request once and writes the answer to a file, which is made or emptied first.
    ///
    /// | answer | error |
    /// |---|---|
    /// | other than 200 | that of [`common_error`], else not understood, with the status as remote code |
    /// | a page for people, whatever its content type says | unavailable, again in 15 minutes at least |
    /// | empty | not understood |
    /// | longer than `max_bytes` | not understood: raise the limit |
    /// | shorter than declared | broken |
    pub async fn download(&self, request: Request, to: &Path, max_bytes: u64) -> Result<Downloaded, AdapterError> {
        let (mut answer, mut response) = self.send(request).await?;
        let attempted = std::mem::take(&mut answer.attempted);
        let failed = |kind| AdapterError::new(kind, attempted.clone()).remote_code(answer.status.to_string());
        if answer.status != 200 {
            // Not the words of the page, which are for people and may be many.
            return Err(
                common_error(&attempted, &answer).unwrap_or_else(|| not_there(failed(ErrorKind::NotUnderstood)))
            );
        }
        let declared = response.content_length();
        let too_long = || {
            let problem = format!("the file is longer than {max_bytes} bytes: raise max_bytes in the settings");
            failed(ErrorKind::NotUnderstood).advice(Advice::FixConfiguration).caused_by(problem)
        };
        if declared.is_some_and(|declared| declared > max_bytes) {
            return Err(too_long());
        }
        let mut file = File::create(to).await.map_err(|error| not_written(&attempted, error))?;
        let (mut bytes, mut hasher, mut start) = (0_u64, Sha256::new(), Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport_error(&attempted, error))? {
            bytes += chunk.len() as u64;
            if bytes > max_bytes {
                return Err(too_long());
            }
            start.extend_from_slice(&chunk[..chunk.len().min(PREFIX.saturating_sub(start.len()))]);
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(|error| not_written(&attempted, error))?;
        }
        file.flush().await.map_err(|error| not_written(&attempted, error))?;
        if declared.is_some_and(|declared| declared != bytes) {
            return Err(failed(ErrorKind::Broken).caused_by("shorter or longer than declared"));
        }
        if is_html(&start) {
            let after = answer.retry_after.unwrap_or_default().max(PAUSE_AFTER_PAGE);
            let error = failed(ErrorKind::Unavailable).advice(Advice::Retry { after: Some(after) });
            return Err(error.caused_by("a page for people instead of data"));
        }
        if bytes == 0 {
            return Err(failed(ErrorKind::NotUnderstood).caused_by("empty file"));
        }
        let received = |name| text(response.headers(), &name);
        let (last_modified, etag) = (received(header::LAST_MODIFIED), received(header::ETAG));
        Ok(Downloaded { bytes, digest: hexadecimal(hasher), content_type: answer.content_type, last_modified, etag })
    }
}

/// Any other status did nothing, and the same request will get the same answer.
fn not_there(error: AdapterError) -> AdapterError {
    error.phase(Phase::Refused).advice(Advice::AskPerson).caused_by("status other than 200")
}

fn not_written(attempted: &str, error: io::Error) -> AdapterError {
    AdapterError::new(ErrorKind::Local, format!("write the file of {attempted}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use reqwest::Method;
    use rstest::rstest;
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::http::HttpSettings;

    async fn download(base_url: &str, max_bytes: u64) -> (Result<Downloaded, AdapterError>, Vec<u8>) {
        let client = HttpClient::new("example", &HttpSettings::new(base_url)).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "what stood there before, longer than the file").unwrap();
        let request = client.request(Method::GET, &["cig.csv"], &[("token", "s3cret")]);
        let outcome = client.download(request, file.path(), max_bytes).await;
        (outcome, std::fs::read(file.path()).unwrap())
    }

    async fn answered(answer: ResponseTemplate, max_bytes: u64) -> (Result<Downloaded, AdapterError>, Vec<u8>) {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).expect(1).mount(&server).await;
        download(&server.uri(), max_bytes).await
    }

    async fn refused(answer: ResponseTemplate) -> AdapterError {
        let error = answered(answer, 100).await.0.unwrap_err();
        let shown = format!("{error:?}");
        assert!(!shown.contains("segreto") && !shown.contains("s3cret"), "{shown}");
        error
    }

    /// A server that answers every connection with these bytes and closes it.
    fn raw_server(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let _ = connection.read(&mut [0; 4096]);
                let _ = connection.write_all(answer);
            }
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn a_file_arrives_whole_with_its_digest() {
        let content = "cig;oggetto\n".repeat(100_000);
        let answer =
            ResponseTemplate::new(200).insert_header("etag", "\"v1\"").set_body_raw(content.clone(), "text/csv");
        let (outcome, written) = answered(answer, 1 << 24).await;
        let downloaded = outcome.unwrap();
        assert_eq!((downloaded.bytes, written.as_slice()), (content.len() as u64, content.as_bytes()));
        assert_eq!(downloaded.digest, canonical::Digest::of(content.as_bytes()).to_string());
        assert_eq!(
            (downloaded.etag.as_deref(), downloaded.content_type.as_deref()),
            (Some("\"v1\""), Some("text/csv"))
        );
    }

    #[rstest]
    #[case("text/html", "<html><head><title>Request Rejected</title> segreto")]
    #[case("text/csv", "\r\n<!DOCTYPE html> segreto")]
    #[case("text/csv", "Request Rejected segreto")]
    #[tokio::test]
    async fn a_page_instead_of_data_means_come_back_later(#[case] content_type: &str, #[case] body: &str) {
        let error = refused(ResponseTemplate::new(200).set_body_raw(body, content_type)).await;
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert_eq!(error.advice, Advice::Retry { after: Some(Duration::from_mins(15)) });
    }

    #[rstest]
    #[case(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\ncig;oggetto\n")]
    #[case(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ncig;\r\n")]
    #[tokio::test]
    async fn a_download_cut_short_is_broken(#[case] answer: &'static [u8]) {
        assert_eq!(download(&raw_server(answer), 100).await.0.unwrap_err().kind, ErrorKind::Broken);
    }

    #[tokio::test]
    async fn a_file_over_the_limit_is_not_written_on() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\ncig;oggetto\n"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nc\r\ncig;oggetto\n\r\n0\r\n\r\n",
        ] {
            let server = raw_server(answer);
            let error = download(&server, 11).await.0.unwrap_err();
            assert_eq!((error.kind, error.advice), (ErrorKind::NotUnderstood, Advice::FixConfiguration));
            assert_eq!(download(&server, 12).await.1, b"cig;oggetto\n");
        }
    }

    #[rstest]
    #[case(503, ErrorKind::Unavailable)]
    #[case(429, ErrorKind::RateLimited)]
    #[case(403, ErrorKind::Permission)]
    #[case(302, ErrorKind::NotUnderstood)]
    #[case(206, ErrorKind::NotUnderstood)]
    #[case(404, ErrorKind::NotUnderstood)]
    #[tokio::test]
    async fn only_200_is_a_file(#[case] status: u16, #[case] kind: ErrorKind) {
        let error = refused(ResponseTemplate::new(status).set_body_raw("segreto", "text/csv")).await;
        assert_eq!((error.kind, error.remote_code), (kind, Some(status.to_string())));
    }

    #[tokio::test]
    async fn an_empty_file_is_no_file() {
        assert_eq!(refused(ResponseTemplate::new(200)).await.kind, ErrorKind::NotUnderstood);
    }
}
