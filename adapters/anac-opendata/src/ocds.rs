//! OCDS releases: those of ANAC, and those that others made from Legge 190 files. One release gives
//! the authority, the operators, the procedure, its lots, awards, contracts and events.

use std::collections::{BTreeMap, BTreeSet};

use canonical::code_lists::SceltaContraente;
use canonical::code_lists::scelta_contraente::from_l190;
use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::kinds::{
    Aggiudicazione, AvanzamentoLavori, Contratto, Dettaglio, Ente, IdentificativoOperatore, Lotto, Modifica,
    OperatoreEconomico, Partecipazione, Procedura,
};
use canonical::values::Importo;
use canonical::values::text::read_text;
use canonical::{Finding, Rule, Severity};
use contract::{DraftRecord, SetAside};

use crate::draft::Draft;
use crate::esecuzione::{Award, Event};
use crate::node::Node;
use crate::operatore::identificativo;
use crate::read::{Mapped, aside, cig, left_out};
use crate::values::Values;

/// The prefix that the registry of open contracting gave to ANAC.
const ANAC: &str = "ocds-hu01ve-";

/// Whether a release is one that ANAC made.
pub(crate) fn is_of_anac(node: &Node) -> bool {
    node.given("ocid").is_some_and(|ocid| ocid.trim().starts_with(ANAC))
}

/// Understands one release.
pub(crate) fn release(node: &Node, findings: &mut Vec<Finding>) -> Mapped {
    let ocid = node.given("ocid").ok_or_else(|| aside(Rule::N08, "the release has no ocid"))?.trim();
    oddities(node, findings);
    let lots = lots(node, findings)?;
    let ente = ente(node, findings);
    let stazione = ente.as_ref().map(|(code, _)| *code);
    let mut records: Vec<DraftRecord> = ente.map(|(_, record)| record).into_iter().collect();
    records.extend(operatori(node, findings));
    let scelta = scelta(node, findings);
    records.push(procedura(node, ocid, stazione, scelta.clone(), &lots, findings));
    records.extend(lots.iter().map(|lot| lotto(node, lot, stazione, scelta.clone(), findings)));
    unplaced(node, &lots, findings);
    let awards = awards(node, &lots, findings);
    records.extend(awards.iter().map(|award| aggiudicazione(node, award, stazione, lots.len() == 1, findings)));
    let mut met = BTreeSet::new();
    for (place, contract) in node.at("contracts").list().iter().enumerate() {
        let of = contract.given("awardID").or(contract.given("id")).map(str::trim);
        let is_of = |award: &&AwardOf<'_>| of.is_some() && award.node.given("id").map(str::trim) == of;
        let of: Vec<_> = awards.iter().filter(is_of).collect();
        if of.is_empty() {
            findings.push(left_out(Rule::N08, format!("contracts[{place}].awardID")));
        }
        // A contract of several lots is the contract of each.
        for award in &of {
            let contratto = contratto(node, contract, award, (stazione, award.is_shared || of.len() > 1), findings);
            if contratto.is_empty() {
                findings.push(left_out(Rule::N08, format!("contracts[{place}]")).severity(Severity::Info));
            } else if met.insert((award.cig, award.number)) {
                records.extend(contratto);
            } else {
                findings.push(left_out(Rule::R06, format!("contracts[{place}]")));
            }
        }
    }
    Ok(records)
}

/// What the release says of lots without saying of which.
fn unplaced(node: &Node, lots: &[Lot<'_>], findings: &mut Vec<Finding>) {
    let is_known = |id: Option<&str>| lots.iter().any(|lot| id.is_some() && lot.node.given("id") == id);
    for (place, item) in node.at("tender.items").list().iter().enumerate() {
        if item.given("classification.scheme") == Some("CPV") && !is_known(item.given("relatedLot")) {
            findings.push(left_out(Rule::N08, format!("tender.items[{place}].relatedLot")));
        }
    }
    if lots.len() > 1 && !node.at("tender.tenderers").list().is_empty() {
        findings.push(left_out(Rule::N08, "tender.tenderers"));
    }
}

/// A lot of the release. Releases made from Legge 190 have no lots: the tender is the lot.
struct Lot<'n> {
    cig: Cig,
    node: &'n Node,
    is_tender: bool,
}

