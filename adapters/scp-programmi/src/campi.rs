//! The fields of a programme and of what it lists: the one table by which requests are made,
//! explained, checked and read back.
//!
//! Fields of the service that no canonical record knows (works in economy, properties, green
//! purchases, regional attributes) have no line here: they are never sent and never compared.

use canonical::identifiers::CodiceFiscale;
use canonical::kinds::{
    Annualita, FonteRisorse, Intervento, NonRiproposto, OperaIncompiuta, Persona, Programma, TipoIntervento,
};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::{CalendarDate, Importo};
use contract::FieldValue;
use serde_json::value::RawValue;

/// The type of a field on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tipo {
    /// A text for people.
    Testo,
    /// A code or an identifier, as text.
    Codice,
    /// A whole number.
    Intero,
    /// An amount, as a number.
    Importo,
    /// Another decimal number.
    Decimale,
    /// A day, as a timestamp at midnight UTC.
    Giorno,
}

/// A value on its way to the wire.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Valore {
    Testo(String),
    Intero(i64),
    Importo(Importo),
    Decimale(String),
    Giorno(CalendarDate),
}

/// A field of an object of the service.
pub(crate) struct Campo<T: 'static> {
    /// Its name.
    pub(crate) nome: &'static str,
    /// Its type.
    pub(crate) tipo: Tipo,
    /// The longest text it takes, in characters; zero for what is not text.
    pub(crate) massimo: usize,
    /// Whether the service wants it.
    pub(crate) obbligatorio: bool,
    /// The canonical fields that decide it.
    pub(crate) percorso: &'static str,
    /// How its value is made, for people.
    pub(crate) regola: &'static str,
    /// Makes the value; the error says in Italian why the service would not take it.
    pub(crate) valore: fn(&T, &Contesto) -> Result<Option<Valore>, String>,
}

/// What the value of a field may need beside its own record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contesto {
    /// The first year of the programme.
    pub(crate) anno: u16,
}

const COPIATO: &str = "copiato senza modifiche";
const GIORNO: &str = "il giorno, alla mezzanotte UTC";
const NUMERO: &str = "il codice, scritto come numero";
const SI_NO: &str = "«1» per sì, «2» per no";
const PERSONA: &str = "copiato senza modifiche; il dato di una persona qui non si mostra";

type Valori = Result<Option<Valore>, String>;

fn testo(text: &str) -> Option<Valore> {
    (!text.is_empty()).then(|| Valore::Testo(text.to_owned()))
}

fn codice<T: ToString>(code: Option<&T>) -> Option<Valore> {
    code.map(|code| Valore::Testo(code.to_string()))
}

fn importo(amount: Option<Importo>) -> Valori {
    match amount {
        Some(amount) if amount < Importo::ZERO => Err("l'importo è negativo".to_owned()),
        amount => Ok(amount.map(Valore::Importo)),
    }
}

fn numero(code: Option<&String>) -> Valori {
    let number = |code: &String| code.trim().parse().map(Valore::Intero);
    code.map(number).transpose().map_err(|_| "il codice non è un numero, come il servizio lo vuole".to_owned())
}

fn si_no(answer: bool) -> Valore {
    Valore::Testo(if answer { "1" } else { "2" }.to_owned())
}

fn giorno(day: Option<CalendarDate>) -> Option<Valore> {
    day.map(Valore::Giorno)
}

/// A line of a table. Without a limit the field is not text.
macro_rules! campi {
    ($(
        $nome:literal $tipo:ident $massimo:literal $obbligatorio:literal $percorso:literal $regola:expr,
        $valore:expr;
    )+) => {
        &[ $( Campo {
            nome: $nome,
            tipo: Tipo::$tipo,
            massimo: $massimo,
            obbligatorio: $obbligatorio,
            percorso: $percorso,
            regola: $regola,
            valore: $valore,
        }, )+ ]
    };
}

