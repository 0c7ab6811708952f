//! Operators of a row: who took part, who won, in which group.

use std::collections::HashSet;

use canonical::identifiers::CodiceFiscale;
use canonical::kinds::{IdentificativoOperatore, OperatoreEconomico, Partecipazione, RuoloRaggruppamento};
use canonical::values::Note;
use canonical::values::text::read_text;
use canonical::{Finding, Rule};
use contract::{DraftRecord, SetAside};

use super::fields::{Fields, Raw};
use crate::wire::{Ditta, OperatoreContratto, Testo};

/// How many operators a row may have, participants and winners together; with more it stands aside.
const MOST: usize = 5_000;

/// The two lists of operators of a row.
#[derive(Default)]
pub(super) struct Elenchi {
    pub(super) aggiudicatari: Vec<Operatore>,
    pub(super) partecipanti: Vec<Operatore>,
}

/// An operator, with the texts it was read from.
pub(super) struct Operatore {
    partecipazione: Partecipazione,
    received_code: String,
    received_name: String,
}

impl Elenchi {
    /// Whether the row is one that could take the memory of thousands.
    pub(super) fn too_many(count: usize) -> Option<SetAside> {
        let reason = format!("the row has more than {MOST} operators");
        (count > MOST).then_some(SetAside { rule: Rule::N03, reason })
    }

    /// Whether somebody won, by identity or at least by name.
    pub(super) fn is_awarded(&self) -> bool {
        self.aggiudicatari.iter().any(|operatore| {
            operatore.partecipazione.operatore != IdentificativoOperatore::Assente
                || operatore.partecipazione.denominazione.is_some()
        })
    }

    /// Notices winners whose code no participant has. Without participants nothing can be said.
    pub(super) fn judge(&self, fields: &mut Fields, list: &str) {
        let partecipanti: HashSet<_> = self.partecipanti.iter().filter_map(Operatore::identity).collect();
        if partecipanti.is_empty() {
            return;
        }
        for (index, winner) in self.aggiudicatari.iter().enumerate() {
            if winner.identity().is_some_and(|winner| !partecipanti.contains(&winner)) {
                fields.notice(Rule::R19, format!("{list}/{}", index + 1), "not_among_participants");
            }
        }
    }

    /// Each operator with a readable code once, winners first.
    pub(super) fn records(&self) -> Vec<DraftRecord> {
        let mut met = HashSet::new();
        let operatori = self.aggiudicatari.iter().chain(&self.partecipanti);
        let readable = operatori.filter_map(|operatore| match operatore.partecipazione.operatore {
            IdentificativoOperatore::CodiceFiscale(codice_fiscale) => Some((codice_fiscale, operatore)),
            _ => None,
        });
        readable
            .filter(|(codice_fiscale, _)| met.insert(*codice_fiscale))
            .map(|(codice_fiscale, operatore)| {
                let mut raw = Raw::default();
                raw.keep("/codice_fiscale", &operatore.received_code, codice_fiscale.as_str());
                let denominazione = operatore.partecipazione.denominazione.clone();
                raw.keep("/denominazione", &operatore.received_name, denominazione.as_deref().unwrap_or_default());
                raw.record(OperatoreEconomico { codice_fiscale, denominazione, altri_codici: Vec::new() })
            })
            .collect()
    }

    /// The lists as an award has them: winners, participants.
    pub(super) fn take(&self, raw: &mut Raw) -> (Vec<Partecipazione>, Vec<Partecipazione>) {
        (take("/aggiudicatari", &self.aggiudicatari, raw), take("/partecipanti", &self.partecipanti, raw))
    }
}

fn take(path: &str, operatori: &[Operatore], raw: &mut Raw) -> Vec<Partecipazione> {
    let kept = operatori.iter().enumerate().map(|(index, operatore)| {
        let Operatore { partecipazione, received_code, received_name } = operatore;
        let code = match &partecipazione.operatore {
            IdentificativoOperatore::CodiceFiscale(codice_fiscale) => codice_fiscale.as_str(),
            IdentificativoOperatore::Estero(text) | IdentificativoOperatore::NonValido(text) => text,
            IdentificativoOperatore::Assente => "",
        };
        raw.keep(format!("{path}/{index}/operatore"), received_code, code);
        let name = partecipazione.denominazione.as_deref().unwrap_or_default();
        raw.keep(format!("{path}/{index}/denominazione"), received_name, name);
        partecipazione.clone()
    });
    kept.collect()
}

impl Operatore {
    fn identity(&self) -> Option<String> {
        let code = self.received_code.trim();
        // A masked code tells nobody from anybody.
        (!code.is_empty() && !code.contains('*')).then(|| code.to_ascii_uppercase())
    }

