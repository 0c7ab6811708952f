//! Whether a step may be taken now: the rules of the national orchestrator, seen from a lane. Pure.
//!
//! A step looks at its neighbours twice. First at what it needs: the steps that the phase asks for
//! (the table of [`Lane::needs`]), which must be held; one that exists and is not held yet is
//! waited for, one that does not exist is named. Then at the step before it, among those held: the
//! official table of transitions must admit it. Steps stand in the order of their days, so that a
//! correction of an old step is not held back by what came later.
//!
//! Nothing waits for a step that could wait for it: needs go from later phases to earlier ones.

use canonical::Record;
use canonical::code_lists::transizioni::{AFTER_AWARD, may_follow};
use canonical::kinds::{Body, Dettaglio, EventoEsecuzione, Fase};
use canonical::values::CalendarDate;
use contract::{Neighbour, NotYet, UnitKey};

use crate::schede::Scheda;
use crate::write::{canonical_json, day};

/// The code of the national platform for a step out of order.
const SEQUENCE: &str = "ERR2";
/// For a step that refers to a scheda that is not there.
const REFERENCE: &str = "ERR88";
/// For a step that happens once and is there already.
const REPEATED: &str = "ERR79";

/// Whether a step may be taken now.
pub(crate) fn admit(unit: &UnitKey, members: &[Record], lane: &[Neighbour]) -> Result<(), NotYet> {
    let Some(step) = Step::new(unit, members, false) else { return Ok(()) };
    let steps = lane.iter().filter(|neighbour| neighbour.unit != *unit);
    let steps: Vec<_> = steps.filter_map(|it| Step::new(&it.unit, &it.members, it.is_held)).collect();
    let lane = Lane { step: &step, steps: &steps };
    lane.needs()?;
    lane.follows()
}

/// A step of a contract's life.
struct Step<'r> {
    fase: Fase,
    progressivo: u32,
    scheda: &'static str,
    evento: Option<&'r EventoEsecuzione>,
    day: Option<CalendarDate>,
    is_held: bool,
}

impl<'r> Step<'r> {
    fn new(unit: &UnitKey, members: &'r [Record], is_held: bool) -> Option<Self> {
        let mut parts = unit.as_str().split('/').skip(2);
        let fase = Fase::from_code(parts.next()?.parse().ok()?)?;
        let progressivo = parts.next()?.parse().ok()?;
        let evento = members.iter().find_map(|record| match &record.body {
            Body::EventoEsecuzione(evento) => Some(evento),
            _ => None,
        });
        let scheda = evento.map_or_else(|| Scheda::of_fase(fase).next(), |evento| Some(Scheda::of_evento(evento)))?;
        let body = members.iter().find(|record| matches!(record.body, Body::EventoEsecuzione(_)));
        let day = body.and_then(|record| day(scheda, &canonical_json(&record.body)));
        Some(Self { fase, progressivo, scheda: scheda.code, evento, day, is_held })
    }

    /// Whether it came before another step: by its day, or by its place in a contract's life.
    fn precedes(&self, other: &Self) -> bool {
        match (self.day, other.day) {
            (Some(mine), Some(theirs)) if mine != theirs => mine < theirs,
            _ => (rank(self.fase), self.progressivo) < (rank(other.fase), other.progressivo),
        }
    }

    /// The number of the suspension or of the request that it is about.
    fn about(&self) -> Option<u32> {
        match &self.evento?.dettaglio {
            Dettaglio::SuperamentoQuarto(it) => Some(it.sospensione),
            Dettaglio::Ripresa(it) => Some(it.sospensione),
            Dettaglio::EsitoSubappalto(it) => Some(it.richiesta),
            Dettaglio::ConclusioneSubappalto(it) => Some(it.richiesta),
            _ => None,
        }
    }

    fn says(&self, wanted: impl Fn(&Dettaglio) -> bool) -> bool {
        self.evento.is_some_and(|evento| wanted(&evento.dettaglio))
    }

