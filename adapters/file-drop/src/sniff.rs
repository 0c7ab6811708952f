//! What a file is, from its first bytes. The name of a file is never believed.

use std::io::{self, Read};

use contract::Refusal;

use kit::refuse;

/// What the first bytes promise. Whether the promise is kept is for the reader of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// XML, in some encoding.
    Xml,
    /// JSON objects, one a line.
    Json,
}

/// As many bytes as the sniffing looks at.
const PREFIX: usize = 4096;

/// Formats that begin with a signature, and that people do drop instead of the data.
const SIGNATURES: [(&[u8], &str, &str); 11] = [
    (
        b"PK\x03\x04",
        "zip_archive",
        "the file is a ZIP archive or an office document: extract the XML and drop that; for an XLSX table write a \
         mapping file and use `raccordo import pad-file`",
    ),
    (b"PK\x05\x06", "zip_archive", "the file is an empty ZIP archive: drop the XML itself"),
    (b"\x1f\x8b", "gzip_archive", "the file is compressed with gzip: extract it and drop the content"),
    (b"7z\xbc\xaf\x27\x1c", "other_archive", "the file is a 7z archive: extract the XML and drop that"),
    (b"Rar!", "other_archive", "the file is a RAR archive: extract the XML and drop that"),
    (b"%PDF", "pdf_document", "the file is a PDF: ask the publisher for the XML dataset"),
    (b"\x89PNG", "png_image", "the file is a PNG image: ask the publisher for the XML dataset"),
    (b"\xff\xd8\xff", "jpeg_image", "the file is a JPEG image: ask the publisher for the XML dataset"),
    (b"GIF8", "gif_image", "the file is a GIF image: ask the publisher for the XML dataset"),
    (b"\xd0\xcf\x11\xe0", "office_document", "the file is an office document: export the data as XML"),
    (b"{\\rtf", "office_document", "the file is an RTF document: export the data as XML"),
];

/// Reads the first bytes and says what they promise, or refuses what is surely no data. The bytes
/// come back, to be read again in front of the rest.
pub(crate) fn sniff(source: &mut impl Read) -> Result<(Promise, Vec<u8>), Refusal> {
    let mut prefix = Vec::with_capacity(PREFIX);
    source.by_ref().take(PREFIX as u64).read_to_end(&mut prefix).map_err(|error| not_readable(&error))?;
    promise(&prefix).map(|promise| (promise, prefix))
}

/// The refusal for bytes that could not be read from the disk.
pub(crate) fn not_readable(error: &io::Error) -> Refusal {
    refuse("not_readable", format!("the file could not be read ({}): check the disk and the permissions", error.kind()))
}

fn promise(prefix: &[u8]) -> Result<Promise, Refusal> {
    if let Some((_, code, message)) = SIGNATURES.iter().find(|(signature, ..)| prefix.starts_with(signature)) {
        return Err(refuse(code, *message));
    }
    if is_signed_envelope(prefix) {
        return Err(refuse(
            "signed_envelope",
            "the file is a signed envelope (.p7m): extract the document and drop that",
        ));
    }
    if matches!(prefix, [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..]) {
        return Err(refuse("unsupported_encoding", "the file is in UTF-32: save it as UTF-8"));
    }
    // UTF-16, with its mark or with the `<?` that its declaration begins with.
    if matches!(prefix, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'<', 0, b'?', 0, ..] | [0, b'<', 0, b'?', ..]) {
        return Ok(Promise::Xml);
    }
    let text = prefix.strip_prefix(b"\xef\xbb\xbf").unwrap_or(prefix).trim_ascii_start();
    match text {
        [] if prefix.len() < PREFIX => Err(refuse("empty_file", "the file is empty: produce it again")),
        [b'<', ..] if is_html(text) => {
            Err(refuse("html_page", "the file is an HTML page, perhaps an error page: download the dataset again"))
        }
        [b'<', ..] => Ok(Promise::Xml),
        [b'{', ..] => Ok(Promise::Json),
        [b'[', ..] => Err(refuse("json_array", "the file is a JSON array: write one canonical record a line instead")),
        _ if text.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()) => Err(refuse(
            "unknown_binary",
            "the file is in a binary format that is not read: drop XML or canonical NDJSON",
        )),
        _ if is_table(text) => Err(refuse(
            "table",
            "the file looks like a table (CSV), which needs a mapping: write a mapping file for its platform and use \
             `raccordo import pad-file`",
        )),
        _ => Err(refuse("plain_text", "the file is plain text, not XML: drop the XML dataset")),
    }
}

/// A first line with a separator of tables, and something after it.
fn is_table(text: &[u8]) -> bool {
    let (header, rest) = text.split_at(text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len()));
    header.iter().any(|byte| matches!(byte, b';' | b',' | b'\t' | b'|')) && !rest.trim_ascii().is_empty()
}

fn is_html(text: &[u8]) -> bool {
    let begins = |tag: &[u8]| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].into_iter().any(begins)
}

/// CMS signed data: a sequence that begins with the identifier 1.2.840.113549.1.7.2.
fn is_signed_envelope(prefix: &[u8]) -> bool {
    const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    prefix.first() == Some(&0x30) && prefix.windows(SIGNED_DATA.len()).take(16).any(|bytes| bytes == SIGNED_DATA)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        let refusal = sniff(&mut &*bytes).expect_err("refused at the first bytes");
        assert_eq!(refusal.code, expected);
        assert!(refusal.message.contains(": "), "says what to do: {}", refusal.message);
    }

    #[test]
    fn what_is_no_data_is_refused_with_its_own_code() {
        check(b"", "empty_file");
        check(b"\xef\xbb\xbf \r\n\t", "empty_file");
        check(b"PK\x03\x04\x14\x00", "zip_archive");
        check(b"\x1f\x8b\x08\x00", "gzip_archive");
        check(b"%PDF-1.7\n", "pdf_document");
        check(b"\x89PNG\r\n\x1a\n", "png_image");
        check(b"\xff\xd8\xff\xe0", "jpeg_image");
        check(b"\xd0\xcf\x11\xe0\xa1\xb1", "office_document");
        check(b"  <!DOCTYPE html>\n<html>", "html_page");
        check(b"<HTML><body>Request Rejected", "html_page");
        check(b"[{}]", "json_array");
        check(b"cig;oggetto\n5044003AF1;manutenzione", "table");
        check(b"Gentili signori,", "plain_text");
        check(b"Egregio\nsi comunica", "plain_text");
        check(b"\x00\x01\x02\x03", "unknown_binary");
        check(b"\xff\xfe\x00\x00<\x00\x00\x00", "unsupported_encoding");
        check(b"\x30\x82\x0a\x00\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0", "signed_envelope");
    }

    #[test]
    fn xml_and_json_are_told_apart_and_no_byte_is_lost() {
        for (bytes, expected) in [
            (&b"<?xml version='1.0'?><a/>"[..], Promise::Xml),
            (b"\xef\xbb\xbf\n<!-- a --><a/>", Promise::Xml),
            (b"\xff\xfe<\x00a\x00", Promise::Xml),
            (b"\x00<\x00?", Promise::Xml),
            (b"\xef\xbb\xbf {\"kind\":1}", Promise::Json),
        ] {
            assert_eq!(sniff(&mut &*bytes), Ok((expected, bytes.to_vec())));
        }
    }
}
