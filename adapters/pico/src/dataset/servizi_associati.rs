//! `servizi-associati`: which Comune uses which service of which office of its Province: central
//! purchasing (SUA), territory and innovation (SIT), European policies (SAPE).

use canonical::{Body, Kind};

use crate::cell::{Shape, Word};

use super::subject;
use super::{CLEANED, COPIED, Column, Dataset, Period, Total};

pub(crate) static SERVIZI_ASSOCIATI: Dataset = Dataset {
    name: "servizi-associati",
    period: Period::Current,
    key: &["codice_fiscale_fruitore", "ufficio", "servizio"],
    columns: &[
        Column::ente(),
        Column::new("codice_fiscale_fruitore", Shape::Body, Kind::ServizioAssociato, "ente_fruitore", COPIED, |it| {
            it.servizio()?.body_code(|it| Some(it.ente_fruitore))
        })
        .required(),
        Column::new("ufficio", Shape::Word(&["sua", "sit", "sape"]), Kind::ServizioAssociato, "tipo", COPIED, |it| {
            it.servizio()?.cell(|it| Some(Word(it.tipo.name())))
        })
        .required(),
        Column::new("servizio", Shape::Label, Kind::ServizioAssociato, "servizio", CLEANED, |it| {
            it.servizio()?.text(|it| it.servizio.as_deref())
        }),
        Column::new("valido_dal", Shape::Date, Kind::ServizioAssociato, "valido_dal", COPIED, |it| {
            it.servizio()?.cell(|it| it.valido_dal)
        }),
        Column::new("valido_al", Shape::Date, Kind::ServizioAssociato, "valido_al", COPIED, |it| {
            it.servizio()?.cell(|it| it.valido_al)
        }),
    ],
    totals: &[("servizi", Total::Rows), ("enti_fruitori", Total::Distinct("codice_fiscale_fruitore"))],
    group: |members| {
        subject::together(members, |body| matches!(body, Body::ServizioAssociato(_)).then(|| body.key().to_string()))
    },
    expects: None,
};
