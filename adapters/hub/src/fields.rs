//! The tables of fields: name in the contract, where the value comes from, by which rule, of which type.

use std::collections::BTreeSet;

use canonical::identifiers::{holds_personal_code, without_personal_codes};
use canonical::kinds::{Body, Piano};
use canonical::values::{CalendarDate, Importo};
use contract::FieldValue;
use serde_json::{Value, json};

/// What stands where the fiscal code of a person was.
pub(crate) const OMITTED: &str = "[codice fiscale omesso]";

/// The type of a field: how it stands in JSON, and how two values of it are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldType {
    /// Decimal text with two decimals.
    Amount,
    /// Text `YYYY-MM-DD`.
    Date,
    /// Free text.
    Text,
    /// Text of a code or identifier.
    Code,
    /// List of codes.
    Codes,
    /// Whole number from zero.
    Integer,
    /// True or false.
    Boolean,
}

impl FieldType {
    /// The value of a field, when it has the type.
    pub(crate) fn read(self, value: &Value) -> Option<FieldValue> {
        match self {
            Self::Amount => Some(FieldValue::Amount(Importo::parse(value.as_str()?).ok()?)),
            Self::Date => Some(FieldValue::Date(CalendarDate::parse(value.as_str()?).ok()?)),
            Self::Text => Some(FieldValue::Text(value.as_str()?.to_owned())),
            Self::Code => Some(FieldValue::Code(value.as_str()?.to_owned())),
            Self::Codes => {
                let codes: Option<BTreeSet<String>> =
                    value.as_array()?.iter().map(|code| code.as_str().map(str::to_owned)).collect();
                Some(FieldValue::Codes(codes?))
            }
            Self::Integer => Some(FieldValue::Code(value.as_u64()?.to_string())),
            Self::Boolean => Some(FieldValue::Code(value.as_bool()?.to_string())),
        }
    }
}

/// A field.
pub(crate) struct Field {
    /// Its name in the contract.
    pub(crate) name: &'static str,
    /// Its type.
    pub(crate) shape: FieldType,
    /// The canonical fields that decide it.
    pub(crate) path: &'static str,
    /// How it is made, for people.
    pub(crate) rule: &'static str,
    /// How it is made.
    value: fn(&Body) -> Value,
}

impl Field {
    /// The value that a record gives to the field, and whether a person had to be left out of it.
    pub(crate) fn of(&self, body: &Body) -> (Option<Value>, bool) {
        let mut has_person = false;
        let mut clean = |text: String| {
            has_person |= holds_personal_code(&text);
            json!(without_personal_codes(&text, OMITTED))
        };
        let value = match (self.value)(body) {
            Value::Null => None,
            Value::Array(codes) if codes.is_empty() => None,
            Value::String(text) => Some(clean(text)),
            Value::Array(codes) => {
                Some(codes.into_iter().filter_map(|code| Some(clean(code.as_str()?.to_owned()))).collect())
            }
            value => Some(value),
        };
        (value, has_person)
    }
}

const AMBITO: &str = "ambito a cui il livello appartiene";
const DIMENSIONE: &str = "classe della rilevazione; assente per il totale";
/// Codes are cleaned like texts; the codes of bodies are never those of persons by then.
const COPIA: &str = "copiato senza modifiche";
const COPIA_TESTO: &str = "copiato; i codici fiscali di persona sono sostituiti da una nota di omissione";

macro_rules! fields {
    ($($table:ident: $kind:ident {
        $($name:literal $shape:ident $path:literal $rule:expr => |$body:ident| $value:expr;)+
    })+) => {
        $(pub(crate) const $table: &[Field] = &[$(Field {
            name: $name,
            shape: FieldType::$shape,
            path: $path,
            rule: $rule,
            value: |body| match body {
                Body::$kind($body) => json!($value),
                _ => Value::Null,
            },
        },)+];)+
    };
}

