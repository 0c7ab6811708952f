//! A SOAP envelope, read strictly: which operation answers, and the text of each of its rows.
//!
//! SOAP admits neither a DTD nor processing instructions, and nor do we. Depth, texts and rows are
//! bounded; the size of the whole is bounded by who received it. Names count with their namespace:
//! an envelope of another service is refused, not half understood. Rows are cut out as they are
//! written, so that each can be understood again later.

use contract::Refusal;
use kit::{refuse, shown};
use quick_xml::NsReader;
use quick_xml::errors::Error;
use quick_xml::events::{BytesDecl, Event};
use quick_xml::name::{Namespace, ResolveResult};

use crate::wire::{LONGEST_TEXT, NAMESPACE, Operation, SOAP, character, is_forbidden};

const DEPTH: usize = 16;
const MOST_ROWS: usize = 100_000;
const LONGEST_ROW: usize = 256 * 1024;

/// What an envelope carries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Envelope {
    /// The rows that answer an operation.
    Rows(Operation, Vec<RowText>),
    /// The service says that it could not answer: the local name of its code, and nothing more,
    /// for the words may be personal.
    Fault(String),
}

/// One row as written.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RowText {
    /// The line where it begins, counted from one.
    pub(crate) line: u64,
    /// Its element.
    pub(crate) text: String,
}

impl std::fmt::Debug for RowText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RowText(line {}, {} bytes)", self.line, self.text.len())
    }
}

/// Whose a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Space {
    Soap,
    Service,
    Other,
}

/// Reads an envelope to its end.
pub(crate) fn read(bytes: &[u8]) -> Result<Envelope, Refusal> {
    let text = decode(bytes)?;
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut scan = Scan::new(text);
    loop {
        scan.at = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
        let (space, event) = match reader.read_resolved_event() {
            Ok((resolved, event)) => (space(&resolved), event),
            Err(Error::Syntax(_)) => return Err(scan.refuse("truncated", CUT)),
            Err(error) => {
                return Err(scan.refuse("malformed_xml", format!("not well formed ({}): save it again", kind(&error))));
            }
        };
        match event {
            Event::Start(start) => scan.start(space, start.local_name().as_ref())?,
            Event::End(_) => scan.end(usize::try_from(reader.buffer_position()).unwrap_or(text.len()))?,
            Event::Text(piece) => scan.text(&piece)?,
            Event::CData(piece) => scan.text(&piece)?,
            Event::GeneralRef(name) => {
                let Some(character) = character(&name) else {
                    return Err(scan.refuse("unknown_entity", "an entity is not one of XML: save it again"));
                };
                scan.text(character.encode_utf8(&mut [0; 4]))?;
            }
            Event::Decl(declaration) => check_encoding(&declaration)?,
            Event::DocType(_) => {
                return Err(scan.refuse("doctype", "the document has a DTD, which SOAP forbids: remove the DOCTYPE"));
            }
            Event::PI(_) => {
                return Err(scan.refuse("instruction", "SOAP forbids processing instructions: remove them"));
            }
            Event::Comment(_) => {}
            Event::Empty(_) | Event::Eof => return scan.finish(),
        }
    }
}

const CUT: &str = "the document ends before its end: it was cut on the way, save it again";

struct Scan<'a> {
    document: &'a str,
    at: usize,
    path: Vec<(Space, String)>,
    operation: Option<Operation>,
    fault: Option<String>,
    has_body: bool,
    rows: Vec<RowText>,
    row_from: usize,
    text: usize,
    /// Where lines were counted last, and the line there.
    counted: (usize, u64),
}

impl<'a> Scan<'a> {
    fn new(document: &'a str) -> Self {
        Self {
            document,
            at: 0,
            path: Vec::new(),
            operation: None,
            fault: None,
            has_body: false,
            rows: Vec::new(),
            row_from: 0,
            text: 0,
            counted: (0, 1),
        }
    }

