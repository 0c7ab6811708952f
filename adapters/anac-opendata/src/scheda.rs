//! What ANAC knows of a CIG, from the row of dataset `cig` and from the JSON document of a CIG: the
//! same values under the same names. One row of values gives the authority, the procedure and the
//! lot. Of the lot whose place it takes it says the CIG and nothing else: a record of that lot made
//! from this one would wipe out what ANAC says of it in its own row.

use std::collections::BTreeMap;

use canonical::code_lists;
use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::kinds::{Aggiudicazione, Ente, Lotto, Procedura, StatoCig};
use canonical::{Finding, Rule, Severity};
use contract::DraftRecord;

use crate::draft::{Draft, whole};
use crate::esecuzione::{self, Award};
use crate::node::Node;
use crate::read::{Context, Mapped, aside, cig, left_out, repeated};
use crate::values::{Layers, Values};
use crate::{collegamento, operatore};

/// The published hypothesis by which a lot takes the place of another: "procedura a seguito di
/// precedente gara annullata o deserta (senza esito)". The others add to a contract, or prolong it.
const TAKES_THE_PLACE: &str = "5";

/// The parts of the document of a CIG that are read.
const PARTS: [&str; 13] = [
    "bando",
    "stazione_appaltante",
    "pubblicazioni",
    "categorie_opera",
    "partecipanti",
    "aggiudicazione",
    "avvio_contratto",
    "stati_avanzamento",
    "sospensioni",
    "varianti",
    "subappalti",
    "fine_contratto",
    "collaudo",
];

/// A row of dataset `cig`.
pub(crate) fn row(values: &dyn Values, context: &Context, findings: &mut Vec<Finding>) -> Mapped {
    let cig = cig(values, "cig", findings)?;
    if context.occurrence > 0 {
        // Another CPV of the same lot, usually. As a record of its own it would hide the first row.
        return Err(aside(Rule::R06, "an earlier row of the table has the same CIG: the lot is the one written there"));
    }
    // A row has one CPV and says whether it is the main one; when it is not, it is one of the others.
    let is_main = values.given("flag_prevalente").is_none_or(|flag| flag.trim().starts_with('1'));
    let mut records = base(values, findings);
    records.push(lotto(values, cig, is_main, &[], findings));
    Ok(records)
}

/// The JSON document of a CIG: the values of a row, and lists of what followed.
pub(crate) fn scheda(node: &Node, context: &Context, findings: &mut Vec<Finding>) -> Mapped {
    let bando = node.at("bando");
    let values = Layers(vec![
        bando,
        bando.at("DETTAGLIO_STATO"),
        bando.at("IPOTESI_COLLEGAMENTO"),
        node.at("stazione_appaltante"),
        node.at("pubblicazioni"),
        main_category(node),
    ]);
    let cig = cig(&values, "CIG", findings)?;
    repeated("bando.CIG", context, findings);
    if let Some(answer) = node.at("codice_risposta").text()
        && !matches!(answer, "OK" | "NOKSN")
    {
        findings.push(Finding::new(Rule::N05).at("codice_risposta").detail("not_in_list:codice_risposta"));
    }
    let mut records = base(&values, findings);
    let mut draft_cpv = Vec::new();
    for cpv in bando.at("CPV").list() {
        // The main one first: it is the one that the lot reads by name.
        let place = if cpv.at("FLAG_PREVALENTE").text() == Some("1") { 0 } else { draft_cpv.len() };
        draft_cpv.insert(place, cpv);
    }
    let has_main = draft_cpv.first().is_some_and(|cpv| cpv.at("FLAG_PREVALENTE").text() == Some("1"));
    let mut with_cpv = Layers(values.0.clone());
    with_cpv.0.extend(draft_cpv.first());
    let others = draft_cpv.get(usize::from(has_main)..).unwrap_or_default();
    records.push(lotto(&with_cpv, cig, has_main, others, findings));
    let ente = ente_of(&records);
    let anno = anno(&values);
    records.extend(collegamento::of_lotto(&values, cig, ente, findings));
    let award = Award { cig, stazione_appaltante: ente, anno_riferimento: anno };
    records.extend(operatore::of_partecipanti(node.at("partecipanti").list(), findings));
    records.extend(followed(node, &award, findings));
    Ok(records)
}

