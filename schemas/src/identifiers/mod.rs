//! Identifiers: the codes by which Italian procurement names lots, projects, bodies and places.
//!
//! Shape and verification are two questions. `parse` accepts only the canonical spelling and
//! refuses a malformed code; a code of the right shape with a wrong check digit is kept, and
//! answers `false` to `is_verified`. `read` is for received texts: it undoes blanks and letter
//! case, restores leading zeros where the rules permit it, and never corrects anything else.

use crate::values::{Note, Reading};

/// The parts every identifier shares: display, text conversion, JSON and its schema.
macro_rules! identifier {
    ($type:ident, $error:ident, $pattern:literal, $description:literal) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl std::str::FromStr for $type {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                struct TextVisitor;

                impl serde::de::Visitor<'_> for TextVisitor {
                    type Value = $type;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!(stringify!($type), " as text"))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        <$type>::parse(text).map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(TextVisitor)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn schema_id() -> std::borrow::Cow<'static, str> {
                concat!(module_path!(), "::", stringify!($type)).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": $pattern,
                    "description": $description,
                })
            }
        }
    };
}

/// `Debug` for identifiers that are never personal data.
macro_rules! identifier_debug {
    ($type:ident) => {
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($type)).field(&self.as_str()).finish()
            }
        }
    };
}

mod cig;
mod codice_ausa;
mod codice_fiscale;
mod codice_ipa;
mod codice_istat;
mod codice_nuts;
mod cpv;
mod cui;
mod cup;
mod eleven_digits;
mod partita_iva;
mod personal;

pub use cig::{Cig, CigClass, CigError};
pub use codice_ausa::{CodiceAusa, CodiceAusaError};
pub use codice_fiscale::{CodiceFiscale, CodiceFiscaleError};
pub use codice_ipa::{CodiceIpa, CodiceIpaError};
pub use codice_istat::{CodiceIstat, CodiceIstatError};
pub use codice_nuts::{CodiceNuts, CodiceNutsError};
pub use cpv::{Cpv, CpvError};
pub use cui::{Cui, CuiError};
pub use cup::{Cup, CupError};
pub use partita_iva::{PartitaIva, PartitaIvaError};
pub use personal::{holds_personal_code, without_personal_codes};

/// The text of bytes that a parser has already found to be ASCII.
fn ascii_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Reads a text as it is, or else trimmed and in upper case. Canonical text costs no allocation.
fn read_tidied<T, E>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Reading<T> {
    if let Ok(value) = parse(text) {
        return Reading::canonical(value);
    }
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Reading::absent();
    }
    match parse(&trimmed.to_ascii_uppercase()) {
        Ok(value) => Reading::adapted(value, Note::Trimmed),
        Err(_) => Reading::unreadable(Note::Malformed),
    }
}

/// Notes a wrong check digit over any lesser note.
fn note_check_digit<T>(reading: Reading<T>, is_verified: impl Fn(&T) -> bool) -> Reading<T> {
    match reading.value {
        Some(value) if !is_verified(&value) => Reading::adapted(value, Note::CheckDigit),
        value => Reading { value, note: reading.note },
    }
}

/// Restores the leading zeros of an all-digit text shorter than the code, or gives `None`.
fn zero_padded<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let digits = text.as_bytes();
    if digits.is_empty() || digits.len() >= LENGTH || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut padded = [b'0'; LENGTH];
    padded[LENGTH - digits.len()..].copy_from_slice(digits);
    Some(padded)
}