/// The lots with a usable CIG; the release stands aside when none has.
fn lots<'n>(node: &'n Node, findings: &mut Vec<Finding>) -> Result<Vec<Lot<'n>>, SetAside> {
    let tender = node.at("tender");
    let listed = tender.at("lots").list();
    let is_tender = listed.is_empty();
    let candidates: Vec<&Node> = if is_tender { vec![tender] } else { listed.iter().collect() };
    let mut usable = Vec::new();
    let mut first_problem = None;
    for node in candidates {
        match cig(node, "id", findings) {
            Ok(cig) if usable.iter().any(|lot: &Lot<'_>| lot.cig == cig) => {
                findings.push(Finding::new(Rule::R06).at("tender.lots.id").detail("lot_left_out"));
            }
            Ok(cig) => usable.push(Lot { cig, node, is_tender }),
            Err(problem) => {
                if !is_tender {
                    findings.push(Finding::new(problem.rule).at("tender.lots.id").detail("lot_left_out"));
                }
                first_problem.get_or_insert(problem);
            }
        }
    }
    match first_problem {
        Some(problem) if usable.is_empty() => Err(problem),
        _ => Ok(usable),
    }
}

/// What is known to be badly written and harmless: said once for each kind and release.
fn oddities(node: &Node, findings: &mut Vec<Finding>) {
    let has_blanks = |list: &Node| list.list().iter().filter_map(Node::text).any(|text| text != text.trim());
    if has_blanks(node.at("tag")) {
        findings.push(Finding::new(Rule::N06).at("tag").detail("trimmed"));
    }
    let parties = node.at("parties").list();
    if parties.iter().any(|party| has_blanks(party.at("roles"))) {
        findings.push(Finding::new(Rule::N06).at("parties.roles").detail("trimmed"));
    }
    let is_not_available = |party: &Node| party.given("address.postalCode").is_some_and(|code| code.trim() == "N.A.");
    if parties.iter().any(is_not_available) {
        let finding = Finding::new(Rule::N03).severity(Severity::Info);
        findings.push(finding.at("parties.address.postalCode").detail("not_available").received("N.A."));
    }
    // The day of the release is read only to say how it is written: no record carries it.
    Draft::on(node, "", findings).istante("/date", "date");
}

fn has_role(party: &Node, role: &str) -> bool {
    party.at("roles").list().iter().filter_map(Node::text).any(|text| text.trim() == role)
}

fn ente(node: &Node, findings: &mut Vec<Finding>) -> Option<(CodiceFiscale, DraftRecord)> {
    let buyer = node.at("buyer");
    let parties = node.at("parties").list();
    let party = parties.iter().find(|party| has_role(party, "buyer")).unwrap_or(buyer);
    let mut draft = Draft::on(party, "parties.", findings);
    let codice_fiscale = draft.ente("/codice_fiscale", "id")?;
    let denominazione = draft.words("/denominazione", "name");
    let ausa = party.at("additionalIdentifiers").list().iter().find(|one| one.given("scheme") == Some("AUSA"));
    let record = draft.record(Ente {
        codice_fiscale,
        denominazione,
        altri_codici: Vec::new(),
        codice_ausa: None,
        codice_ipa: None,
        tipo: None,
        codice_istat: None,
        valido_dal: None,
        valido_al: None,
    });
    Some((codice_fiscale, with_ausa(record, ausa, findings)))
}

fn with_ausa(mut record: DraftRecord, ausa: Option<&Node>, findings: &mut Vec<Finding>) -> DraftRecord {
    let Some(ausa) = ausa else { return record };
    let mut draft = Draft::on(ausa, "parties.additionalIdentifiers.", findings);
    let code = draft.ausa("/codice_ausa", "id");
    record.raw.extend(draft.into_raw());
    if let canonical::Body::Ente(ente) = &mut record.body {
        ente.codice_ausa = code;
    }
    record
}

/// Each operator with a usable code, once.
fn operatori(node: &Node, findings: &mut Vec<Finding>) -> Vec<DraftRecord> {
    let mut met = BTreeSet::new();
    let parties = node.at("parties").list().iter();
    let operators = parties.filter(|party| has_role(party, "supplier") || has_role(party, "tenderer"));
    let mut records = Vec::new();
    for party in operators {
        let code = identificativo(party.given("id"), "parties.id", findings);
        let IdentificativoOperatore::CodiceFiscale(codice_fiscale) = code else { continue };
        if !met.insert(codice_fiscale) {
            continue;
        }
        let mut draft = Draft::on(party, "parties.", findings);
        let denominazione = draft.words("/denominazione", "name");
        records.push(draft.record(OperatoreEconomico { codice_fiscale, denominazione, altri_codici: Vec::new() }));
    }
    records
}

