//! The names of persons that a draft carries, and texts without them. Pure.
//!
//! The platform may repeat in a remark what it was sent: who holds a task, who takes a subcontract.
//! Codes of persons are recognised wherever they stand; names only because we know which ones we
//! sent. A name is looked for word by word, whatever its case, accents and punctuation.

use std::collections::BTreeSet;

use canonical::identifiers::{CodiceFiscale, without_personal_codes};
use serde_json::Value;

use crate::wire::BozzaInviata;

/// What stands where something personal stood.
const HIDDEN: &str = "[…]";
/// Characters kept of a text of the platform.
const LONGEST_TEXT: usize = 500;
/// Characters of the longest code.
const LONGEST_CODE: usize = 40;
/// Parts of names that are words of their own too: taken out beside the rest of a name only.
const PARTICLES: &[&str] = &["dal", "dalla", "degli", "dei", "del", "della", "delle", "dello"];

/// The words of the names in a draft.
#[derive(Default)]
pub(crate) struct Names {
    /// Words that are taken out wherever they stand.
    words: BTreeSet<String>,
    /// Words that are taken out next to one of the others.
    particles: BTreeSet<String>,
}

/// Never the names.
impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Names({})", self.words.len())
    }
}

impl Names {
    /// The names of persons in a draft: names and surnames, and what somebody is called whose code
    /// is not that of a company.
    pub(crate) fn of(draft: &BozzaInviata) -> Self {
        let mut names = Self::default();
        names.gather(&draft.anac_form);
        names.gather(&draft.integrazioni);
        names
    }

    fn gather(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.gather(item)),
            Value::Object(fields) => {
                let code = fields.get("codiceFiscale").and_then(Value::as_str);
                let code = code.and_then(|code| CodiceFiscale::parse(code).ok());
                let is_company = code.is_some_and(|code| !code.is_person());
                for (name, value) in fields {
                    match (name.as_str(), value.as_str()) {
                        ("cognome" | "nome", Some(text)) => self.add(text),
                        ("denominazione", Some(text)) if !is_company => self.add(text),
                        _ => self.gather(value),
                    }
                }
            }
            _ => {}
        }
    }

    /// `D'Angelo`: `d` is a particle of `angelo`. A name of short words alone has no particles.
    fn add(&mut self, name: &str) {
        let words: Vec<_> = words(name).map(|(start, end)| folded(&name[start..end])).collect();
        let is_particle = |word: &String| word.chars().count() <= 2 || PARTICLES.contains(&word.as_str());
        let has_others = words.iter().any(|word| !is_particle(word));
        for word in words {
            if has_others && is_particle(&word) {
                self.particles.insert(word)
            } else {
                self.words.insert(word)
            };
        }
    }

    /// A text of the platform without the codes of persons and these names, and of bearable length.
    /// What is personal is taken out before the text is cut, or half of it would stay.
    pub(crate) fn bearable(&self, text: &str) -> String {
        self.without(&without_personal_codes(text, HIDDEN)).chars().take(LONGEST_TEXT).collect()
    }

    fn without(&self, text: &str) -> String {
        let mut cleaned = String::new();
        let mut kept_from = 0;
        let mut words = words(text).map(|(start, end)| (start, end, folded(&text[start..end]))).peekable();
        while let Some((start, mut end, word)) = words.next() {
            let mut is_name = self.words.contains(&word);
            if !is_name && !self.particles.contains(&word) {
                continue;
            }
            // One name goes on over blanks, apostrophes, hyphens; a number parts two.
            while let Some((_, next, word)) = words.next_if(|(start, _, word)| {
                let is_part = self.words.contains(word) || self.particles.contains(word);
                is_part && !text[end..*start].contains(char::is_numeric)
            }) {
                is_name |= self.words.contains(&word);
                end = next;
            }
            if is_name {
                cleaned.push_str(&text[kept_from..start]);
                cleaned.push_str(HIDDEN);
                kept_from = end;
            }
        }
        cleaned + &text[kept_from..]
    }

    /// A code of the platform; none for what does not look like one or says something personal: a
    /// text may stand where a code should.
    pub(crate) fn code(&self, text: &str) -> Option<String> {
        let is_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let looks_like_one = !text.is_empty() && text.len() <= LONGEST_CODE && text.bytes().all(is_code);
        (looks_like_one && self.bearable(text) == text).then(|| text.to_owned())
    }
}

/// Where each word of a text begins and ends: letters in a row.
fn words(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut letters = text.char_indices().filter(|(_, character)| character.is_alphabetic()).peekable();
    std::iter::from_fn(move || {
        let (start, first) = letters.next()?;
        let mut end = start + first.len_utf8();
        while let Some((_, letter)) = letters.next_if(|(place, _)| *place == end) {
            end += letter.len_utf8();
        }
        Some((start, end))
    })
}

/// A word in small letters without the accents of our neighbourhood: who writes in capitals leaves
/// them out.
fn folded(word: &str) -> String {
    let plain = |letter: char| match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'ç' | 'č' | 'ć' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ñ' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' => 'o',
        'š' | 'ș' | 'ş' => 's',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ž' => 'z',
        other => other,
    };
    word.chars().flat_map(char::to_lowercase).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn names() -> Names {
        let person = |cognome: &str, nome: &str| json!({"datiPersonaFisica": {"cognome": cognome, "nome": nome}});
        Names::of(&BozzaInviata {
            versione: 1,
            scheda: "S3".to_owned(),
            anac_form: json!({
                "elencoIncarichi": [{"incarichi": [
                    person("D'Angelo", "Anna-Maria"), person("Nicolò", "Ugo"), person("Li", "Wu"),
                    person("Della Rosa", "Ada"),
                ]}],
                "elencoSoggetti": [
                    {"codiceFiscale": "RSSMRA85T10A562S", "denominazione": "Impresa Rossi"},
                    {"codiceFiscale": "00606750132", "denominazione": "Lavori Comuni S.p.A."},
                    {"denominazione": "Bianchi Piero"},
                ],
            }),
            integrazioni: Value::Null,
        })
    }

    #[rstest]
    #[case::whole("incarico di D'Angelo Anna-Maria: no", "incarico di […]: no")]
    #[case::parted("ANGELO e maria_anna1", "[…] e […]1")]
    #[case::typographic("D’Angelo", "[…]")]
    #[case::without_accents("NICOLO' UGO", "[…]")]
    #[case::an_amount_between("Rossi 12,50 Bianchi", "[…] 12,50 […]")]
    #[case::short("Wu, Li: no", "[…]: no")]
    #[case::particles("la data della scheda di Ada della Rosa", "la data della scheda di […]")]
    #[case::in_business("ditta rossi / bianchi", "ditta […]")]
    #[case::a_company("lavori comuni", "lavori comuni")]
    #[case::codes("RSSMRA85T10A562S Rossi", "[…] […]")]
    #[case::inside_a_word("rossiccio", "rossiccio")]
    fn a_text_comes_without_the_names_of_the_draft(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(names().bearable(text), expected);
    }

    #[rstest]
    #[case("REG64", true)]
    #[case("BOZZA_NON_VALIDA", true)]
    #[case("", false)]
    #[case("il tecnico Rossi non è ammesso", false)]
    #[case("ROSSI_MARIO", false)]
    #[case("RSSMRA85T10A562S", false)]
    #[case("reg64", false)]
    fn a_code_looks_like_one(#[case] text: &str, #[case] is_one: bool) {
        assert_eq!(names().code(text).is_some(), is_one);
        assert_eq!(names().code(&"A".repeat(41)), None);
    }
}
