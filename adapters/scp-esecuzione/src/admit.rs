//! Whether a step may be taken now: the rules of the national orchestrator, seen from a lane. Pure.
//!
//! A step looks at its neighbours twice. First at what it needs: the steps that the phase asks for
//! (the table of [`Lane::needs`]), which must be held; one that exists and is not held yet is
//! waited for, one that does not exist is named. Then at the step before it, among those held: the
//! official table of transitions must admit it. Steps stand in the order of their days, so that a
//! correction of an old step is not held back by what came later. The signature that follows an
//! urgent start has no pair in the table: it stands at the head of the contract, whatever its day.
//!
//! Beside what it needs, a step gives way to those that should be sent before it: a progress to the
//! progresses with lower numbers, the conclusion to what may not follow it. It gives way only to
//! steps that the lane, as it stands, could still admit ([`Lane::could_come`]): the others may wait
//! for ever, and nobody waits with them.
//!
//! What the platform tells of itself counts as held whoever wrote it, a draft too: ours are drafts
//! as well, and a person confirms all of them. What was rejected there is no step at all.

use canonical::Record;
use canonical::code_lists::transizioni::{AFTER_AWARD, may_follow};
use canonical::kinds::{Body, Dettaglio, EventoEsecuzione, Fase, StatoEvento};
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
    let mut steps: Vec<_> = steps.filter_map(|it| Step::new(&it.unit, &it.members, it.is_held)).collect();
    let mut step = step;
    sign_before_the_start(&mut step, &mut steps);
    Lane { step: &step, steps: &steps, gives_way: true }.admits()
}

/// Puts the first signature of a lane before an urgent start: it loses its day, and its phase comes
/// before every other.
fn sign_before_the_start<'r>(step: &mut Step<'r>, steps: &mut [Step<'r>]) {
    let mut all: Vec<_> = std::iter::once(step).chain(steps).collect();
    if all.iter().any(|it| it.is_urgent_start()) {
        let signatures = all.iter_mut().filter(|it| it.fase == Fase::Stipula);
        if let Some(first) = signatures.min_by_key(|it| it.progressivo) {
            first.day = None;
        }
    }
}