    /// Reads an operator. Codes and names are never shown: they may be a person's.
    fn read(fields: &mut Fields, at: &str, code: &Testo, estero: &Testo, name: &Testo) -> Self {
        let reading = CodiceFiscale::read(code.as_str());
        let (operatore, source) = match (reading.value, reading.note) {
            (Some(codice_fiscale), _) => (IdentificativoOperatore::CodiceFiscale(codice_fiscale), code),
            (None, Some(Note::Masked)) => (IdentificativoOperatore::Assente, code),
            (None, Some(_)) => (IdentificativoOperatore::NonValido(code.trimmed().to_owned()), code),
            (None, None) if estero.is_empty() || estero.as_str().contains('*') => {
                (IdentificativoOperatore::Assente, estero)
            }
            (None, None) => (IdentificativoOperatore::Estero(estero.trimmed().to_owned()), estero),
        };
        match reading.note {
            Some(note) => fields.note(Finding::from(note).at(format!("{at}/codiceFiscale"))),
            None if estero.as_str().contains('*') => {
                fields.note(Finding::from(Note::Masked).at(format!("{at}/idFiscaleEstero")));
            }
            None if operatore == IdentificativoOperatore::Assente => {
                fields.notice(Rule::N08, format!("{at}/codiceFiscale"), "absent");
            }
            None => {}
        }
        let denominazione = read_text(name.as_str());
        if let Some(note) = denominazione.note {
            fields.note(Finding::from(note).at(format!("{at}/ragioneSociale")));
        }
        let denominazione = denominazione.value;
        let partecipazione = Partecipazione { operatore, denominazione, raggruppamento: None, ruolo: None };
        Self { partecipazione, received_code: source.as_str().to_owned(), received_name: name.as_str().to_owned() }
    }

    /// Somebody of whom only the name is given.
    pub(super) fn by_name(fields: &mut Fields, at: &str, name: &Testo) -> Self {
        let denominazione = read_text(name.as_str());
        if let Some(note) = denominazione.note {
            fields.note(Finding::from(note).at(at));
        }
        let partecipazione = Partecipazione {
            operatore: IdentificativoOperatore::Assente,
            denominazione: denominazione.value,
            raggruppamento: None,
            ruolo: None,
        };
        Self { partecipazione, received_code: String::new(), received_name: name.as_str().to_owned() }
    }
}

/// The operators of a list of `trasp/getElencoDati`. Members have a role but no group: where just
/// one of them leads, they are one group; otherwise the row does not say who stands with whom.
pub(super) fn of_ditte(fields: &mut Fields, list: &str, ditte: &[Ditta]) -> Vec<Operatore> {
    let heads = ditte.iter().filter(|ditta| matches!(role_number(&ditta.ruolo), Some(2 | 4))).count();
    let read = ditte.iter().enumerate().map(|(index, ditta)| {
        let at = format!("{list}/{}", index + 1);
        let mut operatore =
            Operatore::read(fields, &at, &ditta.codice_fiscale, &ditta.id_fiscale_estero, &ditta.ragione_sociale);
        operatore.partecipazione.ruolo = ruolo(&ditta.ruolo);
        if operatore.partecipazione.ruolo.is_some() {
            operatore.partecipazione.raggruppamento = (heads == 1).then_some(1);
            if heads != 1 {
                fields.notice(Rule::N08, format!("{at}/ruolo"), "group_not_given");
            }
            if role_number(&ditta.ruolo).is_none() {
                fields.notice(Rule::N05, format!("{at}/ruolo"), "ruolo");
            }
        }
        operatore
    });
    read.collect()
}

/// The operators of a list of the detail of a contract, where a group holds its members.
pub(super) fn of_contratto(fields: &mut Fields, list: &str, entries: &[OperatoreContratto]) -> Vec<Operatore> {
    let mut operatori = Vec::new();
    let mut group = 0;
    for (index, entry) in entries.iter().enumerate() {
        let at = format!("{list}/{}", index + 1);
        if entry.componenti_rti.is_empty() {
            operatori.push(one_of_contratto(fields, &at, entry));
            continue;
        }
        group += 1;
        for (member_index, entry) in entry.componenti_rti.iter().enumerate() {
            let at = format!("{at}/componentiRti/{}", member_index + 1);
            let mut member = one_of_contratto(fields, &at, entry);
            let leads = entry.mandataria.trimmed() == "true";
            member.partecipazione.raggruppamento = Some(group);
            member.partecipazione.ruolo =
                Some(if leads { RuoloRaggruppamento::Mandataria } else { RuoloRaggruppamento::Mandante });
            operatori.push(member);
        }
    }
    operatori
}

fn one_of_contratto(fields: &mut Fields, at: &str, entry: &OperatoreContratto) -> Operatore {
    let code = entry.codice_fiscale.or(&entry.partita_iva);
    Operatore::read(fields, at, code, &Testo::default(), &entry.ragione_sociale)
}

/// How many operators a list of the detail of a contract has.
pub(super) fn count(entries: &[OperatoreContratto]) -> usize {
    entries.iter().map(|entry| entry.componenti_rti.len().max(1)).sum()
}

/// The number of a role in a group; labels are never looked at.
fn role_number(ruolo: &Testo) -> Option<usize> {
    let text = ruolo.trimmed();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.get(..digits)?.parse().ok().filter(|number| (1..=5).contains(number))
}

fn ruolo(text: &Testo) -> Option<RuoloRaggruppamento> {
    Some(match role_number(text) {
        Some(1) => RuoloRaggruppamento::Mandante,
        Some(2) => RuoloRaggruppamento::Mandataria,
        Some(3) => RuoloRaggruppamento::Associata,
        Some(4) => RuoloRaggruppamento::Capogruppo,
        Some(5) => RuoloRaggruppamento::Consorziata,
        _ if text.is_empty() => return None,
        _ => RuoloRaggruppamento::Altro(text.trimmed().to_owned()),
    })
}
