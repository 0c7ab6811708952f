//! SOAP messages of ours, verified by a program that knows nothing of us: xmlsec1, of libxmlsec.
//!
//! Needs the Debian package xmlsec1, which `cargo xtask test` installs.

#[allow(dead_code, reason = "each test takes what it needs of the samples")]
#[path = "vectors/samples.rs"]
mod samples;

use std::path::Path;
use std::process::Command;

use kit::modi::soap::sign::{SoapMessage, SoapSigner, SoapVersion};
use samples::{at_seconds, json, private, text};

const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const ENVELOPES: [&str; 2] = ["http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"];

/// How many references hold, of how many, when the signature does.
fn judge(xml: &str, folder: &Path) -> Option<String> {
    let (message, key) = (folder.join("message.xml"), folder.join("key.pem"));
    std::fs::write(&message, xml).expect("written");
    std::fs::write(&key, text(&json("keys/keys.json")["keys"]["x5_leaf"], "public_pem_spki")).expect("written");
    let mut command = Command::new("xmlsec1");
    command.args(["--verify", "--enabled-key-data", "rsa", "--pubkey-pem"]).arg(&key);
    let elements = ["To", "Action", "MessageID"].map(|name| format!("{ADDRESSING}:{name}"));
    let bodies = ENVELOPES.map(|envelope| format!("{envelope}:Body"));
    for element in elements.into_iter().chain(bodies).chain([format!("{UTILITY}:Timestamp")]) {
        command.args(["--id-attr:Id", &element]);
    }
    let output = command.arg(&message).output().expect("xmlsec1 is installed by `cargo xtask test`");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let references = said.lines().find_map(|line| line.strip_prefix("SignedInfo References (ok/all): "));
    output.status.success().then(|| references.unwrap_or_default().to_owned())
}

#[test]
fn what_we_sign_an_unrelated_program_verifies_and_what_was_changed_it_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = text(&json("keys/keys.json")["certificates"]["leaf"], "pem").to_owned();
    let payload = "<p:inviaPratica xmlns:p=\"http://appalti.example/\" xmlns:unused=\"urn:x\" b='2' a=\"1\">\r\n\
                   <p:cig>B1234567AB</p:cig><!-- nota --><p:oggetto>città &amp; <![CDATA[<dintorni>]]></p:oggetto>\
                   <vuoto xmlns=\"\"/></p:inviaPratica>";
    for version in [SoapVersion::V1_1, SoapVersion::V1_2] {
        for is_body_signed in [true, false] {
            let mut signer = SoapSigner::new(private("x5_leaf"), certificate.as_bytes()).expect("a signer");
            (signer.version, signer.is_body_signed) = (version, is_body_signed);
            let message = SoapMessage {
                to: "https://erogatore.example/soap/appalti/v1?a=1&b=<2>",
                action: "http://appalti.example/servizio/inviaPratica",
                message_id: "urn:uuid:00000000-0000-4000-8000-0000000000b1",
                payload,
            };
            let xml = signer.sign(&message, at_seconds(1_796_115_600)).expect("a message");
            let all = if is_body_signed { "5/5" } else { "4/4" };
            assert_eq!(judge(&xml, folder.path()).as_deref(), Some(all), "{version:?}");
            let cases = [
                ("B1234567AB", "B1234567AC"),
                ("?a=1", "?a=2"),
                ("inviaPratica</wsa", "invia</wsa"),
                ("09:05", "09:06"),
            ];
            for (from, to) in cases {
                let is_refused = judge(&xml.replacen(from, to, 1), folder.path()).is_none();
                assert_eq!(is_refused, is_body_signed || from != "B1234567AB", "{from}");
            }
        }
    }
}