fields! {
    RISORSA: Risorsa {
        "origine" Code "/origine" COPIA => |risorsa| risorsa.origine;
        "id" Code "/id" COPIA => |risorsa| risorsa.id;
        "tipo" Code "/tipo" COPIA => |risorsa| risorsa.tipo;
        "titolo" Text "/titolo" COPIA_TESTO => |risorsa| risorsa.titolo;
        "descrizione" Text "/descrizione" COPIA_TESTO => |risorsa| risorsa.descrizione;
        "url" Text "/url" COPIA_TESTO => |risorsa| risorsa.url;
        "tema" Text "/tema" COPIA_TESTO => |risorsa| risorsa.tema;
        "dataPubblicazione" Date "/data_pubblicazione" COPIA => |risorsa| risorsa.data_pubblicazione;
        "dataScadenza" Date "/data_scadenza" COPIA => |risorsa| risorsa.data_scadenza;
        "ritirata" Boolean "/ritirata" COPIA => |risorsa| risorsa.ritirata;
    }
    QUALIFICAZIONE: Qualificazione {
        "codiceFiscale" Code "/ente" COPIA => |qualificazione| qualificazione.ente;
        "codiceAusa" Code "/codice_ausa" COPIA => |qualificazione| qualificazione.codice_ausa;
        "ambito" Code "/livello" AMBITO => |qualificazione| qualificazione.livello.ambito();
        "fase" Code "/fase" COPIA => |qualificazione| qualificazione.fase;
        "livello" Code "/livello" COPIA => |qualificazione| qualificazione.livello;
        "punteggio" Code "/punteggio" COPIA => |qualificazione| qualificazione.punteggio;
        "validaDal" Date "/valida_dal" COPIA => |qualificazione| qualificazione.valida_dal;
        "validaAl" Date "/valida_al" COPIA => |qualificazione| qualificazione.valida_al;
    }
    RILEVAZIONI: Rilevazione {
        "codiceFiscale" Code "/ente" COPIA => |rilevazione| rilevazione.ente;
        "tema" Code "/tema" COPIA => |rilevazione| rilevazione.tema;
        "periodo" Code "/periodo" COPIA => |rilevazione| rilevazione.periodo;
    }
    INDICATORE: Rilevazione {
        "indicatore" Code "/indicatore" COPIA => |rilevazione| rilevazione.indicatore;
        "dimensione" Code "/dimensione" DIMENSIONE => |rilevazione| rilevazione.dimensione;
        "valore" Integer "/valore" COPIA => |rilevazione| rilevazione.valore;
    }
    SERVIZI: ServizioAssociato {
        "codiceFiscale" Code "/ente_erogatore" COPIA => |servizio| servizio.ente_erogatore;
    }
    SERVIZIO: ServizioAssociato {
        "fruitore" Code "/ente_fruitore" COPIA => |servizio| servizio.ente_fruitore;
        "tipo" Code "/tipo" COPIA => |servizio| servizio.tipo;
        "servizio" Text "/servizio" COPIA_TESTO => |servizio| servizio.servizio;
        "convenzioneNumero" Text "/convenzione/numero" COPIA_TESTO => |servizio| servizio.convenzione.numero;
        "convenzioneData" Date "/convenzione/data" COPIA => |servizio| servizio.convenzione.data;
        "validoDal" Date "/valido_dal" COPIA => |servizio| servizio.valido_dal;
        "validoAl" Date "/valido_al" COPIA => |servizio| servizio.valido_al;
    }
    COLLEGAMENTO: CollegamentoCupCig {
        "cig" Code "/cig" COPIA => |link| link.cig;
        "idProcedura" Text "/id_procedura" COPIA_TESTO => |link| link.id_procedura;
        "motivoAssenzaCig" Text "/motivo_assenza_cig" COPIA_TESTO => |link| link.motivo_assenza_cig;
        "oggetto" Text "/oggetto" COPIA_TESTO => |link| link.oggetto;
        "importoBase" Amount "/importo_base" COPIA => |link| link.importo_base;
        "importoAggiudicazione" Amount "/importo_aggiudicazione" COPIA => |link| link.importo_aggiudicazione;
        "importoAvanzamento" Amount "/importo_avanzamento" COPIA => |link| link.importo_avanzamento;
        "dataPubblicazione" Date "/data_pubblicazione" COPIA => |link| link.data_pubblicazione;
        "dataAggiudicazione" Date "/data_aggiudicazione" COPIA => |link| link.data_aggiudicazione;
        "fase" Text "/fase" COPIA_TESTO => |link| link.fase;
    }
}

