//! Records for tests: valid ones, as many as needed.

use std::collections::BTreeMap;

use canonical::identifiers::Cig;
use canonical::kinds::{Contratto, Lotto};
use canonical::values::{CalendarDate, UtcInstant};
use canonical::{Body, Provenance, Record, SourceName};

/// The CIG with this number, from 1 to 9999999: its check digits verify.
pub fn cig(number: u32) -> Cig {
    let text = format!("{number:07}{:03X}", u64::from(number) * 211 % 4091);
    Cig::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The source of all records here, unless a test needs another.
pub fn source() -> SourceName {
    source_named("file-drop")
}

/// A source by its name.
pub fn source_named(name: &str) -> SourceName {
    SourceName::parse(name).unwrap_or_else(|| panic!("{name} is not the name of a source"))
}

/// An instant, in seconds after the beginning of all tests.
pub fn at(seconds: i64) -> UtcInstant {
    const BEGINNING: i64 = 1_767_225_600;
    UtcInstant::from_unix_micros((BEGINNING + seconds) * 1_000_000).unwrap_or_else(|error| panic!("{error}"))
}

/// A day.
pub fn day(text: &str) -> CalendarDate {
    CalendarDate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A lot that says one thing.
pub fn lotto(number: u32, oggetto: &str) -> Body {
    let mut lotto = Lotto::new(cig(number));
    lotto.oggetto = Some(oggetto.to_owned());
    Body::Lotto(lotto)
}

/// A contract that says one thing.
pub fn contratto(number: u32, id_aggiudicazione: u32, numero: &str) -> Body {
    Body::Contratto(Contratto {
        cig: cig(number),
        id_aggiudicazione,
        stazione_appaltante: None,
        anno_riferimento: None,
        numero: Some(numero.to_owned()),
        data_stipula: None,
        importo: None,
        data_inizio: None,
        data_fine: None,
        somme_liquidate: None,
        piattaforma_esecuzione: None,
    })
}

/// A record of that body, said by a source on a line.
pub fn record(body: Body, source: &SourceName, line: u64, as_of: Option<CalendarDate>) -> Record {
    let provenance = Provenance {
        source: source.clone(),
        remote_id: "l190.xml".to_owned(),
        document_digest: "00".repeat(32),
        line: Some(line),
        as_of,
        read_at: at(0),
        raw: BTreeMap::new(),
    };
    Record::new(body, provenance)
}