/// The answer of the portal's own page, where each part of the document is JSON inside a text.
pub(crate) fn grezzo(node: &Node, context: &Context, findings: &mut Vec<Finding>) -> Mapped {
    let rows = node.at("result.data").list();
    // Another row describes how the page shows the values.
    let is_document = |row: &&Node| row.at("bando").text().is_some_and(|text| text.trim_start().starts_with('{'));
    let mut documents = rows.iter().enumerate().filter(|(_, row)| is_document(row));
    let Some((_, Node::Object(parts))) = documents.next() else {
        return Err(aside(Rule::R05, "the answer holds no document of a CIG"));
    };
    findings.extend(documents.map(|(place, _)| left_out(Rule::R06, format!("result.data[{place}]"))));
    let mut opened = BTreeMap::new();
    for (name, part) in parts {
        let node = match part.text().map(Node::parse) {
            Some(Ok(node)) => node,
            Some(Err(_)) if is_broken(name, part) => {
                findings.push(left_out(Rule::N03, name.as_str()));
                continue;
            }
            // A plain word, or a part that is not inside a text.
            Some(Err(_)) | None => part.clone(),
        };
        opened.insert(name.clone(), node);
    }
    scheda(&Node::Object(opened), context, findings)
}

/// Whether a text that is no JSON should have been. A part that has nothing to say is `N/A`.
fn is_broken(name: &str, part: &Node) -> bool {
    PARTS.iter().any(|known| known.eq_ignore_ascii_case(name)) && part.text().is_some_and(|text| text.trim() != "N/A")
}

/// The category of works by which the lot is known.
fn main_category(node: &Node) -> &Node {
    let list = node.at("categorie_opera").list();
    list.iter().find(|one| one.at("COD_TIPO_CATEGORIA").text() == Some("P")).unwrap_or(&Node::Nothing)
}

fn ente_of(records: &[DraftRecord]) -> Option<CodiceFiscale> {
    records.iter().find_map(|record| match &record.body {
        canonical::Body::Ente(ente) => Some(ente.codice_fiscale),
        _ => None,
    })
}

/// The authority and the procedure.
fn base(values: &dyn Values, findings: &mut Vec<Finding>) -> Vec<DraftRecord> {
    let mut draft = Draft::on(values, "", findings);
    let mut records = Vec::new();
    if let Some(codice_fiscale) = draft.ente("/codice_fiscale", "cf_amministrazione_appaltante") {
        let ente = Ente {
            codice_fiscale,
            denominazione: draft.words("/denominazione", "denominazione_amministrazione_appaltante"),
            altri_codici: Vec::new(),
            codice_ausa: draft.ausa("/codice_ausa", "codice_ausa"),
            codice_ipa: None,
            tipo: None,
            codice_istat: draft.istat("/codice_istat", "istat_comune"),
            valido_dal: None,
            valido_al: None,
        };
        records.push(draft.record(ente));
    }
    let Some(numero) = values.given("numero_gara") else { return records };
    let mut draft = Draft::on(values, "", findings);
    let is_single = draft.number::<u32>("n_lotti_componenti") == Some(1);
    let procedura = Procedura {
        // A number until 2023, any text of a platform since: never parsed.
        id: format!("anac/{}", numero.trim()),
        oggetto: draft.words("/oggetto", "oggetto_gara"),
        stazione_appaltante: draft.ente("/stazione_appaltante", "cf_amministrazione_appaltante"),
        ente_delegante: draft.ente("/ente_delegante", "cf_sa_delegante"),
        scelta_contraente: draft.scelta_contraente("/scelta_contraente", "cod_tipo_scelta_contraente"),
        importo: draft.importo("/importo", "importo_complessivo_gara"),
        // The security costs of a row are those of its lot.
        oneri_sicurezza: None,
        pubblicata_il: draft.istante("/pubblicata_il", "data_pubblicazione"),
        scadenza_offerte: draft.istante("/scadenza_offerte", "data_scadenza_offerta"),
        // A row knows its own lot only: the lots of a larger procedure are not all here.
        lotti: if is_single {
            Cig::read(values.given("cig").unwrap_or_default()).value.into_iter().collect()
        } else {
            Vec::new()
        },
    };
    records.push(draft.record(procedura));
    records
}