/// A field of a project.
const fn progetto(
    name: &'static str,
    shape: FieldType,
    path: &'static str,
    rule: &'static str,
    value: fn(&Body) -> Value,
) -> Field {
    Field { name, shape, path, rule, value }
}

/// What only the project itself says.
macro_rules! del_progetto {
    (|$progetto:ident| $value:expr) => {
        |body| match body {
            Body::Progetto($progetto) => json!($value),
            _ => Value::Null,
        }
    };
}

/// The project. Its first field is also known from a link to one of its procedures, so that a project
/// of which nothing else is known has its publication all the same.
pub(crate) const PROGETTO: &[Field] = &[
    progetto("cup", FieldType::Code, "/cup", COPIA, |body| match body {
        Body::Progetto(progetto) => json!(progetto.cup),
        Body::CollegamentoCupCig(collegamento) => json!(collegamento.cup),
        _ => Value::Null,
    }),
    progetto("titolo", FieldType::Text, "/titolo", COPIA_TESTO, del_progetto!(|progetto| progetto.titolo)),
    progetto("codiceFiscale", FieldType::Code, "/ente", COPIA, del_progetto!(|progetto| progetto.ente)),
    progetto(
        "piani",
        FieldType::Codes,
        "/piani",
        "nomi dei piani, in ordine",
        del_progetto!(|progetto| progetto.piani.iter().map(Piano::name).collect::<BTreeSet<_>>()),
    ),
    progetto("programma", FieldType::Text, "/programma", COPIA_TESTO, del_progetto!(|progetto| progetto.programma)),
    progetto("misura", FieldType::Text, "/misura", COPIA_TESTO, del_progetto!(|progetto| progetto.misura)),
    progetto("stato", FieldType::Text, "/stato", COPIA_TESTO, del_progetto!(|progetto| progetto.stato)),
    progetto("fase", FieldType::Integer, "/fase", COPIA, del_progetto!(|progetto| progetto.fase)),
    progetto(
        "faseDescrizione",
        FieldType::Text,
        "/fase_descrizione",
        COPIA_TESTO,
        del_progetto!(|progetto| progetto.fase_descrizione),
    ),
    progetto("natura", FieldType::Text, "/natura", COPIA_TESTO, del_progetto!(|progetto| progetto.natura)),
    progetto("costo", FieldType::Amount, "/costo", COPIA, del_progetto!(|progetto| progetto.costo)),
    progetto(
        "finanziamento",
        FieldType::Amount,
        "/finanziamento",
        COPIA,
        del_progetto!(|progetto| progetto.finanziamento),
    ),
    progetto("pagato", FieldType::Amount, "/pagato", COPIA, del_progetto!(|progetto| progetto.pagato)),
    progetto(
        "dataGenerazione",
        FieldType::Date,
        "/data_generazione",
        COPIA,
        del_progetto!(|progetto| progetto.data_generazione),
    ),
    progetto(
        "dataChiusura",
        FieldType::Date,
        "/data_chiusura",
        COPIA,
        del_progetto!(|progetto| progetto.data_chiusura),
    ),
    progetto("luoghi", FieldType::Codes, "/luoghi", COPIA, del_progetto!(|progetto| progetto.luoghi)),
];
