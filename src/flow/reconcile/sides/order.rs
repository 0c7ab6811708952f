//! R23: the order in which the events of a contract may take place.
//!
//! Each platform is judged by what it says itself. Events of one day may stand in any order that is
//! admissible; what has no day proves that it exists and breaks nothing.

use std::collections::BTreeMap;

use canonical::identifiers::Cig;
use canonical::kinds::{Dettaglio, EventoEsecuzione, Fase};
use canonical::{Record, Rule};

use super::super::judge::Judgement;
use super::context::Context;
use super::draft::{Place, finding};
use super::events::{Event, counts, events_of};
use crate::discrepancy::{Discrepancy, Shape};

pub(super) fn check(_: Cig, records: &[&Record], context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let mut contracts: BTreeMap<(&str, u32), Vec<Event<'_>>> = BTreeMap::new();
    for (record, event) in events_of(records).into_iter().filter(|(_, event)| counts(event)) {
        let source = record.provenance.source.as_str();
        if context.is_platform(source) {
            contracts.entry((source, event.id_aggiudicazione)).or_default().push((record, event));
        }
    }
    for ((source, _), events) in contracts {
        for (record, event) in inadmissible(events) {
            let judgement = Judgement::unexplained(Rule::R23);
            let value = event.data.map(|day| day.to_string());
            let draft = finding(&Place::of(record), Some("data"), judgement, Shape::Breaks, source);
            found.push(draft.side(record, true, value).done());
        }
    }
}

/// Where a contract stands while its events pass by.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of the story by itself")]
struct Story {
    is_signed: bool,
    has_started: bool,
    suspensions: u32,
    /// Of these, how many stop the whole execution.
    full: u32,
    has_concluded: bool,
    is_closed: bool,
    requests: u32,
    has_positive_outcome: bool,
    /// Something without a day that may have begun or ended a suspension.
    has_undated_suspension: bool,
    has_undated_conclusion: bool,
}

impl Story {
    /// Whether an event may take place now.
    fn admits(&self, event: &EventoEsecuzione) -> bool {
        let fase = event.fase();
        // After withdrawal or conclusion there is testing, and what is settled afterwards.
        let is_late =
            matches!(fase, Fase::Collaudo | Fase::AccordoBonario | Fase::Recesso | Fase::ConclusioneSubappalto);
        if (self.is_closed || self.has_concluded) && !is_late && !is_neutral(fase) {
            return false;
        }
        match &event.dettaglio {
            Dettaglio::Avvio(start) => self.is_signed || start.consegna_sotto_riserva,
            Dettaglio::Avanzamento(_) => self.has_started && self.full == 0,
            Dettaglio::Sospensione(_) => self.has_started && self.suspensions == 0,
            Dettaglio::SuperamentoQuarto(_) | Dettaglio::Ripresa(_) => {
                self.suspensions > 0 || self.has_undated_suspension
            }
            Dettaglio::Modifica(_) | Dettaglio::RichiestaSubappalto(_) | Dettaglio::Recesso(_) => self.is_signed,
            Dettaglio::EsitoSubappalto(_) => self.requests > 0,
            Dettaglio::ConclusioneSubappalto(_) => self.has_positive_outcome,
            Dettaglio::AccordoBonario(_) => self.has_started,
            // Direct awards may be told by their end alone.
            Dettaglio::Conclusione(end) => {
                (self.has_started || end.affidamento_diretto || end.senza_contratto) && self.suspensions == 0
            }
            Dettaglio::Collaudo(_) => self.has_concluded || self.has_undated_conclusion,
            _ => true,
        }
    }

    fn take(&mut self, event: &EventoEsecuzione) {
        match &event.dettaglio {
            Dettaglio::Stipula(_) => self.is_signed = true,
            Dettaglio::Avvio(_) => self.has_started = true,
            Dettaglio::Sospensione(it) => {
                self.suspensions += 1;
                self.full += u32::from(!it.parziale);
            }
            Dettaglio::Ripresa(_) => {
                self.suspensions = self.suspensions.saturating_sub(1);
                self.full = self.full.min(self.suspensions);
            }
            Dettaglio::RichiestaSubappalto(_) => self.requests += 1,
            Dettaglio::EsitoSubappalto(it) => self.has_positive_outcome |= it.autorizzato != Some(false),
            Dettaglio::Conclusione(_) => self.has_concluded = true,
            Dettaglio::Recesso(_) => self.is_closed = true,
            _ => {}
        }
    }
}

/// Schede that tell of the lot rather than of the execution.
fn is_neutral(fase: Fase) -> bool {
    matches!(fase, Fase::ElencoIncarichi | Fase::VariazioneAggiudicatario | Fase::IntegrazioneDati)
}

/// The events that were not admissible when they took place.
fn inadmissible(mut events: Vec<Event<'_>>) -> Vec<Event<'_>> {
    events.sort_by_key(|(_, event)| (event.data, event.fase().code(), event.progressivo));
    let mut story = Story::default();
    let (undated, dated): (Vec<_>, Vec<_>) = events.into_iter().partition(|(_, event)| event.data.is_none());
    for (_, event) in undated {
        match &event.dettaglio {
            Dettaglio::Sospensione(_) | Dettaglio::Ripresa(_) => story.has_undated_suspension = true,
            Dettaglio::Conclusione(_) => story.has_undated_conclusion = true,
            // Whether it came before or after the others is not known: it forbids nothing.
            Dettaglio::Recesso(_) => {}
            _ => story.take(event),
        }
    }
    let mut refused = Vec::new();
    for day in dated.chunk_by(|one, other| one.1.data == other.1.data) {
        let mut waiting = day.to_vec();
        while !waiting.is_empty() {
            let admitted = waiting.iter().position(|(_, event)| story.admits(event) && !ends_too_soon(event, &waiting));
            let refusal = || waiting.iter().position(|(_, event)| !closes(event.fase())).unwrap_or_default();
            let event = waiting.remove(admitted.unwrap_or_else(refusal));
            // What was refused happened all the same: what follows is judged as if it had been in order.
            story.take(event.1);
            if admitted.is_none() {
                refused.push(event);
            }
        }
    }
    refused
}

/// Whether other events of the same day want to come before an end.
fn ends_too_soon(event: &EventoEsecuzione, waiting: &[Event<'_>]) -> bool {
    closes(event.fase()) && waiting.iter().any(|(_, other)| !closes(other.fase()))
}

fn closes(fase: Fase) -> bool {
    matches!(fase, Fase::Conclusione | Fase::ConclusioneAffidamentoDiretto | Fase::Recesso | Fase::Collaudo)
}