/// `COD:34 ; TITLE:…` as ANAC writes it, or the code of Legge 190 before its label.
fn scelta(node: &Node, findings: &mut Vec<Finding>) -> Option<SceltaContraente> {
    let tender = node.at("tender");
    let text = tender.given("procurementMethodDetails")?;
    let read = match text.trim().strip_prefix("COD:") {
        Some(rest) => SceltaContraente::parse(rest.split(';').next().unwrap_or_default().trim()).ok(),
        None => from_l190(text),
    };
    Draft::on(tender, "tender.", findings).scelta("procurementMethodDetails", read, text)
}

fn procedura(
    node: &Node,
    ocid: &str,
    stazione_appaltante: Option<CodiceFiscale>,
    scelta_contraente: Option<SceltaContraente>,
    lots: &[Lot<'_>],
    findings: &mut Vec<Finding>,
) -> DraftRecord {
    let tender = node.at("tender");
    let mut draft = Draft::on(tender, "tender.", findings);
    let numero = draft.given("id").filter(|_| ocid.starts_with(ANAC));
    let oggetto = if draft.given("title").is_some() { "title" } else { "description" };
    let procedura = Procedura {
        id: numero.map_or_else(|| format!("ocds/{ocid}"), |numero| format!("anac/{}", numero.trim())),
        oggetto: draft.words("/oggetto", oggetto),
        stazione_appaltante,
        ente_delegante: None,
        scelta_contraente,
        importo: draft.importo("/importo", "value.amount"),
        oneri_sicurezza: None,
        pubblicata_il: draft.istante("/pubblicata_il", "tenderPeriod.startDate"),
        scadenza_offerte: draft.istante("/scadenza_offerte", "tenderPeriod.endDate"),
        lotti: lots.iter().map(|lot| lot.cig).collect(),
    };
    draft.record(procedura)
}

fn lotto(
    node: &Node,
    lot: &Lot<'_>,
    stazione_appaltante: Option<CodiceFiscale>,
    scelta_contraente: Option<SceltaContraente>,
    findings: &mut Vec<Finding>,
) -> DraftRecord {
    let items = node.at("tender.items").list();
    let is_cpv = |item: &&Node| {
        item.given("relatedLot") == lot.node.given("id") && item.given("classification.scheme") == Some("CPV")
    };
    let mut raw = BTreeMap::new();
    let mut cpv = items.iter().filter(is_cpv).filter_map(|item| {
        let mut draft = Draft::on(item, "tender.items.", findings);
        let cpv = draft.cpv("/cpv", "classification.id");
        raw.extend(draft.into_raw());
        cpv
    });
    let main = cpv.next();
    let others = cpv.collect();
    let mut draft = Draft::on(lot.node, if lot.is_tender { "tender." } else { "tender.lots." }, findings);
    let oggetto = if draft.given("title").is_some() { "title" } else { "description" };
    let lotto = Lotto {
        oggetto: draft.words("/oggetto", oggetto),
        stazione_appaltante,
        scelta_contraente,
        cpv: main,
        altri_cpv: others,
        importo_totale: draft.importo("/importo_totale", "value.amount"),
        ..Lotto::new(lot.cig)
    };
    let mut record = draft.record(lotto);
    record.raw.extend(raw);
    record
}

/// An award of one lot, with its number.
struct AwardOf<'n> {
    cig: Cig,
    number: u32,
    node: &'n Node,
    /// It was given for several lots together: its amount is that of none of them.
    is_shared: bool,
}

