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
mod pagamento;
mod programma;
mod intervento;
mod progetto;
mod qualificazione;
mod adesione;
mod servizio_associato;
mod rilevazione;
mod risorsa;
mod segnalazione;
mod territorio;
mod codice;
mod atto;
mod persona;

use std::fmt;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

pub use adesione::{Adesione, StatoAdesione, TipoAdesione};
pub use aggiudicazione::{Aggiudicazione, Partecipazione, RuoloRaggruppamento};
pub use atto::Atto;
pub use codice::Codice;
pub use contratto::Contratto;
pub use ente::{Ente, TipoEnte};
pub use evento_esecuzione::{
    AccordoBonario, AvanzamentoLavori, AvvioEsecuzione, Collaudo, Conclusione, ConclusioneSubappalto,
    DefinizioneRiserve, Dettaglio, ElencoIncarichi, EsitoSubappalto, EventoEsecuzione, Fase, Incarico,
    IntegrazioneDati, Modifica, PrestazioneProgettuale, Recesso, RichiestaSubappalto, Ripresa, SoggettoEsecutore,
    Sospensione, StatoEvento, StipulaContratto, SuperamentoQuarto, VariazioneAggiudicatario,
};
pub use intervento::{Annualita, FonteRisorse, Intervento, RigaRisorse, TipoIntervento};
pub use lotto::{Lotto, StatoCig};
pub use operatore_economico::{IdentificativoOperatore, OperatoreEconomico};
pub use pagamento::{Pagamento, TipoPagamento};
pub use persona::Persona;
pub use procedura::Procedura;
pub use progetto::{CollegamentoCupCig, Finanziamento, Piano, Progetto};
pub use programma::{NonRiproposto, OperaIncompiuta, Programma, TipoProgramma};
pub use qualificazione::{AmbitoQualificazione, FaseQualificazione, LivelloQualificazione, Qualificazione};
pub use rilevazione::{CodiceIndicatore, CodiceIndicatoreError, Periodo, PeriodoError, Rilevazione, TemaRilevazione};
pub use risorsa::{Risorsa, TipoRisorsa};
pub use segnalazione::{Segnalazione, StatoSegnalazione};
pub use servizio_associato::{ServizioAssociato, TipoServizio};
pub use territorio::{Territorio, TipoTerritorio};

use crate::identifiers::CodiceFiscale;
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

            /// The JSON Schema of the bodies of a kind.
            pub(crate) fn json_schema_of(kind: Kind, of: SchemaSettings) -> Schema {
                let generator = of.into_generator();
                match kind { $( Kind::$kind => generator.into_root_schema_for::<$kind>(), )+ }
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
    /// A row of the accounting system.
    Pagamento = "pagamento";
    /// A triennial programme.
    Programma = "programma";
    /// An item of a programme, known by its CUI.
    Intervento = "intervento";
    /// An investment project, known by its CUP.
    Progetto = "progetto";
    /// A CUP × CIG link, or the reason why there is no CIG.
    CollegamentoCupCig = "collegamento_cup_cig";
    /// The qualification of a contracting authority.
    Qualificazione = "qualificazione";
    /// The membership of a body in Pi.Co.
    Adesione = "adesione";
    /// A service that a Province gives to a Comune.
    ServizioAssociato = "servizio_associato";
    /// A figure that a body declares for a period.
    Rilevazione = "rilevazione";
    /// A resource published for public bodies.
    Risorsa = "risorsa";
    /// A report to a help desk.
    Segnalazione = "segnalazione";
    /// A municipality or the unit above it.
    Territorio = "territorio";
    /// A value of a code table.
    Codice = "codice";
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

impl Body {
    /// The public body that answers for the record: the contracting authority, the holder of the
    /// project, the body that gives the service. None where the record belongs to no body, or
    /// does not say.
    pub fn ente(&self) -> Option<&CodiceFiscale> {
        match self {
            Self::Ente(body) => Some(&body.codice_fiscale),
            Self::Procedura(body) => body.stazione_appaltante.as_ref(),
            Self::Lotto(body) => body.stazione_appaltante.as_ref(),
            Self::Aggiudicazione(body) => body.stazione_appaltante.as_ref(),
            Self::Contratto(body) => body.stazione_appaltante.as_ref(),
            Self::EventoEsecuzione(body) => body.stazione_appaltante.as_ref(),
            Self::Pagamento(body) => Some(&body.ente),
            Self::Programma(body) => Some(&body.ente),
            Self::Intervento(body) => Some(&body.ente),
            Self::Progetto(body) => body.ente.as_ref(),
            Self::CollegamentoCupCig(body) => body.ente.as_ref(),
            Self::Qualificazione(body) => Some(&body.ente),
            Self::Adesione(body) => Some(&body.ente),
            Self::ServizioAssociato(body) => Some(&body.ente_erogatore),
            Self::Rilevazione(body) => Some(&body.ente),
            Self::Segnalazione(body) => Some(&body.ente),
            Self::OperatoreEconomico(_) | Self::Risorsa(_) | Self::Territorio(_) | Self::Codice(_) => None,
        }
    }
}
