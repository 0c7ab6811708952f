//! Pseudonyms: the hash of a personal identifier and a seed.
//!
//! How both are put together, hashed and written is each producer's choice, documented in its
//! e-service: here it is a setting. The seed is a secret.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::Secret;

/// How an e-service makes pseudonyms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PseudonymRule {
    /// What stands first.
    pub composition: Composition,
    /// The hash.
    pub hash: Hash,
    /// How the hash is written.
    pub encoding: Encoding,
}

/// The seed as an e-service gives it, with the hash that goes with it. Read again on `SEEDUPDATE`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GivenSeed {
    /// The seed.
    #[serde(deserialize_with = "secret")]
    pub seed: Secret,
    /// The hash.
    pub crypto_hash_function: Hash,
}

impl PseudonymRule {
    /// The same rule with the hash that the e-service gave: it is the one that counts.
    #[must_use]
    pub fn with_hash_of(self, given: &GivenSeed) -> Self {
        Self { hash: given.crypto_hash_function, ..self }
    }
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// How identifier and seed are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Composition {
    /// The identifier, then the seed.
    #[default]
    #[serde(rename = "id+seed")]
    IdThenSeed,
    /// The seed, then the identifier.
    #[serde(rename = "seed+id")]
    SeedThenId,
}

/// A hash, by the name that e-services document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Hash {
    /// SHA-256.
    #[default]
    #[serde(rename = "sha256", alias = "SHA-256")]
    Sha256,
    /// SHA-384.
    #[serde(rename = "sha384", alias = "SHA-384")]
    Sha384,
    /// SHA-512.
    #[serde(rename = "sha512", alias = "SHA-512")]
    Sha512,
    /// SHA-512/256.
    #[serde(rename = "sha512-256", alias = "SHA-512/256")]
    Sha512To256,
    /// SHA3-256.
    #[serde(rename = "sha3-256", alias = "SHA3-256")]
    Sha3To256,
}

/// How a hash is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Base64 with padding.
    #[default]
    Base64,
    /// Hexadecimal, in lower case.
    Hex,
}

impl PseudonymRule {
    /// The pseudonym of an identifier.
    pub fn pseudonym(self, identifier: &str, seed: &Secret) -> String {
        let algorithm = match self.hash {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
            Hash::Sha512To256 => &digest::SHA512_256,
            Hash::Sha3To256 => &digest::SHA3_256,
        };
        let (first, second) = match self.composition {
            Composition::IdThenSeed => (identifier, seed.expose()),
            Composition::SeedThenId => (seed.expose(), identifier),
        };
        let mut context = digest::Context::new(algorithm);
        context.update(first.as_bytes());
        context.update(second.as_bytes());
        let hash = context.finish();
        match self.encoding {
            Encoding::Base64 => STANDARD.encode(hash),
            Encoding::Hex => hash.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
        }
    }
}

/// The objects that a reader knows, by their pseudonyms under the seed of the moment.
#[derive(Clone)]
pub struct KnownObjects {
    rule: PseudonymRule,
    identifiers: Vec<String>,
    by_pseudonym: HashMap<String, usize>,
}

/// Counts alone: the identifiers are personal.
impl fmt::Debug for KnownObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownObjects").field("count", &self.identifiers.len()).finish_non_exhaustive()
    }
}

impl KnownObjects {
    /// These objects, under this seed.
    pub fn new(rule: PseudonymRule, identifiers: Vec<String>, seed: &Secret) -> Self {
        let mut known = Self { rule, identifiers, by_pseudonym: HashMap::new() };
        known.recompute(seed);
        known
    }

    /// The same objects under another seed: after a SEEDUPDATE.
    pub fn recompute(&mut self, seed: &Secret) {
        let named = self.identifiers.iter().enumerate();
        self.by_pseudonym = named.map(|(index, identifier)| (self.rule.pseudonym(identifier, seed), index)).collect();
    }

    /// Which object a pseudonym is; none for one that we do not know.
    pub fn identifier(&self, pseudonym: &str) -> Option<&str> {
        self.by_pseudonym.get(pseudonym).map(|index| self.identifiers[*index].as_str())
    }
}
