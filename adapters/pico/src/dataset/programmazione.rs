//! `programmazione`: a row for each item of a programme, beside its programme; a programme of which
//! no item is known has a row alone. Who answers for it stays here.

use canonical::kinds::{Intervento, TipoIntervento, TipoProgramma};
use canonical::values::Importo;
use canonical::{Body, Kind};

use crate::cell::{Shape, Word};

use super::subject;
use super::{CLEANED, COPIED, Column, Dataset, Period, Total};

pub(crate) static PROGRAMMAZIONE: Dataset = Dataset {
    name: "programmazione",
    period: Period::Year,
    key: &["id_programma", "cui"],
    columns: &[
        Column::ente(),
        Column::new(
            "id_programma",
            Shape::Label,
            Kind::Intervento,
            "id_programma",
            "programma a cui appartiene l'intervento, o il programma stesso quando non se ne conoscono interventi",
            |it| {
                let of_item = || it.intervento()?.text(|item| Some(&item.id_programma));
                of_item().or_else(|| Some(it.programma()?.text(|programma| Some(&programma.id))?.by("id")))
            },
        )
        .required(),
        Column::new("cui", Shape::Cui, Kind::Intervento, "cui", COPIED, |it| {
            it.intervento()?.cell(|item| Some(item.cui.clone()))
        }),
        Column::new(
            "tipo_programma",
            Shape::Word(&["lavori", "forniture_servizi"]),
            Kind::Programma,
            "tipo",
            COPIED,
            |it| {
                it.programma()?.cell(|programma| {
                    Some(match programma.tipo {
                        TipoProgramma::Lavori => Word("lavori"),
                        TipoProgramma::FornitureServizi => Word("forniture_servizi"),
                    })
                })
            },
        ),
        Column::new("descrizione_programma", Shape::Text, Kind::Programma, "descrizione", CLEANED, |it| {
            it.programma()?.text(|programma| Some(&programma.descrizione))
        }),
        Column::new("data_approvazione", Shape::Date, Kind::Programma, "approvazione.data", COPIED, |it| {
            it.programma()?.cell(|programma| programma.approvazione.data)
        }),
        Column::new("tipo", Shape::Word(&["lavori", "forniture", "servizi"]), Kind::Intervento, "tipo", COPIED, |it| {
            it.intervento()?.cell(|item| {
                Some(match item.tipo {
                    TipoIntervento::Lavori => Word("lavori"),
                    TipoIntervento::Forniture => Word("forniture"),
                    TipoIntervento::Servizi => Word("servizi"),
                })
            })
        }),
        Column::new("descrizione", Shape::Text, Kind::Intervento, "descrizione", CLEANED, |it| {
            it.intervento()?.text(|item| Some(&item.descrizione))
        }),
        Column::new(
            "anno_avvio",
            Shape::Number,
            Kind::Intervento,
            "anno",
            "anno in cui si prevede di avviare la procedura",
            |it| it.intervento()?.cell(|item| Some(u64::from(item.anno))),
        ),
        Column::new("cup", Shape::Cup, Kind::Intervento, "cup", COPIED, |it| it.intervento()?.cell(|item| item.cup)),
        Column::new("cpv", Shape::Cpv, Kind::Intervento, "cpv", COPIED, |it| it.intervento()?.cell(|item| item.cpv)),
        Column::new("priorita", Shape::Label, Kind::Intervento, "priorita", COPIED, |it| {
            it.intervento()?.text(|item| item.priorita.as_deref())
        }),
        Column::new(
            "importo",
            Shape::Amount,
            Kind::Intervento,
            "importo_totale, risorse",
            "importo totale dichiarato; in sua assenza, somma delle righe delle risorse",
            |it| it.intervento()?.cell(importo),
        ),
        Column::new(
            "elenco_annuale",
            Shape::Word(&["si", "no"]),
            Kind::Intervento,
            "elenco_annuale",
            "«si» quando l'intervento è nell'elenco annuale, altrimenti «no»",
            |it| it.intervento()?.cell(|item| Some(if item.elenco_annuale { Word("si") } else { Word("no") })),
        ),
    ],
    totals: &[
        ("programmi", Total::Distinct("id_programma")),
        ("interventi", Total::With("cui")),
        ("importo_totale", Total::Sum("importo")),
    ],
    group: |members| {
        subject::beside(
            members,
            |body| if let Body::Programma(body) = body { Some(body.id.clone()) } else { None },
            |body| if let Body::Intervento(body) = body { Some(body.id_programma.clone()) } else { None },
        )
    },
    expects: None,
};

fn importo(item: &Intervento) -> Option<Importo> {
    let sum = || Importo::checked_sum(item.risorse.iter().map(|row| row.importo)).filter(|_| !item.risorse.is_empty());
    item.importo_totale.or_else(sum)
}

/// The first year of a programme, from its identifier: `LP` or `FS`, eleven digits of the body,
/// four of the year, three of the number. None for any other text.
pub(crate) fn anno(id_programma: &str) -> Option<u16> {
    let digits = id_programma.strip_prefix("LP").or_else(|| id_programma.strip_prefix("FS"))?;
    let is_published_form = digits.len() == 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.get(11..15).filter(|_| is_published_form)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_of_a_programme_stands_in_its_identifier() {
        assert_eq!(anno("LP00606750131202600001"), None);
        assert_eq!(anno("LP006067501312026001"), Some(2026));
        assert_eq!(anno("FS006067501312025002"), Some(2025));
        assert_eq!(anno("XX006067501312026001"), None);
        assert_eq!(anno("programma 2026"), None);
    }
}
