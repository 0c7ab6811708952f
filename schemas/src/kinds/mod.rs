//! The kinds of canonical records, in the order in which a contract is born.
//!
//! A new kind is a file here, a variant of [`Body`] and of [`Kind`], and a row in the glossary;
//! its JSON Schema is generated from the type.

mod ente;
mod operatore_economico;
mod procedura;
mod lotto;
mod aggiudicazione;
mod contratto;
mod evento_esecuzione;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use aggiudicazione::{Aggiudicazione, Partecipazione, RuoloRaggruppamento};
pub use contratto::Contratto;
pub use ente::{Ente, TipoEnte};
pub use evento_esecuzione::{
    AccordoBonario, AvanzamentoLavori, AvvioEsecuzione, Collaudo, Conclusione, ConclusioneSubappalto, Dettaglio,
    EsitoSubappalto, EventoEsecuzione, Fase, Modifica, Recesso, RichiestaSubappalto, Ripresa, Sospensione, StatoEvento,
    StipulaContratto, SuperamentoQuarto,
};
pub use lotto::{Lotto, StatoCig};
pub use operatore_economico::{IdentificativoOperatore, OperatoreEconomico};
pub use procedura::Procedura;

use crate::record::{Digest, RecordKey};

macro_rules! kinds {
    ($( $(#[doc = $doc:literal])+ $kind:ident = $name:literal; )+) => {
        /// The kind of a record. Names are stable: they are stored and exchanged.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $( $(#[doc = $doc])+ $kind, )+ }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[ $( Kind::$kind, )+ ];

            /// The stable name, for instance `lotto`.
            pub fn name(self) -> &'static str {
                match self { $( Self::$kind => $name, )+ }
            }

            /// The kind with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $( $name => Some(Self::$kind), )+ _ => None }
            }
        }

        /// What a record says, by kind.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "kind", content = "body", rename_all = "snake_case")]
        pub enum Body { $( $(#[doc = $doc])+ $kind($kind), )+ }

        impl Body {
            /// The kind of this body.
            pub fn kind(&self) -> Kind {
                match self { $( Self::$kind(_) => Kind::$kind, )+ }
            }

            /// The key of this body among those of its kind.
            pub fn key(&self) -> RecordKey {
                match self { $( Self::$kind(body) => RecordKey::new(body.key()), )+ }
            }

            /// The JSON of the body alone.
            pub fn to_json(&self) -> String {
                let json = match self { $( Self::$kind(body) => serde_json::to_string(body), )+ };
                json.unwrap_or_else(|never| unreachable!("a body is plain data: {never}"))
            }

            /// A body from the JSON of the body alone.
            pub fn from_json(kind: Kind, json: &str) -> Result<Self, serde_json::Error> {
                Ok(match kind { $( Kind::$kind => Self::$kind(serde_json::from_str(json)?), )+ })
            }
        }

        $( impl From<$kind> for Body {
            fn from(body: $kind) -> Self {
                Self::$kind(body)
            }
        } )+
    };
}

kinds! {
    /// A public body.
    Ente = "ente";
    /// An economic operator.
    OperatoreEconomico = "operatore_economico";
    /// A procurement procedure.
    Procedura = "procedura";
    /// A lot, known by its CIG.
    Lotto = "lotto";
    /// An award of a lot.
    Aggiudicazione = "aggiudicazione";
    /// A contract that follows an award.
    Contratto = "contratto";
    /// An event of the execution of a contract.
    EventoEsecuzione = "evento_esecuzione";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Body {
    /// The digest of kind, schema version and canonical JSON of this body.
    pub fn digest(&self, schema_version: u16) -> Digest {
        Digest::of_parts([self.kind().name().as_bytes(), &schema_version.to_be_bytes(), self.to_json().as_bytes()])
    }
}
