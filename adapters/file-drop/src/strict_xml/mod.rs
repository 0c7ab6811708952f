//! Strict streaming XML over any [`Read`], in memory that does not grow with the file.
//!
//! A tolerant tokenizer does not ask what a file from a stranger needs: one root and nothing around
//! it, every element closed, no DTD, no entities but the five of XML, no forbidden characters,
//! limits on depth, attributes and length. All that is asked here. Bytes are decoded first, by
//! [`decode`], and cut into tokens as text, by [`token`].
//!
//! Events are pushed to a [`Handler`] rather than pulled: they borrow from a window of decoded text
//! that moves along the file, so nothing is copied. The window ends at a `>` wherever it can; a
//! token that goes on beyond its end is parsed again when the window has grown.
//!
//! Absent on purpose: namespaces (the readers of two formats need four lines each), and the
//! normalisation of ends of line (every value is tidied when it is read).

mod decode;
mod token;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::VecDeque;
use std::io::Read;

use contract::Refusal;
use quick_xml::errors::{Error, SyntaxError};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::attributes::{Attribute, Attributes};

use kit::shown;

use self::decode::{Window, is_xml_character, newlines};
use self::token::{Token, is_name, plain_token, unusual_token};
use kit::refuse;

/// How deep elements may nest.
pub(crate) const DEPTH: usize = 64;
/// How many attributes an element may have.
pub(crate) const ATTRIBUTES: usize = 256;
/// How long a tag, a comment or the text of an element may be, in bytes.
pub(crate) const TOKEN: usize = 1024 * 1024;

/// What a handler is told. Empty elements arrive as a start and an end; a text may arrive in
/// several pieces, split by references, CDATA sections, comments and windows.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// An element begins.
    Start(Tag<'a>),
    /// A piece of text, references resolved.
    Text(&'a str),
    /// The innermost element ends.
    End,
    /// A comment or the declaration; only its place may matter.
    Comment,
    /// A processing instruction.
    Instruction(&'a str),
}

/// The start of an element: its name as written, and its attributes, already checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    /// The name with its prefix, if any.
    pub(crate) fn name(self) -> &'a str {
        self.name
    }

    /// An attribute by its name as written. References are left as they are: no attribute of the
    /// formats that we read needs them.
    pub(crate) fn attribute(self, name: &str) -> Option<&'a str> {
        if self.attributes.is_empty() {
            return None;
        }
        let written = |attribute: Attribute<'a>| match attribute.value {
            Cow::Borrowed(value) => value,
            Cow::Owned(_) => "",
        };
        Attributes::new(self.attributes, 0)
            .with_checks(false)
            .flatten()
            .find(|attribute| attribute.key.0 == name)
            .map(written)
    }
}

/// Where an event stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'a> {
    /// The event as written in the decoded document.
    pub(crate) raw: &'a str,
    /// How many bytes of Windows-1252 were found in UTF-8 up to the end of this event.
    pub(crate) repaired: u64,
    start: usize,
    lines: &'a Lines<'a>,
}

impl At<'_> {
    /// Where the event begins, in bytes of the decoded document.
    pub(crate) fn offset(&self) -> u64 {
        self.lines.place.origin + self.start as u64
    }

    /// The line on which the event begins, counted from one. Lines are counted when asked for.
    pub(crate) fn line(&self) -> u64 {
        self.lines.at(self.start)
    }

    /// A refusal for what stands here.
    pub(crate) fn refuse(&self, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { line: Some(self.line()), ..refuse(code, message) }
    }
}

/// Who is told what a document holds.
pub(crate) trait Handler {
    /// Takes one event. A refusal ends the reading.
    fn event(&mut self, event: Event<'_>, at: &At<'_>) -> Result<(), Refusal>;
}

/// Reads a document to its end.
pub(crate) fn parse(source: impl Read, handler: &mut impl Handler) -> Result<(), Refusal> {
    let mut window = Window::new(source);
    let mut checker = Checker::new(handler);
    // As long as a token does not fit, each look at it is at a window twice as long.
    let mut unfinished = 0;
    loop {
        while !window.is_last() && window.text.len() < 2 * unfinished + 1 {
            window.grow();
        }
        let is_last = window.is_last();
        let end = if is_last {
            window.text.len()
        } else {
            memchr::memrchr(b'>', window.text.as_bytes()).map_or(0, |at| at + 1)
        };
        let place = Place { origin: window.origin, line: window.line, is_last };
        let consumed = match checker.window(&window.text[..end], place, &mut window.repairs) {
            Ok(consumed) => consumed,
            // What breaks the text explains the token that does not end.
            Err(refusal) if refusal.code == TRUNCATED => return Err(window.broken().unwrap_or(refusal)),
            Err(refusal) => return Err(refusal),
        };
        window.consume(consumed);
        if is_last {
            return match window.broken() {
                Some(refusal) => Err(refusal),
                None => checker.end(window.line),
            };
        }
        unfinished = window.text.len();
        if unfinished > TOKEN {
            return Err(too_long(window.line));
        }
        window.grow();
    }
}

