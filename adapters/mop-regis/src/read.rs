//! From a row, or from the rows of one project, to canonical records. Pure.

use std::collections::{BTreeSet, HashSet};

use canonical::identifiers::{Cig, CigClass, CodiceFiscale, CodiceIpa, Cup};
use canonical::kinds::{CollegamentoCupCig, Ente, Finanziamento, OperatoreEconomico, Piano, Progetto};
use canonical::values::{Importo, Note, Reading};
use canonical::{Finding, Rule, Severity};
use contract::{DraftRecord, Normalized, RawRecord, SetAside};

use crate::gather::{is_apart, rows_of};
use crate::row::{Findings, OperaNote, Raw, Row};
use crate::wire::{Campo, Format, Gives, Repeated};

/// Understands one raw record.
pub(crate) fn normalize(raw: &RawRecord) -> Normalized {
    let mut findings = Findings::default();
    let (records, set_aside) = match records(raw, &mut findings) {
        Ok(records) => (records, None),
        Err(set_aside) => (Vec::new(), Some(set_aside)),
    };
    Normalized { records, findings: findings.into_vec(), set_aside }
}

fn records(raw: &RawRecord, findings: &mut Findings) -> Result<Vec<DraftRecord>, SetAside> {
    let format = Format::find(&raw.document.format, &raw.document.version)
        .ok_or_else(|| aside(Rule::N03, "the format of the document is not known any more"))?;
    let texts = rows_of(raw);
    let rows = texts.iter().map(|text| Row::of(format, text)).collect::<Result<Vec<_>, _>>();
    let rows = rows.map_err(|error| aside(Rule::N03, &error.to_string()))?;
    let row = rows.first().ok_or_else(|| aside(Rule::N03, "the record has no row"))?;
    match format.gives {
        Gives::Progetto => progetto(row, &rows, raw, findings),
        Gives::Collegamento => collegamento(row, raw.occurrence, findings),
        Gives::Ente => ente_alone(row, findings),
    }
}

fn aside(rule: Rule, reason: &str) -> SetAside {
    SetAside { rule, reason: reason.to_owned() }
}

