//! Certificates of authorities that live as long as a test: as little of X.509 as a handshake needs.

use std::net::Ipv4Addr;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT: u8 = 0x06;
/// `ecdsa-with-SHA256`, `commonName`, `subjectAltName`, `basicConstraints`.
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

/// A certificate that ends when this test could not run any more.
pub(crate) const GOOD: &str = "491231235959Z";
/// One that has ended.
pub(crate) const ENDED: &str = "210101000000Z";

/// A certificate, and its private key.
pub(crate) struct Certificate {
    /// The certificate in DER form.
    pub(crate) der: Vec<u8>,
    /// The private key, PKCS#8 in DER form.
    pub(crate) key: Vec<u8>,
}

impl Certificate {
    /// The certificate alone.
    pub(crate) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// The certificate and its key.
    pub(crate) fn pem_with_key(&self) -> String {
        self.pem() + &pem("PRIVATE KEY", &self.key)
    }
}

/// Who signs certificates. Two of them with one name have nothing else in common.
pub(crate) struct Authority {
    name: &'static str,
    pub(crate) own: Certificate,
}

impl Authority {
    pub(crate) fn new(name: &'static str) -> Self {
        let is_authority = tlv(SEQUENCE, &[&[0x01, 0x01, 0xff]]);
        let extension = extension(CONSTRAINTS, &is_authority);
        let key = new_key();
        let der = signed(&key, name, &key, name, GOOD, &extension);
        Self { name, own: Certificate { der, key } }
    }

    /// A certificate for whoever is at an address, until then.
    pub(crate) fn issue(&self, name: &str, address: Ipv4Addr, until: &str) -> Certificate {
        let addresses = tlv(SEQUENCE, &[&tlv(0x87, &[&address.octets()])]);
        let key = new_key();
        let der = signed(&self.own.key, self.name, &key, name, until, &extension(ALTERNATIVE_NAME, &addresses));
        Certificate { der, key }
    }
}

fn new_key() -> Vec<u8> {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    key.expect("a key").as_ref().to_vec()
}

fn signed(by: &[u8], issuer: &str, key: &[u8], subject: &str, until: &str, extension: &[u8]) -> Vec<u8> {
    let pair = |pkcs8: &[u8]| EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8).expect("a key");
    let public = pair(key).public_key().as_der().expect("a public key").as_ref().to_vec();
    let algorithm = tlv(SEQUENCE, &[&tlv(OBJECT, &[ECDSA_SHA256])]);
    let version_3 = tlv(0xa0, &[&tlv(INTEGER, &[&[2]])]);
    let time = |text: &str| tlv(0x17, &[text.as_bytes()]);
    let validity = tlv(SEQUENCE, &[&time("200101000000Z"), &time(until)]);
    let extensions = tlv(0xa3, &[&tlv(SEQUENCE, &[extension])]);
    let (issuer, subject, serial) = (name(issuer), name(subject), tlv(INTEGER, &[&[1]]));
    let body = tlv(SEQUENCE, &[&version_3, &serial, &algorithm, &issuer, &validity, &subject, &public, &extensions]);
    let signature = pair(by).sign(&SystemRandom::new(), &body).expect("a signature");
    tlv(SEQUENCE, &[&body, &algorithm, &tlv(BIT_STRING, &[&[0], signature.as_ref()])])
}

fn name(common: &str) -> Vec<u8> {
    let pair = tlv(SEQUENCE, &[&tlv(OBJECT, &[COMMON_NAME]), &tlv(0x0c, &[common.as_bytes()])]);
    tlv(SEQUENCE, &[&tlv(0x31, &[&pair])])
}

fn extension(object: &[u8], value: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[&tlv(OBJECT, &[object]), &tlv(OCTET_STRING, &[value])])
}

/// A tag, the length of what follows, and what follows.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let length = u16::try_from(length).expect("a short certificate").to_be_bytes();
    let mut written = vec![tag];
    match length {
        [0, short @ ..=0x7f] => written.push(short),
        [0, byte] => written.extend([0x81, byte]),
        [high, low] => written.extend([0x82, high, low]),
    }
    written.extend(parts.concat());
    written
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
