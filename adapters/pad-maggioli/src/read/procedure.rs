//! Notices, results and announcements: procedures, their lots and, of results, their awards.

use std::collections::HashSet;

use canonical::identifiers::Cig;
use canonical::kinds::{Aggiudicazione, Lotto, Procedura};
use canonical::values::UtcInstant;
use canonical::{Finding, Rule};
use contract::{DraftRecord, Normalized, SetAside};

use super::fields::{Fields, Raw};
use super::instants::instant_of;
use super::operators::{Elenchi, Operatore};
use super::usable;
use crate::SYSTEM;
use crate::wire::{DettaglioEsito, FascicoloLetto, LottoEsito, Testata, Testo};

/// A row of `getElencoBandi`.
pub(super) fn bando(text: &str) -> Result<Normalized, serde_json::Error> {
    Ok(without_detail(&serde_json::from_str(text)?))
}

/// What a row says by itself.
fn without_detail(testata: &Testata) -> Normalized {
    let mut fields = Fields::default();
    let cigs = cigs(&mut fields, &testata.cig);
    // The object of the whole is that of a lot only where the lot is alone.
    let oggetto = (cigs.len() == 1).then(|| fields.testo("titolo", &testata.titolo));
    let lotti: Vec<_> = cigs
        .iter()
        .map(|cig| {
            let mut raw = Raw::default();
            raw.keep("/cig", testata.cig.as_str(), cig.as_str());
            let oggetto = oggetto.as_ref().and_then(|oggetto| raw.take("/oggetto", oggetto));
            raw.record(Lotto { oggetto, ..Lotto::new(*cig) })
        })
        .collect();
    procedure(fields, testata, cigs, lotti)
}

/// A row of `getElencoAvvisi`, which has neither CIG nor amount.
pub(super) fn avviso(text: &str) -> Result<Normalized, serde_json::Error> {
    let testata: Testata = serde_json::from_str(text)?;
    Ok(procedure(Fields::default(), &testata, Vec::new(), Vec::new()))
}

/// A row of `getElencoEsiti`, with its detail when it has one.
pub(super) fn esito(text: &str) -> Result<Normalized, serde_json::Error> {
    let (testata, dettaglio) = match serde_json::from_str::<FascicoloLetto<Testata, DettaglioEsito>>(text) {
        Ok(fascicolo) => (fascicolo.riga, fascicolo.dettaglio),
        // A row alone, as a page saved by hand has them.
        Err(_) => (serde_json::from_str::<Testata>(text)?, None),
    };
    let Some(dati) = dettaglio.and_then(|dettaglio| dettaglio.dati_generali) else {
        return Ok(without_detail(&testata));
    };
    let mut fields = Fields::default();
    let (mut cigs, mut records) = (Vec::new(), Vec::new());
    for (index, lotto) in dati.dati_proceduralotti.iter().enumerate() {
        let at = format!("datiGenerali/datiProceduralotti/{}", index + 1);
        let reading = fields.cig(&format!("{at}/cig"), &lotto.cig, 0);
        let Ok(cig) = usable(&reading) else { continue };
        if let Some(set_aside) = Elenchi::too_many(lotto.aggiudicatari.len()) {
            fields.notice(set_aside.rule, at, "too_many_operators");
            continue;
        }
        let earlier = cigs.iter().filter(|other| **other == cig).count();
        if earlier > 0 {
            fields.notice(Rule::R06, format!("{at}/cig"), "repeated_in_document");
        }
        cigs.push(cig);
        records.extend(lotto_esito(&mut fields, &at, cig, u32::try_from(earlier).unwrap_or(u32::MAX), lotto));
    }
    let mut met = HashSet::new();
    cigs.retain(|cig| met.insert(*cig));
    Ok(procedure(fields, &testata, cigs, records))
}

