//! From canonical records to a package of Pi.Co., without the world: where a record goes, and the
//! bytes that publish all the lots of a body and a year.
//!
//! One row a lot, in the order of the CIG, gathered from the lot, its awards, its contracts and
//! its events. A lot of which only the award or the contract is known still has its row: without
//! it the totals would be wrong. The same members give the same bytes, in whatever order they come.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use canonical::identifiers::{Cig, CodiceFiscale, without_personal_codes};
use canonical::kinds::Lotto;
use canonical::values::Importo;
use canonical::{Body, Digest, Finding, Record, RecordKey, Rule};
use contract::{Composed, Lane, Placement, Unit, UnitKey};

use crate::files;
use crate::read::row;
use crate::stato::{self, Award};
use crate::wire::{
    APPALTI, Aggregati, CSV_FILE, FilePacchetto, Manifesto, NDJSON_FILE, OMITTED, Pacchetto, PackageKey, RigaAppalto,
    SCHEMA,
};

/// Where a record goes: into the dataset of its body and year.
pub(crate) fn place(record: &Record) -> Placement {
    let (ente, anno) = match &record.body {
        Body::Lotto(lotto) => (lotto.stazione_appaltante, lotto.anno_riferimento),
        Body::Aggiudicazione(award) => (award.stazione_appaltante, award.anno_riferimento),
        Body::Contratto(contratto) => (contratto.stazione_appaltante, contratto.anno_riferimento),
        Body::EventoEsecuzione(evento) => (evento.stazione_appaltante, evento.anno_riferimento),
        Body::Ente(_) | Body::OperatoreEconomico(_) | Body::Procedura(_) => return Placement::Elsewhere,
    };
    let Some(ente) = ente else { return Placement::Withheld { code: "no_authority" } };
    if ente.is_person() {
        return Placement::Withheld { code: "not_a_body" };
    }
    let Some(anno) = anno else { return Placement::Withheld { code: "no_period" } };
    let key = PackageKey { ente: ente.to_string(), dataset: APPALTI.to_owned(), periodo: anno.to_string() };
    Placement::Unit(Unit { key: UnitKey(key.to_string()), lane: Lane(key.to_string()) })
}

/// The package of a unit. The error is for people.
pub(crate) fn compose(unit: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String> {
    let (key, ente) = PackageKey::parse(unit.as_str())
        .filter(|key| key.dataset == APPALTI)
        .and_then(|key| CodiceFiscale::parse(&key.ente).ok().filter(|ente| !ente.is_person()).map(|ente| (key, ente)))
        .ok_or_else(|| format!("not a unit of Pi.Co.: {unit}"))?;
    let mut findings = Vec::new();
    let rows: Vec<RigaAppalto> =
        gather(members, &mut findings).iter().map(|(cig, group)| riga(ente, *cig, group, &mut findings)).collect();
    let aggregati = Aggregati::of(&rows).ok_or("the total of the amounts is too large to be written")?;
    let unwritable = |error: &dyn std::fmt::Display| format!("a row could not be written: {error}");
    let ndjson = file(NDJSON_FILE, files::ndjson(&rows).map_err(|error| unwritable(&error))?);
    let csv = file(CSV_FILE, files::csv(&rows).map_err(|error| unwritable(&error))?);
    let manifesto = Manifesto {
        ente: key.ente,
        dataset: key.dataset,
        periodo: key.periodo,
        versione: revision,
        righe: rows.len() as u64,
        impronta: ndjson.impronta.clone(),
        generato_da: "raccordo".to_owned(),
        schema: SCHEMA.to_owned(),
        aggregati,
    };
    let package = Pacchetto { manifesto, file: vec![csv, ndjson] };
    let body = serde_json::to_vec(&package).map_err(|error| unwritable(&error))?;
    Ok(Composed { body, rows: rows.iter().map(row).collect(), findings })
}

fn file((nome, tipo): (&str, &str), contenuto: String) -> FilePacchetto {
    let impronta = Digest::of(contenuto.as_bytes()).to_string();
    FilePacchetto { nome: nome.to_owned(), tipo: tipo.to_owned(), impronta, contenuto }
}

/// What is known of one lot.
#[derive(Debug, Default)]
struct Group<'a> {
    lotto: Option<&'a Lotto>,
    awards: BTreeMap<u32, Award<'a>>,
}

