//! The rows of an embedded CSV: comma separated, double quotes around a field that needs them.
//! Only our own files come through here; received CSV files have their own reader.

/// The rows after the header.
pub(super) fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    text.lines().skip(1).map(fields)
}

fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_protect_commas_and_quotes() {
        assert_eq!(fields(r#"1,"a, ""b""",,c"#), ["1", r#"a, "b""#, "", "c"]);
    }
}
