//! The examples of the national rules over SOAP: what each says, and what none of them proves.

use kit::modi::soap::interaction::{Interaction, read};
use kit::modi::soap::sign::SoapVersion;
use kit::modi::soap::{SoapRules, verify};
use xml_sec::{Document, Node};

use crate::envelopes::store;
use crate::samples::{at_seconds, bytes};

const PULLED: &str = "c8e191a8-f34f-41ed-82ea-68e096466707";
const PUSHED: &str = "b8268033-de67-4fa0-bf06-caebbfa5117a";

fn message(file: &str) -> String {
    String::from_utf8(bytes(&format!("soap-agid/{file}"))).expect("text")
}

/// File, description of its service, operation, where to answer, exchange, state.
type Expected =
    (&'static str, &'static str, &'static str, Option<&'static str>, Option<&'static str>, Option<&'static str>);

const EXCHANGES: &[Expected] = &[
    ("BLOCK_SOAP_request.xml", "soap-blocking", "MRequest", None, None, None),
    ("BLOCK_SOAP_response_200.xml", "soap-blocking", "MRequestResponse", None, None, None),
    ("NONBLOCK_PULL_SOAP_request.xml", "soap-nonblocking", "MRequest", None, None, None),
    (
        "NONBLOCK_PULL_SOAP_response_accepted.xml",
        "soap-nonblocking",
        "MRequestResponse",
        None,
        Some(PULLED),
        Some("accepted"),
    ),
    ("NONBLOCK_PULL_SOAP_request_status.xml", "soap-nonblocking", "MProcessingStatus", None, Some(PULLED), None),
    (
        "NONBLOCK_PULL_SOAP_response_status_processing.xml",
        "soap-nonblocking",
        "MProcessingStatusResponse",
        None,
        None,
        Some("processing"),
    ),
    (
        "NONBLOCK_PULL_SOAP_response_status_done.xml",
        "soap-nonblocking",
        "MProcessingStatusResponse",
        None,
        None,
        Some("done"),
    ),
    ("NONBLOCK_PULL_SOAP_request_result.xml", "soap-nonblocking", "MResponse", None, Some(PULLED), None),
    ("NONBLOCK_PULL_SOAP_response_result.xml", "soap-nonblocking", "MResponseResponse", None, None, None),
    (
        "NONBLOCK_PUSH_SOAP_request_to_erogatore.xml",
        "soap-callback-server",
        "MRequest",
        Some("https://api.client.example/soap/nome-api/v1"),
        None,
        None,
    ),
    (
        "NONBLOCK_PUSH_SOAP_response_from_erogatore.xml",
        "soap-callback-server",
        "MRequestResponse",
        None,
        Some(PUSHED),
        Some("ACCEPTED"),
    ),
    (
        "NONBLOCK_PUSH_SOAP_request_to_fruitore.xml",
        "soap-callback-client",
        "MRequestResponse",
        None,
        Some(PUSHED),
        None,
    ),
    (
        "NONBLOCK_PUSH_SOAP_response_from_fruitore.xml",
        "soap-callback-client",
        "MRequestResponseResponse",
        None,
        None,
        Some("OK"),
    ),
];

#[test]
fn every_example_of_an_exchange_says_what_it_is_and_its_service_has_that_operation() {
    for (file, service, operation, reply_to, correlation_id, state) in EXCHANGES {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let expected = Interaction {
            version: SoapVersion::V1_2,
            operation: Some((*operation).to_owned()),
            reply_to: owned(*reply_to),
            correlation_id: owned(*correlation_id),
            state: owned(*state),
            fault: None,
        };
        assert_eq!(read(&message(file)), Ok(expected), "{file}");
        let description = message(&format!("{service}.wsdl"));
        let document = Document::parse(&description).expect("XML");
        let is_declared = |node: &Node<'_, '_>| {
            node.is_element() && node.tag_name().name() == "element" && node.attribute("name") == Some(operation)
        };
        assert!(document.descendants().any(|node| is_declared(&node)), "{service} has no {operation}");
    }
}

#[test]
fn a_fault_is_no_operation_and_says_whose_mistake_it_was() {
    let fault = read(&message("BLOCK_SOAP_response_500_fault.xml")).expect("an envelope");
    assert_eq!((fault.operation, fault.fault.as_deref()), (None, Some("Receiver")));
    let old = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>\
               <faultcode>s:Client</faultcode><faultstring>x</faultstring></s:Fault></s:Body></s:Envelope>";
    let fault = read(old).expect("an envelope");
    assert_eq!((fault.version, fault.fault.as_deref()), (SoapVersion::V1_1, Some("Client")));
}

#[test]
fn what_two_readers_would_read_differently_is_refused() {
    let message = message("NONBLOCK_PULL_SOAP_request_status.xml");
    let twice = message.replace("</soap:Header>", "<m:X-Correlation-ID>other</m:X-Correlation-ID></soap:Header>");
    let bodies = message.replace("</soap:Body>", "</soap:Body><soap:Body/>");
    let dtd = message.replace("<soap:Envelope", "<!DOCTYPE a><soap:Envelope");
    for xml in [twice.as_str(), &bodies, &dtd, "<a/>", "no XML"] {
        assert_eq!(read(xml).expect_err(xml).code(), "malformed");
    }
}

#[test]
fn the_signed_examples_show_a_layout_and_prove_nothing() {
    // Values were shortened and folded for print, and one has prefixes that it does not declare.
    let expected = [
        ("ID_AUTH_SOAP_01_request.xml", "https://api.ente.example/soap/echo/v1"),
        ("ID_AUTH_SOAP_02_request.xml", "http://localhost:8080/security-profile/echo"),
        ("INTEGRITY_SOAP_01_request.xml", "https://api.ente.example/soap/echo/v1"),
    ];
    for (file, to) in expected {
        let rules = SoapRules { to: to.to_owned(), is_body_signed: file.starts_with("INTEGRITY") };
        let verdict = verify(&message(file), &store(), &rules, at_seconds(1_555_340_000));
        assert!(verdict.is_err(), "{file}");
    }
    assert_eq!(read(&message("INTEGRITY_SOAP_01_request.xml")).expect_err("no envelope").code(), "malformed");
    let layout = read(&message("ID_AUTH_SOAP_01_request.xml")).expect("an envelope");
    assert_eq!(layout.operation.as_deref(), Some("sayHi"));
}
