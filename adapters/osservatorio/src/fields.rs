//! The fields of a row of a package, in one table: it types what we send and what we read back, so
//! that a difference is never one of spelling, and it explains both.

use std::collections::BTreeSet;

use canonical::values::{CalendarDate, Importo};
use canonical::{Body, Kind};
use contract::{Explanation, FieldValue, Row};
use serde_json::{Map, Value};

/// How a value gets into a row.
const COPIED: &str = "copiato senza modifiche";
const CLEANED: &str = "copiato, senza i codici fiscali di persone che il testo contiene";
const COMPANIES: &str = "copiato, senza identificativo e nome degli operatori che possono essere persone";

/// The kinds of a package.
pub(crate) const KINDS: &[Kind] = &[Kind::Lotto, Kind::Aggiudicazione, Kind::Contratto, Kind::EventoEsecuzione];

/// Field, path in the record, rule.
type Field = (&'static str, &'static str, &'static str);

const LOTTO: &[Field] = &[
    ("cig", "/cig", COPIED),
    ("oggetto", "/oggetto", CLEANED),
    ("stazione_appaltante", "/stazione_appaltante", COPIED),
    ("scelta_contraente", "/scelta_contraente", COPIED),
    ("anno_riferimento", "/anno_riferimento", COPIED),
    ("cup", "/cup", COPIED),
    ("cui", "/cui", COPIED),
    ("cpv", "/cpv", COPIED),
    ("altri_cpv", "/altri_cpv", COPIED),
    ("categoria", "/categoria", CLEANED),
    ("importo_netto", "/importo_netto", COPIED),
    ("oneri_sicurezza", "/oneri_sicurezza", COPIED),
    ("importo_totale", "/importo_totale", COPIED),
    ("luogo_istat", "/luogo_istat", COPIED),
    ("luogo_nuts", "/luogo_nuts", COPIED),
    ("stato_cig", "/stato_cig", COPIED),
    ("cig_accordo_quadro", "/cig_accordo_quadro", COPIED),
];

const AGGIUDICAZIONE: &[Field] = &[
    ("cig", "/cig", COPIED),
    ("id_aggiudicazione", "/id_aggiudicazione", COPIED),
    ("stazione_appaltante", "/stazione_appaltante", COPIED),
    ("anno_riferimento", "/anno_riferimento", COPIED),
    ("data", "/data", COPIED),
    ("importo", "/importo", COPIED),
    ("ribasso", "/ribasso", COPIED),
    ("esito", "/esito", CLEANED),
    ("aggiudicatari", "/aggiudicatari", COMPANIES),
    ("partecipanti", "/partecipanti", COMPANIES),
];

const CONTRATTO: &[Field] = &[
    ("cig", "/cig", COPIED),
    ("id_aggiudicazione", "/id_aggiudicazione", COPIED),
    ("stazione_appaltante", "/stazione_appaltante", COPIED),
    ("anno_riferimento", "/anno_riferimento", COPIED),
    ("numero", "/numero", CLEANED),
    ("data_stipula", "/data_stipula", COPIED),
    ("importo", "/importo", COPIED),
    ("data_inizio", "/data_inizio", COPIED),
    ("data_fine", "/data_fine", COPIED),
    ("somme_liquidate", "/somme_liquidate", COPIED),
    ("piattaforma_esecuzione", "/piattaforma_esecuzione", CLEANED),
];

/// The fields of what happened differ by event: they follow as `dettaglio.…`.
const EVENTO: &[Field] = &[
    ("cig", "/cig", COPIED),
    ("id_aggiudicazione", "/id_aggiudicazione", COPIED),
    ("stazione_appaltante", "/stazione_appaltante", COPIED),
    ("anno_riferimento", "/anno_riferimento", COPIED),
    ("progressivo", "/progressivo", COPIED),
    ("data", "/data", COPIED),
    ("stato", "/stato", COPIED),
    ("id_remoto", "/id_remoto", CLEANED),
    ("id_contratto", "/id_contratto", CLEANED),
];

fn table(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Lotto => LOTTO,
        Kind::Aggiudicazione => AGGIUDICAZIONE,
        Kind::Contratto => CONTRATTO,
        Kind::EventoEsecuzione => EVENTO,
        _ => &[],
    }
}

/// The key of a row: kind and key of its record.
fn row_key(body: &Body) -> String {
    format!("{}/{}", body.kind(), body.key())
}

/// The row of a record, as it is in a package.
pub(crate) fn row(body: &Body) -> Row {
    let fields = explain(body).into_iter().filter_map(|one| Some((one.field, one.value?)));
    Row { key: row_key(body), fields: fields.collect() }
}

/// Why each field of the row of a record has its value.
pub(crate) fn explain(body: &Body) -> Vec<Explanation> {
    let (kind, key) = (body.kind(), row_key(body));
    let value: Value = serde_json::from_str(&body.to_json()).unwrap_or_default();
    let explanation = |field: &str, value: Option<FieldValue>, path, rule| Explanation {
        row: key.clone(),
        field: field.to_owned(),
        value,
        record: Some((kind, body.key())),
        path,
        rule,
        code_list: None,
    };
    let mut all: Vec<_> = table(kind)
        .iter()
        .map(|(field, path, rule)| explanation(field, value.get(field).and_then(|it| typed(field, it)), path, rule))
        .collect();
    let details = value.get("dettaglio").and_then(Value::as_object).into_iter().flatten();
    all.extend(
        details
            .map(|(name, value)| explanation(&format!("dettaglio.{name}"), typed(name, value), "/dettaglio", CLEANED)),
    );
    all
}

/// Names that begin so are amounts, when their value is one. `oneri` alone is a code of a list.
const AMOUNTS: &[&str] =
    &["importo", "oneri_", "somme", "progettazione", "finanziamenti", "entrate", "introito", "opzioni", "ripetizioni"];
/// Names of free texts.
const TEXTS: &[&str] = &["oggetto", "denominazione", "motivo_correzione", "motivo_richiesta"];

/// A value with the type by which it is compared; none for an empty one.
fn typed(name: &str, value: &Value) -> Option<FieldValue> {
    match value {
        Value::Null => None,
        Value::String(text) if name.split('_').any(|word| word == "data") => {
            Some(CalendarDate::parse(text).map_or_else(|_| FieldValue::Code(text.clone()), FieldValue::Date))
        }
        Value::String(text) if AMOUNTS.iter().any(|begin| name.starts_with(begin)) => {
            Some(Importo::parse(text).map_or_else(|_| FieldValue::Code(text.clone()), FieldValue::Amount))
        }
        Value::String(text) if TEXTS.contains(&name) => Some(FieldValue::Text(text.clone())),
        Value::String(text) => Some(FieldValue::Code(text.clone())),
        Value::Array(list) if list.is_empty() => None,
        Value::Array(list) => Some(FieldValue::Codes(list.iter().map(plain).collect::<BTreeSet<_>>())),
        Value::Object(fields) => Some(FieldValue::Code(plain_object(fields))),
        Value::Bool(_) | Value::Number(_) => Some(FieldValue::Code(value.to_string())),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => plain_object(fields),
        other => other.to_string(),
    }
}

/// The values of an object, without its names and without what is empty: `cancellato 1`.
fn plain_object(fields: &Map<String, Value>) -> String {
    // Names in their order, whatever that of the object is.
    let sorted: std::collections::BTreeMap<_, _> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
    sorted.values().map(|value| plain(value)).collect::<Vec<_>>().join(" ")
}
