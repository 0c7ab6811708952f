//! From bytes to text, before anything is parsed, a window at a time.
//!
//! The mark at the beginning decides the encoding, or else the declaration, or else UTF-8. UTF-8,
//! UTF-16, ISO-8859-1, ISO-8859-15 and Windows-1252 are read. Malformed bytes refuse the file, with
//! one exception: in UTF-8 files of many publishers some texts are in Windows-1252. Such bytes are
//! read as what they are, and counted, so that the record they stand in can say so.

use std::collections::VecDeque;
use std::io::Read;

use contract::Refusal;
use encoding_rs::{Decoder, DecoderResult, Encoding, ISO_8859_15, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use kit::refuse;

use crate::sniff;

/// How many bytes are read at a time.
const CHUNK: usize = 128 * 1024;
/// Where the declaration must have ended.
const LONGEST_DECLARATION: usize = 1024;

/// The decoded text that was not consumed yet, and what is known of its place in the file.
pub(super) struct Window<R> {
    source: R,
    chunk: Box<[u8]>,
    /// Bytes at the beginning of `chunk` that were read and not decoded.
    pending: usize,
    /// None for UTF-8, which is checked in place.
    decoder: Option<Decoder>,
    encoding_is_known: bool,
    is_at_end: bool,
    /// Why the text cannot go on after `text`.
    broken: Option<Refusal>,
    /// Decoded text from the first byte that was not consumed.
    pub text: String,
    /// Where `text` begins, in bytes of the whole decoded document.
    pub origin: u64,
    /// The line on which `text` begins, counted from one.
    pub line: u64,
    /// Places of the whole decoded document where a byte of Windows-1252 was found in UTF-8.
    pub repairs: VecDeque<u64>,
}

impl<R: Read> Window<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            chunk: vec![0; CHUNK].into_boxed_slice(),
            pending: 0,
            decoder: None,
            encoding_is_known: false,
            is_at_end: false,
            broken: None,
            text: String::with_capacity(2 * CHUNK),
            origin: 0,
            line: 1,
            repairs: VecDeque::new(),
        }
    }

    /// True when `text` holds everything up to the end of the document, or up to where it breaks.
    pub(super) fn is_last(&self) -> bool {
        self.is_at_end
    }

    /// Why the document breaks off after `text`, when it does.
    pub(super) fn broken(&mut self) -> Option<Refusal> {
        self.broken.take()
    }

    /// Forgets the text up to `length`.
    pub(super) fn consume(&mut self, length: usize) {
        self.line += newlines(&self.text.as_bytes()[..length]);
        self.origin += length as u64;
        self.text.drain(..length);
    }

    /// Decodes one more chunk. What cannot be decoded ends the text there, so that everything
    /// before it is still read, in whatever pieces the bytes arrive.
    pub(super) fn grow(&mut self) {
        if self.is_at_end {
            return;
        }
        let before = self.text.len();
        if let Err(refusal) = self.decode_chunk() {
            self.broken = Some(refusal);
        }
        if let Some((place, refusal)) = self.forbidden_character(before) {
            self.text.truncate(place);
            self.broken = Some(refusal);
        }
        self.is_at_end |= self.broken.is_some();
    }

    fn decode_chunk(&mut self) -> Result<(), Refusal> {
        let mut filled = self.pending;
        // The first time, the whole declaration must be there.
        let wanted = if self.encoding_is_known { filled + 1 } else { LONGEST_DECLARATION };
        while filled < wanted {
            match self.source.read(&mut self.chunk[filled..]) {
                Ok(0) => {
                    self.is_at_end = true;
                    break;
                }
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(sniff::not_readable(&error)),
            }
        }
        let mut start = 0;
        if !self.encoding_is_known {
            let (encoding, mark) = encoding_of(&self.chunk[..filled])?;
            self.decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
            self.encoding_is_known = true;
            start = mark;
        }
        let decoded = match self.decoder.take() {
            Some(mut decoder) => {
                let end = self.decode(&mut decoder, start, filled)?;
                self.decoder = Some(decoder);
                end
            }
            None => self.check_utf8(start, filled),
        };
        self.chunk.copy_within(decoded..filled, 0);
        self.pending = filled - decoded;
        Ok(())
    }

    /// Takes over UTF-8, and returns where an unfinished character begins.
    fn check_utf8(&mut self, mut start: usize, end: usize) -> usize {
        loop {
            let error = match std::str::from_utf8(&self.chunk[start..end]) {
                Ok(text) => {
                    self.text.push_str(text);
                    return end;
                }
                Err(error) => error,
            };
            let valid = start + error.valid_up_to();
            self.text.push_str(std::str::from_utf8(&self.chunk[start..valid]).unwrap_or_default());
            let wrong = match error.error_len() {
                None if !self.is_at_end => return valid,
                None => end - valid,
                Some(length) => length,
            };
            self.repairs.push_back(self.origin + self.text.len() as u64);
            self.text.push_str(&WINDOWS_1252.decode_without_bom_handling(&self.chunk[valid..valid + wrong]).0);
            start = valid + wrong;
        }
    }

    fn decode(&mut self, decoder: &mut Decoder, mut start: usize, end: usize) -> Result<usize, Refusal> {
        loop {
            let room = decoder.max_utf8_buffer_length_without_replacement(end - start).unwrap_or(CHUNK);
            self.text.reserve(room);
            let (result, read) =
                decoder.decode_to_string_without_replacement(&self.chunk[start..end], &mut self.text, self.is_at_end);
            start += read;
            match result {
                DecoderResult::InputEmpty => return Ok(start),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    let message =
                        format!("the text is not the {} that it declares: save it as UTF-8", decoder.encoding().name());
                    return Err(Refusal {
                        line: Some(self.line_at(self.text.len())),
                        ..refuse("malformed_encoding", message)
                    });
                }
            }
        }
    }

    /// The first of the characters that XML admits nowhere, not even as references.
    fn forbidden_character(&self, from: usize) -> Option<(usize, Refusal)> {
        let added = &self.text.as_bytes()[from..];
        // Two passes that run at the speed of memory, so that the third is rarely needed.
        let is_control = |byte: u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
        let is_suspect = added.iter().fold(false, |found, byte| found | is_control(*byte))
            || memchr::memmem::find(added, b"\xef\xbf").is_some();
        if !is_suspect {
            return None;
        }
        let (place, character) =
            self.text[from..].char_indices().find(|(_, character)| !is_xml_character(*character))?;
        let message =
            format!("character U+{:04X} is forbidden in XML: remove it and drop the file again", u32::from(character));
        let refusal = Refusal { line: Some(self.line_at(from + place)), ..refuse("forbidden_character", message) };
        Some((from + place, refusal))
    }

    fn line_at(&self, place: usize) -> u64 {
        self.line + newlines(&self.text.as_bytes()[..place])
    }
}