/// Fields of both kinds of programme.
pub(crate) const PROGRAMMA: &[Campo<Programma>] = campi! {
    "id" Codice 25 true "/id" COPIATO, |it, _| Ok(testo(&it.id));
    "codiceFiscaleSA" Codice 16 true "/ente" COPIATO, |it, _| Ok(codice::<CodiceFiscale>(Some(&it.ente)));
    "anno" Intero 0 true "/anno" COPIATO, |it, _| Ok(Some(Valore::Intero(it.anno.into())));
    "descrizione" Testo 500 true "/descrizione" COPIATO, |it, _| Ok(testo(&it.descrizione));
    "numeroApprovazione" Codice 50 false "/approvazione/numero" COPIATO,
        |it, _| Ok(codice(it.approvazione.numero.as_ref()));
    "dataApprovazione" Giorno 0 false "/approvazione/data" GIORNO, |it, _| Ok(giorno(it.approvazione.data));
    "dataPubblicazioneApprovazione" Giorno 0 false "/approvazione/data_pubblicazione" GIORNO,
        |it, _| Ok(giorno(it.approvazione.data_pubblicazione));
    "titoloAttoApprovazione" Testo 250 false "/approvazione/titolo" COPIATO,
        |it, _| Ok(codice(it.approvazione.titolo.as_ref()));
    "urlAttoApprovazione" Codice 2000 false "/approvazione/url" COPIATO,
        |it, _| Ok(codice(it.approvazione.url.as_ref()));
};

/// The adoption, which programmes of works have and programmes of purchases have not.
pub(crate) const ADOZIONE: &[Campo<Programma>] = campi! {
    "numeroAdozione" Codice 50 false "/adozione/numero" COPIATO, |it, _| Ok(codice(it.adozione.numero.as_ref()));
    "dataAdozione" Giorno 0 false "/adozione/data" GIORNO, |it, _| Ok(giorno(it.adozione.data));
    "dataPubblicazioneAdozione" Giorno 0 false "/adozione/data_pubblicazione" GIORNO,
        |it, _| Ok(giorno(it.adozione.data_pubblicazione));
    "titoloAttoAdozione" Testo 250 false "/adozione/titolo" COPIATO, |it, _| Ok(codice(it.adozione.titolo.as_ref()));
    "urlAttoAdozione" Codice 2000 false "/adozione/url" COPIATO, |it, _| Ok(codice(it.adozione.url.as_ref()));
};

/// A person: `referente` of a programme, `rup` of an item. Never rows: nobody needs to see them
/// beside the official portal.
pub(crate) const TECNICO: &[Campo<Persona>] = campi! {
    "cognome" Testo 80 true "/cognome" PERSONA, |it, _| Ok(testo(&it.cognome));
    "nome" Testo 80 true "/nome" PERSONA, |it, _| Ok(it.nome.as_deref().and_then(testo));
    "cfPiva" Codice 16 true "/codice_fiscale" PERSONA, |it, _| Ok(codice(it.codice_fiscale.as_ref()));
};

/// Fields of a work and of a purchase.
pub(crate) const INTERVENTO: &[Campo<Intervento>] = campi! {
    "cui" Codice 25 true "/cui" COPIATO, |it, _| Ok(codice(Some(&it.cui)));
    "descrizione" Testo 2000 true "/descrizione" COPIATO, |it, _| Ok(testo(&it.descrizione));
    "anno" Intero 0 true "/anno" "annualità di avvio, contata dal primo anno del programma",
        |it, contesto| annualita(it, *contesto);
    "esenteCup" Codice 1 false "/esente_cup" SI_NO, |it, _| Ok(Some(si_no(it.esente_cup)));
    "cup" Codice 15 false "/cup" COPIATO, |it, _| Ok(codice(it.cup.as_ref()));
    "cpv" Codice 20 false "/cpv" COPIATO, |it, _| Ok(codice(it.cpv.as_ref()));
    "istat" Codice 9 false "/luogo_istat" COPIATO, |it, _| Ok(codice(it.luogo_istat.as_ref()));
    "nuts" Codice 20 false "/luogo_nuts" COPIATO, |it, _| Ok(codice(it.luogo_nuts.as_ref()));
    "priorita" Intero 0 false "/priorita" NUMERO, |it, _| numero(it.priorita.as_ref());
    "lottoFunzionale" Codice 1 false "/lotto_funzionale" SI_NO, |it, _| Ok(it.lotto_funzionale.map(si_no));
    "delega" Codice 1 false "/delegato" "«1» se c'è un soggetto delegato, altrimenti non si dice",
        |it, _| Ok(it.delegato.map(|_| si_no(true)));
    "codiceSoggettoDelegato" Codice 20 false "/delegato" COPIATO, |it, _| Ok(codice(it.delegato.as_ref()));
    "speseSostenute" Importo 0 false "/spese_sostenute" COPIATO, |it, _| importo(it.spese_sostenute);
    "importoTotale" Importo 0 false "/importo_totale"
        "copiato; deve essere la somma delle risorse e delle spese sostenute",
        |it, _| importo(it.importo_totale);
};

