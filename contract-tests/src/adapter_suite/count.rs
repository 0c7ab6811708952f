//! Rows in a document, counted by a plain parser that knows no system, and documents with their last
//! row hidden.

use serde_json::Value;
use uppsala::NodeKind;

use super::evidence::Form;

/// The rows of a document, each as a text that tells it from others.
pub(super) fn rows(document: &[u8], form: &Form) -> Result<Vec<String>, String> {
    match form {
        Form::Json(places) => {
            let document: Value = serde_json::from_slice(document).map_err(|_| "not JSON".to_owned())?;
            let mut found = Vec::new();
            for place in places {
                let steps: Vec<&str> = place.split('/').skip(1).collect();
                descend(&document, &steps, &mut |value| found.push(value.to_string()));
            }
            Ok(found)
        }
        Form::Csv(between) => {
            let records = table(document, *between).into_byte_records();
            let texts = records.map(|record| record.map(|record| format!("{record:?}")));
            texts.collect::<Result<_, _>>().map_err(|error| format!("not a table: {error}"))
        }
        Form::Xml(name) => {
            let document = uppsala::parse_bytes(document).map_err(|_| "not XML".to_owned())?;
            let of_name = |id: &uppsala::NodeId| matches!(document.node_kind(*id), Some(NodeKind::Element(element)) if element.name.local_name == *name);
            Ok(document
                .descendants(document.root())
                .into_iter()
                .filter(of_name)
                .map(|id| document.node_to_xml(id))
                .collect())
        }
        Form::Lines => {
            let text = std::str::from_utf8(document).map_err(|_| "not text".to_owned())?;
            Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
        }
        Form::Counted(number, _) => Ok((0..*number).map(|row| row.to_string()).collect()),
    }
}

/// The document without its last row; none when there is no way to hide one.
pub(super) fn without_last(document: &[u8], form: &Form) -> Option<Vec<u8>> {
    match form {
        Form::Csv(between) => {
            let records = table(document, *between).into_byte_records();
            let last = records.filter_map(Result::ok).last()?;
            let begin = usize::try_from(last.position()?.byte()).ok()?;
            document.get(..begin).map(<[u8]>::to_vec)
        }
        Form::Json(places) => {
            let mut value: Value = serde_json::from_slice(document).ok()?;
            let list = places.first()?.strip_suffix("/*")?;
            value.pointer_mut(list)?.as_array_mut()?.pop()?;
            serde_json::to_vec(&value).ok()
        }
        Form::Xml(_) | Form::Lines | Form::Counted(..) => None,
    }
}

fn table(document: &[u8], between: char) -> csv::Reader<&[u8]> {
    let between = u8::try_from(between).unwrap_or(b',');
    csv::ReaderBuilder::new().delimiter(between).flexible(true).from_reader(document)
}

fn descend(value: &Value, steps: &[&str], found: &mut dyn FnMut(&Value)) {
    let Some((step, rest)) = steps.split_first() else {
        found(value);
        return;
    };
    match (*step, value) {
        ("**", _) => {
            descend(value, rest, found);
            members(value, &mut |_, member| descend(member, steps, found));
        }
        ("*", _) => members(value, &mut |_, member| descend(member, rest, found)),
        (name, Value::Object(object)) => {
            if let Some(member) = object.get(name) {
                descend(member, rest, found);
            }
        }
        (number, Value::Array(items)) => {
            if let Some(item) = number.parse().ok().and_then(|number: usize| items.get(number)) {
                descend(item, rest, found);
            }
        }
        _ => {}
    }
}

fn members(value: &Value, each: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Object(object) => object.iter().for_each(|(name, member)| each(name, member)),
        Value::Array(items) => items.iter().for_each(|item| each("", item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(places: &[&str]) -> Form {
        Form::Json(places.iter().map(|place| (*place).to_owned()).collect())
    }

    #[test]
    fn rows_are_counted_where_they_stand() {
        let page = br#"{"data": [{"SO1": [{"id": 1}, {"id": 2}], "n": 1}, {"CO1": {"id": 3}}]}"#;
        for (places, number) in [(&["/data/*"][..], 2), (&["/data/*/SO1/*", "/data/*/CO1"], 3), (&["/**/id"], 3)] {
            assert_eq!(rows(page, &json(places)).unwrap().len(), number, "{places:?}");
        }
        assert_eq!(rows(b"[1, 2]", &json(&["/*"])).unwrap().len(), 2);
        assert_eq!(rows(b"a;b\n\"1\n2\";3\n4;5;6\n", &Form::Csv(';')).unwrap().len(), 2);
        let xml = b"<e xmlns:p='x'><p:riga/><riga>1</riga><altra/></e>";
        assert_eq!(rows(xml, &Form::Xml("riga".to_owned())).unwrap().len(), 2);
        assert_eq!(rows(b"{}\n\n{}", &Form::Lines).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_document_is_not_counted_as_an_empty_one() {
        assert!(rows(b"<html>", &json(&["/*"])).is_err());
        assert!(rows(b"{}", &Form::Xml("riga".to_owned())).is_err());
    }

    #[test]
    fn the_last_row_is_hidden_whole() {
        let table = without_last(b"a;b\n1;2\n\"3\n4\";5\n", &Form::Csv(';'));
        assert_eq!(table.as_deref(), Some(&b"a;b\n1;2\n"[..]));
        let list = without_last(br#"{"rows": [1, 2]}"#, &json(&["/rows/*"]));
        assert_eq!(list.as_deref(), Some(&br#"{"rows":[1]}"#[..]));
    }
}
