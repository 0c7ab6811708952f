//! Enough of WSDL 1.1 to hold an exchange over SOAP 1.1 against its operation: action, header, body and
//! answer by the elements that the document names, each valid by the XML Schema inside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use uppsala::{Document, NodeId, XS_NAMESPACE, XsdValidator};

use super::proxy::Exchange;

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const WSDL_SOAP: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// A description of a service.
pub struct Wsdl {
    path: PathBuf,
    schema: XsdValidator,
    /// The namespace of its elements.
    namespace: String,
    /// What it gives a name to.
    names: BTreeSet<String>,
    /// By SOAP action.
    operations: BTreeMap<String, Operation>,
}

impl std::fmt::Debug for Wsdl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wsdl").field("path", &self.path).field("operations", &self.operations).finish_non_exhaustive()
    }
}

/// The elements of an operation, by their local names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Operation {
    question: String,
    answer: String,
    header: Option<String>,
}

impl Wsdl {
    /// Reads a document. Panics when it is none: the evidence names it.
    pub fn open(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::of(path, &text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()))
    }

    fn of(path: &Path, text: &str) -> Result<Self, String> {
        let document = uppsala::parse(text).map_err(|error| error.to_string())?;
        let [schema] = document.get_elements_by_tag_name_ns(XS_NAMESPACE, "schema")[..] else {
            return Err("one schema was expected inside".to_owned());
        };
        let namespace = document.get_attribute(schema, "targetNamespace").unwrap_or_default().to_owned();
        let schema = alone(&document, schema).ok_or("no schema")?;
        let schema = uppsala::parse(&schema).map_err(|error| error.to_string())?;
        let schema = XsdValidator::from_schema(&schema).map_err(|error| error.to_string())?;
        let operations = operations(&document)?;
        if operations.is_empty() {
            Err("no operation over SOAP 1.1".to_owned())
        } else {
            Ok(Self { path: path.to_owned(), schema, namespace, names: names(&document), operations })
        }
    }

    /// What is wrong with an exchange. None: it is of no operation.
    pub fn check(&self, exchange: &Exchange) -> Option<Result<(), String>> {
        let action = exchange.headers.get("soapaction")?.to_str().ok()?.trim_matches('"');
        let operation = self.operations.get(action).filter(|_| exchange.method == "POST")?;
        Some(self.check_operation(operation, exchange).map_err(|problem| format!("{}: {problem}", operation.question)))
    }

    fn check_operation(&self, operation: &Operation, exchange: &Exchange) -> Result<(), String> {
        let kind = exchange.headers.get("content-type").and_then(|value| value.to_str().ok());
        is_xml(kind).map_err(|problem| format!("request: {problem}"))?;
        self.check_envelope(&exchange.request, &operation.question, operation.header.as_deref())
            .map_err(|problem| format!("request: {problem}"))?;
        is_xml(exchange.content_type.as_deref()).map_err(|problem| format!("answer: {problem}"))?;
        let answer = match exchange.status {
            200 => self.check_envelope(&exchange.answer, &operation.answer, None),
            500 => is_fault(&exchange.answer),
            status => Err(format!("status {status} is none of SOAP 1.1")),
        };
        answer.map_err(|problem| format!("answer {}: {problem}", exchange.status))
    }

    /// An envelope whose body is one element of this name, valid by the schema, as its headers are.
    fn check_envelope(&self, bytes: &[u8], name: &str, header: Option<&str>) -> Result<(), String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
        let document = uppsala::parse(text).map_err(|_| "not XML".to_owned())?;
        let (headers, body) = parts(&document)?;
        for given in headers {
            if !header.is_some_and(|header| self.is_named(&document, given, header)) {
                return Err("a header that the operation does not have".to_owned());
            }
            self.validate(&document, given)?;
        }
        if !self.is_named(&document, body, name) {
            return Err(format!("the body holds another element than {name}"));
        }
        self.validate(&document, body)
    }

    fn is_named(&self, document: &Document<'_>, id: NodeId, name: &str) -> bool {
        document.element(id).is_some_and(|element| element.matches_name_ns(&self.namespace, name))
    }

    /// A message without what it quotes, save the names of the document.
    fn without_values(&self, message: &str) -> String {
        let pieces = message.split(['\'', '"']).enumerate();
        let told = pieces.map(|(n, piece)| if n % 2 == 0 || self.names.contains(piece) { piece } else { "…" });
        told.collect()
    }

    fn validate(&self, document: &Document<'_>, id: NodeId) -> Result<(), String> {
        let alone = alone(document, id).ok_or("no element")?;
        let alone = uppsala::parse(&alone).map_err(|_| "not XML".to_owned())?;
        match self.schema.validate(&alone).first() {
            None => Ok(()),
            // The place and the rule, never the value: it may be personal.
            Some(error) => {
                Err(format!("line {}: {}", error.line.unwrap_or_default(), self.without_values(&error.message)))
            }
        }
    }
}

