//! The tax codes of persons inside free text: found, and left out where no person may be named.
//!
//! Objects of contracts, messages and cells name people more often than they should. A code that
//! stands alone counts by its shape; one that is glued to other letters, or written with
//! separators inside, counts only when its control character is right, so that ordinary words are
//! not taken for one.

use std::borrow::Cow;

use super::CodiceFiscale;

/// True when the text holds the tax code of a person, however it is spaced.
///
/// ```
/// use canonical::identifiers::holds_personal_code;
///
/// assert!(holds_personal_code("c.f. RSS MRA  85T10-A562S"));
/// assert!(!holds_personal_code("CIG 918052266A"));
/// ```
pub fn holds_personal_code(text: &str) -> bool {
    next_code(text, 0).is_some()
}

/// The text with `replacement` in place of each tax code of a person; borrowed when it holds none.
///
/// ```
/// use canonical::identifiers::without_personal_codes;
///
/// assert_eq!(without_personal_codes("to RSSMRA85T10A562S, Rome", "[…]"), "to […], Rome");
/// ```
pub fn without_personal_codes<'a>(text: &'a str, replacement: &str) -> Cow<'a, str> {
    let mut cleaned = String::new();
    let mut kept_from = 0;
    while let Some((start, end)) = next_code(text, kept_from) {
        cleaned.push_str(&text[kept_from..start]);
        cleaned.push_str(replacement);
        kept_from = end;
    }
    if kept_from == 0 {
        return Cow::Borrowed(text);
    }
    cleaned.push_str(&text[kept_from..]);
    Cow::Owned(cleaned)
}

/// Where the first code at or after this byte begins and ends.
fn next_code(text: &str, from: usize) -> Option<(usize, usize)> {
    let rest = text.get(from..)?;
    rest.char_indices().find_map(|(offset, _)| {
        let start = from + offset;
        Some((start, code_at(text, start)?))
    })
}

/// Where the code that begins at this byte ends; none when there is none.
fn code_at(text: &str, start: usize) -> Option<usize> {
    let mut code = [0; 16];
    let mut length = 0;
    let mut is_whole = true;
    let mut end = start;
    for (offset, character) in text.get(start..)?.char_indices() {
        if is_separator(character) && length > 0 {
            is_whole = false;
            continue;
        }
        // Every code begins with six letters: most texts are left at the first ones.
        let is_possible = character.is_ascii_alphabetic() || (length >= 6 && character.is_ascii_digit());
        let byte = u8::try_from(character).ok().filter(|_| is_possible)?;
        code[length] = byte.to_ascii_uppercase();
        length += 1;
        if length == code.len() {
            end = start + offset + 1;
            break;
        }
    }
    let codice_fiscale = CodiceFiscale::parse(std::str::from_utf8(code.get(..length)?).ok()?).ok()?;
    if !codice_fiscale.is_person() {
        return None;
    }
    let before = text.get(..start).and_then(|before| before.chars().next_back());
    let after = text.get(end..).and_then(|after| after.chars().next());
    let is_glued = [before, after].into_iter().flatten().any(char::is_alphanumeric);
    let has_digits = code.iter().filter(|byte| byte.is_ascii_digit()).count() >= 4;
    ((is_whole && !is_glued) || (has_digits && codice_fiscale.is_verified())).then_some(end)
}

/// What people and machines put inside a code: blanks and line feeds, points, hyphens and dashes,
/// underscores, slashes, marks that are not seen.
fn is_separator(character: char) -> bool {
    let is_unseen = matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    );
    let is_mark = matches!(character, '.' | '-' | '_' | '/' | '\u{2010}'..='\u{2015}');
    is_mark || is_unseen || character.is_whitespace() || character.is_control()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Incarico a RSSMRA85T10A562S per rilievi", "Incarico a [-] per rilievi")]
    #[case("C.F.rssmra85t10a562s", "C.F.[-]")]
    #[case("cf:RSSMRA85T10A562S,RSSMRA85T10A562S", "cf:[-],[-]")]
    #[case("RSS MRA 85T10 A562S", "[-]")]
    #[case("è RSS  MRA\n85T10\r\n\tA562 - S.", "è [-].")]
    #[case("R.S.S.M.R.A.8.5.T.1.0.A.5.6.2.S", "[-]")]
    #[case("RSS--MRA85T10...A562S", "[-]")]
    #[case("RSSMRA\u{200b}85T10\u{2013}A562S", "[-]")]
    #[case("CFRSSMRA85T10A562S", "CF[-]")]
    #[case("per RSSMRA85T10A562X", "per [-]")]
    #[case("perché RSSMRA8RT10A562Sè", "perché RSSMRA8RT10A562Sè")]
    fn a_personal_code_is_left_out(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(without_personal_codes(text, "[-]"), expected);
        assert_eq!(holds_personal_code(text), text != expected);
    }

    #[rstest]
    #[case("")]
    #[case("Manutenzione straordinaria SP 12 dal km 3+400 al km 5+200")]
    #[case("Servizio affidato a 00606750131, CIG 918052266A, CUP F41B21000000001")]
    #[case("ristrutturazione e adeguamento")]
    #[case("RSSMRA85T10A562")]
    #[case("AAAAAA 00606750131")]
    fn an_ordinary_text_is_left_as_it_is(#[case] text: &str) {
        assert!(matches!(without_personal_codes(text, "[-]"), Cow::Borrowed(same) if same == text));
        assert!(!holds_personal_code(text));
    }

    proptest! {
        #[test]
        fn nothing_is_held_once_it_was_left_out(
            before in ".{0,6}",
            separators in proptest::collection::vec("[ .\n\t_/-]{0,4}", 15),
            after in ".{0,6}",
        ) {
            let mut text = before;
            for (index, character) in "RSSMRA85T10A562S".chars().enumerate() {
                text.push(character);
                text.push_str(separators.get(index).map_or("", String::as_str));
            }
            text.push_str(&after);
            prop_assert!(holds_personal_code(&text));
            prop_assert!(!holds_personal_code(&without_personal_codes(&text, "[-]")));
        }
    }
}
