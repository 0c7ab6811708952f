//! From canonical records to a package: where a record goes, and the bytes that say all that is
//! known of a body in a year. Pure: the same members give the same bytes, in whatever order.

use std::collections::BTreeMap;

use canonical::kinds::StatoEvento;
use canonical::{Body, Digest, Kind, Record, RecordKey};
use contract::{Composed, Explanation, Lane, Placement, Row, Unit, UnitKey};

use crate::fields::{self, KINDS};
use crate::privacy::without_persons;
use crate::wire::{Manifesto, Pacchetto, PackageKey, Riga};

/// Where a record goes: into the package of its body and year.
pub(crate) fn place(record: &Record) -> Placement {
    let (cig, anno) = match &record.body {
        Body::Lotto(body) => (body.cig, body.anno_riferimento),
        Body::Aggiudicazione(body) => (body.cig, body.anno_riferimento),
        Body::Contratto(body) => (body.cig, body.anno_riferimento),
        Body::EventoEsecuzione(evento) => match evento.stato {
            StatoEvento::Scartato => return Placement::Withheld { code: "rejected" },
            StatoEvento::Bozza => return Placement::Withheld { code: "draft" },
            StatoEvento::Inviato | StatoEvento::Confermato => (evento.cig, evento.anno_riferimento),
        },
        _ => return Placement::Elsewhere,
    };
    // The null CIG names no lot: the rows of strangers would be one.
    if cig.is_null() {
        return Placement::Withheld { code: "null_cig" };
    }
    let Some(ente) = record.body.ente() else { return Placement::Withheld { code: "no_authority" } };
    if ente.is_person() {
        return Placement::Withheld { code: "not_a_body" };
    }
    let Some(anno) = anno else { return Placement::Withheld { code: "no_period" } };
    // A year of other than four digits is a mistake of the source, and no package has it.
    let Some(key) = PackageKey::parse(&format!("{ente}/{anno}")) else {
        return Placement::Withheld { code: "no_period" };
    };
    Placement::Unit(Unit { key: UnitKey(key.to_string()), lane: Lane(key.to_string()) })
}

/// The package of a unit. The error is for people.
pub(crate) fn compose(unit: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String> {
    let key = PackageKey::parse(unit.as_str()).ok_or_else(|| format!("{unit} non è un pacchetto dell'osservatorio"))?;
    let mut findings = Vec::new();
    let (mut contenuto, mut rows) = (String::new(), Vec::new());
    for body in in_order(unit, members)? {
        let body = without_persons(body, &mut findings)?;
        contenuto.push_str(&line(&body)?);
        contenuto.push('\n');
        rows.push(fields::row(&body));
    }
    let manifesto = Manifesto {
        ente: key.ente,
        periodo: key.periodo,
        versione: revision,
        righe: rows.len() as u64,
        impronta: Digest::of(contenuto.as_bytes()).to_string(),
    };
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    let body = serde_json::to_vec(&Pacchetto { manifesto, contenuto }).map_err(|_| unwritable(unit))?;
    Ok(Composed { body, rows, findings })
}

/// Why each field of a unit has its value.
pub(crate) fn explain(unit: &UnitKey, members: &[Record]) -> Vec<Explanation> {
    let bodies = in_order(unit, members).unwrap_or_default();
    let cleaned = bodies.into_iter().filter_map(|body| without_persons(body, &mut Vec::new()).ok());
    cleaned.flat_map(|body| fields::explain(&body)).collect()
}

/// The rows of a package as it is held, from its lines. The error names the line, not its content.
pub(crate) fn rows(contenuto: &str) -> Result<Vec<Row>, String> {
    let read = |(place, line): (usize, &str)| {
        let row: Riga<serde_json::Value> =
            serde_json::from_str(line).map_err(|_| format!("line {} is not a row", place + 1))?;
        let body = Body::from_json(row.kind, &row.body.to_string());
        body.map(|body| fields::row(&body)).map_err(|_| format!("line {} is not a {}", place + 1, row.kind))
    };
    let mut rows: Vec<Row> = contenuto.lines().enumerate().map(read).collect::<Result<_, _>>()?;
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(rows)
}

fn unwritable(unit: &UnitKey) -> String {
    format!("il pacchetto {unit} non può essere scritto")
}

/// The members by kind and key.
fn in_order<'a>(unit: &UnitKey, members: &'a [Record]) -> Result<Vec<&'a Body>, String> {
    let mut ordered: BTreeMap<(Kind, RecordKey), &Body> = BTreeMap::new();
    for member in members {
        if !KINDS.contains(&member.kind()) {
            return Err(format!("un record di tipo {} non sta nel pacchetto {unit}", member.kind()));
        }
        ordered.insert((member.kind(), member.key()), &member.body);
    }
    Ok(ordered.into_values().collect())
}

/// The line of a record: its kind and its canonical JSON.
fn line(body: &Body) -> Result<String, String> {
    let json = body.to_json();
    let raw: &serde_json::value::RawValue =
        serde_json::from_str(&json).map_err(|_| "record non scrivibile".to_owned())?;
    serde_json::to_string(&Riga { kind: body.kind(), body: raw }).map_err(|_| "record non scrivibile".to_owned())
}