/// The members by CIG, in the order of the CIG. Of two members with the same key and different
/// bodies one is taken, always the same, with a finding.
fn gather<'a>(members: &'a [Record], findings: &mut Vec<Finding>) -> BTreeMap<Cig, Group<'a>> {
    let mut chosen: BTreeMap<(canonical::Kind, RecordKey), &Record> = BTreeMap::new();
    let mut repeated: BTreeSet<RecordKey> = BTreeSet::new();
    for member in members {
        match chosen.entry((member.kind(), member.key())) {
            Entry::Vacant(entry) => drop(entry.insert(member)),
            Entry::Occupied(mut entry) => {
                let order = member.digest().cmp(&entry.get().digest());
                if order.is_ne() {
                    repeated.insert(member.key());
                }
                if order.is_lt() {
                    entry.insert(member);
                }
            }
        }
    }
    findings.extend(repeated.iter().map(|key| Finding::new(Rule::R06).at(key.as_str()).detail("repeated_member")));
    let mut groups: BTreeMap<Cig, Group<'a>> = BTreeMap::new();
    for record in chosen.into_values() {
        match &record.body {
            Body::Lotto(lotto) => groups.entry(lotto.cig).or_default().lotto = Some(lotto),
            Body::Aggiudicazione(body) => {
                award(&mut groups, body.cig, body.id_aggiudicazione).aggiudicazione = Some(body);
            }
            Body::Contratto(body) => award(&mut groups, body.cig, body.id_aggiudicazione).contratto = Some(body),
            Body::EventoEsecuzione(body) => award(&mut groups, body.cig, body.id_aggiudicazione).eventi.push(body),
            Body::Ente(_) | Body::OperatoreEconomico(_) | Body::Procedura(_) => {}
        }
    }
    groups
}

fn award<'g, 'a>(groups: &'g mut BTreeMap<Cig, Group<'a>>, cig: Cig, id_aggiudicazione: u32) -> &'g mut Award<'a> {
    groups.entry(cig).or_default().awards.entry(id_aggiudicazione).or_default()
}

/// The row of a lot.
fn riga(ente: CodiceFiscale, cig: Cig, group: &Group<'_>, findings: &mut Vec<Finding>) -> RigaAppalto {
    if group.lotto.is_none() {
        findings.push(Finding::new(Rule::N08).at(cig.as_str()).detail("lotto_absent"));
    }
    let mut clean = |field: &str, text: &str| {
        let cleaned = without_personal_codes(text, OMITTED);
        if matches!(cleaned, Cow::Owned(_)) {
            findings.push(Finding::new(Rule::N09).at(format!("{cig}/{field}")).detail("codice_fiscale"));
        }
        cleaned.into_owned()
    };
    let lotto = group.lotto;
    let aggiudicazioni = || group.awards.values().filter_map(|award| award.aggiudicazione);
    let contratti = || group.awards.values().filter_map(|award| award.contratto);
    RigaAppalto {
        codice_fiscale_ente: ente,
        cig,
        cup: lotto.map(|lotto| lotto.cup.clone()).unwrap_or_default(),
        oggetto: lotto.and_then(|lotto| lotto.oggetto.as_deref()).map(|text| clean("oggetto", text)),
        cpv: lotto.and_then(|lotto| lotto.cpv),
        scelta_contraente: lotto.and_then(|lotto| lotto.scelta_contraente.clone()),
        importo: lotto.and_then(importo),
        importo_aggiudicato: sum(aggiudicazioni().filter_map(|award| award.importo)),
        // No kind that Pi.Co. takes carries it: the column waits for one that does.
        data_pubblicazione: None,
        data_aggiudicazione: aggiudicazioni().filter_map(|award| award.data).min(),
        stato: stato::of_lotto(lotto, group.awards.values()),
        piattaforma_esecuzione: contratti()
            .find_map(|contratto| contratto.piattaforma_esecuzione.as_deref())
            .map(|text| clean("piattaforma_esecuzione", text)),
    }
}

/// The amount of a lot: the total, or the sum of its two parts. One part alone is another thing.
fn importo(lotto: &Lotto) -> Option<Importo> {
    lotto.importo_totale.or_else(|| lotto.importo_netto?.checked_add(lotto.oneri_sicurezza?))
}

/// The sum of the awards that say their amount; none when no award does.
fn sum(amounts: impl Iterator<Item = Importo>) -> Option<Importo> {
    let amounts: Vec<Importo> = amounts.collect();
    if amounts.is_empty() { None } else { Importo::checked_sum(amounts) }
}
