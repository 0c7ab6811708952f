//! The two sheets that travel alone: a resource of another platform that Pi.Co. shows, and a report
//! to its help desk. A sheet has one row, made like the rows of a dataset.

use canonical::Kind;
use canonical::kinds::{Risorsa, TipoRisorsa};

use crate::cell::{Impersonal, Shape, Word};

use super::subject::{self, Member, Subject, Took};
use super::{CLEANED, COPIED, Column, Dataset, Period};

/// The states of a resource on Pi.Co.
pub(crate) const RISORSA_STATES: &[&str] = &["pubblicata", "ritirata"];

/// The words for what a resource is.
pub(crate) const RISORSA_TYPES: &[(&str, TipoRisorsa)] = &[
    ("linea_guida", TipoRisorsa::LineaGuida),
    ("modulo", TipoRisorsa::Modulo),
    ("strumento", TipoRisorsa::Strumento),
    ("corso", TipoRisorsa::Corso),
    ("notizia", TipoRisorsa::Notizia),
];

pub(crate) static RISORSE: Dataset = Dataset {
    name: "risorse",
    period: Period::Current,
    key: &["origine", "id"],
    columns: &[
        Column::new("origine", Shape::Label, Kind::Risorsa, "origine", COPIED, |it| it.identifier(0)).required(),
        Column::new("id", Shape::Label, Kind::Risorsa, "id", COPIED, |it| it.identifier(1)).required(),
        Column::new(
            "stato",
            Shape::Word(RISORSA_STATES),
            Kind::Risorsa,
            "ritirata",
            "«ritirata» quando chi la pubblica l'ha ritirata o non la pubblica più, altrimenti «pubblicata»",
            |it| Some(stato(it)),
        )
        .required(),
        Column::new(
            "tipo",
            Shape::Word(&["linea_guida", "modulo", "strumento", "corso", "notizia"]),
            Kind::Risorsa,
            "tipo",
            COPIED,
            |it| on_show(it)?.cell(|it| RISORSA_TYPES.iter().find(|row| row.1 == it.tipo).map(|row| Word(row.0))),
        ),
        Column::new("titolo", Shape::Text, Kind::Risorsa, "titolo", CLEANED, |it| {
            on_show(it)?.text(|it| Some(&it.titolo))
        }),
        Column::new("descrizione", Shape::Text, Kind::Risorsa, "descrizione", CLEANED, |it| {
            on_show(it)?.text(|it| it.descrizione.as_deref())
        }),
        Column::new("url", Shape::Label, Kind::Risorsa, "url", CLEANED, |it| on_show(it)?.text(|it| it.url.as_deref())),
        Column::new("tema", Shape::Label, Kind::Risorsa, "tema", CLEANED, |it| {
            on_show(it)?.text(|it| it.tema.as_deref())
        }),
        Column::new("data_pubblicazione", Shape::Date, Kind::Risorsa, "data_pubblicazione", COPIED, |it| {
            on_show(it)?.cell(|it| it.data_pubblicazione)
        }),
        Column::new("data_scadenza", Shape::Date, Kind::Risorsa, "data_scadenza", COPIED, |it| {
            on_show(it)?.cell(|it| it.data_scadenza)
        }),
    ],
    totals: &[],
    group: subject::whole,
    expects: None,
};

pub(crate) static SEGNALAZIONI: Dataset = Dataset {
    name: "segnalazioni",
    period: Period::Current,
    key: &["id"],
    columns: &[
        Column::new("id", Shape::Label, Kind::Segnalazione, "id", COPIED, |it| it.identifier(0)).required(),
        Column::new("codice_fiscale_ente", Shape::Body, Kind::Segnalazione, "ente", COPIED, |it| {
            it.segnalazione()?.body_code(|it| Some(it.ente))
        })
        .required(),
        Column::new("tipo_record", Shape::Code, Kind::Segnalazione, "tipo_record", COPIED, |it| {
            it.segnalazione()?.cell(|it| Some(it.tipo_record))
        })
        .required(),
        Column::new("chiave_record", Shape::Label, Kind::Segnalazione, "chiave_record", CLEANED, |it| {
            it.segnalazione()?.text(|it| Some(it.chiave_record.as_str()))
        })
        .required(),
        Column::new("regola", Shape::Code, Kind::Segnalazione, "regola", COPIED, |it| {
            it.segnalazione()?.cell(|it| Some(it.regola))
        })
        .required(),
        Column::new("campo", Shape::Label, Kind::Segnalazione, "campo", CLEANED, |it| {
            it.segnalazione()?.text(|it| it.campo.as_deref())
        }),
        Column::new("descrizione", Shape::Text, Kind::Segnalazione, "descrizione", CLEANED, |it| {
            it.segnalazione()?.text(|it| Some(&it.descrizione))
        })
        .required(),
        Column::new("aperta_il", Shape::Instant, Kind::Segnalazione, "aperta_il", COPIED, |it| {
            it.segnalazione()?.cell(|it| Some(it.aperta_il))
        })
        .required(),
    ],
    totals: &[],
    group: subject::whole,
    expects: None,
};

fn on_show<'a>(subject: &Subject<'a>) -> Option<Member<'a, Risorsa>> {
    subject.risorsa().filter(|member| !member.body.ritirata)
}

fn stato<'a>(subject: &Subject<'a>) -> Took<'a> {
    let word = if on_show(subject).is_some() { Word("pubblicata") } else { Word("ritirata") };
    Took::plain(word.cell(), subject.records.first().copied())
}