/// Reads a document that is already decoded.
pub(crate) fn parse_text(text: &str, handler: &mut impl Handler) -> Result<(), Refusal> {
    let mut checker = Checker::new(handler);
    let place = Place { origin: 0, line: 1, is_last: true };
    checker.window(text, place, &mut VecDeque::new())?;
    checker.end(1 + newlines(text.as_bytes()))
}

const TRUNCATED: &str = "truncated";

fn truncated(line: u64) -> Refusal {
    let message = "the document ends before its end: it was cut on the way, transfer it again";
    Refusal { line: Some(line), ..refuse(TRUNCATED, message) }
}

fn too_long(line: u64) -> Refusal {
    let message = "a tag, a comment or a text is longer than 1 MB: correct the file";
    Refusal { line: Some(line), ..refuse("token_too_long", message) }
}

/// Where a window stands in the document.
#[derive(Debug, Clone, Copy)]
struct Place {
    origin: u64,
    line: u64,
    is_last: bool,
}

/// Counts lines only up to where somebody asks, each end of line once.
#[derive(Debug)]
struct Lines<'a> {
    window: &'a [u8],
    place: Place,
    counted: Cell<(usize, u64)>,
}

impl Lines<'_> {
    fn at(&self, place: usize) -> u64 {
        let (from, line) = self.counted.get();
        let line = line + self.window.get(from..place).map_or(0, newlines);
        self.counted.set((place.max(from), line));
        line
    }
}

/// Everything that must hold across windows.
struct Checker<'h, H> {
    handler: &'h mut H,
    /// Names of the open elements, one after the other.
    names: String,
    /// Where each of them begins in `names`.
    starts: Vec<usize>,
    has_begun: bool,
    has_root: bool,
    /// Bytes of text since the last tag.
    text: usize,
    repaired: u64,
}

impl<'h, H: Handler> Checker<'h, H> {
    fn new(handler: &'h mut H) -> Self {
        Self {
            handler,
            names: String::new(),
            starts: Vec::with_capacity(DEPTH),
            has_begun: false,
            has_root: false,
            text: 0,
            repaired: 0,
        }
    }

    /// Takes the tokens of a window, and returns where the first unfinished one begins.
    fn window(&mut self, text: &str, place: Place, repairs: &mut VecDeque<u64>) -> Result<usize, Refusal> {
        let lines = Lines { window: text.as_bytes(), place, counted: Cell::new((0, place.line)) };
        let mut start = 0;
        while start < text.len() {
            let rest = &text[start..];
            let mut at = At { raw: rest, repaired: self.repaired, start, lines: &lines };
            let (token, length) = match plain_token(rest) {
                Some(plain) => plain,
                None => match unusual_token(rest) {
                    Ok(unusual) => unusual,
                    Err(error) => return Self::unfinished(&error, &at).map(|()| start),
                },
            };
            start += length;
            while repairs.front().is_some_and(|repair| *repair < place.origin + start as u64) {
                repairs.pop_front();
                self.repaired += 1;
            }
            at.raw = &rest[..length];
            at.repaired = self.repaired;
            self.token(token, &at)?;
        }
        Ok(start)
    }

    /// Says whether a token that does not end in its window may end later.
    fn unfinished(error: &Error, at: &At<'_>) -> Result<(), Refusal> {
        match error {
            Error::Syntax(SyntaxError::UnclosedDoctype) => Err(doctype(at)),
            Error::Syntax(SyntaxError::InvalidBangMarkup) => Err(malformed(error, at)),
            Error::Syntax(_) if at.lines.place.is_last => Err(truncated(at.line())),
            Error::Syntax(_) => Ok(()),
            _ => Err(malformed(error, at)),
        }
    }

