//! Authorities and operators: who they are, and how operators take part in an award.

use canonical::identifiers::CodiceFiscale;
use canonical::kinds::{Ente, IdentificativoOperatore, OperatoreEconomico, Partecipazione, RuoloRaggruppamento};
use canonical::values::Note;
use canonical::values::text::read_text;
use canonical::{Finding, Rule};
use contract::DraftRecord;

use crate::draft::{Draft, without_scheme};
use crate::node::Node;
use crate::read::{Mapped, aside, left_out};
use crate::values::Values;

/// A row of dataset `stazioni-appaltanti`.
pub(crate) fn stazione(values: &dyn Values, findings: &mut Vec<Finding>) -> Mapped {
    let mut draft = Draft::on(values, "", findings);
    let codice_fiscale = draft
        .ente("/codice_fiscale", "codice_fiscale")
        .ok_or_else(|| aside(Rule::N04, "the authority has no usable fiscal code"))?;
    let ente = Ente {
        codice_fiscale,
        denominazione: draft.words("/denominazione", "denominazione"),
        altri_codici: draft
            .codice_fiscale("/altri_codici", "partita_iva")
            .filter(|it| *it != codice_fiscale)
            .into_iter()
            .collect(),
        codice_ausa: draft.ausa("/codice_ausa", "codice_ausa"),
        codice_ipa: None,
        tipo: None,
        codice_istat: None,
        valido_dal: draft.giorno("/valido_dal", "data_inizio"),
        valido_al: draft.giorno("/valido_al", "data_fine"),
    };
    Ok(vec![draft.record(ente)])
}

/// A row of `aggiudicatari` or of `partecipanti`. An award gathers several such rows: one of them
/// alone cannot say who won, and written as an award it would hide its neighbours. It says who the
/// operator is.
pub(crate) fn row(values: &dyn Values, findings: &mut Vec<Finding>) -> Mapped {
    operatore(values, findings)
        .map(|record| vec![record])
        .ok_or_else(|| aside(Rule::N04, "the operator has no usable fiscal code"))
}

fn operatore(values: &dyn Values, findings: &mut Vec<Finding>) -> Option<DraftRecord> {
    let mut draft = Draft::on(values, "", findings);
    let codice_fiscale = draft.codice_fiscale("/codice_fiscale", "codice_fiscale")?;
    let denominazione = draft.words("/denominazione", "denominazione");
    Some(draft.record(OperatoreEconomico { codice_fiscale, denominazione, altri_codici: Vec::new() }))
}

/// The operators of the document of a CIG that have a usable code.
pub(crate) fn of_partecipanti(list: &[Node], findings: &mut Vec<Finding>) -> Vec<DraftRecord> {
    let mut records = Vec::new();
    for (place, one) in list.iter().enumerate() {
        match operatore(one, findings) {
            Some(record) => records.push(record),
            None => findings.push(left_out(Rule::N08, format!("partecipanti[{place}]"))),
        }
    }
    records
}

/// Who won an award and who took part, from the participants of the document of a CIG: a winner
/// carries the number of the award that it won.
pub(crate) fn partecipazioni(
    list: &[Node],
    award: &str,
    findings: &mut Vec<Finding>,
) -> (Vec<Partecipazione>, Vec<Partecipazione>) {
    let read = |one: &Node, findings: &mut Vec<Finding>| {
        let role = one.given("RUOLO");
        Partecipazione {
            operatore: identificativo(one.given("CODICE_FISCALE"), "partecipanti.CODICE_FISCALE", findings),
            denominazione: one.given("DENOMINAZIONE").and_then(|name| read_text(name).value),
            raggruppamento: role.and(one.given("COD_GRUPPO")).and_then(|group| group.trim().parse().ok()),
            ruolo: role.map(ruolo),
        }
    };
    let all: Vec<_> = list.iter().map(|one| (one, read(one, findings))).collect();
    let won = all.iter().filter(|(one, _)| one.given("FLAG_AGGIUDICATARIO").map(crate::draft::whole) == Some(award));
    (won.map(|(_, it)| it.clone()).collect(), all.iter().map(|(_, it)| it.clone()).collect())
}

/// The role by its name: the codes of this list are not those of Legge 190/2012.
fn ruolo(text: &str) -> RuoloRaggruppamento {
    match text.trim().to_ascii_uppercase().as_str() {
        "MANDANTE" => RuoloRaggruppamento::Mandante,
        "MANDATARIA" => RuoloRaggruppamento::Mandataria,
        "ASSOCIATA" => RuoloRaggruppamento::Associata,
        "CAPOGRUPPO" => RuoloRaggruppamento::Capogruppo,
        "CONSORZIATA" => RuoloRaggruppamento::Consorziata,
        _ => RuoloRaggruppamento::Altro(text.trim().to_owned()),
    }
}

/// How an operator is identified; what is no fiscal code is kept as received.
pub(crate) fn identificativo(text: Option<&str>, field: &str, findings: &mut Vec<Finding>) -> IdentificativoOperatore {
    let code = text.map(|text| without_scheme(text).trim()).unwrap_or_default();
    // How a table of the source writes an empty cell.
    if code.is_empty() || code.eq_ignore_ascii_case("nan") {
        return IdentificativoOperatore::Assente;
    }
    let reading = CodiceFiscale::read(code);
    if let Some(note) = reading.note {
        let rule = if note == Note::Malformed || note == Note::CheckDigit { Rule::N04 } else { note.rule() };
        let finding = Finding::new(rule).at(field).detail(note.code());
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    match (reading.value, reading.note) {
        (Some(code), _) => IdentificativoOperatore::CodiceFiscale(code),
        (None, Some(Note::Masked)) => IdentificativoOperatore::Assente,
        (None, _) => IdentificativoOperatore::NonValido(code.to_owned()),
    }
}
