//! Personal fiscal codes inside free text: found and left out, because no natural person leaves
//! towards Pi.Co.
//!
//! Objects of contracts name people more often than they should. A code that stands alone counts
//! by its shape; one that is glued to other letters, or written with blanks or points inside,
//! counts only when its control character is right, so that ordinary words are not taken for one.

use canonical::identifiers::CodiceFiscale;

/// What stands where a code was.
pub(crate) const OMITTED: &str = "[codice fiscale omesso]";

/// The text without personal fiscal codes; none when it holds none.
pub(crate) fn without_personal_codes(text: &str) -> Option<String> {
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    let mut cleaned = String::new();
    let mut kept_from = 0;
    let mut index = 0;
    while index < characters.len() {
        let Some(end) = code_at(&characters, index) else {
            index += 1;
            continue;
        };
        cleaned.push_str(&text[kept_from..characters[index].0]);
        cleaned.push_str(OMITTED);
        kept_from = characters.get(end).map_or(text.len(), |next| next.0);
        index = end;
    }
    if kept_from == 0 {
        return None;
    }
    cleaned.push_str(&text[kept_from..]);
    Some(cleaned)
}

/// Where the personal code that begins at this character ends; none when there is none.
fn code_at(characters: &[(usize, char)], start: usize) -> Option<usize> {
    let mut code = String::with_capacity(16);
    let mut end = start;
    let mut is_whole = true;
    while code.len() < 16 {
        let (_, character) = *characters.get(end)?;
        if character.is_ascii_alphanumeric() {
            code.push(character.to_ascii_uppercase());
        } else if !code.is_empty() && is_separator(character) && !is_separator(characters[end - 1].1) {
            is_whole = false;
        } else {
            return None;
        }
        // Every code begins with six letters: most texts are left at the first ones.
        if code.len() <= 6 && code.ends_with(|last: char| last.is_ascii_digit()) {
            return None;
        }
        end += 1;
    }
    let codice_fiscale = CodiceFiscale::parse(&code).ok().filter(|code| code.is_person())?;
    let touches = |index: Option<usize>| index.and_then(|i| characters.get(i)).is_some_and(|c| c.1.is_alphanumeric());
    let stands_alone = is_whole && !touches(start.checked_sub(1)) && !touches(Some(end));
    let has_digits = code.bytes().filter(u8::is_ascii_digit).count() >= 4;
    (stands_alone || (has_digits && codice_fiscale.is_verified())).then_some(end)
}

fn is_separator(character: char) -> bool {
    matches!(character, ' ' | '\u{a0}' | '.' | '-' | '_' | '/')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Incarico a RSSMRA85T10A562S per rilievi", "Incarico a [codice fiscale omesso] per rilievi")]
    #[case("C.F.rssmra85t10a562s", "C.F.[codice fiscale omesso]")]
    #[case("cf:RSSMRA85T10A562S,RSSMRA85T10A562S", "cf:[codice fiscale omesso],[codice fiscale omesso]")]
    #[case("RSS MRA 85T10 A562S", "[codice fiscale omesso]")]
    #[case("CFRSSMRA85T10A562S", "CF[codice fiscale omesso]")]
    #[case("per RSSMRA85T10A562X", "per [codice fiscale omesso]")]
    #[case("perché RSSMRA8RT10A562Sè", "perché RSSMRA8RT10A562Sè")]
    fn a_personal_code_is_left_out(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(without_personal_codes(text).as_deref().unwrap_or(text), expected);
    }

    #[rstest]
    #[case("")]
    #[case("Manutenzione straordinaria SP 12 dal km 3+400 al km 5+200")]
    #[case("Servizio affidato a 00606750131, CIG 918052266A, CUP F41B21000000001")]
    #[case("ristrutturazione e adeguamento")]
    fn an_ordinary_text_is_left_as_it_is(#[case] text: &str) {
        assert_eq!(without_personal_codes(text), None);
    }
}
