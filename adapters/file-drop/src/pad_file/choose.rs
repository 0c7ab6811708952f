//! Which mapping reads a table: the one whose columns its header has. The name of a file is never
//! believed.

use contract::Refusal;
use kit::refuse;

use super::rows::is_same;
use crate::mapping::{FileKind, Plan};

/// The mapping of a table, by its header; `header` gives it as each mapping would read it, and
/// nothing where the mapping cannot read it at all.
pub(crate) fn choose(
    plans: &[Plan],
    kind: FileKind,
    mut header: impl FnMut(&Plan) -> Result<Option<Vec<String>>, Refusal>,
) -> Result<&Plan, Refusal> {
    let mut fitting: Vec<&Plan> = Vec::new();
    let mut closest: Option<(&Plan, Vec<&str>)> = None;
    for plan in plans.iter().filter(|plan| plan.kind == kind) {
        let Some(columns) = header(plan)? else { continue };
        let missing = missing(plan, &columns);
        if missing.is_empty() {
            if let Some(repeated) = repeated(plan, &columns) {
                let message = format!("the header repeats {repeated}: remove all but one");
                return Err(refuse("repeated_columns", message));
            }
            fitting.push(plan);
        } else if closest.as_ref().is_none_or(|(_, fewest)| missing.len() < fewest.len()) {
            closest = Some((plan, missing));
        }
    }
    // A mapping that asks for more knows the table better.
    let most = fitting.iter().map(|plan| plan.required_columns.len()).max().unwrap_or_default();
    fitting.retain(|plan| plan.required_columns.len() == most);
    match fitting.as_slice() {
        [plan] => Ok(plan),
        [] => Err(no_mapping(closest)),
        several => {
            let names: Vec<_> = several.iter().map(|plan| plan.platform.as_str()).collect();
            let message = format!(
                "the header fits the mappings {}: name in `columns` of one what the others lack",
                names.join(" and ")
            );
            Err(refuse("ambiguous_mapping", message))
        }
    }
}

/// The columns of a mapping that a header lacks.
pub(crate) fn missing<'p>(plan: &'p Plan, columns: &[String]) -> Vec<&'p str> {
    let is_missing = |name: &&String| !columns.iter().any(|column| is_same(column, name));
    plan.required_columns.iter().filter(is_missing).map(String::as_str).collect()
}

fn repeated<'p>(plan: &'p Plan, columns: &[String]) -> Option<&'p str> {
    let count = |name: &str| columns.iter().filter(|column| is_same(column, name)).count();
    plan.known_columns.iter().find(|name| count(name) > 1).map(String::as_str)
}

fn no_mapping(closest: Option<(&Plan, Vec<&str>)>) -> Refusal {
    let message = match closest {
        // The columns are those of the mapping, never those of the file.
        Some((plan, missing)) => format!(
            "no mapping fits the header; that of {} also needs {}: correct the mapping, or write one for this table",
            plan.platform,
            missing.join(", ")
        ),
        None => "no mapping is for this kind of file: write one for its platform".to_owned(),
    };
    refuse("no_mapping", message)
}

/// The first row of a CSV that is not blank, from the bytes it begins with.
pub(crate) fn first_row(prefix: &[u8], separator: u8) -> Vec<String> {
    let prefix = prefix.strip_prefix(b"\xef\xbb\xbf").unwrap_or(prefix).trim_ascii_start();
    let (mut values, mut value, mut is_quoted) = (Vec::new(), Vec::new(), false);
    for &byte in prefix {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => break,
            _ if byte == separator && !is_quoted => values.push(std::mem::take(&mut value)),
            _ => value.push(byte),
        }
    }
    values.push(value);
    let text = |value: Vec<u8>| match String::from_utf8(value) {
        Ok(text) => text.trim().to_owned(),
        Err(error) => encoding_rs::WINDOWS_1252.decode(error.as_bytes()).0.trim().to_owned(),
    };
    values.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_its_separator_says() {
        let check = |text: &[u8], expected: &[&str]| assert_eq!(first_row(text, b';'), expected);
        check(b"\xef\xbb\xbf\n CIG ;\"Importo; netto\"\r\n1;2", &["CIG", "Importo; netto"]);
        check(b"Citt\xe0;b", &["Città", "b"]);
        check(b"a,b\n", &["a,b"]);
        check(b"", &[""]);
    }
}
