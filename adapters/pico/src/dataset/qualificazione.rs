//! `qualificazione`: a row for each qualification of a body, with the source that says it. The
//! owner is ANAC: Pi.Co. shows a copy.

use canonical::{Body, Kind};

use crate::cell::{Shape, Word};

use super::subject;
use super::{COPIED, Column, Dataset, Period, Total};

pub(crate) static QUALIFICAZIONE: Dataset = Dataset {
    name: "qualificazione",
    period: Period::Current,
    key: &["ambito", "fase", "valida_dal"],
    columns: &[
        Column::ente(),
        Column::new("codice_ausa", Shape::Code, Kind::Qualificazione, "codice_ausa", COPIED, |it| {
            it.qualificazione()?.cell(|it| it.codice_ausa)
        }),
        Column::new(
            "ambito",
            Shape::Word(&["lavori", "servizi_forniture"]),
            Kind::Qualificazione,
            "livello",
            "l'ambito a cui appartiene il livello",
            |it| it.qualificazione()?.cell(|it| Some(Word(it.livello.ambito().name()))),
        )
        .required(),
        Column::new("fase", Shape::Word(&["affidamento", "esecuzione"]), Kind::Qualificazione, "fase", COPIED, |it| {
            it.qualificazione()?.cell(|it| Some(Word(it.fase.name())))
        })
        .required(),
        Column::new(
            "livello",
            Shape::Word(&["L1", "L2", "L3", "SF1", "SF2", "SF3"]),
            Kind::Qualificazione,
            "livello",
            COPIED,
            |it| it.qualificazione()?.cell(|it| Some(Word(it.livello.code()))),
        )
        .required(),
        Column::new("valida_dal", Shape::Date, Kind::Qualificazione, "valida_dal", COPIED, |it| {
            it.qualificazione()?.cell(|it| Some(it.valida_dal))
        })
        .required(),
        Column::new("valida_al", Shape::Date, Kind::Qualificazione, "valida_al", COPIED, |it| {
            it.qualificazione()?.cell(|it| it.valida_al)
        }),
        Column::new(
            "fonte",
            Shape::Code,
            Kind::Qualificazione,
            "provenance.source",
            "il sistema da cui Raccordo ha letto la qualificazione",
            |it| {
                let member = it.qualificazione()?;
                member.cell(|_| Some(member.record.provenance.source.clone()))
            },
        ),
    ],
    totals: &[("qualificazioni", Total::Rows)],
    group: |members| {
        subject::together(members, |body| matches!(body, Body::Qualificazione(_)).then(|| body.key().to_string()))
    },
    expects: None,
};
