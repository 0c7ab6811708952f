//! What one record shows by itself: codes that do not verify, reasons that are absent, winners nobody
//! invited, ends before their starts.

use canonical::identifiers::{Cig, CigClass, CodiceFiscale, Cui};
use canonical::kinds::{Aggiudicazione, Dettaglio, IdentificativoOperatore};
use canonical::values::CalendarDate;
use canonical::{Body, Record, Rule};

use super::super::judge::{Around, Judgement, above};
use super::context::Context;
use super::draft::{Draft, Place, finding};
use crate::discrepancy::{Cause, Discrepancy, Shape};

pub(super) fn check(place: &Place, record: &Record, context: &Context<'_>, found: &mut Vec<Discrepancy>) {
    let source = record.provenance.source.as_str();
    let breaks = |field: &'static str, judgement| finding(place, Some(field), judgement, Shape::Breaks, source);
    cig(record, context, &breaks, found);
    cui(record, context, &breaks, found);
    if let Body::Aggiudicazione(award) = &record.body
        && strangers(award) > 0
    {
        let value = Some(strangers(award).to_string());
        found.push(breaks("aggiudicatari", Judgement::unexplained(Rule::R19)).side(record, true, value).done());
    }
    if let Body::CollegamentoCupCig(link) = &record.body
        && let (Some(award), Some(base)) = (link.importo_aggiudicazione, link.importo_base)
        // A base of zero is no base to compare with.
        && !base.is_zero()
        && let Some(judgement) = above(Rule::R18, award, base, &Around::default())
    {
        let draft = breaks("importo_aggiudicazione", judgement).side(record, true, Some(award.to_string()));
        found.push(draft.stake(award.checked_sub(base)).done());
    }
    for (field, start, end) in spans(&record.body) {
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            let value = Some(format!("{start}/{end}"));
            found.push(breaks(field, Judgement::unexplained(Rule::R25)).side(record, true, value).done());
        }
    }
}

/// The CIG of which a record speaks.
pub(super) fn cig_of(body: &Body) -> Option<Cig> {
    match body {
        Body::Lotto(it) => Some(it.cig),
        Body::Aggiudicazione(it) => Some(it.cig),
        Body::Contratto(it) => Some(it.cig),
        Body::EventoEsecuzione(it) => Some(it.cig),
        Body::Pagamento(it) => it.cig,
        Body::CollegamentoCupCig(it) => it.cig,
        _ => None,
    }
}

type Breaks<'a> = dyn Fn(&'static str, Judgement) -> Draft + 'a;

/// R04, R05 and R09.
fn cig(record: &Record, context: &Context<'_>, breaks: &Breaks<'_>, found: &mut Vec<Discrepancy>) {
    let cig = cig_of(&record.body);
    let reason = match &record.body {
        Body::CollegamentoCupCig(link) => Some(link.motivo_assenza_cig.as_deref()),
        // Many payments are for no lot at all; zeros say that there is one without a CIG.
        Body::Pagamento(_) if cig.is_some_and(Cig::is_null) => Some(None),
        _ => None,
    };
    if let Some(reason) = reason
        && cig.is_none_or(Cig::is_null)
    {
        let judgement = match reason.map(str::trim).filter(|reason| !reason.is_empty()) {
            Some(_) => Judgement::explained(Rule::R05, Cause::ReasonGiven),
            None => Judgement::unexplained(Rule::R05),
        };
        found.push(breaks("cig", judgement).side(record, true, reason.map(str::to_owned)).done());
    }
    let Some(cig) = cig.filter(|cig| !cig.is_null()) else { return };
    let value = Some(cig.as_str().to_owned());
    // Once for a lot: what hangs on it repeats its code.
    let is_first = matches!(record.body, Body::Lotto(_) | Body::CollegamentoCupCig(_) | Body::Pagamento(_));
    if is_first && !cig.is_verified() {
        found.push(breaks("cig", Judgement::unexplained(Rule::R04)).side(record, true, value.clone()).done());
    }
    if cig.class() == CigClass::SmartCig && context.is_platform(record.provenance.source.as_str()) {
        found.push(breaks("cig", Judgement::unexplained(Rule::R09)).side(record, true, value).done());
    }
}