    #[expect(clippy::match_same_arms, reason = "one arm for each place where an element may stand")]
    fn start(&mut self, space: Space, name: &str) -> Result<(), Refusal> {
        self.text = 0;
        if self.path.len() == DEPTH {
            return Err(
                self.refuse("too_deep", format!("elements nest deeper than {DEPTH}: not an answer of the service"))
            );
        }
        let parents: Vec<&str> = self.path.iter().map(|(_, name)| name.as_str()).collect();
        match (parents.as_slice(), space, name) {
            ([], Space::Soap, "Envelope") if !self.has_body => {}
            ([], ..) => {
                return Err(self.refuse("not_soap", "not a SOAP envelope: save the whole answer of the service"));
            }
            (["Envelope"], Space::Soap, "Header") => {}
            (["Envelope"], Space::Soap, "Body") if !self.has_body => self.has_body = true,
            (["Envelope", "Body"], Space::Soap, "Fault") if self.is_first() => self.fault = Some(String::new()),
            (["Envelope", "Body"], Space::Service, name) if self.is_first() => {
                let operation = Operation::ALL.into_iter().find(|it| name == format!("{}Response", it.name()));
                self.operation = Some(operation.ok_or_else(|| self.stranger(name))?);
            }
            (["Envelope", "Body", ..], ..) if self.fault.is_some() => {}
            (["Envelope", "Body", _], Space::Service, name)
                if self.operation.is_some_and(|it| name == format!("{}Result", it.name())) => {}
            (["Envelope", "Body", _, _], Space::Service, name) if self.operation.is_some_and(|it| name == it.row()) => {
                if self.rows.len() == MOST_ROWS {
                    return Err(
                        self.refuse("too_many_rows", format!("more than {MOST_ROWS} rows: ask for one year at a time"))
                    );
                }
                self.row_from = self.at;
            }
            // What a row holds is read with the row; what a header holds is not for us.
            (["Envelope", "Body", _, _, _, ..] | ["Envelope", "Header", ..], ..) => {}
            _ => return Err(self.stranger(name)),
        }
        self.path.push((space, name.to_owned()));
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), Refusal> {
        self.text = 0;
        if self.path.len() == 5 && self.operation.is_some() {
            let text = self.document.get(self.row_from..end).unwrap_or_default();
            let line = self.line(self.row_from);
            if text.len() > LONGEST_ROW {
                return Err(self.refuse("row_too_long", format!("a row is longer than {LONGEST_ROW} bytes")));
            }
            self.rows.push(RowText { line, text: text.to_owned() });
        }
        self.path.pop();
        Ok(())
    }

    fn text(&mut self, piece: &str) -> Result<(), Refusal> {
        self.text += piece.len();
        if self.text > LONGEST_TEXT {
            return Err(self.refuse("token_too_long", format!("a text is longer than {LONGEST_TEXT} bytes")));
        }
        if piece.chars().any(is_forbidden) {
            return Err(self.refuse("forbidden_character", "a character is not one of XML: save it again"));
        }
        let is_blank = piece.trim_ascii().is_empty();
        // `faultcode` is that of SOAP 1.1, `Code/Value` that of SOAP 1.2; the first one counts.
        let names: Vec<&str> = self.path.iter().skip(3).map(|(_, name)| name.as_str()).collect();
        if let Some(code) = &mut self.fault
            && matches!(names.as_slice(), ["faultcode"] | ["Code", "Value"])
            && code.len() + piece.len() <= 100
        {
            code.push_str(piece.trim());
        }
        if self.path.len() < 5 && self.fault.is_none() && !is_blank && !self.is_in_header() {
            return Err(
                self.refuse("text_outside_rows", "there is text where elements stand: not an answer of the service")
            );
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Envelope, Refusal> {
        if !self.path.is_empty() {
            return Err(self.refuse("truncated", CUT));
        }
        if let Some(code) = self.fault {
            let local = code.rsplit(':').next().unwrap_or_default();
            return Ok(Envelope::Fault(shown(local).into_owned()));
        }
        match self.operation {
            Some(operation) => Ok(Envelope::Rows(operation, self.rows)),
            None => {
                Err(self.refuse("not_soap", "the envelope has no answer inside: save the whole answer of the service"))
            }
        }
    }

    fn is_first(&self) -> bool {
        self.operation.is_none() && self.fault.is_none()
    }

    fn is_in_header(&self) -> bool {
        self.path.get(1).is_some_and(|(_, name)| name == "Header")
    }

    fn stranger(&mut self, name: &str) -> Refusal {
        let message =
            format!("<{}> is no answer of GetImpegni or GetMandati: give the answer of one of them", shown(name));
        self.refuse("other_answer", message)
    }

    fn refuse(&mut self, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { line: Some(self.line(self.at)), ..refuse(code, message) }
    }

    fn line(&mut self, at: usize) -> u64 {
        let (from, line) = self.counted;
        let from = if from <= at { from } else { 0 };
        let begin = if from == 0 { 1 } else { line };
        let between = self.document.as_bytes().get(from..at).unwrap_or_default();
        let line = begin + u64::try_from(between.split(|byte| *byte == b'\n').count()).unwrap_or(u64::MAX) - 1;
        self.counted = (at, line);
        line
    }
}

fn space(resolved: &ResolveResult<'_>) -> Space {
    match resolved {
        ResolveResult::Bound(Namespace(name)) if SOAP.contains(name) => Space::Soap,
        ResolveResult::Bound(Namespace(NAMESPACE)) => Space::Service,
        _ => Space::Other,
    }
}

/// What kind of error it is: its words may repeat received values.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::IllFormed(_) => "tags do not match",
        Error::InvalidAttr(_) => "an attribute is not one",
        Error::Namespace(_) => "a prefix is not declared",
        Error::Escape(_) => "a reference has no end",
        _ => "an encoding problem",
    }
}

/// .NET writes UTF-8; a file saved by hand may have a byte order mark.
fn decode(bytes: &[u8]) -> Result<&str, Refusal> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes)
        .map_err(|_| refuse("unsupported_encoding", "the document is not in UTF-8: save it again as received"))
}

