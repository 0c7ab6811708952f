//! Reading the samples: files, instants, keys.

use canonical::values::UtcInstant;
use kit::Secret;
use kit::jose::{KeySet, PublicKey, SigningKey};
use serde_json::Value;

/// A file of the samples.
pub(crate) fn bytes(path: &str) -> Vec<u8> {
    let path = format!("{}/tests/pdnd/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A manifest.
pub(crate) fn json(path: &str) -> Value {
    serde_json::from_slice(&bytes(path)).expect("a manifest is JSON")
}

/// The vectors of a manifest, which are at least so many.
pub(crate) fn vectors(manifest: &Value, at_least: usize) -> &Vec<Value> {
    let vectors = manifest["vectors"].as_array().expect("vectors");
    assert!(vectors.len() >= at_least, "{} vectors of {at_least}", vectors.len());
    vectors
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name}"))
}

/// An instant in seconds since 1970.
pub(crate) fn at(seconds: &Value) -> UtcInstant {
    at_seconds(seconds.as_i64().expect("an instant"))
}

pub(crate) fn at_seconds(seconds: i64) -> UtcInstant {
    UtcInstant::from_unix_micros(seconds * 1_000_000).expect("an instant")
}

/// A private key of the samples.
pub(crate) fn private(name: &str) -> SigningKey {
    let keys = json("keys/keys.json");
    SigningKey::from_pem(&Secret::new(text(&keys["keys"][name], "private_pem_pkcs8"))).expect("a key")
}

/// The public half of a key of the samples.
pub(crate) fn public(name: &str) -> PublicKey {
    PublicKey::from_jwk(&json("keys/keys.json")["keys"][name]["public_jwk"]).expect("a key")
}

/// These keys, under their thumbprints.
pub(crate) fn registered(names: &[&str]) -> KeySet {
    names.iter().map(|name| public(name)).fold(KeySet::default(), |set, key| set.with(key.thumbprint(), key))
}