/// A lot of a result, and its award when there is one.
fn lotto_esito(fields: &mut Fields, at: &str, cig: Cig, earlier: u32, lotto: &LottoEsito) -> Vec<DraftRecord> {
    let oggetto = fields.testo(&format!("{at}/titolo"), &lotto.titolo);
    let base = fields.importo(&format!("{at}/importoBaseGara"), &lotto.importo_base_gara);
    let importo = fields.importo(&format!("{at}/importoAggiudicazione"), &lotto.importo_aggiudicazione);
    let data = fields.giorno(&format!("{at}/dataAggiudicazione"), &lotto.data_aggiudicazione);
    let esito = fields.testo(&format!("{at}/esito"), &lotto.esito);
    let names = lotto.aggiudicatari.iter().enumerate();
    let aggiudicatari: Vec<_> =
        names.map(|(n, name)| Operatore::by_name(fields, &format!("{at}/aggiudicatari/{}", n + 1), name)).collect();
    let elenchi = Elenchi { aggiudicatari, partecipanti: Vec::new() };

    let mut raw = Raw::default();
    raw.keep("/cig", lotto.cig.as_str(), cig.as_str());
    let mut records = vec![];
    let cup = fields.cup(&format!("{at}/cup"), &lotto.cup);
    raw.keep("/cup", lotto.cup.as_str(), cup.first().map_or("", |cup| cup.as_str()));
    let body = Lotto {
        oggetto: raw.take("/oggetto", &oggetto),
        cup: cup.into_iter().collect(),
        importo_totale: raw.take("/importo_totale", &base),
        ..Lotto::new(cig)
    };
    records.push(raw.record(body));
    if importo.value.is_none() && data.value.is_none() && !elenchi.is_awarded() {
        return records;
    }
    let mut raw = Raw::default();
    let (aggiudicatari, partecipanti) = elenchi.take(&mut raw);
    let body = Aggiudicazione {
        cig,
        id_aggiudicazione: earlier.saturating_add(1),
        stazione_appaltante: None,
        anno_riferimento: None,
        data: raw.take("/data", &data),
        importo: raw.take("/importo", &importo),
        ribasso: None,
        esito: raw.take("/esito", &esito),
        aggiudicatari,
        partecipanti,
    };
    records.push(raw.record(body));
    records
}

/// The CIG of a row: one or more, however they are parted. What is not one is told.
fn cigs(fields: &mut Fields, received: &Testo) -> Vec<Cig> {
    if received.is_empty() {
        fields.notice(Rule::R05, "cig", "absent");
    }
    let mut cigs = Vec::new();
    for part in received.as_str().split(|character: char| !character.is_ascii_alphanumeric()) {
        if part.is_empty() {
            continue;
        }
        let reading = fields.cig("cig", &Testo::of(part), 0);
        if let Ok(cig) = usable(&reading)
            && !cigs.contains(&cig)
        {
            cigs.push(cig);
        }
    }
    cigs
}

/// The procedure of a row, before its lots. The list names the authority only by name, and a name
/// identifies nobody.
fn procedure(mut fields: Fields, testata: &Testata, lotti: Vec<Cig>, records: Vec<DraftRecord>) -> Normalized {
    let reference = testata.riferimento_procedura.trimmed();
    if reference.is_empty() {
        fields.notice(Rule::N08, "riferimentoProcedura", "absent");
        let reason = "the row has no reference of its procedure".to_owned();
        let set_aside = Some(SetAside { rule: Rule::N08, reason });
        // The lots stand by themselves.
        return Normalized { set_aside: set_aside.filter(|_| records.is_empty()), records, findings: fields.close() };
    }
    let mut raw = Raw::default();
    let oggetto = fields.testo("titolo", &testata.titolo);
    let importo = fields.importo("importo", &testata.importo);
    let pubblicata_il =
        instant(&mut fields, &mut raw, "/pubblicata_il", "dataPubblicazione", &testata.data_pubblicazione);
    let scadenza_offerte = instant(&mut fields, &mut raw, "/scadenza_offerte", "dataScadenza", &testata.data_scadenza);
    let body = Procedura {
        id: format!("{SYSTEM}/{reference}"),
        oggetto: raw.take("/oggetto", &oggetto),
        stazione_appaltante: None,
        ente_delegante: None,
        scelta_contraente: None,
        importo: raw.take("/importo", &importo),
        oneri_sicurezza: None,
        pubblicata_il,
        scadenza_offerte,
        lotti,
    };
    let records = [raw.record(body)].into_iter().chain(records).collect();
    Normalized { records, findings: fields.close(), set_aside: None }
}

fn instant(fields: &mut Fields, raw: &mut Raw, path: &str, at: &str, received: &Testo) -> Option<UtcInstant> {
    let instant = instant_of(received.as_str());
    raw.keep(path, received.as_str(), &instant.map(|instant| instant.to_string()).unwrap_or_default());
    if instant.is_none() && !received.is_empty() {
        let is_day = super::giorno_of(received).value.is_some();
        let (rule, detail) = if is_day { (Rule::N02, "day_without_hour") } else { (Rule::N03, "not_a_date") };
        fields.note(Finding::new(rule).at(at).detail(detail));
    }
    instant
}