/// Every name that a document gives.
fn names(document: &Document<'_>) -> BTreeSet<String> {
    let all = document.descendants(document.root());
    all.into_iter().filter_map(|id| document.get_attribute(id, "name").map(str::to_owned)).collect()
}

/// The operations of the binding of SOAP 1.1, by action.
fn operations(document: &Document<'_>) -> Result<BTreeMap<String, Operation>, String> {
    let local = |name: &str| name.rsplit(':').next().unwrap_or_default().to_owned();
    let element_of = |message: &str| {
        let named = document.get_elements_by_tag_name_ns(WSDL, "message").into_iter();
        let message = named.into_iter().find(|id| document.get_attribute(*id, "name") == Some(&local(message)))?;
        let part = document.first_child_element_by_name_ns(message, WSDL, "part")?;
        document.get_attribute(part, "element").map(local)
    };
    let mut operations = BTreeMap::new();
    for bound in document.get_elements_by_tag_name_ns(WSDL_SOAP, "operation") {
        let action = document.get_attribute(bound, "soapAction").unwrap_or_default().to_owned();
        let of_binding = document.parent(bound).ok_or("an operation of nothing")?;
        let name = document.get_attribute(of_binding, "name").unwrap_or_default();
        let header = document.first_child_element_by_name_ns(of_binding, WSDL, "input").and_then(|input| {
            let header = document.first_child_element_by_name_ns(input, WSDL_SOAP, "header")?;
            element_of(document.get_attribute(header, "message")?)
        });
        let ports = document.get_elements_by_tag_name_ns(WSDL, "portType");
        let port = ports.into_iter().flat_map(|port| document.child_elements_by_name_ns(port, WSDL, "operation"));
        let port = port.into_iter().find(|id| document.get_attribute(*id, "name") == Some(name));
        let port = port.ok_or_else(|| format!("{name} is in no port type"))?;
        let message = |direction: &str| {
            let way = document.first_child_element_by_name_ns(port, WSDL, direction)?;
            element_of(document.get_attribute(way, "message")?)
        };
        let (question, answer) =
            message("input").zip(message("output")).ok_or_else(|| format!("{name}: no messages"))?;
        operations.insert(action, Operation { question, answer, header });
    }
    Ok(operations)
}

/// The headers of an envelope, and the one element of its body.
fn parts(document: &Document<'_>) -> Result<(Vec<NodeId>, NodeId), String> {
    let root = document.document_element().ok_or("no envelope")?;
    if !document.element(root).is_some_and(|element| element.matches_name_ns(ENVELOPE, "Envelope")) {
        return Err("no envelope of SOAP 1.1".to_owned());
    }
    let elements = |id: NodeId| document.children(id).into_iter().filter(|id| document.element(*id).is_some());
    let header = document.first_child_element_by_name_ns(root, ENVELOPE, "Header");
    let body = document.first_child_element_by_name_ns(root, ENVELOPE, "Body").ok_or("an envelope without a body")?;
    if elements(root).any(|id| Some(id) != header && id != body) {
        return Err("an envelope with something beside header and body".to_owned());
    }
    let headers = header.map(|header| elements(header).collect()).unwrap_or_default();
    match elements(body).collect::<Vec<_>>()[..] {
        [one] => Ok((headers, one)),
        _ => Err("the body does not hold one element".to_owned()),
    }
}