/// A step of a contract's life.
#[derive(Clone)]
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
        if evento.is_some_and(|evento| evento.stato == StatoEvento::Scartato) {
            return None;
        }
        let scheda = evento.map_or_else(|| Scheda::of_fase(fase).next(), |evento| Some(Scheda::of_evento(evento)))?;
        let on = members.iter().find_map(|record| match &record.body {
            Body::EventoEsecuzione(_) => day(scheda, &canonical_json(&record.body)),
            _ => None,
        });
        // A signature may be known by its contract alone.
        let signed = || {
            members.iter().find_map(|record| match &record.body {
                Body::Contratto(contratto) => contratto.data_stipula,
                _ => None,
            })
        };
        Some(Self { fase, progressivo, scheda: scheda.code, evento, day: on.or_else(signed), is_held })
    }

    /// Whether it is that very step.
    fn is(&self, other: &Self) -> bool {
        (self.fase, self.progressivo) == (other.fase, other.progressivo)
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

    fn is_urgent_start(&self) -> bool {
        self.says(|it| matches!(it, Dettaglio::Avvio(it) if it.consegna_sotto_riserva))
    }

    /// Ends something that began before it.
    fn closes(&self) -> bool {
        let closing = [Fase::Ripresa, Fase::EsitoSubappalto, Fase::ConclusioneSubappalto, Fase::AccordoBonario];
        closing.contains(&self.fase) || is_conclusion(self.fase) || self.fase == Fase::Collaudo
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
    /// Whether the step lets others go first.
    gives_way: bool,
}

impl<'l> Lane<'l> {
    fn admits(&self) -> Result<(), NotYet> {
        self.needs()?;
        self.follows()
    }

    /// What the phase asks for.
    ///
    /// | step | needs |
    /// |---|---|
    /// | SC1 | no other signature, unless the first contract was concluded |
    /// | I1 | SC1, or a delivery under reserve of law |
    /// | SA1 | I1; no suspension of the whole works on its day; gives way to the progresses before it |
    /// | SO1 | I1; the suspensions before it resumed; gives way to them |
    /// | SQ1, RI1 | their SO1, one of each for a suspension; SQ1 before the resumption |
    /// | M1, M2, RSU1, IR1 | SC1 |
    /// | ES1, CS1 | their RSU1; for CS1 a positive ES1 |
    /// | AC1 | I1 |
    /// | CO1 | no other conclusion; I1, unless it ended early; suspensions resumed; gives way to what may not follow it |
    /// | CO2 | the same, also without I1 |
    /// | CL1 | CO1 |
    fn needs(&self) -> Result<(), NotYet> {
        match self.step.fase {
            Fase::Stipula => self.once(),
            Fase::Avvio => {
                self.once()?;
                if self.step.is_urgent_start() { Ok(()) } else { self.after(Fase::Stipula) }
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
            Fase::SuperamentoQuarto => {
                self.about(Fase::Sospensione)?;
                self.once_about()?;
                self.not_resumed()
            }
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
        let may_close = step.is_of_the_lot() || step.closes() || step.fase == Fase::Stipula;
        if let Some(closing) = closing.filter(|_| !may_close) {
            let reason = format!(
                "dopo il recesso ({}) si chiude soltanto ciò che era cominciato: {} non è ammessa",
                closing.name(),
                step.name()
            );
            return not_yet(SEQUENCE, reason);
        }
        let last = before.into_iter().reduce(|last, it| if last.precedes(it) { it } else { last });
        let is_admitted = match last {
            Some(last) => may_follow(last.scheda, step.scheda),
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
        let is_alike = |it: &Step<'_>| it.fase == step.fase || (is_conclusion(it.fase) && is_conclusion(step.fase));
        let other = self.steps.iter().find(|it| it.is_held && is_alike(it) && !it.is(step));
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
        let same = same.find(|it| it.about() == step.about() && !it.is(step));
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
        self.gives_way_to(|it| it.fase == step.fase && it.progressivo < step.progressivo)
    }

    /// Lets the steps go first that should, and still could.
    fn gives_way_to(&self, comes_first: impl Fn(&Step<'_>) -> bool) -> Result<(), NotYet> {
        let first: Vec<_> = self.steps.iter().filter(|it| !it.is_held && comes_first(it)).collect();
        if !self.gives_way || first.is_empty() {
            return Ok(());
        }
        let coming = self.could_come();
        let found = first.into_iter().find(|it| coming.iter().any(|coming| coming.is(it)));
        found.map_or(Ok(()), |found| self.waits(found))
    }

    /// The steps that the lane could still admit without this one and without a conclusion: now, or
    /// after others of them. One that only a conclusion or a step not there would let through is
    /// none of them.
    fn could_come(&self) -> Vec<Step<'l>> {
        let is_open = |it: &Step<'_>| !it.is_held && !is_conclusion(it.fase) && !it.is(self.step);
        let is_admitted = |step: &Step<'l>, steps: &[Step<'l>]| Lane { step, steps, gives_way: false }.admits().is_ok();
        // Now: one that goes first must not hide another that could have gone as well.
        let now = self.steps.iter().filter(|it| is_open(it) && is_admitted(it, self.steps)).cloned();
        let mut coming: Vec<_> = now.collect();
        let mut lane = self.steps.to_vec();
        loop {
            let before = coming.len();
            for place in 0..lane.len() {
                let step = lane[place].clone();
                if is_open(&step) && is_admitted(&step, &lane) {
                    lane[place].is_held = true;
                    coming.push(step);
                }
            }
            if coming.len() == before {
                return coming;
            }
        }
    }

    /// A quarter of the time is exceeded while the suspension is open.
    fn not_resumed(&self) -> Result<(), NotYet> {
        let step = self.step;
        let is_resumption = |it: &&Step<'_>| it.fase == Fase::Ripresa && it.about() == step.about();
        match self.steps.iter().find(|it| is_resumption(it) && it.precedes(step)) {
            None => Ok(()),
            Some(resumption) => {
                let reason = format!(
                    "la sospensione era già finita ({}): {} non la riguarda più",
                    resumption.name(),
                    step.name()
                );
                not_yet(SEQUENCE, reason)
            }
        }
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

    /// After a conclusion hardly anything is admitted: what the lane could still admit goes first.
    fn before_the_end(&self) -> Result<(), NotYet> {
        self.once()?;
        let step = self.step;
        let ends_early = |it: &Dettaglio| {
            matches!(it, Dettaglio::Conclusione(it)
                if it.interruzione_anticipata || it.senza_contratto || it.causa_interruzione.is_some())
        };
        let may_lack_start = step.fase == Fase::ConclusioneAffidamentoDiretto || step.says(ends_early);
        if !may_lack_start {
            self.after(Fase::Avvio)?;
        }
        // A signature may follow the conclusion of the contract before it, and not of its own.
        let is_first_signature = |it: &Step<'_>| it.fase == Fase::Stipula && it.precedes(step);
        let may_come_later = |it: &Step<'_>| it.is_of_the_lot() || may_follow("CO1", it.scheda);
        self.gives_way_to(|it| !may_come_later(it) || is_first_signature(it))?;
        if step.says(ends_early) { Ok(()) } else { self.not_suspended(true) }
    }
}

fn is_conclusion(fase: Fase) -> bool {
    matches!(fase, Fase::Conclusione | Fase::ConclusioneAffidamentoDiretto)
}

#[cfg(test)]
mod tests;
