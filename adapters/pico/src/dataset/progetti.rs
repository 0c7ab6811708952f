//! `progetti-pnrr-pnc` and `progetti-europei`: a row for each CUP × CIG link, beside its project; a
//! project without links has a row alone.

use std::collections::BTreeSet;

use canonical::kinds::Piano;
use canonical::{Body, Kind, Record};

use crate::cell::{Shape, Word};

use super::subject::{self, Subject, Took};
use super::{CLEANED, COPIED, Column, Dataset, Period, Total};

const PIANI: &[&str] = &["fondi_europei", "pnc", "pnrr"];

pub(crate) static PNRR_PNC: Dataset = Dataset {
    name: "progetti-pnrr-pnc",
    period: Period::Current,
    key: &["cup", "cig", "id_procedura"],
    columns: COLUMNS,
    totals: TOTALS,
    group,
    expects: None,
};

pub(crate) static EUROPEI: Dataset = Dataset {
    name: "progetti-europei",
    period: Period::Current,
    key: &["cup", "cig", "id_procedura"],
    columns: COLUMNS,
    totals: TOTALS,
    group,
    expects: None,
};

const COLUMNS: &[Column] = &[
    Column::ente(),
    Column::new(
        "cup",
        Shape::Cup,
        Kind::CollegamentoCupCig,
        "cup",
        "CUP del collegamento, o del progetto che non ne ha",
        |it| {
            let of_link = || it.collegamento()?.cell(|link| Some(link.cup));
            of_link().or_else(|| it.progetto()?.cell(|progetto| Some(progetto.cup)))
        },
    )
    .required(),
    Column::new("cig", Shape::Cig, Kind::CollegamentoCupCig, "cig", COPIED, |it| {
        it.collegamento()?.cell(|link| link.cig)
    }),
    Column::new(
        "id_procedura",
        Shape::Label,
        Kind::CollegamentoCupCig,
        "id_procedura",
        "identificativo della procedura presso la fonte, soltanto dove manca il CIG",
        |it| it.collegamento()?.text(|link| link.id_procedura.as_deref().filter(|_| link.cig.is_none())),
    ),
    Column::new("motivo_assenza_cig", Shape::Label, Kind::CollegamentoCupCig, "motivo_assenza_cig", CLEANED, |it| {
        it.collegamento()?.text(|link| link.motivo_assenza_cig.as_deref())
    }),
    Column::new("titolo", Shape::Text, Kind::Progetto, "titolo", CLEANED, |it| {
        it.progetto()?.text(|progetto| progetto.titolo.as_deref())
    }),
    Column::new(
        "piani",
        Shape::Words(PIANI),
        Kind::Progetto,
        "piani",
        "piani del progetto e del collegamento, fra PNRR, PNC e fondi europei; gli altri sono omessi",
        piani,
    ),
    Column::new(
        "programma",
        Shape::Label,
        Kind::Progetto,
        "programma",
        "dal progetto; in sua assenza, dal collegamento",
        |it| {
            let of_project = || it.progetto()?.text(|progetto| progetto.programma.as_deref());
            of_project().or_else(|| it.collegamento()?.text(|link| link.programma.as_deref()))
        },
    ),
    Column::new(
        "misura",
        Shape::Label,
        Kind::Progetto,
        "misura",
        "dal progetto; in sua assenza, dal collegamento",
        |it| {
            let of_project = || it.progetto()?.text(|progetto| progetto.misura.as_deref());
            of_project().or_else(|| it.collegamento()?.text(|link| link.misura.as_deref()))
        },
    ),
    Column::new(
        "finanziamento",
        Shape::Amount,
        Kind::Progetto,
        "finanziamento",
        "dal progetto; in sua assenza, dal collegamento che lo ripete",
        |it| {
            let of_project = || it.progetto()?.cell(|progetto| progetto.finanziamento);
            of_project().or_else(|| it.collegamento()?.cell(|link| link.finanziamento))
        },
    ),
    Column::new(
        "importo_aggiudicato",
        Shape::Amount,
        Kind::CollegamentoCupCig,
        "importo_aggiudicazione",
        COPIED,
        |it| it.collegamento()?.cell(|link| link.importo_aggiudicazione),
    ),
    Column::new("importo_avanzamento", Shape::Amount, Kind::CollegamentoCupCig, "importo_avanzamento", COPIED, |it| {
        it.collegamento()?.cell(|link| link.importo_avanzamento)
    }),
    Column::new(
        "fase",
        Shape::Label,
        Kind::CollegamentoCupCig,
        "fase",
        "fase del collegamento; in sua assenza, descrizione della fase del progetto",
        |it| {
            let of_link = || it.collegamento()?.text(|link| link.fase.as_deref());
            let of_project = || it.progetto()?.text(|progetto| progetto.fase_descrizione.as_deref());
            of_link().or_else(|| Some(of_project()?.by("fase_descrizione")))
        },
    ),
];

const TOTALS: &[(&str, Total)] = &[
    ("progetti", Total::Distinct("cup")),
    ("collegamenti_con_cig", Total::With("cig")),
    ("finanziamento_totale", Total::SumOnce { amount: "finanziamento", per: "cup" }),
    ("importo_aggiudicato_totale", Total::Sum("importo_aggiudicato")),
    ("importo_avanzamento_totale", Total::Sum("importo_avanzamento")),
];

fn group<'a>(members: &[&'a Record]) -> Vec<Vec<&'a Record>> {
    subject::beside(
        members,
        |body| if let Body::Progetto(body) = body { Some(body.cup.to_string()) } else { None },
        |body| if let Body::CollegamentoCupCig(body) = body { Some(body.cup.to_string()) } else { None },
    )
}

fn piani<'a>(subject: &Subject<'a>) -> Option<Took<'a>> {
    let known = |piani: &BTreeSet<Piano>| -> BTreeSet<Word> {
        let word = |piano: &Piano| match piano {
            Piano::Pnrr => Some(Word("pnrr")),
            Piano::Pnc => Some(Word("pnc")),
            Piano::FondiEuropei => Some(Word("fondi_europei")),
            Piano::Altro(_) => None,
        };
        piani.iter().filter_map(word).collect()
    };
    let of_link = subject.collegamento().map(|link| known(&link.body.piani)).unwrap_or_default();
    let of_project = || subject.progetto()?.cells(|progetto| &known(&progetto.piani) | &of_link);
    of_project().or_else(|| subject.collegamento()?.cells(|_| of_link.clone()))
}
