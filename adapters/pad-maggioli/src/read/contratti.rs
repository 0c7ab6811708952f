//! Contracts: the row of the list, its detail, and the award that the second version of the
//! interface tells of its CIG.

use canonical::Rule;
use canonical::identifiers::{CodiceIstat, Cpv, Cui};
use canonical::kinds::{Aggiudicazione, Contratto, Lotto};
use contract::Normalized;

use super::dati::scelta;
use super::fields::{Fields, Raw, Valore, ente};
use super::operators::{Elenchi, Operatore, count, of_contratto};
use super::usable;
use crate::wire::{DatiAggiudicazione, FascicoloLetto, RigaContratto, Testo};

/// A row of `trasp/getElencoContrattiEsteso`, with what was found about it.
pub(super) fn contratto(text: &str, occurrence: u32) -> Result<Normalized, serde_json::Error> {
    let fascicolo = match serde_json::from_str::<FascicoloLetto<RigaContratto, RigaContratto>>(text) {
        Ok(fascicolo) => fascicolo,
        // A row alone, as a page saved by hand has them.
        Err(_) => FascicoloLetto { riga: serde_json::from_str(text)?, dettaglio: None, aggiudicazioni: Vec::new() },
    };
    Ok(understood(&fascicolo, occurrence))
}

fn understood(fascicolo: &FascicoloLetto<RigaContratto, RigaContratto>, occurrence: u32) -> Normalized {
    let row = &fascicolo.riga;
    let absent = (RigaContratto::default(), DatiAggiudicazione::default());
    let dettaglio = fascicolo.dettaglio.as_ref().unwrap_or(&absent.0);
    let mut fields = Fields::default();
    let reading = fields.cig("cig", &row.cig, occurrence);
    let award = award_of(&mut fields, fascicolo).unwrap_or(&absent.1);

    let proponente = fields.codice_fiscale("codiceFiscaleProponente", &dettaglio.codice_fiscale_proponente);
    let denominazione = fields.testo("denominazioneProponente", &row.denominazione_proponente);
    let oggetto = fields.testo("oggetto", &row.oggetto);
    let label = row.scelat_contraente.or(&row.scelta_contraente);
    let scelta_contraente = scelta(&mut fields, &Testo::default(), label);
    let importo = amount(&mut fields, row, award);
    let liquidato = fields.importo("importoSommeLiquidate", &row.importo_somme_liquidate);
    let data = fields.giorno("dataAggiudicazione", award.dtaggiudicazione.or(&dettaglio.data_aggiudicazione));
    let inizio = fields.giorno("datainizio", row.datainizio.or(&award.dtconsegna));
    let fine = fields.giorno("datafine", &row.datafine);
    fields.order("datafine", &inizio, &fine);
    fields.paid("importoSommeLiquidate", &importo, &liquidato);
    let operators =
        count(&dettaglio.elenco_partecipanti) + count(&dettaglio.elenco_aggiudicatari) + row.aggiudicatari.len();
    let cig = usable(&reading).and_then(|cig| Elenchi::too_many(operators).map_or(Ok(cig), Err));
    let cig = match cig {
        Ok(cig) => cig,
        Err(set_aside) => {
            return Normalized { records: Vec::new(), findings: fields.close(), set_aside: Some(set_aside) };
        }
    };
    let elenchi = elenchi(&mut fields, row, dettaglio);
    let id_aggiudicazione = occurrence.saturating_add(1);

    let mut records: Vec<_> = ente(&proponente, &denominazione).into_iter().collect();
    records.extend(elenchi.records());

    let mut raw = Raw::default();
    raw.keep("/cig", row.cig.as_str(), cig.as_str());
    raw.keep("/scelta_contraente", label.as_str(), "");
    let cup = fields.cup("aggiudicazioni/cup", &award.cup);
    raw.keep("/cup", award.cup.as_str(), cup.first().map_or("", |cup| cup.as_str()));
    let cui = fields.codice(Rule::R27, "aggiudicazioni/cui", &award.cui, Cui::read);
    let cpv = fields.codice(Rule::N05, "aggiudicazioni/cpvprincipale", &award.cpvprincipale, Cpv::read);
    let istat = fields.codice(Rule::N05, "aggiudicazioni/codistatcomune", &award.codistatcomune, CodiceIstat::read);
    let base = fields.importo("aggiudicazioni/impbasegara", &award.impbasegara);
    let sicurezza = fields.importo("aggiudicazioni/imponerisicurezza", &award.imponerisicurezza);
    let body = Lotto {
        oggetto: raw.take("/oggetto", &oggetto),
        stazione_appaltante: raw.take("/stazione_appaltante", &proponente),
        scelta_contraente,
        cup: cup.into_iter().collect(),
        cui: raw.take("/cui", &cui),
        cpv: raw.take("/cpv", &cpv),
        oneri_sicurezza: raw.take("/oneri_sicurezza", &sicurezza),
        importo_totale: raw.take("/importo_totale", &base),
        luogo_istat: raw.take("/luogo_istat", &istat),
        ..Lotto::new(cig)
    };
    records.push(raw.record(body));

    let mut raw = Raw::default();
    let (aggiudicatari, partecipanti) = elenchi.take(&mut raw);
    let body = Aggiudicazione {
        cig,
        id_aggiudicazione,
        stazione_appaltante: raw.take("/stazione_appaltante", &proponente),
        anno_riferimento: None,
        data: raw.take("/data", &data),
        importo: raw.take("/importo", &importo),
        ribasso: ribasso(&mut fields, &mut raw, &award.ribasso),
        esito: None,
        aggiudicatari,
        partecipanti,
    };
    records.push(raw.record(body));

    let numero = fields.testo("numero", award.nrepertorio.or(&award.ncontratto).or(&row.nrepat));
    let stipula = fields.giorno("aggiudicazioni/dtcontratto", &award.dtcontratto);
    let importo = fields.importo("impultcontr", &dettaglio.impultcontr);
    let has_own_words = numero.value.is_some()
        || importo.value.is_some()
        || liquidato.value.is_some()
        || stipula.value.or(inizio.value).or(fine.value).is_some();
    if elenchi.is_awarded() || has_own_words {
        let mut raw = Raw::default();
        let body = Contratto {
            cig,
            id_aggiudicazione,
            stazione_appaltante: raw.take("/stazione_appaltante", &proponente),
            anno_riferimento: None,
            numero: raw.take("/numero", &numero),
            data_stipula: raw.take("/data_stipula", &stipula),
            importo: raw.take("/importo", &importo),
            data_inizio: raw.take("/data_inizio", &inizio),
            data_fine: raw.take("/data_fine", &fine),
            somme_liquidate: raw.take("/somme_liquidate", &liquidato),
            piattaforma_esecuzione: None,
        };
        records.push(raw.record(body));
    }
    Normalized { records, findings: fields.close(), set_aside: None }
}

