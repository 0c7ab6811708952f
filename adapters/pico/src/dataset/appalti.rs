//! `appalti`: a row for each lot, gathered from the lot, its awards, its contracts and its events.
//!
//! A lot of which only the award, the contract or an event is known still has its row, with a
//! finding: without it the totals would be wrong.

use std::collections::BTreeMap;

use canonical::kinds::Lotto;
use canonical::values::Importo;
use canonical::{Body, Kind, Record};

use crate::cell::{Impersonal, Shape};
use crate::stato::{self, Award, Stato};

use super::subject::{self, Subject, Took};
use super::{CLEANED, COPIED, Column, Dataset, Period, Total};

pub(crate) static APPALTI: Dataset = Dataset {
    name: "appalti",
    period: Period::Year,
    key: &["cig"],
    columns: &[
        Column::ente(),
        Column::new(
            "cig",
            Shape::Cig,
            Kind::Lotto,
            "cig",
            "CIG del lotto, o della sua aggiudicazione, del suo contratto o di un suo evento",
            cig,
        )
        .required(),
        Column::new("cup", Shape::Cups, Kind::Lotto, "cup", COPIED, |it| it.lotto()?.cells(|lotto| lotto.cup.clone())),
        Column::new("oggetto", Shape::Text, Kind::Lotto, "oggetto", CLEANED, |it| {
            it.lotto()?.text(|lotto| lotto.oggetto.as_deref())
        }),
        Column::new("cpv", Shape::Cpv, Kind::Lotto, "cpv", COPIED, |it| it.lotto()?.cell(|lotto| lotto.cpv)),
        Column::new("scelta_contraente", Shape::Code, Kind::Lotto, "scelta_contraente", COPIED, |it| {
            it.lotto()?.cell(|lotto| lotto.scelta_contraente.clone())
        }),
        Column::new(
            "importo",
            Shape::Amount,
            Kind::Lotto,
            "importo_totale, importo_netto, oneri_sicurezza",
            "importo totale; in sua assenza, importo netto più oneri di sicurezza quando sono noti entrambi",
            |it| it.lotto()?.cell(importo),
        ),
        Column::new(
            "importo_aggiudicato",
            Shape::Amount,
            Kind::Aggiudicazione,
            "importo",
            "somma degli importi delle aggiudicazioni che lo dichiarano",
            importo_aggiudicato,
        ),
        Column {
            name: "data_pubblicazione",
            shape: Shape::Date,
            is_required: false,
            kind: None,
            path: "",
            rule: "sempre vuota: la data sta sulla procedura, che ha la sua riga nel dataset «gare» dell'anno \
             in cui fu pubblicata",
            take: |_| None,
        },
        Column::new(
            "data_aggiudicazione",
            Shape::Date,
            Kind::Aggiudicazione,
            "data",
            "la prima data fra quelle delle aggiudicazioni",
            |it| {
                let awards = it.aggiudicazioni();
                awards
                    .into_iter()
                    .filter(|award| award.body.data.is_some())
                    .min_by_key(|award| award.body.data)?
                    .cell(|award| award.data)
            },
        ),
        Column::new(
            "stato",
            Shape::Word(stato::WORDS),
            Kind::Lotto,
            "stato_cig",
            "stato del CIG se è cancellato o sostituito, altrimenti il più avanzato fra quelli ancora aperti \
             delle aggiudicazioni, dei contratti e dei loro eventi",
            |it| Some(stato_del_lotto(it)),
        )
        .required(),
        Column::new(
            "piattaforma_esecuzione",
            Shape::Label,
            Kind::Contratto,
            "piattaforma_esecuzione",
            "dal contratto con il numero di aggiudicazione più basso fra quelli che la dicono",
            |it| {
                it.contratti()
                    .into_iter()
                    .find_map(|contratto| contratto.text(|body| body.piattaforma_esecuzione.as_deref()))
            },
        ),
    ],
    totals: &[
        ("lotti", Total::Rows),
        ("lotti_con_importo_aggiudicato", Total::With("importo_aggiudicato")),
        ("importo_totale", Total::Sum("importo")),
        ("importo_aggiudicato_totale", Total::Sum("importo_aggiudicato")),
    ],
    group: |members| {
        subject::together(members, |body| match body {
            Body::Lotto(body) => Some(body.cig.to_string()),
            Body::Aggiudicazione(body) => Some(body.cig.to_string()),
            Body::Contratto(body) => Some(body.cig.to_string()),
            Body::EventoEsecuzione(body) => Some(body.cig.to_string()),
            _ => None,
        })
    },
    expects: Some((Kind::Lotto, "lotto_absent")),
};

fn cig<'a>(subject: &Subject<'a>) -> Option<Took<'a>> {
    let of_lotto = || subject.lotto()?.cell(|lotto| Some(lotto.cig));
    let of_award = || subject.aggiudicazioni().first()?.cell(|award| Some(award.cig));
    let of_contract = || subject.contratti().first()?.cell(|contratto| Some(contratto.cig));
    let of_event = || subject.eventi().next()?.cell(|evento| Some(evento.cig));
    of_lotto().or_else(of_award).or_else(of_contract).or_else(of_event)
}

/// The amount of a lot: the total, or the sum of its two parts. One part alone is another thing.
fn importo(lotto: &Lotto) -> Option<Importo> {
    lotto.importo_totale.or_else(|| lotto.importo_netto?.checked_add(lotto.oneri_sicurezza?))
}

fn importo_aggiudicato<'a>(subject: &Subject<'a>) -> Option<Took<'a>> {
    let awards = subject.aggiudicazioni();
    let sum = Importo::checked_sum(awards.iter().filter_map(|award| award.body.importo));
    awards.into_iter().find(|award| award.body.importo.is_some())?.cell(|_| sum)
}

fn stato_del_lotto<'a>(subject: &Subject<'a>) -> Took<'a> {
    let mut awards: BTreeMap<u32, Award<'a>> = BTreeMap::new();
    for member in subject.aggiudicazioni() {
        awards.entry(member.body.id_aggiudicazione).or_default().aggiudicazione = Some(member.body);
    }
    for member in subject.contratti() {
        awards.entry(member.body.id_aggiudicazione).or_default().contratto = Some(member.body);
    }
    for member in subject.eventi() {
        awards.entry(member.body.id_aggiudicazione).or_default().eventi.push(member.body);
    }
    let lotto = subject.lotto().map(|member| member.body);
    let stato = stato::of_lotto(lotto, awards.values());
    // Members stand in the order of their kinds: the last one is the most advanced that is known.
    let decides = match stato {
        Stato::Annullato | Stato::Sostituito | Stato::Pubblicato => subject.records.first(),
        _ => subject.records.iter().rev().find(|record| match &record.body {
            Body::EventoEsecuzione(evento) => stato::counts(evento),
            _ => true,
        }),
    }
    .copied();
    let took = Took::plain(stato.word().cell(), decides);
    match decides.map(Record::kind) {
        Some(Kind::EventoEsecuzione) => took.by("dettaglio"),
        Some(Kind::Contratto) => took.by("data_stipula, data_inizio, somme_liquidate, importo"),
        Some(Kind::Aggiudicazione) => took.by("aggiudicatari, importo"),
        _ => took,
    }
}