fn progetto(
    row: &Row<'_>,
    rows: &[Row<'_>],
    record: &RawRecord,
    findings: &mut Findings,
) -> Result<Vec<DraftRecord>, SetAside> {
    let mut raw = Raw::default();
    let cup = usable_cup(row, &mut raw, findings)?;
    if is_apart(&record.document, cup) {
        findings.code(Finding::new(Rule::R06).detail("rows_apart"), "/cup", row.received(Campo::Cup));
        return Err(aside(Rule::R06, "the rows of the CUP do not stand together: a part would pass for the whole"));
    }
    if record.occurrence > 0 {
        // The amounts of two works of a project cannot stand in one record, and the second would
        // be taken for a correction of the first.
        return Err(aside(Rule::R06, "another row of the document has the same CUP and came first"));
    }
    let (ente, ente_record) = ente(row, &mut raw, findings);
    let mut project = Progetto { ente, piani: piani(row), ..Progetto::new(cup) };
    project.titolo = raw.text(findings, "/titolo", row, Campo::Titolo);
    project.programma = raw.text(findings, "/programma", row, Campo::Programma);
    project.misura = misura(row, &mut raw, findings);
    project.stato = raw.text(findings, "/stato", row, Campo::Stato);
    (project.fase, project.fase_descrizione) = fase(row, &mut raw, findings);
    project.natura = raw.text(findings, "/natura", row, Campo::Natura);
    project.costo = raw.importo(findings, "/costo", row, Campo::Costo);
    project.finanziamento = somma(rows, Campo::Finanziamento, "/finanziamento", &mut raw, findings);
    for (campo, fonte) in [(Campo::FinanziamentoPnrr, "PNRR"), (Campo::FinanziamentoPnc, "PNC")] {
        let path = format!("/finanziamenti/{}/importo", project.finanziamenti.len());
        let importo = somma(rows, campo, &path, &mut raw, findings);
        project.finanziamenti.extend(importo.map(|importo| Finanziamento { fonte: fonte.to_owned(), importo }));
    }
    let paid = if row.format.column(Campo::PagatoAnno).is_some() { Campo::PagatoAnno } else { Campo::Pagato };
    project.pagato = somma(rows, paid, "/pagato", &mut raw, findings);
    project.data_generazione = raw.data(findings, "/data_generazione", row, Campo::DataGenerazione);
    project.data_chiusura = raw.data(findings, "/data_chiusura", row, Campo::DataChiusura);
    for row in rows {
        let (comune, received) = row.comune();
        if let Some((received, note)) = received.zip(comune.note) {
            findings.note("/luoghi", &received, note);
        }
        project.luoghi.extend(comune.value);
    }
    repeated_years(rows, findings);
    Ok(ente_record.into_iter().chain([raw.record(project)]).collect())
}

/// The same year twice may be two payments or one told twice: it is counted as received.
fn repeated_years(rows: &[Row<'_>], findings: &mut Findings) {
    let mut met = HashSet::new();
    for year in rows.iter().filter_map(|row| row.received(Campo::Anno)) {
        if !met.insert(year) {
            findings.push(Finding::new(Rule::R06).detail("year_repeated"), "/pagato", Some(year));
        }
    }
}

fn collegamento(row: &Row<'_>, occurrence: u32, findings: &mut Findings) -> Result<Vec<DraftRecord>, SetAside> {
    let mut raw = Raw::default();
    let cup = usable_cup(row, &mut raw, findings)?;
    let cig = usable_cig(row, &mut raw, findings)?;
    let mut link = CollegamentoCupCig { piani: piani(row), ..CollegamentoCupCig::new(cup, cig) };
    if cig.is_none() {
        link.id_procedura = raw.text(findings, "/id_procedura", row, Campo::IdProcedura);
        link.motivo_assenza_cig = motivo(row, findings);
        if link.id_procedura.is_none() {
            return Err(aside(Rule::R05, "the row has no CIG, and nothing else that tells it apart"));
        }
        if occurrence > 0 && row.format.repeated == Repeated::Other {
            return Err(aside(Rule::R06, "another row of the document has the same CUP and procedure and came first"));
        }
    } else if occurrence > 0 && row.format.repeated == Repeated::Other {
        return Err(aside(Rule::R06, "another row of the document has the same CUP and CIG and came first"));
    } else if row.format.repeated == Repeated::Other {
        // Where only the winner differs between rows, the number of the procedure may differ too.
        link.id_procedura = raw.text(findings, "/id_procedura", row, Campo::IdProcedura);
    }
    let (ente, ente_record) = ente(row, &mut raw, findings);
    link.ente = ente;
    link.programma = raw.text(findings, "/programma", row, Campo::Programma);
    link.misura = misura(row, &mut raw, findings);
    link.oggetto = raw.text(findings, "/oggetto", row, Campo::Titolo);
    link.importo_base = raw.importo(findings, "/importo_base", row, Campo::ImportoBase);
    link.importo_aggiudicazione = raw.importo(findings, "/importo_aggiudicazione", row, Campo::ImportoAggiudicazione);
    link.data_pubblicazione = raw.data(findings, "/data_pubblicazione", row, Campo::DataPubblicazione);
    link.data_aggiudicazione = raw.data(findings, "/data_aggiudicazione", row, Campo::DataAggiudicazione);
    let operatore = operatore(row, findings);
    Ok(ente_record.into_iter().chain(operatore).chain([raw.record(link)]).collect())
}

fn ente_alone(row: &Row<'_>, findings: &mut Findings) -> Result<Vec<DraftRecord>, SetAside> {
    let (_, record) = ente(row, &mut Raw::default(), findings);
    let record = record.ok_or_else(|| aside(Rule::N04, "the row has no fiscal code of a body"))?;
    Ok(vec![record])
}

fn usable_cup(row: &Row<'_>, raw: &mut Raw, findings: &mut Findings) -> Result<Cup, SetAside> {
    let (received, reading) = (row.received(Campo::Cup), row.cup());
    match (reading.value, received) {
        (Some(cup), _) => {
            raw.keep("/cup", received, Some(cup.as_str()));
            Ok(cup)
        }
        (None, None) => {
            findings.push(Finding::new(Rule::N08), "/cup", None);
            Err(aside(Rule::N08, "the row has no CUP"))
        }
        (None, Some(_)) => {
            let malformed = Finding::new(Rule::R13).severity(Severity::Error).detail(Note::Malformed.code());
            findings.code(malformed, "/cup", received);
            Err(aside(Rule::R13, "the CUP is malformed, or more than one"))
        }
    }
}

fn usable_cig(row: &Row<'_>, raw: &mut Raw, findings: &mut Findings) -> Result<Option<Cig>, SetAside> {
    let received = row.received(Campo::Cig);
    let reading = received.map_or_else(Reading::absent, Cig::read);
    raw.keep("/cig", received, reading.value.filter(|cig| !cig.is_null()).as_ref().map(Cig::as_str));
    match (reading.value, reading.note) {
        (Some(cig), _) if cig.is_null() => Ok(None),
        (Some(cig), note) => {
            if note == Some(Note::CheckDigit) {
                findings.push(Finding::new(Rule::R04).detail(Note::CheckDigit.code()), "/cig", received);
            }
            if cig.class() == CigClass::SmartCig {
                findings.push(Finding::new(Rule::R09), "/cig", received);
            }
            Ok(Some(cig))
        }
        (None, None) => Ok(None),
        (None, Some(_)) => {
            findings.code(Finding::new(Rule::R04).detail(Note::Malformed.code()), "/cig", received);
            Err(aside(Rule::R04, "the CIG is malformed"))
        }
    }
}

/// Why there is no CIG. `000` is written where there is one, so it is no reason.
fn motivo(row: &Row<'_>, findings: &mut Findings) -> Option<String> {
    let reason = row.received(Campo::MotivoAssenzaCig).filter(|code| *code != "000");
    if reason.is_none() {
        let (severity, detail) = match row.format.column(Campo::MotivoAssenzaCig) {
            Some(_) => (Severity::Warning, "without_reason"),
            // The reason stands in the table of the procedures.
            None => (Severity::Info, "reason_in_another_table"),
        };
        findings.push(Finding::new(Rule::R05).severity(severity).detail(detail), "/cig", None);
    }
    reason.map(str::to_owned)
}

fn piani(row: &Row<'_>) -> BTreeSet<Piano> {
    row.format.piano.into_iter().cloned().collect()
}

fn misura(row: &Row<'_>, raw: &mut Raw, findings: &mut Findings) -> Option<String> {
    let Some((opera, note)) = row.opera() else {
        return raw.text(findings, "/misura", row, Campo::Misura);
    };
    let received = row.received(Campo::Opera);
    match note {
        OperaNote::Canonical => {}
        OperaNote::ZerosRemoved => findings.push(Finding::new(Rule::R26).detail("zeros_removed"), "/misura", received),
        OperaNote::NotANumber => {
            let finding = Finding::new(Rule::N03).severity(Severity::Warning).detail("not_a_number_of_a_work");
            findings.push(finding, "/misura", received);
        }
    }
    raw.keep("/misura", received, Some(&opera));
    Some(opera)
}

fn fase(row: &Row<'_>, raw: &mut Raw, findings: &mut Findings) -> (Option<u8>, Option<String>) {
    let counts = row.format.column(Campo::FaseNumerata).is_some();
    let campo = if counts { Campo::FaseNumerata } else { Campo::Fase };
    let (number, text) = (row.fase(), raw.text(findings, "/fase_descrizione", row, campo));
    if counts && number.is_none() && text.is_some() {
        findings.push(Finding::new(Rule::N05).detail("phase_without_number"), "/fase", text.as_deref());
    }
    (number, text)
}

/// The sum of the parts of a project. One part that cannot be read leaves no sum.
fn somma(rows: &[Row<'_>], campo: Campo, path: &str, raw: &mut Raw, findings: &mut Findings) -> Option<Importo> {
    let mut received = Vec::new();
    let mut parts = Vec::new();
    let mut is_whole = true;
    for row in rows {
        let Some(text) = row.received(campo) else { continue };
        let reading = if campo == Campo::PagatoAnno { row.importo_con_segno(campo) } else { row.importo(campo) };
        if let Some(note) = reading.note {
            findings.note(path, text, note);
        }
        received.push(text);
        is_whole &= reading.value.is_some();
        parts.extend(reading.value);
    }
    let sum = if is_whole && !parts.is_empty() { Importo::checked_sum(parts) } else { None };
    if !received.is_empty() {
        raw.keep(path, Some(&received.join(" + ")), sum.map(|sum| sum.to_string()).as_deref());
    }
    sum
}

/// The body of a row: its code for the record that names it, and a record of its own.
fn ente(row: &Row<'_>, raw: &mut Raw, findings: &mut Findings) -> (Option<CodiceFiscale>, Option<DraftRecord>) {
    let received = row.received(Campo::CodiceEnte);
    let reading = received.map_or_else(Reading::absent, CodiceFiscale::read);
    if reading.value.is_some_and(CodiceFiscale::is_person) {
        findings.push(Finding::new(Rule::N09).detail("person"), "/ente", None);
        return (None, None);
    }
    let Some(codice_fiscale) = raw.value(findings, "/ente", received, reading) else { return (None, None) };
    let mut own = Raw::default();
    own.keep("/codice_fiscale", received, Some(codice_fiscale.as_str()));
    let ipa = row.received(Campo::CodiceIpa);
    let body = Ente {
        codice_fiscale,
        denominazione: own.text(findings, "/denominazione", row, Campo::NomeEnte),
        altri_codici: Vec::new(),
        codice_ausa: None,
        codice_ipa: own.value(findings, "/codice_ipa", ipa, ipa.map_or_else(Reading::absent, CodiceIpa::read)),
        tipo: None,
        codice_istat: None,
        valido_dal: None,
        valido_al: None,
    };
    (Some(codice_fiscale), Some(own.record(body)))
}

/// The company of a row. Persons, masked or not, give no operator.
fn operatore(row: &Row<'_>, findings: &mut Findings) -> Option<DraftRecord> {
    let received = row.received(Campo::CodiceOperatore)?;
    let reading = CodiceFiscale::read(received);
    if reading.value.is_some_and(CodiceFiscale::is_person) {
        findings.push(Finding::new(Rule::N09).detail("person"), "/operatore", None);
        return None;
    }
    let mut raw = Raw::default();
    if let Some(note) = reading.note {
        findings.note("/operatore", received, note);
    }
    let codice_fiscale = reading.value?;
    raw.keep("/codice_fiscale", Some(received), Some(codice_fiscale.as_str()));
    let denominazione = match row.received(Campo::NomeOperatore) {
        Some(name) if name.contains("****") => None,
        _ => raw.text(findings, "/denominazione", row, Campo::NomeOperatore),
    };
    Some(raw.record(OperatoreEconomico { codice_fiscale, denominazione, altri_codici: Vec::new() }))
}
