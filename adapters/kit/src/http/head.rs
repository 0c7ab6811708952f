//! What the headers of an answer say about its body: whether it can be believed, and whether its
//! end was told. Pure.

use reqwest::Version;
use reqwest::header::{self, HeaderMap, HeaderName};

/// Why the body of an answer cannot be believed, whatever is in it; none when it can.
///
/// No encoding is ever asked for, so that none is undone: a body counts as many bytes as arrive.
/// Two lengths are the mark of somebody on the way who read the answer otherwise than we do.
pub(super) fn defect(headers: &HeaderMap) -> Option<&'static str> {
    let is = |name: &HeaderName, expected: &str| {
        let mut values = headers.get_all(name).iter();
        values.all(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(expected.as_bytes()))
    };
    if !is(&header::CONTENT_ENCODING, "identity") {
        return Some("the body is encoded, and no encoding was asked for");
    }
    if !is(&header::TRANSFER_ENCODING, "chunked") {
        return Some("the body was transferred in an encoding other than chunked");
    }
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return Some("the length of the body is told in two ways");
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let first = types.next();
    if types.any(|other| Some(other) != first) {
        return Some("the body has two content types");
    }
    first.is_some_and(|only| only.to_str().is_err()).then_some("the content type is no text")
}

/// Whether the end of the body is told, and not only that of the connection: then a body that
/// arrived is the whole one.
pub(super) fn is_delimited(version: Version, headers: &HeaderMap) -> bool {
    version > Version::HTTP_11
        || headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use rstest::rstest;

    use super::*;

    fn headers(lines: &str) -> HeaderMap {
        let pairs = lines.lines().map(|line| line.split_once(':').expect("a header"));
        let pairs = pairs.map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.trim().as_bytes()).expect("a value");
            (HeaderName::from_bytes(name.as_bytes()).expect("a name"), value)
        });
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    #[rstest]
    #[case("content-length: 7\ncontent-type: application/json", None)]
    #[case("content-length: 7\ncontent-length: 7", None)]
    #[case("content-type: a/b\ncontent-type: a/b", None)]
    #[case("content-encoding: Identity\ntransfer-encoding: Chunked", None)]
    #[case("", None)]
    #[case("content-encoding: gzip", Some("encoded"))]
    #[case("content-encoding: identity\ncontent-encoding: br", Some("encoded"))]
    #[case("content-encoding:", Some("encoded"))]
    #[case("transfer-encoding: gzip, chunked", Some("transferred"))]
    #[case("transfer-encoding: identity", Some("transferred"))]
    #[case("transfer-encoding: chunked\ncontent-length: 7", Some("two ways"))]
    #[case("content-type: text/html\ncontent-type: application/json", Some("two content types"))]
    #[case("content-type: è", Some("no text"))]
    fn a_body_is_believed_when_its_headers_agree(#[case] lines: &str, #[case] problem: Option<&str>) {
        let found = defect(&headers(lines));
        assert!(
            found.map(|found| problem.is_some_and(|word| found.contains(word))) == problem.map(|_| true),
            "{found:?}"
        );
    }

    #[rstest]
    #[case(Version::HTTP_11, "content-length: 0", true)]
    #[case(Version::HTTP_11, "transfer-encoding: chunked", true)]
    #[case(Version::HTTP_11, "connection: close", false)]
    #[case(Version::HTTP_10, "", false)]
    #[case(Version::HTTP_2, "", true)]
    fn the_end_of_a_body_is_told_by_its_length_its_chunks_or_its_stream(
        #[case] version: Version,
        #[case] lines: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(is_delimited(version, &headers(lines)), expected);
    }
}
