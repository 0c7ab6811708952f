//! Rows of Legge 190/2012: a lot, its award and its contract.

use canonical::code_lists::SceltaContraente;
use canonical::code_lists::scelta_contraente::from_l190;
use canonical::kinds::{Aggiudicazione, Contratto, Lotto};
use canonical::{Finding, Rule};
use contract::Normalized;
use kit::showable;

use super::fields::{Fields, Raw, ente};
use super::operators::{Elenchi, of_ditte};
use super::usable;
use crate::wire::{RigaDati, Testo};

/// A row of `trasp/getElencoDati`. The records come in the order in which they must be stored: who,
/// what, how it was awarded, what was signed.
pub(super) fn lotto(text: &str, occurrence: u32) -> Result<Normalized, serde_json::Error> {
    let row: RigaDati = serde_json::from_str(text)?;
    let mut fields = Fields::default();
    let reading = fields.cig("cig", &row.cig, occurrence);
    let proponente = fields.codice_fiscale("codiceFiscaleProponente", &row.codice_fiscale_proponente);
    let denominazione = fields.testo("denominazioneProponente", &row.denominazione_proponente);
    let oggetto = fields.testo("oggetto", &row.oggetto);
    let scelta_contraente = scelta(&mut fields, &row.codsceltacontr, &row.scelta_contraente);
    let aggiudicato = fields.importo("importoAggiudicazione", &row.importo_aggiudicazione);
    let liquidato = fields.importo("importoSommeLiquidate", &row.importo_somme_liquidate);
    let inizio = fields.giorno("dataInizio", &row.data_inizio);
    let fine = fields.giorno("dataUltimazione", &row.data_ultimazione);
    fields.order("dataUltimazione", &inizio, &fine);
    fields.paid("importoSommeLiquidate", &aggiudicato, &liquidato);
    let cig = usable(&reading)
        .and_then(|cig| Elenchi::too_many(row.partecipanti.len() + row.aggiudicatari.len()).map_or(Ok(cig), Err));
    let cig = match cig {
        Ok(cig) => cig,
        Err(set_aside) => {
            return Ok(Normalized { records: Vec::new(), findings: fields.close(), set_aside: Some(set_aside) });
        }
    };
    let elenchi = Elenchi {
        partecipanti: of_ditte(&mut fields, "partecipanti", &row.partecipanti),
        aggiudicatari: of_ditte(&mut fields, "aggiudicatari", &row.aggiudicatari),
    };
    elenchi.judge(&mut fields, "aggiudicatari");
    let anno_riferimento = row.anno_riferimento.trimmed().parse().ok().filter(|year| (1900..=2200).contains(year));
    let id_aggiudicazione = occurrence.saturating_add(1);

    let mut records: Vec<_> = ente(&proponente, &denominazione).into_iter().collect();
    records.extend(elenchi.records());
    let mut raw = Raw::default();
    raw.keep("/cig", row.cig.as_str(), cig.as_str());
    let received = row.codsceltacontr.or(&row.scelta_contraente);
    raw.keep("/scelta_contraente", received.as_str(), "");
    let body = Lotto {
        oggetto: raw.take("/oggetto", &oggetto),
        stazione_appaltante: raw.take("/stazione_appaltante", &proponente),
        scelta_contraente,
        anno_riferimento,
        ..Lotto::new(cig)
    };
    records.push(raw.record(body));

    let mut raw = Raw::default();
    let (aggiudicatari, partecipanti) = elenchi.take(&mut raw);
    let body = Aggiudicazione {
        cig,
        id_aggiudicazione,
        stazione_appaltante: raw.take("/stazione_appaltante", &proponente),
        anno_riferimento,
        data: None,
        importo: raw.take("/importo", &aggiudicato),
        ribasso: None,
        esito: None,
        aggiudicatari,
        partecipanti,
    };
    records.push(raw.record(body));

    if elenchi.is_awarded() {
        let mut raw = Raw::default();
        let body = Contratto {
            cig,
            id_aggiudicazione,
            stazione_appaltante: raw.take("/stazione_appaltante", &proponente),
            anno_riferimento,
            numero: None,
            data_stipula: None,
            // The row knows the awarded amount only: the award carries it.
            importo: None,
            data_inizio: raw.take("/data_inizio", &inizio),
            data_fine: raw.take("/data_fine", &fine),
            somme_liquidate: raw.take("/somme_liquidate", &liquidato),
            piattaforma_esecuzione: None,
        };
        records.push(raw.record(body));
    }
    Ok(Normalized { records, findings: fields.close(), set_aside: None })
}

/// The procedure type, by the number of the law's own list, or by the number that its label begins
/// with. Labels are never looked at.
pub(super) fn scelta(fields: &mut Fields, code: &Testo, label: &Testo) -> Option<SceltaContraente> {
    let received = code.or(label);
    let scelta_contraente = from_l190(received.as_str());
    if received.is_empty() {
        fields.notice(Rule::N08, "sceltaContraente", "absent");
    } else if scelta_contraente.is_none() {
        let mut finding = Finding::new(Rule::N05).at("sceltaContraente").detail("scelta_contraente");
        finding.received = showable(received.as_str());
        fields.note(finding);
    }
    scelta_contraente
}