    fn token(&mut self, token: Token<'_>, at: &At<'_>) -> Result<(), Refusal> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if at.raw.len() > TOKEN {
            return Err(too_long(at.line()));
        }
        match token {
            Token::Start(tag) => self.start(tag, at),
            Token::Empty(tag) => {
                self.start(tag, at)?;
                self.close(&At { raw: "", ..*at })
            }
            Token::End(name) => {
                let open = self.starts.last().map(|start| &self.names[*start..]);
                match open {
                    Some(open) if open == name => self.close(at),
                    Some(open) => Err(at.refuse(
                        "mismatched_tag",
                        format!("<{}> is closed by </{}>: correct the file", shown(open), shown(name)),
                    )),
                    None => {
                        Err(at.refuse("mismatched_tag", format!("</{}> closes nothing: correct the file", shown(name))))
                    }
                }
            }
            Token::CData(_) | Token::Reference(_) if self.starts.is_empty() => Err(outside_root(at)),
            Token::Text(text) | Token::CData(text) => self.text(text, at),
            Token::Reference(name) => self.text(reference(name, at)?.encode_utf8(&mut [0; 4]), at),
            Token::Comment => self.handler.event(Event::Comment, at),
            Token::Declaration if is_first => self.handler.event(Event::Comment, at),
            Token::Declaration => Err(malformed(&"the XML declaration is not at the beginning", at)),
            Token::Instruction(instruction) => self.handler.event(Event::Instruction(instruction), at),
            Token::Doctype => Err(doctype(at)),
            Token::Malformed(problem) => Err(malformed(&problem, at)),
        }
    }

    fn start(&mut self, tag: Tag<'_>, at: &At<'_>) -> Result<(), Refusal> {
        self.text = 0;
        if self.starts.is_empty() {
            if self.has_root {
                return Err(at.refuse("second_root", "a second root follows the first: drop one document a file"));
            }
            self.has_root = true;
        }
        if self.starts.len() == DEPTH {
            return Err(at.refuse("too_deep", format!("elements nest deeper than {DEPTH}: correct the file")));
        }
        if !tag.attributes.is_empty() {
            check_attributes(tag, at)?;
        }
        self.starts.push(self.names.len());
        self.names.push_str(tag.name);
        self.handler.event(Event::Start(tag), at)
    }

    fn close(&mut self, at: &At<'_>) -> Result<(), Refusal> {
        self.text = 0;
        if let Some(start) = self.starts.pop() {
            self.names.truncate(start);
        }
        self.handler.event(Event::End, at)
    }

    fn text(&mut self, text: &str, at: &At<'_>) -> Result<(), Refusal> {
        if self.starts.is_empty() && !is_blank(text) {
            return Err(outside_root(at));
        }
        self.text += text.len();
        if self.text > TOKEN {
            return Err(too_long(at.line()));
        }
        self.handler.event(Event::Text(text), at)
    }

    fn end(self, line: u64) -> Result<(), Refusal> {
        match (self.has_root, self.starts.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => Err(truncated(line)),
            (false, _) => {
                Err(Refusal { line: Some(line), ..refuse("no_root", "the document has no element: produce it again") })
            }
        }
    }
}

fn doctype(at: &At<'_>) -> Refusal {
    at.refuse("doctype", "the document has a DTD, which is never read: remove the DOCTYPE")
}

fn outside_root(at: &At<'_>) -> Refusal {
    at.refuse("text_outside_root", "there is text outside the root element: correct the file")
}

fn malformed(problem: &impl std::fmt::Display, at: &At<'_>) -> Refusal {
    at.refuse("malformed_xml", format!("not well formed ({problem}): correct the file"))
}

fn check_attributes(tag: Tag<'_>, at: &At<'_>) -> Result<(), Refusal> {
    // Counted before they are compared with each other.
    if Attributes::new(tag.attributes, 0).with_checks(false).count() > ATTRIBUTES {
        return Err(at.refuse(
            "too_many_attributes",
            format!("an element has more than {ATTRIBUTES} attributes: correct the file"),
        ));
    }
    for attribute in Attributes::new(tag.attributes, 0) {
        let attribute = attribute.map_err(|error| malformed(&error, at))?;
        if !is_name(attribute.key.0) || attribute.value.contains('<') {
            return Err(malformed(&"an attribute is not one", at));
        }
        let mut rest: &str = &attribute.value;
        while let Some((_, after)) = rest.split_once('&') {
            let (name, after) = after.split_once(';').ok_or_else(|| malformed(&"a reference has no end", at))?;
            reference(name, at)?;
            rest = after;
        }
    }
    Ok(())
}

/// The character of one of the five entities of XML, or of a numeric reference.
fn reference(name: &str, at: &At<'_>) -> Result<char, Refusal> {
    let character = match name.strip_prefix('#') {
        None => resolve_xml_entity(name).and_then(|text| text.chars().next()),
        Some(number) => {
            let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |digits| (digits, 16));
            // `from_str_radix` would accept a sign.
            let has_digits_only = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let character =
                has_digits_only.then(|| u32::from_str_radix(digits, radix).ok()).flatten().and_then(char::from_u32);
            if !character.is_some_and(is_xml_character) {
                let message = format!("the reference &{}; is to no character of XML: correct the file", shown(name));
                return Err(at.refuse("forbidden_character", message));
            }
            character
        }
    };
    character.ok_or_else(|| {
        let message = format!("the entity &{}; is not defined in XML: write the character itself", shown(name));
        at.refuse("unknown_entity", message)
    })
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}