fn lotto(
    values: &dyn Values,
    cig: Cig,
    is_main_cpv: bool,
    other_cpv: &[&Node],
    findings: &mut Vec<Finding>,
) -> DraftRecord {
    let mut altri_cpv: Vec<_> = other_cpv
        .iter()
        .filter_map(|cpv| Draft::on(*cpv, "bando.CPV.", findings).cpv("/altri_cpv", "COD_CPV"))
        .collect();
    let mut draft = Draft::on(values, "", findings);
    let cpv = draft.cpv("/cpv", "cod_cpv");
    if !is_main_cpv && other_cpv.is_empty() {
        altri_cpv.extend(cpv);
    }
    let stazione_appaltante = draft.ente("/stazione_appaltante", "cf_amministrazione_appaltante");
    let cui = draft.cui("/cui", "cui_programma");
    if let (Some(ente), Some(inside)) =
        (stazione_appaltante, cui.as_ref().and_then(canonical::identifiers::Cui::codice_fiscale))
        && ente != inside
        && draft.given("cf_sa_delegante") != Some(inside.as_str())
    {
        draft.find(Finding::new(Rule::R27).detail("not_the_authority"), "cui_programma");
    }
    let cup =
        values.objects("CUP").iter().filter_map(|cup| canonical::identifiers::Cup::read(cup.at("CUP").text()?).value);
    let cup = cup.collect();
    let lotto = Lotto {
        oggetto: draft.words("/oggetto", "oggetto_lotto"),
        stazione_appaltante,
        scelta_contraente: draft.scelta_contraente("/scelta_contraente", "cod_tipo_scelta_contraente"),
        anno_riferimento: anno(values),
        cup,
        cui,
        cpv: cpv.filter(|_| is_main_cpv),
        altri_cpv,
        categoria: categoria(values),
        // ANAC publishes the total and the security costs inside it; the difference is not its word.
        importo_netto: None,
        oneri_sicurezza: draft.importo("/oneri_sicurezza", "importo_sicurezza"),
        importo_totale: draft.importo("/importo_totale", "importo_lotto"),
        luogo_istat: draft.istat("/luogo_istat", "luogo_istat"),
        luogo_nuts: draft.nuts("/luogo_nuts", "luogo_nuts"),
        stato_cig: stato(&mut draft),
        cig_accordo_quadro: draft.cig("/cig_accordo_quadro", "cig_accordo_quadro"),
        ..Lotto::new(cig)
    };
    modalita(&mut draft);
    collegato(&mut draft, cig);
    draft.record(lotto)
}

/// The category of works and its class: `OG 3 IV`.
fn categoria(values: &dyn Values) -> Option<String> {
    let id = values.given("id_categoria")?.trim();
    let class = values.given("codice_classe_importo").map(str::trim);
    Some(class.map_or_else(|| id.to_owned(), |class| format!("{id} {class}")))
}

fn stato(draft: &mut Draft<'_>) -> StatoCig {
    let motivo = draft.code("/stato_cig/motivo", "cod_motivo_cancellazione");
    match draft.given("stato").map(|stato| stato.trim().to_ascii_uppercase()).as_deref() {
        Some("CANCELLATO") => {
            // 1 duplicate, 2 error, 3 decision, 4 other.
            if let Some(motivo) = motivo.as_deref().filter(|motivo| !matches!(*motivo, "1" | "2" | "3" | "4")) {
                draft.unknown("cod_motivo_cancellazione", motivo, "motivo_cancellazione");
            }
            StatoCig::Cancellato { motivo }
        }
        Some("ATTIVO") => StatoCig::Attivo,
        Some(other) => {
            draft.keep("/stato_cig", other);
            draft.unknown("stato", other, "stato_cig");
            StatoCig::Attivo
        }
        None => {
            draft.find(Finding::new(Rule::N08).detail("taken_for_active"), "stato");
            StatoCig::Attivo
        }
    }
}

