//! The figures of the observatory, one dataset for each theme: counts alone, never people. A figure
//! is a whole number of something that a code names.

use canonical::kinds::TemaRilevazione;
use canonical::{Body, Kind, Record};

use crate::cell::Shape;

use super::subject;
use super::{COPIED, Column, Dataset, Period, Total};

pub(crate) static PERSONALE: Dataset = dataset("personale");
pub(crate) static FORMAZIONE: Dataset = dataset("formazione");
pub(crate) static PIAO: Dataset = dataset("piao");
pub(crate) static GARE: Dataset = dataset("rilevazioni-gare");
pub(crate) static PROGETTI_EUROPEI: Dataset = dataset("rilevazioni-progetti-europei");

/// The dataset of a theme.
pub(crate) fn of(tema: TemaRilevazione) -> &'static Dataset {
    match tema {
        TemaRilevazione::Personale => &PERSONALE,
        TemaRilevazione::Formazione => &FORMAZIONE,
        TemaRilevazione::Piao => &PIAO,
        TemaRilevazione::Gare => &GARE,
        TemaRilevazione::ProgettiEuropei => &PROGETTI_EUROPEI,
    }
}

const fn dataset(name: &'static str) -> Dataset {
    Dataset {
        name,
        period: Period::Year,
        key: &["periodo", "indicatore", "dimensione"],
        columns: COLUMNS,
        totals: &[("rilevazioni", Total::Rows), ("indicatori", Total::Distinct("indicatore"))],
        group,
        expects: None,
    }
}

const COLUMNS: &[Column] = &[
    Column::ente(),
    Column::new("periodo", Shape::Code, Kind::Rilevazione, "periodo", COPIED, |it| {
        it.rilevazione()?.cell(|it| Some(it.periodo.clone()))
    })
    .required(),
    Column::new("indicatore", Shape::Code, Kind::Rilevazione, "indicatore", COPIED, |it| {
        it.rilevazione()?.cell(|it| Some(it.indicatore.clone()))
    })
    .required(),
    Column::new("dimensione", Shape::Code, Kind::Rilevazione, "dimensione", COPIED, |it| {
        it.rilevazione()?.cell(|it| it.dimensione.clone())
    }),
    Column::new("valore", Shape::Number, Kind::Rilevazione, "valore", COPIED, |it| {
        it.rilevazione()?.cell(|it| Some(it.valore))
    })
    .required(),
];

fn group<'a>(members: &[&'a Record]) -> Vec<Vec<&'a Record>> {
    subject::together(members, |body| matches!(body, Body::Rilevazione(_)).then(|| body.key().to_string()))
}
