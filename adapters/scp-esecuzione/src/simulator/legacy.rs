//! The two reads of the original family of platforms, with their habits: only what was already
//! sent is visible, and of a CIG found in two tenders only the first is given.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::archive;
use super::platform::{Draft, No, Platform};

/// `getListaCig`: the CIGs whose drafts changed inside the window, both bounds included.
pub(super) fn list_cig(platform: &Platform, window: Option<(&str, &str)>) -> Result<Value, No> {
    if window.is_some_and(|(from, to)| !is_local_time(from) || !is_local_time(to)) {
        return Err(No::because("FILTRO_NON_VALIDO"));
    }
    let is_inside = |draft: &Draft| {
        let Some((from, to)) = window else { return true };
        draft.il.as_deref().is_some_and(|il| (from..=to).contains(&il))
    };
    let sent = platform.drafts.iter().filter(|(_, draft)| draft.is_sent() && is_inside(draft));
    let mut data: BTreeSet<_> = sent.filter_map(|(key, _)| key.split('/').next()).collect();
    if window.is_none_or(|(from, to)| (from..=to).contains(&archive::SENT)) {
        data.insert(archive::CIG);
    }
    Ok(json!({"esito": true, "errorData": null, "data": data, "dataOra": platform.now()}))
}

/// `getJsonListaSchede`: the schede of a CIG, by award.
pub(super) fn list_schede(platform: &Platform, cig: &str) -> Result<Value, No> {
    let tender = |lane: &str| platform.gare.get(lane).map_or("", String::as_str);
    let sent: Vec<_> = platform
        .drafts
        .iter()
        .filter(|(_, draft)| draft.is_sent())
        .filter_map(|(key, draft)| Some((key.rsplitn(3, '/').last()?, key, draft)))
        .filter(|(lane, ..)| lane.split('/').next() == Some(cig))
        .collect();
    let mut awards: Vec<Map<String, Value>> = Vec::new();
    let is_archived = cig == archive::CIG;
    let first = sent.iter().map(|(lane, ..)| tender(lane)).min();
    let first = first.or(is_archived.then_some("")).ok_or(No::because("NOT_FOUND"))?;
    if is_archived {
        awards.push(archive::award().clone());
    }
    for (lane, key, draft) in sent.iter().filter(|(lane, ..)| tender(lane) == first) {
        let award: u32 = lane.split('/').nth(1).and_then(|award| award.parse().ok()).unwrap_or_default();
        if awards.last().and_then(|last| last["idAggiudicazione"].as_u64()) != Some(u64::from(award)) {
            awards.push(Map::from_iter([("idAggiudicazione".to_owned(), award.into())]));
        }
        if let Some(last) = awards.last_mut() {
            add(last, key, draft);
        }
    }
    Ok(json!({"esito": true, "errorData": null, "cfRup": null, "data": awards}))
}

/// Adds a draft that was sent to its award.
fn add(award: &mut Map<String, Value>, key: &str, draft: &Draft) {
    let code = draft.body.scheda.as_str();
    let mut scheda = json!({
        "idScheda": draft.id_bozza,
        "idDocumento": format!("{}-{}", draft.id_bozza, draft.body.versione),
        "scheda": code,
        "progressivo": key.rsplit('/').next().and_then(|number| number.parse::<u32>().ok()),
        "stato": draft.stato,
        "anacForm": draft.body.anac_form,
    });
    if draft.body.integrazioni.is_object() {
        scheda["integrazioni"] = draft.body.integrazioni.clone();
    }
    let name = if matches!(code, "M1" | "M1_40" | "M2" | "M2_40") { "M" } else { code };
    put(award, name, scheda);
}

/// Puts a scheda under its name: alone, or into a list where the phase repeats.
pub(super) fn put(award: &mut Map<String, Value>, name: &str, scheda: Value) {
    if matches!(name, "SC1" | "I1" | "CO1" | "CO2" | "CL1") {
        award.insert(name.to_owned(), scheda);
    } else if let Some(list) = award.entry(name).or_insert_with(|| json!([])).as_array_mut() {
        list.push(scheda);
    }
}

/// `yyyy-MM-dd'T'HH:mm:ss`, in the local time of the server.
fn is_local_time(text: &str) -> bool {
    let shape = b"0000-00-00T00:00:00";
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape)
            .all(|(byte, place)| if *place == b'0' { byte.is_ascii_digit() } else { byte == *place })
}
