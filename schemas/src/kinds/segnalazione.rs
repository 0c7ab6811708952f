//! A discrepancy that a person must solve, and how it goes on at the help desk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::finding::Rule;
use crate::identifiers::CodiceFiscale;
use crate::kinds::Kind;
use crate::record::RecordKey;
use crate::values::UtcInstant;

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatoSegnalazione {
    /// Opened.
    Aperta,
    /// Somebody works on it.
    InLavorazione,
    /// Solved.
    Risolta,
    /// Refused: nothing to solve.
    Respinta,
}

/// A report to a help desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Segnalazione {
    /// Identifier of ours: the key.
    pub id: String,
    /// Fiscal code of the body concerned.
    pub ente: CodiceFiscale,
    /// Kind of the record concerned.
    pub tipo_record: Kind,
    /// Key of the record concerned.
    pub chiave_record: RecordKey,
    /// Rule by which the sides disagree.
    pub regola: Rule,
    /// Field concerned.
    pub campo: Option<String>,
    /// What a person should know, in Italian, without personal data.
    pub descrizione: String,
    /// When it was opened, UTC.
    pub aperta_il: UtcInstant,
    /// Where it stands.
    pub stato: StatoSegnalazione,
}

impl Segnalazione {
    pub(crate) fn key(&self) -> String {
        self.id.clone()
    }
}