    /// A suspension of the whole works.
    fn is_full_suspension(&self) -> bool {
        self.fase == Fase::Sospensione && !self.says(|it| matches!(it, Dettaglio::Sospensione(it) if it.parziale))
    }

    fn is_of_the_lot(&self) -> bool {
        matches!(self.fase, Fase::ElencoIncarichi | Fase::VariazioneAggiudicatario | Fase::IntegrazioneDati)
    }

    /// `la scheda SO1 n. 2`.
    fn name(&self) -> String {
        format!("la scheda {} n. {}", self.scheda, self.progressivo)
    }
}

/// The place of a phase in a contract's life.
fn rank(fase: Fase) -> usize {
    Scheda::all().position(|scheda| scheda.fase == fase).unwrap_or_default()
}

fn not_yet(code: &str, reason: String) -> Result<(), NotYet> {
    Err(NotYet { code: code.to_owned(), reason })
}

/// A step and what else stands in its lane.
struct Lane<'l> {
    step: &'l Step<'l>,
    steps: &'l [Step<'l>],
}

impl<'l> Lane<'l> {
    /// What the phase asks for.
    ///
    /// | step | needs |
    /// |---|---|
    /// | SC1 | no other signature, unless the first contract was concluded |
    /// | I1 | SC1, or a delivery under reserve of law |
    /// | SA1 | I1, the progress before it; no suspension of the whole works on its day |
    /// | SO1 | I1; the suspensions before it resumed |
    /// | SQ1, RI1 | their SO1; one resumption for each suspension |
    /// | M1, M2, RSU1, IR1 | SC1 |
    /// | ES1, CS1 | their RSU1; for CS1 a positive ES1 |
    /// | AC1 | I1 |
    /// | CO1 | I1, unless it ended early; all that may not follow it held; suspensions resumed |
    /// | CO2 | I1 where there is one; suspensions resumed |
    /// | CL1 | CO1 |
    fn needs(&self) -> Result<(), NotYet> {
        match self.step.fase {
            Fase::Stipula => self.once(),
            Fase::Avvio => {
                self.once()?;
                let is_urgent = |it: &Dettaglio| matches!(it, Dettaglio::Avvio(it) if it.consegna_sotto_riserva);
                if self.step.says(is_urgent) { Ok(()) } else { self.after(Fase::Stipula) }
            }
            Fase::Avanzamento => {
                self.after(Fase::Avvio)?;
                self.after_those_before()?;
                self.not_suspended(false)
            }
            Fase::Sospensione => {
                self.after(Fase::Avvio)?;
                self.after_those_before()?;
                self.not_suspended(true)
            }
            Fase::SuperamentoQuarto => self.about(Fase::Sospensione).map(drop),
            Fase::Ripresa => {
                self.about(Fase::Sospensione)?;
                self.once_about()
            }
            Fase::Modifica | Fase::RichiestaSubappalto | Fase::Recesso => self.after(Fase::Stipula),
            Fase::EsitoSubappalto => {
                self.about(Fase::RichiestaSubappalto)?;
                self.once_about()
            }
            Fase::ConclusioneSubappalto => self.after_authorisation(),
            Fase::AccordoBonario => self.after(Fase::Avvio),
            Fase::Conclusione | Fase::ConclusioneAffidamentoDiretto => self.before_the_end(),
            Fase::Collaudo => {
                self.once()?;
                let concluded = |it: &&Step<'_>| is_conclusion(it.fase);
                self.wait_for(
                    self.steps.iter().find(|it| concluded(it) && it.is_held).or(self.steps.iter().find(concluded)),
                    "la conclusione del contratto (CO1)",
                )
            }
            Fase::ElencoIncarichi | Fase::VariazioneAggiudicatario | Fase::IntegrazioneDati => Ok(()),
        }
    }

