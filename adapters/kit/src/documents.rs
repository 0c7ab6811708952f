//! Local files as documents: what a file is, whether it can be read to its end, and its digest.
//!
//! The name of a file is never believed: its first bytes say what it is. A file is opened once and
//! read twice, in bounded memory: first to its end, for its digest and whatever the reader checks;
//! then for what it holds. Whether it changed meanwhile is asked after each.

use std::fs::{File, Metadata};
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use contract::{AdapterError, Advice, ErrorKind, Refusal};
use sha2::{Digest as _, Sha256};

/// Whether the end of a path may be a link to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Named by a person, or made by ourselves: a link is what they meant.
    Follow,
    /// Found in a folder where anybody may drop: a link could lead anywhere.
    Refuse,
}

/// What the first bytes promise. Whether the promise is kept is for the reader of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// XML, in some encoding.
    Xml,
    /// Begins as a JSON object or array.
    Json,
    /// Text of another kind, for instance a table.
    Text,
}

/// A file that was read to its end once.
#[derive(Debug)]
pub struct Document {
    file: File,
    opened: Metadata,
    name: String,
    digest: String,
    looks: Looks,
}

impl Document {
    /// Opens a file and reads it to its end.
    pub fn open(path: &Path, links: Links, max_bytes: u64) -> Result<Self, Refusal> {
        Self::open_checked(path, links, max_bytes, |_, _| Ok(())).map(|(document, ())| document)
    }

    /// Opens a file and reads it to its end, while `check` looks at its bytes. The check may stop
    /// reading where it likes.
    pub fn open_checked<T>(
        path: &Path,
        links: Links,
        max_bytes: u64,
        check: impl FnOnce(Looks, &mut dyn Read) -> Result<T, Refusal>,
    ) -> Result<(Self, T), Refusal> {
        let (mut file, opened) = open(path, links, max_bytes)?;
        let checked = read_once(&mut file, opened.len(), check);
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let document = |looks, digest| Self { file, opened, name, digest, looks };
        // A file that changed was read half before and half after: whatever else is wrong with it.
        match checked {
            Ok((looks, digest, found)) => {
                let document = document(looks, digest);
                document.ensure_unchanged()?;
                Ok((document, found))
            }
            Err(refusal) => {
                document(Looks::Text, String::new()).ensure_unchanged()?;
                Err(refusal)
            }
        }
    }

    /// The name of the file, without its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the bytes, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the first bytes promise.
    pub fn looks(&self) -> Looks {
        self.looks
    }

    /// The bytes, from the first. When they were read, ask [`Self::ensure_unchanged`].
    pub fn bytes(&self) -> Result<impl Read + use<'_>, Refusal> {
        let mut file = &self.file;
        file.rewind().map_err(|error| not_readable(&error))?;
        Ok(file.take(self.opened.len()))
    }

    /// Refuses a file that is not as it was when it was opened.
    pub fn ensure_unchanged(&self) -> Result<(), Refusal> {
        if is_same(&self.opened, &metadata(&self.file)?) { Ok(()) } else { Err(changed()) }
    }
}

