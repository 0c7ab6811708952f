//! From a publication as SCP gives it back to the rows that the tables know. Pure.
//!
//! The same tables type what is sent and what is read, so a difference is never one of spelling.
//! Fields without a line in the tables are ignored: SCP adds some of its own.

use std::collections::{BTreeMap, BTreeSet};

use canonical::identifiers::without_personal_codes;
use contract::{FieldValue, Row};

use crate::campi::{
    ACQUISTO, ADOZIONE, Campo, INTERVENTO, NON_RIPROPOSTO, OPERA_INCOMPIUTA, PROGRAMMA, TECNICO, Tipo, risorse,
};
use crate::wire::{Genere, OPERE_INCOMPIUTE, Voce};
use crate::write::{PROGRAMMA_ROW, comparable, row_key};

/// What could not be read: the name of the field, never its value.
pub(crate) type Unreadable = &'static str;

/// A publication in comparable form.
#[derive(PartialEq, Eq)]
pub(crate) struct Pubblicato {
    /// Its rows, by key.
    pub(crate) rows: Vec<Row>,
    /// The persons it names, by row: compared, never shown.
    persons: BTreeMap<String, Vec<(&'static str, FieldValue)>>,
}

/// Reads a publication.
pub(crate) fn pubblicato(genere: Genere, programma: &Voce) -> Result<Pubblicato, Unreadable> {
    let mut read = Pubblicato { rows: Vec::new(), persons: BTreeMap::new() };
    let mut fields = known(PROGRAMMA);
    if genere == Genere::Lavori {
        fields.extend(known(ADOZIONE));
    }
    read.add(PROGRAMMA_ROW.to_owned(), programma, &fields, Some("referente"))?;

    let mut fields = known(INTERVENTO);
    if genere == Genere::FornitureServizi {
        fields.extend(known(ACQUISTO));
    }
    fields.extend(risorse().map(|(nome, ..)| (nome, Tipo::Importo)));
    read.list(programma, genere.interventi(), "cui", &fields, Some("rup"))?;
    read.list(programma, genere.non_riproposti(), "cui", &known(NON_RIPROPOSTO), None)?;
    if genere == Genere::Lavori {
        read.list(programma, OPERE_INCOMPIUTE, "cup", &known(OPERA_INCOMPIUTA), None)?;
    }
    read.rows.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(read)
}

fn known<T>(campi: &'static [Campo<T>]) -> Vec<(&'static str, Tipo)> {
    campi.iter().map(|campo| (campo.nome, campo.tipo)).collect()
}

impl Pubblicato {
    fn list(
        &mut self,
        programma: &Voce,
        list: &'static str,
        key: &str,
        fields: &[(&'static str, Tipo)],
        person: Option<&'static str>,
    ) -> Result<(), Unreadable> {
        let Some(items) = programma.get(list) else { return Ok(()) };
        let items: Option<Vec<Voce>> = serde_json::from_str(items.get()).map_err(|_| list)?;
        for item in items.unwrap_or_default() {
            let key = item.get(key).and_then(|key| serde_json::from_str::<String>(key.get()).ok()).ok_or(list)?;
            self.add(row_key(list, &key), &item, fields, person)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        key: String,
        voce: &Voce,
        fields: &[(&'static str, Tipo)],
        person: Option<&'static str>,
    ) -> Result<(), Unreadable> {
        if let Some(person) = person
            && let Some(json) = voce.get(person)
            && let Some(named) = serde_json::from_str::<Option<Voce>>(json.get()).map_err(|_| person)?
        {
            self.persons.insert(key.clone(), values(&named, &known(TECNICO))?);
        }
        let values = values(voce, fields)?;
        let row = values.into_iter().fold(Row::new(key), |row, (nome, value)| row.with(nome, Some(value)));
        self.rows.push(row);
        Ok(())
    }
}

fn values(voce: &Voce, fields: &[(&'static str, Tipo)]) -> Result<Vec<(&'static str, FieldValue)>, Unreadable> {
    let mut values = Vec::new();
    for (nome, tipo) in fields {
        let Some(json) = voce.get(*nome) else { continue };
        let valore = tipo.read(json).map_err(|()| *nome)?;
        values.extend(valore.and_then(|valore| comparable(nome, &valore, *tipo)).map(|value| (*nome, value)));
    }
    Ok(values)
}

/// What stands in a text in place of a person.
const OMITTED: &str = "[…]";

/// A text of the service without fiscal codes of persons, and without the codes and the names of
/// the persons whom the programme names. To be cut after this, never before: half a name would stay.
pub(crate) fn without_persons(text: &str, programma: &Voce) -> String {
    let (mut names, mut codes) = (BTreeSet::new(), Vec::new());
    let mut voci = vec![programma.clone()];
    while let Some(voce) = voci.pop() {
        for (field, json) in &voce {
            let text = || serde_json::from_str::<String>(json.get()).unwrap_or_default();
            match field.as_str() {
                "cognome" | "nome" => names.extend(words(&text()).map(plain)),
                "cfPiva" => codes.push(text()),
                "referente" | "rup" => voci.extend(serde_json::from_str::<Voce>(json.get()).ok()),
                _ => voci.extend(serde_json::from_str::<Vec<Voce>>(json.get()).unwrap_or_default()),
            }
        }
    }
    let mut text = without_personal_codes(text, OMITTED).into_owned();
    // A person may stand there with a VAT number, whose shape tells it from no company.
    for code in codes.iter().filter(|code| !code.is_empty()) {
        text = text.replace(code, OMITTED);
    }
    let is_name = |word: &str| word.chars().nth(1).is_some() && names.contains(&plain(word));
    let mut shown = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_between_words) {
        let word = piece.trim_end_matches(is_between_words);
        shown.push_str(if is_name(word) { OMITTED } else { word });
        shown.push_str(&piece[word.len()..]);
    }
    shown
}

/// The words of a name, as those of a text: of D'Angelo and of Anna-Maria each half is one.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(is_between_words).filter(|word| !word.is_empty())
}

fn is_between_words(character: char) -> bool {
    !character.is_alphabetic()
}

/// A word as it is compared: an accent may be missing, or be an apostrophe after the letter.
fn plain(word: &str) -> String {
    let letter = |character| match character {
        'à' | 'á' | 'â' | 'ä' => 'a',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ò' | 'ó' | 'ô' | 'ö' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        other => other,
    };
    word.to_lowercase().chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::testing::case;

    #[test]
    fn the_persons_of_a_programme_are_taken_out_of_a_text() {
        let programma: Voce = serde_json::from_value(case("lavori")["corpo"].take()).unwrap();
        let text = "referente.cognome: ROSSI non ammesso; rup: Mario (Rossi), anno 2025; Rossini sì";
        let shown = without_persons(text, &programma);
        assert_eq!(shown, "referente.cognome: […] non ammesso; rup: […] ([…]), anno 2025; Rossini sì");
    }

    fn person(cognome: &str, nome: &str, code: &str) -> Voce {
        let referente = json!({"cognome": cognome, "nome": nome, "cfPiva": code});
        serde_json::from_value(json!({"referente": referente})).unwrap()
    }

    #[rstest]
    #[case("D'ANGELO", "Anna-Maria", "referente: D'Angelo Anna-Maria", "referente: D'[…] […]-[…]")]
    #[case("D’Angelo", "Anna Maria", "D'ANGELO (anna-maria)", "D'[…] ([…]-[…])")]
    #[case("Dell'Orto", "Li", "Dell’Orto Li: non valido", "[…]’[…] […]: non valido")]
    #[case("Rossi-Bianchi", "Nicolò", "ROSSI BIANCHI NICOLO'", "[…] […] […]'")]
    #[case("Dal Pra'", "Zoë", "Dal Prà Zoe; dalla", "[…] […] […]; dalla")]
    fn names_with_apostrophes_hyphens_and_accents_are_taken_out(
        #[case] cognome: &str,
        #[case] nome: &str,
        #[case] text: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(without_persons(text, &person(cognome, nome, "RSSMRA85T10A562S")), expected);
    }

    #[test]
    fn names_with_an_apostrophe_or_a_hyphen_and_their_code_are_taken_out_together() {
        let programma = person("D'ANGELO", "Anna-Maria", "RSSMRA85T10A562S");
        let shown = without_persons("referente: D'Angelo Anna-Maria (RSSMRA85T10A562S)", &programma);
        assert_eq!(shown, "referente: D'[…] […]-[…] ([…])");
    }

    #[rstest]
    #[case("RSSMRA85T10A562S")]
    #[case("00606750131")]
    fn a_remark_that_repeats_the_code_of_a_person_is_shown_without_it(#[case] code: &str) {
        let entry = crate::wire::ValidateEntry {
            nome: Some("referente.cfPiva".into()),
            messaggio: Some(format!("{code} non in anagrafe")),
            tipo: Some("W".into()),
        };
        let shown = without_persons(&entry.readable(), &person("ROSSI", "Mario", code));
        assert_eq!(shown, "referente.cfPiva: […] non in anagrafe");
    }
}
