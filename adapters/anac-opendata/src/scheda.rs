//! What ANAC knows of a CIG, from the row of dataset `cig` and from the JSON document of a CIG: the
//! same values under the same names. One row of values gives the authority, the procedure, the
//! lot, and the lot whose place it takes.

use std::collections::BTreeMap;

use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::kinds::{Aggiudicazione, Ente, Lotto, Procedura, StatoCig};
use canonical::{Finding, Rule};
use contract::DraftRecord;

use crate::draft::Draft;
use crate::esecuzione::{self, Award};
use crate::node::Node;
use crate::read::{Context, Mapped, aside, cig, repeated};
use crate::values::{Layers, Values};
use crate::{collegamento, operatore};

/// The published hypothesis by which a lot takes the place of another: "procedura a seguito di
/// precedente gara annullata o deserta (senza esito)". The others add to a contract, or prolong it.
const TAKES_THE_PLACE: &str = "5";

/// A row of dataset `cig`.
pub(crate) fn row(values: &dyn Values, context: &Context, findings: &mut Vec<Finding>) -> Mapped {
    let cig = cig(values, "cig", findings)?;
    repeated("cig", context, findings);
    // A row has one CPV and says whether it is the main one; when it is not, it is one of the others.
    let is_main = values.given("flag_prevalente").is_none_or(|flag| flag.trim().starts_with('1'));
    let mut records = base(values, findings);
    records.push(lotto(values, cig, is_main, &[], findings));
    records.extend(replaced(values, cig, context, findings));
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
    records.extend(replaced(&values, cig, context, findings));
    let ente = ente_of(&records);
    let anno = anno(&values);
    records.extend(collegamento::of_lotto(&values, cig, ente, findings));
    let award = Award { cig, stazione_appaltante: ente, anno_riferimento: anno };
    records.extend(operatore::of_partecipanti(node.at("partecipanti").list(), findings));
    records.extend(followed(node, &award, context, findings));
    Ok(records)
}

/// The answer of the portal's own page, where each part of the document is JSON inside a text.
pub(crate) fn grezzo(node: &Node, context: &Context, findings: &mut Vec<Finding>) -> Mapped {
    let rows = node.at("result.data").list();
    // Another row describes how the page shows the values.
    let row = rows.iter().find(|row| row.at("bando").text().is_some_and(|text| text.trim_start().starts_with('{')));
    let Some(Node::Object(parts)) = row else {
        return Err(aside(Rule::R05, "the answer holds no document of a CIG"));
    };
    let parts: BTreeMap<String, Node> =
        parts.iter().filter_map(|(name, part)| Some((name.clone(), Node::parse(part.text()?).ok()?))).collect();
    scheda(&Node::Object(parts), context, findings)
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
    if let Some(linked) = draft.given("cig_collegamento") {
        draft.keep("/cig_collegamento", linked);
    }
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
        Some("ATTIVO") | None => StatoCig::Attivo,
        Some(other) => {
            draft.unknown("stato", other, "stato_cig");
            StatoCig::Attivo
        }
    }
}

/// The execution mode has no place in a lot: its code is kept beside it, exactly as written,
/// because `01` and `1` are two modes.
fn modalita(draft: &mut Draft<'_>) {
    let list = include_str!("../../../schemas/samples/anac_opendata/codelists/bandi-cig-modalita-realizzazione.csv");
    let Some(code) = draft.given("cod_modalita_realizzazione") else { return };
    draft.keep("/modalita_realizzazione", code);
    if !list.lines().skip(1).any(|row| row.split(',').nth(1) == Some(code.trim())) {
        draft.unknown("cod_modalita_realizzazione", code, "modalita_realizzazione");
    }
}

/// The year of publication, as written or as the day of publication says.
fn anno(values: &dyn Values) -> Option<u16> {
    let text = values.given("anno_pubblicazione").or_else(|| values.given("data_pubblicazione")?.trim().get(..4))?;
    text.trim().parse().ok().filter(|year| (1900..=2200).contains(year))
}

/// The lot whose place this one takes. Of that lot the row says nothing else.
fn replaced(values: &dyn Values, cig: Cig, context: &Context, findings: &mut Vec<Finding>) -> Option<DraftRecord> {
    let hypothesis = values.given("cod_ipotesi_collegamento").map(|code| crate::draft::whole(code.trim()))?;
    if hypothesis != TAKES_THE_PLACE || !context.mark_replaced {
        return None;
    }
    let mut draft = Draft::on(values, "", findings);
    let linked = draft.cig("/cig", "cig_collegamento").filter(|linked| *linked != cig)?;
    Some(draft.record(Lotto { stato_cig: StatoCig::Sostituito { da: cig }, ..Lotto::new(linked) }))
}

/// Awards, contracts and events of the document of a CIG.
fn followed(node: &Node, award: &Award, context: &Context, findings: &mut Vec<Finding>) -> Vec<DraftRecord> {
    let mut records = Vec::new();
    for one in node.at("aggiudicazione").list() {
        let Some((mut body, raw)) = esecuzione::aggiudicazione(one, award, findings) else { continue };
        let id = body.id_aggiudicazione.to_string();
        let all = node.at("partecipanti").list();
        let (won, took_part) = operatore::partecipazioni(all, &id, findings);
        body = Aggiudicazione { aggiudicatari: won, partecipanti: took_part, ..body };
        records.push(DraftRecord { body: body.into(), raw });
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
        for one in node.at(part).list() {
            let id = esecuzione::award_id(one).unwrap_or_default();
            let earlier = met.entry(id).or_default();
            let context = Context { occurrence: *earlier, ..*context };
            *earlier += 1;
            match esecuzione::events(dataset, one, award, &context, findings) {
                Ok(events) => records.extend(events),
                // The rest of the document is good: only this part of it is left out, and said.
                Err(aside) => findings.push(Finding::new(aside.rule).at(part).detail("part_left_out")),
            }
        }
    }
    records
}
