//! The state of a lot, derived from its CIG, its awards, its contracts and their events.
//!
//! A CIG that was cancelled or replaced decides alone. Otherwise each award has a state, and the
//! lot has that of its awards: tested or concluded when all of them are, else the most advanced of
//! those that are still open, work before suspension. Only events that were sent or confirmed
//! count. Declared dates of the end do not: whether they have passed is a matter of the clock.

use canonical::kinds::{Aggiudicazione, Contratto, Dettaglio, EventoEsecuzione, Lotto, StatoCig, StatoEvento};
use canonical::values::Importo;

use crate::cell::Word;

/// The state of a lot, from the least advanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stato {
    Pubblicato,
    NonAggiudicato,
    Aggiudicato,
    Stipulato,
    Sospeso,
    InEsecuzione,
    Concluso,
    Collaudato,
    Annullato,
    Sostituito,
}

/// The words for the states, in their order.
pub(crate) const WORDS: &[&str] = &[
    "pubblicato",
    "non_aggiudicato",
    "aggiudicato",
    "stipulato",
    "sospeso",
    "in_esecuzione",
    "concluso",
    "collaudato",
    "annullato",
    "sostituito",
];

impl Stato {
    /// The word of the contract.
    pub(crate) fn word(self) -> Word {
        Word(match self {
            Self::Pubblicato => "pubblicato",
            Self::NonAggiudicato => "non_aggiudicato",
            Self::Aggiudicato => "aggiudicato",
            Self::Stipulato => "stipulato",
            Self::Sospeso => "sospeso",
            Self::InEsecuzione => "in_esecuzione",
            Self::Concluso => "concluso",
            Self::Collaudato => "collaudato",
            Self::Annullato => "annullato",
            Self::Sostituito => "sostituito",
        })
    }
}

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
    let Some(least) = states.first().copied() else { return Stato::Pubblicato };
    if least >= Stato::Concluso {
        return least;
    }
    // The order of the states puts work after suspension, and both before the end.
    states.into_iter().rev().find(|state| *state < Stato::Concluso).unwrap_or(least)
}

/// The state of an award.
fn of_award(award: &Award<'_>) -> Stato {
    let eventi =
        || award.eventi.iter().filter(|evento| counts(evento)).map(|evento| (evento.progressivo, &evento.dettaglio));
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

/// Whether an event counts: drafts and rejected ones do not.
pub(crate) fn counts(evento: &EventoEsecuzione) -> bool {
    matches!(evento.stato, StatoEvento::Inviato | StatoEvento::Confermato)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_word_of_the_contract() {
        use Stato::{
            Aggiudicato, Annullato, Collaudato, Concluso, InEsecuzione, NonAggiudicato, Pubblicato, Sospeso,
            Sostituito, Stipulato,
        };
        let states = [
            Pubblicato,
            NonAggiudicato,
            Aggiudicato,
            Stipulato,
            Sospeso,
            InEsecuzione,
            Concluso,
            Collaudato,
            Annullato,
            Sostituito,
        ];
        assert_eq!(states.map(|stato| stato.word().0), WORDS);
    }
}
