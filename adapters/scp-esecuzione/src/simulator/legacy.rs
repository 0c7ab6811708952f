//! The two reads of the original family of platforms, with their habits: only what was already
//! sent is visible, and of a CIG found in two tenders only the first is given.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

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
    let data: BTreeSet<_> = sent.filter_map(|(key, _)| key.split('/').next()).collect();
    Ok(json!({"esito": true, "errorData": null, "data": data}))
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
    let first = sent.iter().map(|(lane, ..)| tender(lane)).min().ok_or(No::because("NOT_FOUND"))?;
    let mut awards: Vec<Map<String, Value>> = Vec::new();
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

/// Adds a scheda to its award: alone, or to a list where the phase repeats.
fn add(award: &mut Map<String, Value>, key: &str, draft: &Draft) {
    let code = draft.body.scheda.as_str();
    let mut scheda = draft.body.dati.clone();
    scheda["idScheda"] = json!(draft.id_bozza);
    scheda["idDocumento"] = json!(format!("{}-{}", draft.id_bozza, draft.body.versione));
    scheda["progressivo"] = json!(key.rsplit('/').next().and_then(|number| number.parse::<u32>().ok()));
    let is_single = matches!(code, "SC1" | "I1" | "CO1" | "CO2" | "CL1");
    let name = if code == "M1" { "M" } else { code };
    if is_single {
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
