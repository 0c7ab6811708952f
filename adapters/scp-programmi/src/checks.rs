//! What must hold before a programme is sent: the rules of the service, and those of ours that the
//! service does not check. Pure; the reasons are for people.

use canonical::identifiers::CodiceFiscale;
use canonical::kinds::{Annualita, Intervento, Programma, TipoIntervento};
use canonical::values::Importo;

use crate::wire::Genere;

/// The reasons for which a programme cannot be sent, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

/// How many reasons a person is told at once.
const MOST_TOLD: usize = 12;

impl Problems {
    /// One more reason, about a place of the programme.
    pub(crate) fn add(&mut self, place: &str, problem: impl std::fmt::Display) {
        self.0.push(format!("{place}: {problem}"));
    }

    /// Nothing wrong, or all the reasons in one text.
    pub(crate) fn into_result(mut self) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        let more = self.0.len().saturating_sub(MOST_TOLD);
        self.0.truncate(MOST_TOLD);
        let more = if more > 0 { format!("; e altri {more} motivi") } else { String::new() };
        Err(format!("il programma non può essere inviato: {}{more}", self.0.join("; ")))
    }
}

/// The identifier, and what it says of body, kind and year.
pub(crate) fn check_programma(programma: &Programma, genere: Genere, problems: &mut Problems) {
    if programma.tipo != genere.tipo() {
        problems.add("programma", format!("l'identificativo inizia per {}, il tipo è un altro", genere.prefisso()));
    }
    let expected = format!("{}{}{}", genere.prefisso(), programma.ente.as_str(), programma.anno);
    let progressive = programma.id.strip_prefix(&expected);
    if !progressive.is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit())) {
        let shape = format!("{}, codice fiscale dell'ente, anno, tre cifre", genere.prefisso());
        problems.add("programma", format!("l'identificativo non è fatto di {shape}"));
    }
    if programma.referente.is_none() {
        problems.add("programma", "manca il referente");
    }
    if genere == Genere::FornitureServizi && !programma.opere_incompiute.is_empty() {
        problems.add("programma", "le opere incompiute stanno solo nel programma dei lavori");
    }
    for item in programma.non_riproposti.iter().filter(|item| !is_of(item.cui.codice_fiscale(), &programma.ente)) {
        problems.add(&format!("CUI {}", item.cui), "il CUI è di un altro ente");
    }
}

/// The code of an item, its body, its letter and its money.
pub(crate) fn check_intervento(
    intervento: &Intervento,
    programma: &Programma,
    genere: Genere,
    problems: &mut Problems,
) {
    let cui = &intervento.cui;
    let place = format!("CUI {cui}");
    let letter = match intervento.tipo {
        TipoIntervento::Lavori => 'L',
        TipoIntervento::Forniture => 'F',
        TipoIntervento::Servizi => 'S',
    };
    if cui.letter() != letter {
        problems.add(&place, format!("la lettera del CUI non è {letter}, come vuole il tipo"));
    }
    if (genere == Genere::Lavori) != (intervento.tipo == TipoIntervento::Lavori) {
        problems.add(&place, "il tipo non è di questo programma");
    }
    if !is_of(cui.codice_fiscale(), &programma.ente) || intervento.ente != programma.ente {
        problems.add(&place, "il CUI è di un altro ente");
    }
    if intervento.esente_cup && intervento.cup.is_some() {
        problems.add(&place, "è esente da CUP e ha un CUP");
    }
    let has_third = intervento.risorse.iter().any(|riga| riga.annualita == Annualita::Terza);
    if genere == Genere::FornitureServizi && has_third {
        problems.add(&place, "il servizio non ha la terza annualità per forniture e servizi");
    }
    if let Err(problem) = check_total(intervento) {
        problems.add(&place, problem);
    }
}

/// Whether the fiscal code inside a CUI is that of the body.
fn is_of(inside: Option<CodiceFiscale>, ente: &CodiceFiscale) -> bool {
    inside.is_some_and(|inside| inside == *ente)
}

/// Sources, years and what was spent before make the declared total.
fn check_total(intervento: &Intervento) -> Result<(), String> {
    let amounts = intervento.risorse.iter().map(|riga| riga.importo);
    if amounts.clone().any(|amount| amount < Importo::ZERO) {
        return Err("una riga di risorse è negativa".to_owned());
    }
    let sum = Importo::checked_sum(amounts.chain(intervento.spese_sostenute)).ok_or("la somma è troppo grande")?;
    match intervento.importo_totale {
        Some(total) if total != sum => {
            Err(format!("l'importo totale è {total}, le righe e le spese sostenute fanno {sum}"))
        }
        _ => Ok(()),
    }
}
