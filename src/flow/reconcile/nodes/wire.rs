//! What two nodes say to each other beside the messages of `inventory::ranges`: JSON, as the published
//! description of the exchange API has it.

use canonical::identifiers::CodiceFiscale;
use canonical::values::UtcInstant;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::flow::exchange::item::Item;
use crate::flow::reconcile::inventory::ranges::Salt;
use crate::storage::exchange::Scope;

/// How records are written before they are hashed: two nodes with different forms cannot be compared.
pub const FORM: u16 = 1;
/// The media type of messages.
pub const MESSAGE: &str = "application/octet-stream";
/// Bodies that are written in one request, at most.
pub const MOST_BODIES: usize = 1_000;
/// Keys whose records are asked for at a time, at most.
pub const MOST_KEYS: usize = 200;

/// Opens a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// [`FORM`].
    pub form: u16,
    /// The salt, in 32 hexadecimal digits.
    pub salt: String,
    /// The records of these bodies only; of all that the caller may see, when there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bodies: Vec<CodiceFiscale>,
}

/// Where a comparison stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The records are being read.
    Building,
    /// Messages are answered.
    Ready,
    /// The records could not be read.
    Failed,
}

/// Of whose records a comparison speaks: what the other side holds of other bodies is not missing here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Of every body, and of none.
    pub everything: bool,
    /// Of these bodies.
    pub bodies: Vec<CodiceFiscale>,
}

impl Told {
    /// The same, as the ledger is asked.
    pub fn scope(&self) -> Scope {
        let bodies = if self.everything { Vec::new() } else { self.bodies.clone() };
        Scope { everything: self.everything, bodies, units: Vec::new() }
    }
}

/// A comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its name.
    pub comparison_id: String,
    /// Where it stands.
    pub status: Status,
    /// Whose records it speaks of.
    pub scope: Told,
    /// How many, once they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// The fingerprint of all of them, in 32 hexadecimal digits, once they were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Until when it is answered.
    pub expires_at: UtcInstant,
}

/// Asks for the records behind keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Their hashes under the salt, in 32 hexadecimal digits each.
    pub keys: Vec<String>,
}

/// A record behind a key, as it leaves.
#[derive(Debug, Serialize)]
pub struct Given {
    /// The hash.
    pub hash: String,
    /// The record.
    pub record: Item,
}

/// Records behind keys, without those that are there no more.
#[derive(Debug, Serialize)]
pub struct AllGiven {
    /// In the order in which they were asked for.
    pub items: Vec<Given>,
}

/// A record behind a key, as it came.
#[derive(Debug, Clone, Deserialize)]
pub struct Theirs {
    /// The hash.
    pub hash: String,
    /// The record.
    pub record: TheirRecord,
}

/// What is read of a record of the other node. Other fields may come one day.
#[derive(Debug, Clone, Deserialize)]
pub struct TheirRecord {
    /// Its kind, by its name: a newer node may know one that we do not.
    pub kind: String,
    /// Its key.
    pub key: String,
    /// When it was stored there.
    pub stored_at: UtcInstant,
    /// What it says.
    pub body: Value,
}

/// Records behind keys, as they came.
#[derive(Debug, Clone, Deserialize)]
pub struct AllTheirs {
    /// In any order.
    pub items: Vec<Theirs>,
}

/// A hash, or a salt, in hexadecimal digits.
pub fn hexadecimal(number: u128) -> String {
    format!("{number:032x}")
}

/// The number behind 32 hexadecimal digits.
pub fn number(text: &str) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_hexadecimal = text.len() == 32 && text.bytes().all(is_digit);
    u128::from_str_radix(text, 16).ok().filter(|_| is_hexadecimal)
}

/// A salt as it is written.
pub fn written(salt: Salt) -> String {
    hexadecimal(u128::from_be_bytes(salt.0))
}

/// The salt that was written.
pub fn salt(text: &str) -> Option<Salt> {
    number(text).map(|number| Salt(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use canonical::{Digest, json_schema};

    use super::*;

    #[test]
    fn another_canonical_model_is_another_form() {
        let files = json_schema::all();
        let parts = files.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]);
        let digest = Digest::of_parts(parts).to_string();
        assert_eq!(
            digest, "f136d655431baee392575eca501eaf59b1ab01ad1a97879261f4ef169d090aa3",
            "where a field came, went or is written otherwise, two releases would differ in every record: raise FORM; \
             then, and where only words changed, write the digest of the schemas here"
        );
    }

    #[test]
    fn a_salt_comes_back_as_it_left_and_nothing_else_is_one() {
        let drawn = Salt([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(salt(&written(drawn)), Some(drawn));
        for wrong in ["", "+0000000000000000000000000000001", "0A000000000000000000000000000000", "00"] {
            assert_eq!(salt(wrong), None, "{wrong}");
        }
    }
}
