//! `gare`: a row for each procedure, in the year of the Italian day on which it was published.

use canonical::{Body, Kind};

use crate::cell::{Shape, Word};

use super::subject;
use super::{CLEANED, COPIED, Column, Dataset, Period, Total};

pub(crate) static GARE: Dataset = Dataset {
    name: "gare",
    period: Period::Year,
    key: &["id_appalto"],
    columns: &[
        Column::ente(),
        Column::new("id_appalto", Shape::Label, Kind::Procedura, "id", CLEANED, |it| {
            it.procedura()?.text(|it| Some(&it.id))
        })
        .required(),
        Column::new("oggetto", Shape::Text, Kind::Procedura, "oggetto", CLEANED, |it| {
            it.procedura()?.text(|it| it.oggetto.as_deref())
        }),
        Column::new(
            "codice_fiscale_delegante",
            Shape::Body,
            Kind::Procedura,
            "ente_delegante",
            "copiato senza modifiche; quello di una persona è omesso",
            |it| it.procedura()?.body_code(|it| it.ente_delegante),
        ),
        Column::new("scelta_contraente", Shape::Code, Kind::Procedura, "scelta_contraente", COPIED, |it| {
            it.procedura()?.cell(|it| it.scelta_contraente.clone())
        }),
        Column::new("cig", Shape::Cigs, Kind::Procedura, "lotti", "i CIG dei lotti, in ordine", |it| {
            it.procedura()?.cells(|it| it.lotti.iter().copied().collect())
        }),
        Column::new(
            "lotti",
            Shape::Number,
            Kind::Procedura,
            "lotti",
            "numero dei lotti con CIG diverso; vuoto quando la procedura non ne dice alcuno",
            |it| {
                it.procedura()?.cell(|it| {
                    let lotti: std::collections::BTreeSet<_> = it.lotti.iter().collect();
                    (!lotti.is_empty()).then_some(lotti.len() as u64)
                })
            },
        ),
        Column::new("importo", Shape::Amount, Kind::Procedura, "importo", COPIED, |it| {
            it.procedura()?.cell(|it| it.importo)
        }),
        Column::new(
            "stato",
            Shape::Word(&["pubblicata"]),
            Kind::Procedura,
            "pubblicata_il",
            "«pubblicata» quando ha una data di pubblicazione; se il termine sia passato \
             lo dice la scadenza a chi legge",
            |it| it.procedura()?.cell(|it| it.pubblicata_il.map(|_| Word("pubblicata"))),
        ),
        Column::new(
            "data_pubblicazione",
            Shape::Date,
            Kind::Procedura,
            "pubblicata_il",
            "giorno italiano dell'istante di pubblicazione",
            |it| it.procedura()?.cell(|it| it.pubblicata_il.and_then(crate::italian_day::of)),
        ),
        Column::new("scadenza", Shape::Instant, Kind::Procedura, "scadenza_offerte", COPIED, |it| {
            it.procedura()?.cell(|it| it.scadenza_offerte)
        }),
    ],
    totals: &[("procedure", Total::Rows), ("lotti", Total::Count("lotti")), ("importo_totale", Total::Sum("importo"))],
    group: |members| {
        subject::together(members, |body| matches!(body, Body::Procedura(_)).then(|| body.key().to_string()))
    },
    expects: None,
};