/// The awards of the lots. The id is the number that ANAC gives; in releases made from Legge 190 it
/// is the CIG, and the number is the order among the awards of that CIG.
fn awards<'n>(node: &'n Node, lots: &[Lot<'_>], findings: &mut Vec<Finding>) -> Vec<AwardOf<'n>> {
    let mut order: BTreeMap<Cig, u32> = BTreeMap::new();
    let mut awards = Vec::new();
    for (place, award) in node.at("awards").list().iter().enumerate() {
        let related = award.at("relatedLots").list();
        let is_of = |lot: &Lot<'_>| {
            let id = lot.node.given("id").map(str::trim);
            related.iter().any(|one| id.is_some() && one.text().map(str::trim) == id)
                || related.is_empty() && lots.len() == 1
        };
        let of: Vec<Cig> = lots.iter().filter(|lot| is_of(lot)).map(|lot| lot.cig).collect();
        if of.is_empty() {
            findings.push(left_out(Rule::N08, format!("awards[{place}].relatedLots")));
        }
        for cig in &of {
            let next = order.entry(*cig).or_default();
            *next += 1;
            let id = award.given("id").unwrap_or_default().trim();
            // A CIG may be made of digits alone: ten of them, more than any award has.
            let number = id.parse().ok().filter(|_| id != cig.as_str()).unwrap_or(*next);
            awards.push(AwardOf { cig: *cig, number, node: award, is_shared: related.len().max(of.len()) > 1 });
        }
    }
    awards
}

fn partecipazioni(list: &Node, field: &str, findings: &mut Vec<Finding>) -> Vec<Partecipazione> {
    let read = |one: &Node| Partecipazione {
        operatore: identificativo(one.given("id"), field, findings),
        denominazione: one.given("name").and_then(|name| read_text(name).value),
        // Whether several operators are one group is not said.
        raggruppamento: None,
        ruolo: None,
    };
    let mut all: Vec<_> = list.list().iter().map(read).collect();
    all.retain(is_somebody);
    all
}

fn is_somebody(one: &Partecipazione) -> bool {
    one.operatore != IdentificativoOperatore::Assente || one.denominazione.is_some()
}

fn aggiudicazione(
    node: &Node,
    award: &AwardOf<'_>,
    stazione_appaltante: Option<CodiceFiscale>,
    is_single: bool,
    findings: &mut Vec<Finding>,
) -> DraftRecord {
    let aggiudicatari = partecipazioni(award.node.at("suppliers"), "awards.suppliers.id", findings);
    // Tenderers of several lots: which of them tendered for which is not said.
    let tenderers = if is_single { node.at("tender.tenderers") } else { &Node::Nothing };
    let partecipanti = partecipazioni(tenderers, "tender.tenderers.id", findings);
    let mut draft = Draft::on(award.node, "awards.", findings);
    if award.is_shared {
        of_several_lots(&mut draft, "/importo", "value.amount");
    }
    let aggiudicazione = Aggiudicazione {
        cig: award.cig,
        id_aggiudicazione: award.number,
        stazione_appaltante,
        anno_riferimento: None,
        data: draft.giorno("/data", "date"),
        importo: if award.is_shared { None } else { draft.importo("/importo", "value.amount") },
        ribasso: None,
        esito: None,
        aggiudicatari,
        partecipanti,
    };
    draft.record(aggiudicazione)
}

/// The contract of an award, and the events of its execution. An award without a winner has none,
/// also where a release made from Legge 190 writes one.
///
/// A contract that is that of several awards says its amounts and its events for all of them
/// together: the amounts are those of none, and the events of each are dated but not measured.
fn contratto(
    node: &Node,
    contract: &Node,
    award: &AwardOf<'_>,
    (stazione_appaltante, is_shared): (Option<CodiceFiscale>, bool),
    findings: &mut Vec<Finding>,
) -> Vec<DraftRecord> {
    let has_winner = award.node.at("suppliers").list().iter().any(|one| {
        one.given("name").is_some()
            || identificativo(one.given("id"), "awards.suppliers.id", findings) != IdentificativoOperatore::Assente
    });
    if !has_winner && contract.given("dateSigned").is_none() {
        return Vec::new();
    }
    // ANAC writes the days of the contract in it, the releases of Legge 190 in the tender.
    let (days, begin, end) = if contract.at("period") == &Node::Nothing {
        (node.at("tender"), "contractPeriod.startDate", "contractPeriod.endDate")
    } else {
        (contract, "period.startDate", "period.endDate")
    };
    let mut draft = Draft::on(days, if days == contract { "contracts." } else { "tender." }, findings);
    let (data_inizio, data_fine) = (draft.giorno("/data_inizio", begin), draft.giorno("/data_fine", end));
    if data_inizio.zip(data_fine).is_some_and(|(begin, end)| end < begin) {
        draft.find(Finding::new(Rule::R25), end);
    }
    let raw = draft.into_raw();
    let mut draft = Draft::on(contract, "contracts.", findings);
    let body = Contratto {
        cig: award.cig,
        id_aggiudicazione: award.number,
        stazione_appaltante,
        anno_riferimento: None,
        numero: None,
        data_stipula: draft.giorno("/data_stipula", "dateSigned"),
        importo: if is_shared {
            of_several_lots(&mut draft, "/importo", "value.amount");
            None
        } else {
            draft.importo("/importo", "value.amount")
        },
        data_inizio,
        data_fine,
        somme_liquidate: liquidate(&mut draft, contract, is_shared),
        piattaforma_esecuzione: None,
    };
    if is_shared {
        for events in ["implementation.milestones", "amendments"] {
            if !contract.at(events).list().is_empty() {
                draft.find(Finding::new(Rule::N08).detail("events_of_several_lots"), events);
            }
        }
    }
    let mut record = draft.record(body);
    record.raw.extend(raw);
    let of = Award { cig: award.cig, stazione_appaltante, anno_riferimento: None };
    let mut records = vec![record];
    records.extend(sal(contract, &of, award.number, findings));
    records.extend(modifiche(contract, &of, award.number, findings));
    records
}

