//! The elements of a JSON document, one at a time: of a list, of the `releases` of an OCDS package,
//! or of a sequence of objects, one after the other. Only one element is held in memory.

use std::io::{BufRead, Read};

use contract::Refusal;
use kit::documents::not_readable;
use kit::refuse;
use serde::de::IgnoredAny;

/// The longest element.
pub(crate) const LONGEST: usize = 4 << 20;
/// The longest name of a field on the way to the elements.
const LONGEST_NAME: usize = 1 << 10;

/// How the elements stand in their document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `[ … ]`.
    List,
    /// `{ …, "releases": [ … ], … }`.
    Package,
    /// One object, or several one after the other.
    Objects,
}

/// What is done with an element: it gets its first line and its text.
pub(crate) type Each<'e, E> = dyn FnMut(u64, &str) -> Result<(), E> + 'e;

/// Finds out how the elements stand, without holding any.
pub(crate) fn shape(bytes: impl Read) -> Result<Shape, Refusal> {
    let mut scanner = Scanner::new(bytes);
    match scanner.begin()? {
        Some(b'[') => Ok(Shape::List),
        Some(b'{') => {
            let mut has_releases = false;
            scanner.fields(&mut |scanner, name| {
                has_releases |= is_releases(scanner, name)?;
                // The rest need not be looked at, but skipping it costs less than another state.
                scanner.value(None)
            })?;
            Ok(if has_releases { Shape::Package } else { Shape::Objects })
        }
        _ => Err(not_json(scanner.line)),
    }
}

/// Gives every element, up to the end of the document.
pub(crate) fn each<E: From<Refusal>>(bytes: impl Read, shape: Shape, take: &mut Each<'_, E>) -> Result<(), E> {
    let mut scanner = Scanner::new(bytes);
    scanner.begin()?;
    match shape {
        Shape::List => scanner.elements(take)?,
        Shape::Package => scanner.fields(&mut |scanner, name| {
            if is_releases(scanner, name)? { scanner.elements(take) } else { Ok(scanner.value(None)?) }
        })?,
        Shape::Objects => {
            while scanner.after_blanks()?.is_some() {
                scanner.element(take)?;
            }
        }
    }
    match scanner.after_blanks()? {
        None => Ok(()),
        Some(_) => Err(not_json(scanner.line).into()),
    }
}

fn is_releases(scanner: &mut Scanner<impl Read>, name: &[u8]) -> Result<bool, Refusal> {
    Ok(name == br#""releases""# && scanner.after_blanks()? == Some(b'['))
}

fn not_json(line: u64) -> Refusal {
    let message = "the document is not complete JSON, perhaps it was cut short: download it again";
    Refusal { line: Some(line), ..refuse("not_json", message) }
}

fn too_long(line: u64) -> Refusal {
    let message = format!("an element is longer than {LONGEST} bytes: the document is not one of those that are read");
    Refusal { line: Some(line), ..refuse("element_too_long", message) }
}

struct Scanner<R: Read> {
    source: std::io::BufReader<R>,
    line: u64,
    held: Vec<u8>,
}

/// What is done with a field: it gets its name, quoted, and passes over its value.
type Field<'f, S, E> = dyn FnMut(&mut S, &[u8]) -> Result<(), E> + 'f;

/// Where the text of a value goes, and how long it may be.
type Keep<'k> = Option<(&'k mut Vec<u8>, usize)>;

impl<R: Read> Scanner<R> {
    fn new(bytes: R) -> Self {
        Self { source: std::io::BufReader::with_capacity(1 << 16, bytes), line: 1, held: Vec::new() }
    }

    /// The first byte of the document, after its byte order mark.
    fn begin(&mut self) -> Result<Option<u8>, Refusal> {
        for mark in *b"\xef\xbb\xbf" {
            if self.peek()? != Some(mark) {
                break;
            }
            self.advance(mark);
        }
        self.after_blanks()
    }

