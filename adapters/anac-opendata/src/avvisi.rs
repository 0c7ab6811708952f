//! Notices of the legal-publicity platform (PVL): what is tendered or awarded, by whom, until when.
//!
//! A notice is a page for people: CPV and places are written in words, so they are not read.
//!
//! A procedure has several notices, and each that becomes records is the last word on it. Only those
//! that open a procedure, and their corrections, carry it whole; a notice of its award or of a
//! modification repeats the lots without amount and without deadline, and would wipe these out.

use std::collections::BTreeSet;

use canonical::identifiers::CodiceFiscale;
use canonical::kinds::{Ente, Lotto, Procedura};
use canonical::{Finding, Rule};
use contract::{DraftRecord, SetAside};

use crate::draft::Draft;
use crate::node::Node;
use crate::read::{Mapped, aside, cig, left_out};
use crate::values::Values;

/// Understands one notice.
pub(crate) fn avviso(node: &Node, findings: &mut Vec<Finding>) -> Mapped {
    let id = node.given("idAppalto").ok_or_else(|| aside(Rule::N08, "the notice has no idAppalto"))?.trim();
    if node.given("oscurato") == Some("true") {
        findings.push(Finding::new(Rule::R22).at("oscurato").detail("oscurato"));
    }
    is_whole(node)?;
    let sections = node.at("template.template.sections").list();
    let bodies = sections.iter().flat_map(|section| section.at("fields.soggetti_sa").list());
    let mut records: Vec<DraftRecord> = Vec::new();
    for (place, body) in bodies.enumerate() {
        match ente(body, findings) {
            Some(record) => records.push(record),
            None => findings.push(left_out(Rule::N04, format!("sections.fields.soggetti_sa[{place}]"))),
        }
    }
    let stazione = records.iter().find_map(|record| match &record.body {
        canonical::Body::Ente(ente) => Some(ente.codice_fiscale),
        _ => None,
    });
    let anno = node.given("dataPubblicazione").and_then(|day| day.trim().get(..4)?.parse().ok());
    let mut lots = Vec::new();
    let mut met = BTreeSet::new();
    for item in sections.iter().flat_map(|section| section.at("items").list()) {
        match cig(item, "cig", findings) {
            // A notice repeats a lot for each of its parts.
            Ok(cig) if !met.insert(cig) => {}
            Ok(cig) => {
                let mut draft = Draft::on(item, "sections.items.", findings);
                let lotto = Lotto {
                    oggetto: draft.words("/oggetto", "descrizione"),
                    stazione_appaltante: stazione,
                    anno_riferimento: anno,
                    importo_totale: draft.importo("/importo_totale", "valore_complessivo_stimato"),
                    ..Lotto::new(cig)
                };
                lots.push(draft.record(lotto));
            }
            Err(problem) => findings.push(Finding::new(problem.rule).at("sections.items.cig").detail("lot_left_out")),
        }
    }
    records.push(procedura(node, id, stazione, met.into_iter().collect(), findings));
    records.extend(lots);
    Ok(records)
}

/// Refuses the notices that carry only a part of their procedure.
fn is_whole(node: &Node) -> Result<(), SetAside> {
    if node.given("oscurato") == Some("true") {
        return Err(aside(Rule::R22, "the notice is obscured: what is left of it is not the whole procedure"));
    }
    if node.given("attivo") == Some("false") {
        return Err(aside(Rule::R06, "the notice is no longer in force: a later one of the procedure says what holds"));
    }
    // PL1 and PL2 are notices of planning, before any procedure.
    let code = node.given("codiceScheda").unwrap_or_default().trim();
    let opens = code.strip_prefix('P').is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()))
        || code.starts_with("AD");
    if opens {
        return Ok(());
    }
    Err(aside(Rule::N08, "the notice opens no procedure: it carries only a part of one"))
}

fn procedura(
    node: &Node,
    id: &str,
    stazione_appaltante: Option<CodiceFiscale>,
    lotti: Vec<canonical::identifiers::Cig>,
    findings: &mut Vec<Finding>,
) -> DraftRecord {
    let mut draft = Draft::on(node, "", findings);
    let procedura = Procedura {
        id: id.to_owned(),
        oggetto: draft.words("/oggetto", "template.template.metadata.descrizione"),
        stazione_appaltante,
        ente_delegante: None,
        // Written in words that are those of no list.
        scelta_contraente: None,
        importo: None,
        oneri_sicurezza: None,
        pubblicata_il: draft.istante("/pubblicata_il", "dataPubblicazione"),
        scadenza_offerte: draft.istante("/scadenza_offerte", "dataScadenza"),
        lotti,
    };
    draft.record(procedura)
}

fn ente(body: &Node, findings: &mut Vec<Finding>) -> Option<DraftRecord> {
    let mut draft = Draft::on(body, "sections.fields.soggetti_sa.", findings);
    let codice_fiscale = draft.ente("/codice_fiscale", "codice_fiscale")?;
    let ente = Ente {
        codice_fiscale,
        denominazione: draft.words("/denominazione", "denominazione_amministrazione"),
        altri_codici: Vec::new(),
        codice_ausa: None,
        codice_ipa: None,
        tipo: None,
        codice_istat: None,
        valido_dal: None,
        valido_al: None,
    };
    Some(draft.record(ente))
}
