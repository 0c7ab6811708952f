//! From text to tokens.
//!
//! Nearly all of a dataset is tags without attributes and texts without references. They are
//! recognised here in place, and only in their strict form. Whatever is not one of them goes to
//! quick-xml: attributes, comments, CDATA, instructions, and everything that is wrong.

use memchr::{memchr2, memchr3};
use quick_xml::Reader;
use quick_xml::errors::Error;
use quick_xml::events::{BytesStart, Event};

use super::Tag;

/// A piece of a document, borrowed from it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token<'a> {
    Start(Tag<'a>),
    Empty(Tag<'a>),
    End(&'a str),
    Text(&'a str),
    /// The name between `&` and `;`.
    Reference(&'a str),
    CData(&'a str),
    Comment,
    Declaration,
    Instruction(&'a str),
    Doctype,
    /// Something that quick-xml takes and XML does not.
    Malformed(&'static str),
}

/// The first token of a text and its length, when it is a plain one.
#[inline]
pub(super) fn plain_token(text: &str) -> Option<(Token<'_>, usize)> {
    let tag = |name| Tag { name, attributes: "" };
    match text.as_bytes() {
        [b'<', b'/', ..] => {
            let end = 2 + name_length(&text[2..]);
            let is_plain = end > 2 && text.as_bytes().get(end) == Some(&b'>');
            is_plain.then(|| (Token::End(&text[2..end]), end + 1))
        }
        [b'<', ..] => {
            let end = 1 + name_length(&text[1..]);
            match text.as_bytes().get(end..) {
                Some([b'>', ..]) if end > 1 => Some((Token::Start(tag(&text[1..end])), end + 1)),
                Some([b'/', b'>', ..]) if end > 1 => Some((Token::Empty(tag(&text[1..end])), end + 2)),
                _ => None,
            }
        }
        [b'&', rest @ ..] => {
            let end = 1 + memchr3(b';', b'&', b'<', rest)?;
            (text.as_bytes()[end] == b';').then(|| (Token::Reference(&text[1..end]), end + 1))
        }
        bytes => {
            let end = memchr2(b'<', b'&', bytes).unwrap_or(bytes.len());
            Some((Token::Text(&text[..end]), end))
        }
    }
}

/// The first token of a text that does not begin with a plain one, and its length. A syntax error
/// means that the token does not end in this text.
#[cold]
pub(super) fn unusual_token(text: &str) -> Result<(Token<'_>, usize), Error> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_unmatched_ends = true;
    let event = reader.read_event()?;
    let length = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
    // What quick-xml found is found again in the text, because a token must outlive its event.
    let inside = |before: usize, after: usize| text.get(before..length - after).unwrap_or_default();
    let tag = |tag: &BytesStart<'_>, after| {
        let (name, attributes) = inside(1, after).split_at(tag.name().0.len());
        Tag { name, attributes }
    };
    let token = match event {
        Event::Start(start) => Token::Start(tag(&start, 1)),
        Event::Empty(start) => Token::Empty(tag(&start, 2)),
        Event::End(_) => Token::End(inside(2, 1).trim_ascii_end()),
        Event::Text(_) => Token::Text(inside(0, 0)),
        Event::GeneralRef(_) => Token::Reference(inside(1, 1)),
        Event::CData(_) => Token::CData(inside(9, 3)),
        Event::Comment(_) => Token::Comment,
        Event::Decl(_) => Token::Declaration,
        Event::PI(_) => Token::Instruction(inside(2, 2)),
        Event::DocType(_) => Token::Doctype,
        Event::Eof => Token::Malformed("nothing that can be read"),
    };
    match token {
        Token::Start(tag) | Token::Empty(tag) if !is_name(tag.name) => {
            Ok((Token::Malformed("a tag has no name, or not a valid one"), length))
        }
        token => Ok((token, length)),
    }
}

pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name_length(name) == name.len()
}

/// How many bytes at the beginning of a text may be the name of an element or attribute.
#[inline]
pub(super) fn name_length(text: &str) -> usize {
    match text.as_bytes() {
        [first, rest @ ..] if place(*first) == ANYWHERE => {
            1 + rest.iter().position(|byte| place(*byte) == NOWHERE).unwrap_or(rest.len())
        }
        _ => 0,
    }
}

const NOWHERE: u8 = 0;
const NOT_FIRST: u8 = 1;
const ANYWHERE: u8 = 2;

/// Where a byte may stand in a name. Characters beyond ASCII are not told apart.
#[inline]
fn place(byte: u8) -> u8 {
    const PLACES: [u8; 256] = {
        let mut places = [NOWHERE; 256];
        let mut byte = 0;
        while byte < places.len() {
            places[byte] = match byte {
                0x41..=0x5a | 0x61..=0x7a | 0x5f | 0x3a | 0x80.. => ANYWHERE,
                0x30..=0x39 | 0x2d | 0x2e => NOT_FIRST,
                _ => NOWHERE,
            };
            byte += 1;
        }
        places
    };
    PLACES[usize::from(byte)]
}
