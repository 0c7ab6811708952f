//! The state of a lot, derived from its CIG, its awards, its contracts and their events.
//!
//! A CIG that was cancelled or replaced decides alone. Otherwise each award has a state, and the
//! lot has that of its awards: tested or concluded when all of them are, else the most advanced of
//! those that are still open, work before suspension. Only events that were sent or confirmed
//! count. Declared dates of the end do not: whether they have passed is a matter of the clock.

use canonical::kinds::{Aggiudicazione, Contratto, Dettaglio, EventoEsecuzione, Lotto, StatoCig, StatoEvento};
use canonical::values::Importo;

use crate::wire::Stato;

/// What is known of one award of a lot.
#[derive(Debug, Default)]
pub(crate) struct Award<'a> {
    pub(crate) aggiudicazione: Option<&'a Aggiudicazione>,
    pub(crate) contratto: Option<&'a Contratto>,
    pub(crate) eventi: Vec<&'a EventoEsecuzione>,
}

/// The state of a lot.
pub(crate) fn of_lotto<'a>(lotto: Option<&Lotto>, awards: impl IntoIterator<Item = &'a Award<'a>>) -> Stato {
    match lotto.map(|lotto| &lotto.stato_cig) {
        Some(StatoCig::Cancellato { .. }) => return Stato::Annullato,
        Some(StatoCig::Sostituito { .. }) => return Stato::Sostituito,
        _ => {}
    }
    let mut states: Vec<Stato> = awards.into_iter().map(of_award).collect();
    states.sort();
    let Some(least) = states.first() else { return Stato::Pubblicato };
    if *least >= Stato::Concluso {
        return least.clone();
    }
    // The order of the states puts work after suspension, and both before the end.
    states.iter().rev().find(|state| **state < Stato::Concluso).unwrap_or(least).clone()
}

/// The state of an award.
fn of_award(award: &Award<'_>) -> Stato {
    let counts = |evento: &&&EventoEsecuzione| matches!(evento.stato, StatoEvento::Inviato | StatoEvento::Confermato);
    let eventi = || award.eventi.iter().filter(counts).map(|evento| (evento.progressivo, &evento.dettaglio));
    let has = |wanted: fn(&Dettaglio) -> bool| eventi().any(|(_, dettaglio)| wanted(dettaglio));
    if has(|dettaglio| matches!(dettaglio, Dettaglio::Collaudo(_))) {
        return Stato::Collaudato;
    }
    if has(|dettaglio| matches!(dettaglio, Dettaglio::Conclusione(_) | Dettaglio::Recesso(_))) {
        return Stato::Concluso;
    }
    let is_resumed = |sospensione: u32| {
        eventi().any(
            |(_, dettaglio)| matches!(dettaglio, Dettaglio::Ripresa(ripresa) if ripresa.sospensione == sospensione),
        )
    };
    let is_suspended = eventi().any(|(progressivo, dettaglio)| {
        matches!(dettaglio, Dettaglio::Sospensione(sospensione) if !sospensione.parziale) && !is_resumed(progressivo)
    });
    if is_suspended {
        return Stato::Sospeso;
    }
    let contratto = award.contratto;
    let has_begun = contratto
        .is_some_and(|contratto| contratto.data_inizio.is_some() || contratto.somme_liquidate.is_some_and(is_positive));
    if has_begun || has(belongs_to_the_work) {
        return Stato::InEsecuzione;
    }
    if eventi().next().is_some() || contratto.is_some_and(|contratto| contratto.data_stipula.is_some()) {
        return Stato::Stipulato;
    }
    let is_awarded = award.aggiudicazione.is_some_and(|aggiudicazione| {
        !aggiudicazione.aggiudicatari.is_empty() || aggiudicazione.importo.is_some_and(is_positive)
    }) || contratto.is_some_and(|contratto| contratto.importo.is_some_and(is_positive));
    if is_awarded { Stato::Aggiudicato } else { Stato::NonAggiudicato }
}

/// Events that happen only after the start. Modifications and subcontracts may come before it.
fn belongs_to_the_work(dettaglio: &Dettaglio) -> bool {
    matches!(
        dettaglio,
        Dettaglio::Avvio(_)
            | Dettaglio::Avanzamento(_)
            | Dettaglio::Sospensione(_)
            | Dettaglio::SuperamentoQuarto(_)
            | Dettaglio::Ripresa(_)
            | Dettaglio::ConclusioneSubappalto(_)
            | Dettaglio::AccordoBonario(_)
    )
}

fn is_positive(importo: Importo) -> bool {
    importo > Importo::ZERO
}