    /// The step before this one, among those held, must admit it. Steps of the lot do not count
    /// for those of the contract.
    fn follows(&self) -> Result<(), NotYet> {
        let step = self.step;
        let before = self.steps.iter().filter(|it| it.is_held && it.precedes(step));
        let before: Vec<_> = before.filter(|it| step.is_of_the_lot() || !it.is_of_the_lot()).collect();
        let closing = before
            .iter()
            .find(|it| it.says(|it| matches!(it, Dettaglio::Recesso(it) if it.istanza_accolta != Some(false))));
        let may_close = step.is_of_the_lot() || is_conclusion(step.fase) || step.fase == Fase::Collaudo;
        if let Some(closing) = closing.filter(|_| !may_close && step.fase != Fase::Stipula) {
            let reason = format!(
                "dopo il recesso ({}) il contratto si può solo concludere: {} non è ammessa",
                closing.name(),
                step.name()
            );
            return not_yet(SEQUENCE, reason);
        }
        let last = before.into_iter().reduce(|last, it| if last.precedes(it) { it } else { last });
        let is_admitted = match last {
            Some(last) => may_follow(last.scheda, step.scheda) || last.fase == step.fase,
            // Needs are satisfied: an urgent start has no signature before it.
            None => AFTER_AWARD.contains(&step.scheda) || step.fase == Fase::Avvio,
        };
        let before = last.map_or_else(|| "l'aggiudicazione".to_owned(), Step::name);
        if is_admitted {
            return Ok(());
        }
        not_yet(SEQUENCE, format!("la tabella delle transizioni dell'ANAC non ammette {} dopo {before}", step.name()))
    }

    /// A phase that happens once.
    fn once(&self) -> Result<(), NotYet> {
        let step = self.step;
        let other =
            self.steps.iter().find(|it| it.is_held && it.fase == step.fase && it.progressivo != step.progressivo);
        let begins_again = step.fase == Fase::Stipula
            && self.steps.iter().any(|it| it.is_held && is_conclusion(it.fase) && it.precedes(step));
        match other.filter(|_| !begins_again) {
            None => Ok(()),
            Some(other) => not_yet(REPEATED, format!("{} è già presente e non si ripete", other.name())),
        }
    }

    /// One step for each suspension or request.
    fn once_about(&self) -> Result<(), NotYet> {
        let step = self.step;
        let mut same = self.steps.iter().filter(|it| it.is_held && it.fase == step.fase);
        let same = same.find(|it| it.about() == step.about() && it.progressivo != step.progressivo);
        match same {
            None => Ok(()),
            Some(other) => not_yet(REPEATED, format!("{} riguarda lo stesso passo ed è già presente", other.name())),
        }
    }

    /// A step of this phase must be held.
    fn after(&self, fase: Fase) -> Result<(), NotYet> {
        let of_fase = || self.steps.iter().filter(move |it| it.fase == fase);
        let missing = match fase {
            Fase::Stipula => "la sottoscrizione del contratto (SC1)",
            _ => "l'avvio dell'esecuzione (I1)",
        };
        self.wait_for(of_fase().find(|it| it.is_held).or_else(|| of_fase().next()), missing)
    }

    fn wait_for(&self, found: Option<&Step<'_>>, missing: &str) -> Result<(), NotYet> {
        match found {
            Some(found) if found.is_held => Ok(()),
            Some(found) => self.waits(found),
            None => not_yet(SEQUENCE, format!("manca {missing}: {} la segue", self.step.name())),
        }
    }

    fn waits(&self, found: &Step<'_>) -> Result<(), NotYet> {
        not_yet(SEQUENCE, format!("{} attende che {} sia accolta", self.step.name(), found.name()))
    }

    /// The steps of the same phase with a lower number come first.
    fn after_those_before(&self) -> Result<(), NotYet> {
        let step = self.step;
        let mut before = self.steps.iter().filter(|it| it.fase == step.fase && it.progressivo < step.progressivo);
        before.find(|it| !it.is_held).map_or(Ok(()), |found| self.waits(found))
    }