/// What only a purchase has.
pub(crate) const ACQUISTO: &[Campo<Intervento>] = campi! {
    "settore" Codice 1 true "/tipo" "«F» per forniture, «S» per servizi", |it, _| settore(it);
};

/// An item not proposed again.
pub(crate) const NON_RIPROPOSTO: &[Campo<NonRiproposto>] = campi! {
    "cui" Codice 25 true "/non_riproposti/cui" COPIATO, |it, _| Ok(codice(Some(&it.cui)));
    "cup" Codice 15 false "/non_riproposti/cup" COPIATO, |it, _| Ok(codice(it.cup.as_ref()));
    "descrizione" Testo 2000 true "/non_riproposti/descrizione" COPIATO, |it, _| Ok(testo(&it.descrizione));
    "importo" Importo 0 true "/non_riproposti/importo" COPIATO, |it, _| importo(it.importo);
    "priorita" Intero 0 true "/non_riproposti/priorita" NUMERO, |it, _| numero(it.priorita.as_ref());
    "motivo" Testo 2000 true "/non_riproposti/motivo" COPIATO, |it, _| Ok(testo(&it.motivo));
};

/// An unfinished work.
pub(crate) const OPERA_INCOMPIUTA: &[Campo<OperaIncompiuta>] = campi! {
    "cup" Codice 15 true "/opere_incompiute/cup" COPIATO, |it, _| Ok(codice(Some(&it.cup)));
    "descrizione" Testo 2000 true "/opere_incompiute/descrizione" COPIATO, |it, _| Ok(testo(&it.descrizione));
    "anno" Intero 0 false "/opere_incompiute/anno" COPIATO, |it, _| Ok(it.anno.map(|anno| Valore::Intero(anno.into())));
    "importoIntervento" Importo 0 false "/opere_incompiute/importo" COPIATO, |it, _| importo(it.importo);
    "oneri" Importo 0 false "/opere_incompiute/oneri" COPIATO, |it, _| importo(it.oneri);
    "percentualeAvanzamento" Decimale 0 false "/opere_incompiute/avanzamento" COPIATO, |it, _| percentuale(it);
    "causa" Codice 5 false "/opere_incompiute/causa" COPIATO, |it, _| Ok(codice(it.causa.as_ref()));
    "stato" Codice 5 false "/opere_incompiute/stato_realizzazione" COPIATO,
        |it, _| Ok(codice(it.stato_realizzazione.as_ref()));
};

/// Rows of money: the field of each source, by slot (first, second and third year, later).
pub(crate) const RISORSE: [(FonteRisorse, [&str; 4]); 7] = {
    use FonteRisorse as F;
    [
        (
            F::VincolatePerLegge,
            [
                "risorseVincolatePerLegge1",
                "risorseVincolatePerLegge2",
                "risorseVincolatePerLegge3",
                "risorseVincolatePerLeggeSucc",
            ],
        ),
        (F::Mutuo, ["risorseMutuo1", "risorseMutuo2", "risorseMutuo3", "risorseMutuoSucc"]),
        (F::Privati, ["risorsePrivati1", "risorsePrivati2", "risorsePrivati3", "risorsePrivatiSucc"]),
        (F::Bilancio, ["risorseBilancio1", "risorseBilancio2", "risorseBilancio3", "risorseBilancioSucc"]),
        (F::Art3, ["risorseArt3_1", "risorseArt3_2", "risorseArt3_3", "risorseArt3_Succ"]),
        (F::Immobili, ["risorseImmobili1", "risorseImmobili2", "risorseImmobili3", "risorseImmobiliSucc"]),
        (F::Altro, ["risorseAltro1", "risorseAltro2", "risorseAltro3", "risorseAltroSucc"]),
    ]
};

/// The slots of [`RISORSE`]; purchases have no third one.
pub(crate) const ANNUALITA: [Annualita; 4] =
    [Annualita::Prima, Annualita::Seconda, Annualita::Terza, Annualita::Successive];