/// The regular files of a folder, by name: those that end in one of the suffixes (without dot, in
/// any letter case), or all when none is given. Hidden files, and those that are still being
/// written (`.part`, `.tmp`), are not listed; links are not followed.
pub fn list_folder(folder: &Path, suffixes: &[&str]) -> Result<Vec<PathBuf>, AdapterError> {
    let failed = |error: io::Error| {
        let attempted = format!("list folder {} (create it, or correct `folder`)", folder.display());
        AdapterError::new(ErrorKind::Local, attempted).advice(Advice::FixConfiguration).caused_by(error)
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        // The type is that of the entry itself: links are not followed.
        let is_file = entry.file_type().map_err(failed)?.is_file();
        let is_wanted = suffixes.is_empty() || has_suffix(&path, suffixes);
        if is_file && is_wanted && !is_hidden(&path) && !has_suffix(&path, &["part", "tmp"]) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn has_suffix(path: &Path, suffixes: &[&str]) -> bool {
    path.extension().is_some_and(|suffix| suffixes.iter().any(|wanted| suffix.eq_ignore_ascii_case(wanted)))
}

/// A refusal of a whole document, without a line. The message says what is wrong, then, after a
/// colon, what to do.
pub fn refuse(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { code: code.to_owned(), message: message.into(), line: None }
}

/// The refusal for bytes that could not be read from the disk.
pub fn not_readable(error: &io::Error) -> Refusal {
    refuse("not_readable", format!("the file could not be read ({}): check the disk and the permissions", error.kind()))
}

/// The refusal for a file that was not the same from one reading to the next.
pub fn changed() -> Refusal {
    refuse(
        "changed_while_reading",
        "the file changed while it was read: write under a name ending in .part, then rename",
    )
}

/// As many bytes as the first look takes.
pub(crate) const PREFIX: usize = 4096;

/// Formats that begin with a signature, and that people do drop instead of the data.
const SIGNATURES: [(&[u8], &str, &str); 11] = [
    (b"PK\x03\x04", "zip_archive", "the file is a ZIP archive (or an office document): extract the data and give that"),
    (b"PK\x05\x06", "zip_archive", "the file is an empty ZIP archive: give the data itself"),
    (b"\x1f\x8b", "gzip_archive", "the file is compressed with gzip: extract it and give the content"),
    (b"7z\xbc\xaf\x27\x1c", "other_archive", "the file is a 7z archive: extract the data and give that"),
    (b"Rar!", "other_archive", "the file is a RAR archive: extract the data and give that"),
    (b"%PDF", "pdf_document", "the file is a PDF: ask the publisher for the dataset"),
    (b"\x89PNG", "png_image", "the file is a PNG image: ask the publisher for the dataset"),
    (b"\xff\xd8\xff", "jpeg_image", "the file is a JPEG image: ask the publisher for the dataset"),
    (b"GIF8", "gif_image", "the file is a GIF image: ask the publisher for the dataset"),
    (b"\xd0\xcf\x11\xe0", "office_document", "the file is an office document: export the data as text"),
    (b"{\\rtf", "office_document", "the file is an RTF document: export the data as text"),
];

/// What the first bytes of a document promise; what is surely no data is refused.
pub fn look(prefix: &[u8]) -> Result<Looks, Refusal> {
    let prefix = &prefix[..prefix.len().min(PREFIX)];
    if let Some((_, code, message)) = SIGNATURES.iter().find(|(signature, ..)| prefix.starts_with(signature)) {
        return Err(refuse(code, *message));
    }
    if matches!(prefix, [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..]) {
        return Err(refuse("unsupported_encoding", "the file is in UTF-32: save it as UTF-8"));
    }
    // UTF-16 that surely is XML; any other UTF-16 holds zeros and is refused below.
    if matches!(prefix, [0xff, 0xfe, b'<', 0, ..] | [0xfe, 0xff, 0, b'<', ..] | [b'<', 0, b'?', 0, ..])
        || prefix.starts_with(b"\0<\0?")
    {
        return Ok(Looks::Xml);
    }
    if matches!(prefix, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return Err(refuse("unsupported_encoding", "the file is in UTF-16: save it as UTF-8"));
    }
    let text = prefix.strip_prefix(b"\xef\xbb\xbf").unwrap_or(prefix).trim_ascii_start();
    match text {
        [] if prefix.len() < PREFIX => Err(refuse("empty_file", "the file is empty: produce it again")),
        _ if is_html(text) => {
            Err(refuse("html_page", "the file is an HTML page, perhaps an error page: download the dataset again"))
        }
        [b'<', ..] => Ok(Looks::Xml),
        [b'{' | b'[', ..] => Ok(Looks::Json),
        _ if text.iter().any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace()) => {
            Err(refuse("unknown_binary", "the file is in a binary format that is not read: give the data as text"))
        }
        _ => Ok(Looks::Text),
    }
}

/// True for a page for people. Portals and firewalls send one with status 200 instead of the data.
/// Past the beginning only the first element counts: XML may hold a page in its values.
pub(crate) fn is_html(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start();
    let text = text[..text.len().min(PREFIX)].to_ascii_lowercase();
    let is_page = [&b"<head"[..], b"<body"].iter().any(|mark| begins_with_word(&text, mark));
    // The firewall of ANAC wraps these words in whatever it likes, but not in a document with a declaration.
    let is_firewall = text.starts_with(b"request rejected")
        || text.starts_with(b"<")
            && !text.starts_with(b"<?xml")
            && !holds(&text, b"<![cdata[")
            && holds(&text, b"request rejected");
    is_page || is_firewall || is_html_after_prologue(&text)
}

fn holds(text: &[u8], mark: &[u8]) -> bool {
    memchr::memmem::find(text, mark).is_some()
}

/// Whether the text begins with the mark, and the mark is no part of a longer name.
fn begins_with_word(text: &[u8], mark: &[u8]) -> bool {
    let rest = text.strip_prefix(mark);
    rest.is_some_and(|rest| rest.first().is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/')))
}

/// Whether the doctype or the first element, past declarations and comments, is that of a page.
fn is_html_after_prologue(mut text: &[u8]) -> bool {
    loop {
        text = text.trim_ascii_start();
        let after = |end: &[u8]| memchr::memmem::find(text, end).and_then(|place| text.get(place + end.len()..));
        let rest = if text.starts_with(b"<?") {
            after(b"?>")
        } else if text.starts_with(b"<!--") {
            after(b"-->")
        } else if begins_with_word(text, b"<!doctype html") {
            return true;
        } else if text.starts_with(b"<!doctype") {
            after_doctype(text)
        } else {
            return begins_with_word(text, b"<html");
        };
        let Some(rest) = rest else { return false };
        text = rest;
    }
}

/// What follows a doctype. Its own declarations, in brackets, hold closing marks too.
fn after_doctype(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_u32;
    let ends = |byte: &u8| {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *byte == b'>' && depth == 0
    };
    text.get(text.iter().position(ends)? + 1..)
}

fn read_once<T>(
    file: &mut File,
    length: u64,
    check: impl FnOnce(Looks, &mut dyn Read) -> Result<T, Refusal>,
) -> Result<(Looks, String, T), Refusal> {
    let failed = |error: io::Error| not_readable(&error);
    let mut prefix = Vec::with_capacity(PREFIX);
    file.take(PREFIX as u64).read_to_end(&mut prefix).map_err(failed)?;
    let looks = look(&prefix)?;
    let rest = length.saturating_sub(prefix.len() as u64);
    let mut source = Hashing { source: Cursor::new(prefix).chain(file.take(rest)), hasher: Sha256::new() };
    let found = check(looks, &mut source)?;
    io::copy(&mut source, &mut io::sink()).map_err(failed)?;
    Ok((looks, hexadecimal(source.hasher), found))
}

pub(crate) fn hexadecimal(hasher: Sha256) -> String {
    canonical::Digest::from_bytes(&hasher.finalize()).map(|digest| digest.to_string()).unwrap_or_default()
}

/// A source whose bytes are digested as they are read.
struct Hashing<R> {
    source: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

fn open(path: &Path, links: Links, max_bytes: u64) -> Result<(File, Metadata), Refusal> {
    let found = match links {
        Links::Follow => std::fs::metadata(path),
        Links::Refuse => std::fs::symlink_metadata(path),
    };
    let found = found.map_err(|error| not_readable(&error))?;
    if !found.is_file() {
        return Err(refuse("not_a_file", "the path is not that of a regular file: give the file itself"));
    }
    if found.len() > max_bytes {
        let message =
            format!("the file is longer than {max_bytes} bytes: split it, or raise max_bytes in the settings");
        return Err(refuse("too_large", message));
    }
    let file = File::open(path).map_err(|error| not_readable(&error))?;
    // Between the look and the opening the name may have been given to something else.
    if is_same(&found, &metadata(&file)?) { Ok((file, found)) } else { Err(changed()) }
}

fn metadata(file: &File) -> Result<Metadata, Refusal> {
    file.metadata().map_err(|error| not_readable(&error))
}

fn is_same(before: &Metadata, after: &Metadata) -> bool {
    #[cfg(unix)]
    let is_same_file = {
        use std::os::unix::fs::MetadataExt;
        (before.dev(), before.ino()) == (after.dev(), after.ino())
    };
    #[cfg(not(unix))]
    let is_same_file = true;
    is_same_file && before.len() == after.len() && before.modified().ok() == after.modified().ok()
}

#[cfg(test)]
mod tests;