fn check_encoding(declaration: &BytesDecl<'_>) -> Result<(), Refusal> {
    let is_utf8 = match declaration.encoding() {
        None => true,
        Some(Ok(name)) => ["utf-8", "us-ascii"].iter().any(|known| name.eq_ignore_ascii_case(known)),
        Some(Err(_)) => false,
    };
    if is_utf8 {
        Ok(())
    } else {
        Err(refuse("unsupported_encoding", "the document declares another encoding than UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn envelope(inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<soap:Envelope xmlns:soap=\"{}\">\n<soap:Body>{inner}</soap:Body>\
             </soap:Envelope>",
            SOAP[0]
        )
    }

    fn answer(rows: &str) -> String {
        envelope(&format!(
            "<GetMandatiResponse xmlns=\"{NAMESPACE}\"><GetMandatiResult>{rows}</GetMandatiResult></GetMandatiResponse>"
        ))
    }

    fn code(document: &str) -> String {
        read(document.as_bytes()).unwrap_err().code
    }

    #[test]
    fn rows_are_cut_out_as_they_are_written() {
        let document = answer("\n<OutGetMandati><Numero>1</Numero></OutGetMandati>\n <OutGetMandati />");
        let Envelope::Rows(Operation::Mandati, rows) = read(document.as_bytes()).unwrap() else { panic!("no rows") };
        let rows: Vec<_> = rows.iter().map(|row| (row.line, row.text.as_str())).collect();
        assert_eq!(rows, [(4, "<OutGetMandati><Numero>1</Numero></OutGetMandati>"), (5, "<OutGetMandati />")]);
        // A byte order mark, and the prefixes of another library, make no difference.
        let prefixed = document.replace("<Get", "<n:Get").replace("</Get", "</n:Get").replace("OutGet", "n:OutGet");
        let prefixed = prefixed.replace("xmlns=", "xmlns:n=");
        assert!(
            matches!(read(format!("\u{feff}{prefixed}").as_bytes()), Ok(Envelope::Rows(_, rows)) if rows.len() == 2)
        );
    }

    #[test]
    fn an_answer_without_rows_is_an_answer() {
        for document in [answer(""), envelope(&format!("<GetImpegniResponse xmlns=\"{NAMESPACE}\"/>"))] {
            assert!(matches!(read(document.as_bytes()), Ok(Envelope::Rows(_, rows)) if rows.is_empty()));
        }
    }

    #[rstest]
    #[case::soap_1_1(
        "<soap:Fault><faultcode>soap:Server</faultcode><faultstring>x</faultstring><detail><a/></detail></soap:Fault>",
        "Server"
    )]
    #[case::dotted(
        "<soap:Fault><faultcode>soap:Client.Authentication</faultcode></soap:Fault>",
        "Client.Authentication"
    )]
    #[case::soap_1_2("<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code></soap:Fault>", "Sender")]
    #[case::nothing("<soap:Fault/>", "")]
    fn a_fault_is_its_code(#[case] inner: &str, #[case] code: &str) {
        assert_eq!(read(envelope(inner).as_bytes()), Ok(Envelope::Fault(code.to_owned())));
    }

    #[rstest]
    #[case::another_root("<a/>", "not_soap")]
    #[case::an_empty_body(&envelope(""), "not_soap")]
    #[case::another_namespace(&answer("").replace("apkappa", "altro"), "other_answer")]
    #[case::another_operation(&answer("").replace("Mandati", "Capitoli"), "other_answer")]
    #[case::another_row(&answer("<OutGetImpegni/>"), "other_answer")]
    #[case::a_second_root(&format!("{}<a/>", answer("")), "not_soap")]
    #[case::a_dtd(&answer("").replacen('\n', "<!DOCTYPE a [<!ENTITY x 'y'>]>\n", 1), "doctype")]
    #[case::an_instruction(&answer("<?x y?>"), "instruction")]
    #[case::an_entity(&answer("<OutGetMandati>&x;</OutGetMandati>"), "unknown_entity")]
    #[case::text_between_rows(&answer("x"), "text_outside_rows")]
    #[case::too_deep(&answer(&format!("<OutGetMandati>{}", "<a>".repeat(20))), "too_deep")]
    #[case::a_long_text(&answer(&format!("<OutGetMandati><a>{}</a></OutGetMandati>", "x".repeat(LONGEST_TEXT + 1))), "token_too_long")]
    #[case::mismatched(&answer("<OutGetMandati></b>"), "malformed_xml")]
    #[case::another_encoding(&answer("").replace("utf-8", "utf-16"), "unsupported_encoding")]
    #[case::a_control_character(&answer("<OutGetMandati><a>&#1;</a></OutGetMandati>"), "unknown_entity")]
    fn what_is_no_answer_is_refused(#[case] document: &str, #[case] expected: &str) {
        assert_eq!(code(document), expected);
    }

    #[test]
    fn an_envelope_cut_anywhere_is_never_taken_for_a_whole_one() {
        let document = answer("<OutGetMandati><Numero>1</Numero></OutGetMandati>");
        for end in 0..document.len() {
            assert!(read(&document.as_bytes()[..end]).is_err(), "{end}");
        }
        assert_eq!(code(&document[..document.len() - 5]), "truncated");
    }
}