    fn peek(&mut self) -> Result<Option<u8>, Refusal> {
        loop {
            match self.source.fill_buf() {
                Ok(buffer) => return Ok(buffer.first().copied()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(not_readable(&error)),
            }
        }
    }

    fn advance(&mut self, byte: u8) {
        self.line += u64::from(byte == b'\n');
        self.source.consume(1);
    }

    fn after_blanks(&mut self) -> Result<Option<u8>, Refusal> {
        while let Some(byte) = self.peek()? {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.advance(byte);
        }
        Ok(None)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Refusal> {
        if self.after_blanks()? != Some(byte) {
            return Err(not_json(self.line));
        }
        self.advance(byte);
        Ok(())
    }

    /// The end of a list or an object, or the comma before its next part.
    fn is_over(&mut self, end: u8, is_first: bool) -> Result<bool, Refusal> {
        match self.after_blanks()? {
            Some(byte) if byte == end => {
                self.advance(byte);
                Ok(true)
            }
            Some(b',') if !is_first => {
                self.advance(b',');
                Ok(false)
            }
            Some(_) if is_first => Ok(false),
            _ => Err(not_json(self.line)),
        }
    }

    fn elements<E: From<Refusal>>(&mut self, take: &mut Each<'_, E>) -> Result<(), E> {
        self.expect(b'[')?;
        let mut is_first = true;
        while !self.is_over(b']', is_first)? {
            self.element(take)?;
            is_first = false;
        }
        Ok(())
    }

    fn element<E: From<Refusal>>(&mut self, take: &mut Each<'_, E>) -> Result<(), E> {
        self.after_blanks()?;
        let line = self.line;
        let mut held = std::mem::take(&mut self.held);
        held.clear();
        self.value(Some((&mut held, LONGEST)))?;
        let text = std::str::from_utf8(&held).map_err(|_| not_json(line))?;
        serde_json::from_str::<IgnoredAny>(text).map_err(|_| not_json(line))?;
        let taken = take(line, text);
        self.held = held;
        taken
    }

    fn fields<E: From<Refusal>>(&mut self, field: &mut Field<'_, Self, E>) -> Result<(), E> {
        self.expect(b'{')?;
        let mut is_first = true;
        while !self.is_over(b'}', is_first)? {
            let mut name = Vec::new();
            if self.after_blanks()? != Some(b'"') {
                return Err(not_json(self.line).into());
            }
            self.value(Some((&mut name, LONGEST_NAME)))?;
            self.expect(b':')?;
            field(self, &name)?;
            is_first = false;
        }
        Ok(())
    }

    /// Passes over one value, keeping its text where asked to.
    fn value(&mut self, mut keep: Keep<'_>) -> Result<(), Refusal> {
        let (mut depth, mut is_text, mut is_escaped, mut is_begun) = (0_u32, false, false, false);
        self.after_blanks()?;
        let begins = self.line;
        while let Some(byte) = self.peek()? {
            // A number or a word ends before what follows it.
            let ends_before = matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace();
            if depth == 0 && !is_text && ends_before {
                return if is_begun { Ok(()) } else { Err(not_json(self.line)) };
            }
            is_begun = true;
            self.advance(byte);
            if let Some((kept, longest)) = &mut keep {
                kept.push(byte);
                if kept.len() > *longest {
                    return Err(too_long(begins));
                }
            }
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if is_text => is_escaped = true,
                b'"' => is_text = !is_text,
                _ if is_text => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 && !is_text && matches!(byte, b'"' | b'}' | b']') {
                return Ok(());
            }
        }
        if is_begun && depth == 0 && !is_text { Ok(()) } else { Err(not_json(begins)) }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(text: &str) -> Result<(Shape, Vec<(u64, String)>), Refusal> {
        let shape = shape(text.as_bytes())?;
        let mut found = Vec::new();
        each::<Refusal>(text.as_bytes(), shape, &mut |line, element| {
            found.push((line, element.to_owned()));
            Ok(())
        })?;
        Ok((shape, found))
    }

    #[rstest]
    #[case("[]", Shape::List, &[])]
    #[case("\u{feff}[ {\"a\": \"]}\\\"\"},\n 2 ]", Shape::List, &[(1, "{\"a\": \"]}\\\"\"}"), (2, "2")])]
    #[case("{\"v\": [1, {}],\n\"releases\":\n[{\"a\":1},{\"b\":[]}], \"x\": null}\n", Shape::Package, &[(3, "{\"a\":1}"), (3, "{\"b\":[]}")])]
    #[case("{\"a\":1}\n{\"a\":2}\n", Shape::Objects, &[(1, "{\"a\":1}"), (2, "{\"a\":2}")])]
    #[case("{\"releases\": 3}", Shape::Objects, &[(1, "{\"releases\": 3}")])]
    fn elements_are_found_wherever_they_stand(
        #[case] text: &str,
        #[case] shape: Shape,
        #[case] elements: &[(u64, &str)],
    ) {
        let expected = elements.iter().map(|(line, text)| (*line, (*text).to_owned())).collect();
        assert_eq!(read(text).unwrap(), (shape, expected), "{text}");
    }

    #[rstest]
    #[case("[{\"a\":1},\n{\"a\":")]
    #[case("[{\"a\":1}")]
    #[case("[1 2]")]
    #[case("[1,]")]
    #[case("[{\"a\" 1}]")]
    #[case("[] x")]
    #[case("{\"releases\": [1]")]
    #[case("{\"releases\": [1]} 3")]
    #[case("<a/>")]
    fn a_document_cut_short_or_damaged_is_refused(#[case] text: &str) {
        assert_eq!(read(text).unwrap_err().code, "not_json", "{text}");
    }

    #[test]
    fn an_element_without_end_is_refused() {
        let text = format!("[\"{}\"]", "x".repeat(LONGEST));
        assert_eq!(read(&text).unwrap_err().code, "element_too_long");
    }
}