/// How the value of a row of money is made.
pub(crate) const REGOLA_RISORSE: &str = "somma delle righe della stessa fonte e della stessa annualità";

/// Every row of money: field, source, slot.
pub(crate) fn risorse() -> impl Iterator<Item = (&'static str, FonteRisorse, Annualita)> {
    RISORSE
        .into_iter()
        .flat_map(|(fonte, nomi)| nomi.into_iter().zip(ANNUALITA).map(move |(nome, slot)| (nome, fonte, slot)))
}

/// Slots by which the year of an item may be told.
const ANNI: std::ops::RangeInclusive<u16> = 1..=3;

fn annualita(intervento: &Intervento, contesto: Contesto) -> Valori {
    let slot = (intervento.anno + 1).checked_sub(contesto.anno).filter(|slot| ANNI.contains(slot));
    let (year, first) = (intervento.anno, contesto.anno);
    let outside = || format!("l'anno di avvio {year} non è nel triennio che inizia nel {first}");
    slot.map(|slot| Some(Valore::Intero(slot.into()))).ok_or_else(outside)
}

fn settore(intervento: &Intervento) -> Valori {
    match intervento.tipo {
        TipoIntervento::Forniture => Ok(testo("F")),
        TipoIntervento::Servizi => Ok(testo("S")),
        TipoIntervento::Lavori => Err("è un lavoro in un programma di forniture e servizi".to_owned()),
    }
}

fn percentuale(opera: &OperaIncompiuta) -> Valori {
    let Some(text) = &opera.avanzamento else { return Ok(None) };
    match decimale(text) {
        Some(decimal) => Ok(Some(Valore::Decimale(decimal))),
        None => Err("l'avanzamento non è un numero decimale".to_owned()),
    }
}

/// A decimal number in one spelling: no zeros that say nothing. None when it is not one.
fn decimale(text: &str) -> Option<String> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !is_number(part) {
        return None;
    }
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") })
}

impl Valore {
    /// The value as JSON.
    pub(crate) fn to_json(&self) -> Result<Box<RawValue>, serde_json::Error> {
        match self {
            Self::Testo(text) => serde_json::value::to_raw_value(text),
            Self::Intero(number) => serde_json::value::to_raw_value(number),
            Self::Importo(amount) => RawValue::from_string(amount.to_string()),
            Self::Decimale(number) => RawValue::from_string(number.clone()),
            Self::Giorno(day) => serde_json::value::to_raw_value(&format!("{day}T00:00:00Z")),
        }
    }

    /// The value as a field of a row.
    pub(crate) fn to_field(&self, tipo: Tipo) -> FieldValue {
        match self {
            Self::Testo(text) if tipo == Tipo::Testo => FieldValue::Text(text.clone()),
            Self::Testo(text) | Self::Decimale(text) => FieldValue::Code(text.clone()),
            Self::Intero(number) => FieldValue::Code(number.to_string()),
            Self::Importo(amount) => FieldValue::Amount(*amount),
            Self::Giorno(day) => FieldValue::Date(*day),
        }
    }

    /// How many characters a text has; zero for what is not text.
    pub(crate) fn length(&self) -> usize {
        match self {
            Self::Testo(text) => text.chars().count(),
            _ => 0,
        }
    }
}

impl Tipo {
    /// Reads a value as the service writes it. A null or empty text is no value; an unreadable one
    /// is an error.
    pub(crate) fn read(self, json: &RawValue) -> Result<Option<Valore>, ()> {
        let json = json.get();
        if json == "null" {
            return Ok(None);
        }
        let text = || serde_json::from_str::<String>(json).map_err(drop);
        match self {
            Self::Testo | Self::Codice => Ok(testo(&text()?)),
            Self::Intero => serde_json::from_str(json).map(|number| Some(Valore::Intero(number))).map_err(drop),
            Self::Importo => {
                let amount = Importo::read(json, NumberFormat::Point).value.ok_or(())?;
                Ok(Some(Valore::Importo(amount)))
            }
            Self::Decimale => Ok(Some(Valore::Decimale(decimale(json).ok_or(())?))),
            Self::Giorno => {
                // The day as written: the service prints midnight in local time.
                let day = CalendarDate::read(&text()?, DateFormat::Iso).value.ok_or(())?;
                Ok(Some(Valore::Giorno(day)))
            }
        }
    }
}