/// The execution mode has no place in a lot: its code is kept beside it, exactly as written,
/// because `01` and `1` are two modes.
fn modalita(draft: &mut Draft<'_>) {
    let Some(code) = draft.given("cod_modalita_realizzazione") else { return };
    draft.keep("/modalita_realizzazione", code);
    if code_lists::lookup("modalitaRealizzazione", code.trim(), None).is_none() {
        draft.unknown("cod_modalita_realizzazione", code, "modalitaRealizzazione");
    }
}

/// The year of publication, as written or as the day of publication says.
fn anno(values: &dyn Values) -> Option<u16> {
    let text = values.given("anno_pubblicazione").or_else(|| values.given("data_pubblicazione")?.trim().get(..4))?;
    text.trim().parse().ok().filter(|year| (1900..=2200).contains(year))
}

/// The lot to which this one is linked: its CIG is kept beside, and a finding says when this one
/// takes its place.
fn collegato(draft: &mut Draft<'_>, cig: Cig) {
    let Some(linked) = draft.given("cig_collegamento") else { return };
    draft.keep("/cig_collegamento", linked);
    let takes_its_place =
        draft.given("cod_ipotesi_collegamento").map(|code| whole(code.trim())) == Some(TAKES_THE_PLACE);
    let other = Cig::read(linked).value.filter(|other| !other.is_null() && *other != cig);
    if let Some(other) = other.filter(|_| takes_its_place) {
        let finding = Finding::new(Rule::R06).severity(Severity::Info).detail(format!("replaces_{other}"));
        draft.find(finding, "cig_collegamento");
    }
}

/// Awards, contracts and events of the document of a CIG.
fn followed(node: &Node, award: &Award, findings: &mut Vec<Finding>) -> Vec<DraftRecord> {
    let mut records = Vec::new();
    let all = node.at("partecipanti").list();
    for (place, one) in node.at("aggiudicazione").list().iter().enumerate() {
        let Some((mut body, raw)) = esecuzione::aggiudicazione(one, award, findings) else {
            findings.push(left_out(Rule::N08, format!("aggiudicazione[{place}]")));
            continue;
        };
        let id = body.id_aggiudicazione.to_string();
        let (won, took_part) = operatore::partecipazioni(all, &id, findings);
        body = Aggiudicazione { aggiudicatari: won, partecipanti: took_part, ..body };
        records.push(DraftRecord { body: body.into(), raw });
    }
    if records.is_empty() && !all.is_empty() {
        // Who they are is told; in what they took part has no award to stand in.
        findings.push(left_out(Rule::N08, "partecipanti"));
    }
    for (part, dataset) in [
        ("avvio_contratto", "avvio-contratto"),
        ("stati_avanzamento", "stati-avanzamento"),
        ("sospensioni", "sospensioni"),
        ("varianti", "varianti"),
        ("subappalti", "subappalti"),
        ("fine_contratto", "fine-contratto"),
        ("collaudo", "collaudo"),
    ] {
        let mut met: BTreeMap<u32, u32> = BTreeMap::new();
        for (place, one) in node.at(part).list().iter().enumerate() {
            let id = esecuzione::award_id(one).unwrap_or_default();
            let earlier = met.entry(id).or_default();
            let context = Context { occurrence: *earlier };
            *earlier += 1;
            match esecuzione::events(dataset, one, award, &context, findings) {
                Ok(events) => records.extend(events),
                // The rest of the document is good: only this part of it is left out, and said.
                Err(aside) => findings.push(left_out(aside.rule, format!("{part}[{place}]"))),
            }
        }
    }
    records
}