/// The award of this row among those of its CIG: the only one, or the one with its reference.
fn award_of<'a>(
    fields: &mut Fields,
    fascicolo: &'a FascicoloLetto<RigaContratto, RigaContratto>,
) -> Option<&'a DatiAggiudicazione> {
    let row = &fascicolo.riga;
    let of_cig: Vec<_> = fascicolo
        .aggiudicazioni
        .iter()
        .filter(|award| award.cig.trimmed().eq_ignore_ascii_case(row.cig.trimmed()))
        .collect();
    if let [award] = of_cig[..] {
        return Some(award);
    }
    let reference = row.riferimento_procedura.trimmed();
    let ours = of_cig
        .iter()
        .copied()
        .find(|award| [award.codicelotto.trimmed(), award.codicegara.trimmed()].contains(&reference));
    if ours.is_none() && !of_cig.is_empty() {
        fields.notice(Rule::R06, "aggiudicazioni", "which_award_is_not_told");
    }
    ours
}

/// The awarded amount: that of the award when it is told, and otherwise that of the list.
fn amount(fields: &mut Fields, row: &RigaContratto, award: &DatiAggiudicazione) -> Valore<canonical::values::Importo> {
    let of_list = fields.importo("importoAggiudicazione", &row.importo_aggiudicazione);
    if award.impaggiudicazione.is_empty() {
        return of_list;
    }
    let of_award = fields.importo("aggiudicazioni/impaggiudicazione", &award.impaggiudicazione);
    if let (Some(list), Some(award)) = (of_list.value, of_award.value)
        && list != award
    {
        fields.notice(Rule::R02, "importoAggiudicazione", "award_and_list_differ");
    }
    of_award
}

/// The operators by code, from the detail; by name, from the list, where there is no detail.
fn elenchi(fields: &mut Fields, row: &RigaContratto, dettaglio: &RigaContratto) -> Elenchi {
    let partecipanti = of_contratto(fields, "dettaglio/elencoPartecipanti", &dettaglio.elenco_partecipanti);
    let mut aggiudicatari = of_contratto(fields, "dettaglio/elencoAggiudicatari", &dettaglio.elenco_aggiudicatari);
    if aggiudicatari.is_empty() {
        let names = row.aggiudicatari.iter().enumerate();
        aggiudicatari =
            names.map(|(n, name)| Operatore::by_name(fields, &format!("aggiudicatari/{}", n + 1), name)).collect();
    }
    let elenchi = Elenchi { aggiudicatari, partecipanti };
    elenchi.judge(fields, "dettaglio/elencoAggiudicatari");
    elenchi
}

/// A discount: digits and a decimal point, as received, without the zeros that say nothing.
fn ribasso(fields: &mut Fields, raw: &mut Raw, received: &Testo) -> Option<String> {
    let text = received.trimmed();
    if text.is_empty() {
        return None;
    }
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = whole.strip_prefix('-').unwrap_or(whole);
    if unsigned.is_empty() || !digits(unsigned) || !digits(decimals) {
        fields.notice(Rule::N03, "aggiudicazioni/ribasso", "not_a_number");
        raw.keep("/ribasso", received.as_str(), "");
        return None;
    }
    let decimals = decimals.trim_end_matches('0');
    let value = if decimals.is_empty() { whole.to_owned() } else { format!("{whole}.{decimals}") };
    raw.keep("/ribasso", received.as_str(), &value);
    Some(value)
}