/// An amount that is that of several lots together, so of none of them: kept as received.
fn of_several_lots(draft: &mut Draft<'_>, path: &str, name: &str) {
    if let Some(text) = draft.given(name) {
        draft.keep(path, text);
        draft.find(Finding::new(Rule::N08).detail("amount_of_several_lots"), name);
    }
}

/// The sums paid: of one payment as written, of several their sum.
fn liquidate(draft: &mut Draft<'_>, contract: &Node, is_shared: bool) -> Option<Importo> {
    let name = "implementation.transactions.value.amount";
    let transactions = contract.at("implementation.transactions").list();
    if is_shared && transactions.is_empty() {
        return None;
    }
    if transactions.len() <= 1 && !is_shared {
        return draft.importo("/somme_liquidate", name);
    }
    let paid: Vec<_> = transactions.iter().map(|one| one.given("value.amount")).collect();
    let sum = draft.somma("/somme_liquidate", name, &paid);
    if is_shared {
        draft.find(Finding::new(Rule::N08).detail("amount_of_several_lots"), name);
        return None;
    }
    sum
}

/// Milestones: ANAC writes the progress of the works as deliveries.
fn sal(contract: &Node, award: &Award, number: u32, findings: &mut Vec<Finding>) -> Vec<DraftRecord> {
    let mut records = Vec::new();
    let mut met = BTreeSet::new();
    for (place, one) in (1_u32..).zip(contract.at("implementation.milestones").list()) {
        let mut draft = Draft::on(one, "contracts.implementation.milestones.", findings);
        let progressivo = draft.number("code").unwrap_or(place);
        if !met.insert(progressivo) {
            draft.find(Finding::new(Rule::R06).detail("repeated_key"), "code");
            continue;
        }
        let data = draft.giorno("/dettaglio/data_raggiungimento", "dateMet");
        let dettaglio = Dettaglio::Avanzamento(AvanzamentoLavori {
            denominazione: draft.words("/dettaglio/denominazione", "title"),
            data_raggiungimento: data,
            ..AvanzamentoLavori::default()
        });
        let id_remoto = draft.given("id").map(str::to_owned);
        records.push(draft.record(Event { progressivo, data, id_remoto, dettaglio }.body(award, number)));
    }
    records
}

/// Amendments. Their reason is a text, not one of the codes of a modification: it is kept beside.
fn modifiche(contract: &Node, award: &Award, number: u32, findings: &mut Vec<Finding>) -> Vec<DraftRecord> {
    let mut records = Vec::new();
    let mut met = BTreeSet::new();
    for (place, one) in (1_u32..).zip(contract.at("amendments").list()) {
        let mut draft = Draft::on(one, "contracts.amendments.", findings);
        let progressivo = draft.number("id").unwrap_or(place);
        if !met.insert(progressivo) {
            draft.find(Finding::new(Rule::R06).detail("repeated_key"), "id");
            continue;
        }
        let data = draft.giorno("/dettaglio/data_approvazione", "date");
        if let Some(rationale) = draft.given("rationale") {
            draft.keep("/dettaglio/motivi", rationale);
        }
        let id_remoto = draft.given("id").map(str::to_owned);
        let dettaglio = Dettaglio::Modifica(Modifica { data_approvazione: data, ..Modifica::default() });
        records.push(draft.record(Event { progressivo, data, id_remoto, dettaglio }.body(award, number)));
    }
    records
}
