//! From a publication as SCP gives it back to the rows that the tables know. Pure.
//!
//! The same tables type what is sent and what is read, so a difference is never one of spelling.
//! Fields without a line in the tables are ignored: SCP adds some of its own.

use std::collections::BTreeMap;

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

/// A text of the service without the names of the persons whom the programme names. Fiscal codes
/// are taken out where the text comes in.
pub(crate) fn without_persons(text: &str, programma: &Voce) -> String {
    let mut names = Vec::new();
    let mut voci = vec![programma.clone()];
    while let Some(voce) = voci.pop() {
        for (field, json) in &voce {
            match field.as_str() {
                "cognome" | "nome" => names.extend(serde_json::from_str::<String>(json.get()).ok()),
                "referente" | "rup" => voci.extend(serde_json::from_str::<Voce>(json.get()).ok()),
                _ => voci.extend(serde_json::from_str::<Vec<Voce>>(json.get()).unwrap_or_default()),
            }
        }
    }
    let words: Vec<_> = text.split_inclusive(|character: char| !character.is_alphabetic()).collect();
    let is_name = |word: &str| {
        let word = word.trim_end_matches(|character: char| !character.is_alphabetic()).to_lowercase();
        word.chars().count() > 1 && names.iter().any(|name| name.to_lowercase().split(' ').any(|part| part == word))
    };
    let shown = |word: &&str| {
        if is_name(word) {
            format!("[…]{}", word.trim_start_matches(char::is_alphabetic))
        } else {
            (*word).to_owned()
        }
    };
    words.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::case;

    use super::*;

    #[test]
    fn the_persons_of_a_programme_are_taken_out_of_a_text() {
        let programma: Voce = serde_json::from_value(case("lavori")["corpo"].take()).unwrap();
        let text = "referente.cognome: ROSSI non ammesso; rup: Mario (Rossi), anno 2025; Rossini sì";
        let shown = without_persons(text, &programma);
        assert_eq!(shown, "referente.cognome: […] non ammesso; rup: […] ([…]), anno 2025; Rossini sì");
    }

    #[test]
    fn rev_apostrophe_names() {
        let programma: Voce = serde_json::from_value(serde_json::json!({"referente": {"cognome": "D'ANGELO", "nome": "Anna-Maria", "cfPiva": "RSSMRA85T10A562S"}})).unwrap();
        let shown = without_persons("referente: D'Angelo Anna-Maria (RSSMRA85T10A562S)", &programma);
        assert!(!shown.contains("Angelo") && !shown.contains("Maria"), "{shown}");
    }
    #[test]
    fn rev_warning_code() {
        let programma: Voce = serde_json::from_value(serde_json::json!({"referente": {"cognome": "ROSSI", "nome": "Mario", "cfPiva": "RSSMRA85T10A562S"}})).unwrap();
        let entry = crate::wire::ValidateEntry { nome: Some("referente.cfPiva".into()), messaggio: Some("RSSMRA85T10A562S non in anagrafe".into()), tipo: Some("W".into()) };
        let shown = without_persons(&entry.readable(), &programma);
        assert!(!shown.contains("RSSMRA85T10A562S"), "{shown}");
    }
}