/// A fault of SOAP 1.1: code and words, in this order, without a namespace.
fn is_fault(bytes: &[u8]) -> Result<(), String> {
    let document = uppsala::parse_bytes(bytes).map_err(|_| "not XML".to_owned())?;
    let (_, body) = parts(&document)?;
    if !document.element(body).is_some_and(|element| element.matches_name_ns(ENVELOPE, "Fault")) {
        return Err("no fault".to_owned());
    }
    let names: Vec<String> = document
        .children(body)
        .into_iter()
        .filter_map(|id| document.element(id))
        .map(|element| element.name.local_name.to_string())
        .collect();
    if names.starts_with(&["faultcode".to_owned(), "faultstring".to_owned()]) {
        Ok(())
    } else {
        Err("a fault without code and words".to_owned())
    }
}

fn is_xml(content_type: Option<&str>) -> Result<(), String> {
    let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media == "text/xml" { Ok(()) } else { Err("another content type than text/xml".to_owned()) }
}

/// An element as a document of its own: with the prefixes that were declared around it.
fn alone(document: &Document<'_>, id: NodeId) -> Option<String> {
    let source = document.node_source(id)?;
    let mut declared: BTreeMap<&str, &str> = BTreeMap::new();
    for around in document.ancestors(id) {
        for (prefix, namespace) in document.element(around).into_iter().flat_map(|it| &it.namespace_declarations) {
            declared.entry(prefix.as_ref()).or_insert(namespace.as_ref());
        }
    }
    let own = &document.element(id)?.namespace_declarations;
    let name = source.strip_prefix('<')?;
    let end = name.find(|character: char| character.is_whitespace() || matches!(character, '>' | '/'))?;
    let mut alone = format!("<{}", &name[..end]);
    for (prefix, namespace) in declared {
        if own.iter().all(|(known, _)| known != prefix) {
            let colon = if prefix.is_empty() { "" } else { ":" };
            for piece in [" xmlns", colon, prefix, "=\"", namespace, "\""] {
                alone.push_str(piece);
            }
        }
    }
    alone.push_str(&name[end..]);
    Some(alone)
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::HeaderMap;
    use rstest::rstest;

    use super::*;

    const QUESTION: &str = "<GetMandati xmlns=\"http://services.apkappa.it/\"><en><Esercizio>0</Esercizio>\
        <Numero>0</Numero><SubNumero>0</SubNumero><Capitolo>0</Capitolo><CodiceCIG>B000001279</CodiceCIG></en></GetMandati>";
    const ANSWER: &str =
        "<GetMandatiResponse xmlns=\"http://services.apkappa.it/\"><GetMandatiResult/></GetMandatiResponse>";
    const ROW: &str = "<OutGetMandati><Esercizio>2026</Esercizio><Numero>1</Numero><Subnumero>0</Subnumero>\
        <Capitolo>2</Capitolo><AttoNumero>3</AttoNumero><AttoData>2026-01-20T00:00:00</AttoData><Importo>1.5</Importo>\
        <ImportoPagato>1.5</ImportoPagato><ImportoDaPagare>0</ImportoDaPagare></OutGetMandati>";
    const HEADER: &str = "<AuthenticationDetails xmlns=\"http://services.apkappa.it/\"><UserName>u</UserName>\
        <Password>p</Password></AuthenticationDetails>";

    fn wsdl() -> Wsdl {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Wsdl::open(&root.join("schemas/upstream/contabilita/v1/Contabilita_impegni_mandati.wsdl"))
    }

    fn envelope(header: &str, body: &str) -> String {
        format!(
            "<soap:Envelope xmlns:soap=\"{ENVELOPE}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <soap:Header>{header}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
        )
    }

    fn rows(rows: &str) -> String {
        ANSWER.replace("<GetMandatiResult/>", &format!("<GetMandatiResult>{rows}</GetMandatiResult>"))
    }

    fn check(question: String, status: u16, answer: String) -> Option<Result<(), String>> {
        let mut headers = HeaderMap::new();
        headers.insert("soapaction", "\"http://services.apkappa.it/GetMandati\"".parse().unwrap());
        headers.insert("content-type", "text/xml; charset=utf-8".parse().unwrap());
        wsdl().check(&Exchange {
            method: "POST".to_owned(),
            path: "/service.asmx".to_owned(),
            query: Vec::new(),
            headers,
            request: Bytes::from(question),
            status,
            content_type: Some("text/xml".to_owned()),
            answer: Bytes::from(answer),
        })
    }

    #[test]
    fn operations_are_those_of_the_first_binding() {
        let expected = Operation {
            question: "GetImpegni".to_owned(),
            answer: "GetImpegniResponse".to_owned(),
            header: Some("AuthenticationDetails".to_owned()),
        };
        let wsdl = wsdl();
        assert_eq!(wsdl.operations.len(), 3);
        assert_eq!(wsdl.operations["http://services.apkappa.it/GetImpegni"], expected);
    }

    #[rstest]
    #[case::without_rows(ANSWER.to_owned())]
    #[case::with_a_row(rows(ROW))]
    #[case::with_an_absent_row(rows("<OutGetMandati xsi:nil=\"true\"/>"))]
    fn what_follows_the_document_is_valid(#[case] answer: String) {
        assert_eq!(check(envelope(HEADER, QUESTION), 200, envelope("", &answer)), Some(Ok(())));
        assert_eq!(check(envelope("", QUESTION), 200, envelope("", &answer)), Some(Ok(())));
    }

    #[test]
    fn a_fault_is_an_answer() {
        let fault = "<soap:Fault><faultcode>soap:Server</faultcode><faultstring>x</faultstring><detail/></soap:Fault>";
        assert_eq!(check(envelope(HEADER, QUESTION), 500, envelope("", fault)), Some(Ok(())));
        assert!(check(envelope(HEADER, QUESTION), 500, envelope("", "<soap:Fault/>")).unwrap().is_err());
        assert!(check(envelope(HEADER, QUESTION), 200, envelope("", fault)).unwrap().is_err());
    }

    #[rstest]
    #[case::without_a_mandatory_number(QUESTION.replace("<Numero>0</Numero>", ""), HEADER)]
    #[case::in_another_order(QUESTION.replace("<Numero>0</Numero><SubNumero>0</SubNumero>", "<SubNumero>0</SubNumero><Numero>0</Numero>"), HEADER)]
    #[case::with_a_text_for_a_number(QUESTION.replace("<Numero>0<", "<Numero>uno<"), HEADER)]
    #[case::with_a_stranger(QUESTION.replace("<CodiceCIG>", "<CIG/><CodiceCIG>"), HEADER)]
    #[case::of_another_namespace(QUESTION.replace("apkappa", "altro"), HEADER)]
    #[case::of_another_operation(QUESTION.replace("GetMandati", "GetCapitoli"), HEADER)]
    #[case::with_another_header(QUESTION.to_owned(), "<Security/>")]
    #[case::with_two_elements(format!("{QUESTION}{QUESTION}"), HEADER)]
    fn a_question_outside_the_document_is_told(#[case] question: String, #[case] header: &str) {
        let problem = check(envelope(header, &question), 200, envelope("", ANSWER)).unwrap().unwrap_err();
        assert!(problem.contains("request") && !problem.contains("uno"), "{problem}");
    }

    #[rstest]
    #[case::without_a_mandatory_column(ROW.replace("<Capitolo>2</Capitolo>", ""))]
    #[case::with_a_comma(ROW.replace("<Importo>1.5<", "<Importo>1,5<"))]
    #[case::with_a_day_alone(ROW.replace("T00:00:00", ""))]
    #[case::with_columns_of_another(ROW.replace("OutGetMandati", "OutGetImpegni"))]
    #[case::with_a_column_twice(ROW.replace("<Numero>1</Numero>", "<Numero>1</Numero><Numero>1</Numero>"))]
    fn an_answer_outside_the_document_is_told(#[case] row: String) {
        let problem = check(envelope(HEADER, QUESTION), 200, envelope("", &rows(&row))).unwrap().unwrap_err();
        assert!(problem.contains("answer 200") && !problem.contains("1,5"), "{problem}");
    }

    #[test]
    fn what_names_no_operation_is_of_none() {
        let mut exchange_headers = HeaderMap::new();
        exchange_headers.insert("soapaction", "\"http://services.apkappa.it/GetAltro\"".parse().unwrap());
        let exchange = Exchange {
            method: "POST".to_owned(),
            path: String::new(),
            query: Vec::new(),
            headers: exchange_headers,
            request: Bytes::new(),
            status: 200,
            content_type: None,
            answer: Bytes::new(),
        };
        assert_eq!(wsdl().check(&exchange), None);
    }
}