/// Counts the ends of line.
pub(super) fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// True for the characters that XML 1.0 admits.
pub(super) fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// The encoding of a document that begins with these bytes, and the length of its mark.
fn encoding_of(prefix: &[u8]) -> Result<(&'static Encoding, usize), Refusal> {
    match prefix {
        [0xef, 0xbb, 0xbf, ..] => return Ok((UTF_8, 3)),
        [0xff, 0xfe, ..] => return Ok((UTF_16LE, 2)),
        [0xfe, 0xff, ..] => return Ok((UTF_16BE, 2)),
        [b'<', 0, b'?', 0, ..] => return Ok((UTF_16LE, 0)),
        [0, b'<', 0, b'?', ..] => return Ok((UTF_16BE, 0)),
        _ => {}
    }
    let Some(label) = declared_encoding(&prefix[..prefix.len().min(LONGEST_DECLARATION)]) else {
        return Ok((UTF_8, 0));
    };
    match Encoding::for_label(label) {
        Some(encoding) if [UTF_8, WINDOWS_1252, ISO_8859_15].contains(&encoding) => Ok((encoding, 0)),
        // Its declaration could be read in single bytes: UTF-16 it is not.
        Some(encoding) if [UTF_16LE, UTF_16BE].contains(&encoding) => {
            Err(refuse("encoding_mismatch", "the file declares UTF-16 and is not in UTF-16: correct the declaration"))
        }
        _ => Err(refuse("unsupported_encoding", "the file declares an encoding that is not read: save it as UTF-8")),
    }
}

/// The value of `encoding` in `<?xml … ?>`.
fn declared_encoding(prefix: &[u8]) -> Option<&[u8]> {
    let declaration = prefix.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..memchr::memmem::find(declaration, b"?>")?];
    let value = &declaration[memchr::memmem::find(declaration, b"encoding")? + b"encoding".len()..];
    let value = value.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first()?;
    let end = memchr::memchr(*quote, value)?;
    matches!(quote, b'"' | b'\'').then_some(&value[..end])
}