/// R27: a CUI that could not be read, or that carries the code of another body.
fn cui(record: &Record, context: &Context<'_>, breaks: &Breaks<'_>, found: &mut Vec<Discrepancy>) {
    let (cui, body): (Option<&Cui>, Option<&CodiceFiscale>) = match &record.body {
        Body::Lotto(it) => (it.cui.as_ref(), it.stazione_appaltante.as_ref()),
        Body::Intervento(it) => (Some(&it.cui), Some(&it.ente)),
        _ => return,
    };
    let Some(cui) = cui else {
        let received = ["/cui", "cui"].iter().find_map(|path| record.provenance.of(path).raw);
        // Zeros are how nothing is written.
        if let Some(received) = received.filter(|text| text.bytes().any(|byte| !matches!(byte, b'0' | b' '))) {
            let value = canonical::identifiers::without_personal_codes(received, "[omesso]").into_owned();
            found.push(breaks("cui", Judgement::unexplained(Rule::R27)).side(record, true, Some(value)).done());
        }
        return;
    };
    let Some(body) = body else { return };
    if cui.codice_fiscale().is_some_and(|inside| inside == *body) {
        return;
    }
    let is_known = cui.codice_fiscale().is_some_and(|inside| {
        context.delegations.contains(&(*body, inside)) || context.known.are_one_operator(inside.as_str(), body.as_str())
    });
    let judgement =
        if is_known { Judgement::explained(Rule::R27, Cause::Delegation) } else { Judgement::unexplained(Rule::R27) };
    found.push(breaks("cui", judgement).side(record, true, Some(cui.as_str().to_owned())).done());
}

/// R19: how many winners are not among the participants. Where none is given, nothing can be said;
/// what has no code is not looked for.
fn strangers(award: &Aggiudicazione) -> usize {
    if award.partecipanti.is_empty() {
        return 0;
    }
    let is_there =
        |who: &IdentificativoOperatore| award.partecipanti.iter().any(|participant| participant.operatore == *who);
    let has_hidden = award.partecipanti.iter().any(|one| one.operatore == IdentificativoOperatore::Assente);
    let winners = award.aggiudicatari.iter().map(|winner| &winner.operatore);
    let known = winners.filter(|who| **who != IdentificativoOperatore::Assente);
    // A participant without a code may be any of them.
    if has_hidden { 0 } else { known.filter(|who| !is_there(who)).count() }
}

type Day = Option<CalendarDate>;

/// The pairs of days of a record that have an order, with the field of the second.
fn spans(body: &Body) -> Vec<(&'static str, Day, Day)> {
    match body {
        Body::Contratto(it) => vec![("data_fine", it.data_inizio, it.data_fine)],
        Body::Qualificazione(it) => vec![("valida_al", Some(it.valida_dal), it.valida_al)],
        Body::Ente(it) => vec![("valido_al", it.valido_dal, it.valido_al)],
        Body::Territorio(it) => vec![("valido_al", it.valido_dal, it.valido_al)],
        Body::Progetto(it) => vec![("data_chiusura", it.data_generazione, it.data_chiusura)],
        Body::EventoEsecuzione(it) => match &it.dettaglio {
            Dettaglio::Stipula(it) => vec![("data_scadenza", it.data_decorrenza.or(it.data_stipula), it.data_scadenza)],
            Dettaglio::Avvio(it) => {
                vec![(
                    "data_fine_prevista",
                    it.data_effettivo_inizio.or(it.data_verbale_consegna),
                    it.data_fine_prevista,
                )]
            }
            Dettaglio::Conclusione(it) => vec![("data_ultimazione", it.data_inizio, it.data_ultimazione)],
            Dettaglio::Collaudo(it) => vec![("data_certificato", it.data_inizio, it.data_certificato)],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}