    /// The step that this one is about, held.
    fn about(&self, fase: Fase) -> Result<&'l Step<'l>, NotYet> {
        let about = self.step.about();
        let found = self.steps.iter().find(|it| it.fase == fase && Some(it.progressivo) == about);
        let scheda = Scheda::of_fase(fase).next().map_or("", |scheda| scheda.code);
        match found {
            Some(found) if found.is_held => Ok(found),
            Some(found) => self.waits(found).map(|()| found),
            None => {
                let number = about.unwrap_or_default();
                let reason = format!("manca la scheda {scheda} n. {number}, a cui {} si riferisce", self.step.name());
                not_yet(REFERENCE, reason).map(|()| self.step)
            }
        }
    }

    /// A subcontract ends only when it was authorised.
    fn after_authorisation(&self) -> Result<(), NotYet> {
        self.once_about()?;
        let about = self.step.about();
        let mut outcomes = self.steps.iter().filter(|it| it.fase == Fase::EsitoSubappalto && it.about() == about);
        let Some(outcome) = outcomes.next() else {
            let number = about.unwrap_or_default();
            let reason = format!("manca l'esito (ES1) della richiesta di subappalto n. {number}");
            return not_yet(REFERENCE, reason);
        };
        if !outcome.is_held {
            return self.waits(outcome);
        }
        let is_positive = |it: &Dettaglio| match it {
            Dettaglio::EsitoSubappalto(it) => it.autorizzato.unwrap_or(it.data_autorizzazione.is_some()),
            _ => false,
        };
        if outcome.says(is_positive) {
            return Ok(());
        }
        not_yet(REFERENCE, format!("il subappalto non è stato autorizzato ({})", outcome.name()))
    }

    /// No suspension may be open on the day of this step: one that ended is one whose resumption
    /// is held. Without a day, the step is of today.
    fn not_suspended(&self, even_in_part: bool) -> Result<(), NotYet> {
        let step = self.step;
        let is_later = |it: &Step<'_>| it.day.zip(step.day).is_some_and(|(theirs, mine)| theirs > mine);
        let suspensions = self.steps.iter().filter(|it| it.fase == Fase::Sospensione && it.is_held);
        for suspension in suspensions.filter(|it| (even_in_part || it.is_full_suspension()) && !is_later(it)) {
            let about = |it: &&Step<'_>| it.fase == Fase::Ripresa && it.about() == Some(suspension.progressivo);
            match self.steps.iter().find(about) {
                Some(resumption) if is_later(resumption) => {
                    let reason = format!("{} cade durante la sospensione ({})", step.name(), suspension.name());
                    return not_yet(SEQUENCE, reason);
                }
                Some(resumption) if resumption.is_held => {}
                Some(resumption) => return self.waits(resumption),
                None => {
                    let reason = format!("i lavori sono sospesi ({}): manca la ripresa (RI1)", suspension.name());
                    return not_yet(SEQUENCE, reason);
                }
            }
        }
        Ok(())
    }

    /// After a conclusion hardly anything is admitted: what the lane still holds goes first.
    fn before_the_end(&self) -> Result<(), NotYet> {
        self.once()?;
        let step = self.step;
        let ends_early = |it: &Dettaglio| {
            matches!(it, Dettaglio::Conclusione(it)
                if it.interruzione_anticipata || it.senza_contratto || it.causa_interruzione.is_some())
        };
        let may_lack_start = step.fase == Fase::ConclusioneAffidamentoDiretto || step.says(ends_early);
        let start = self.steps.iter().find(|it| it.fase == Fase::Avvio);
        if start.is_some() || !may_lack_start {
            self.after(Fase::Avvio)?;
        }
        let comes_first = |it: &&Step<'_>| !it.is_held && !it.is_of_the_lot() && !may_follow("CO1", it.scheda);
        if let Some(found) = self.steps.iter().find(comes_first) {
            return self.waits(found);
        }
        if step.says(ends_early) { Ok(()) } else { self.not_suspended(true) }
    }
}

fn is_conclusion(fase: Fase) -> bool {
    matches!(fase, Fase::Conclusione | Fase::ConclusioneAffidamentoDiretto)
}

#[cfg(test)]
mod tests;
