//! What can be mapped: every path of every canonical kind, and how a text becomes its value.
//!
//! Nothing is declared twice: the paths and their types are those of the JSON Schemas that the
//! canonical types generate.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use canonical::Kind;
use serde_json::Value;

/// How a text becomes the value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reader {
    Cig,
    CodiceFiscale,
    Cup,
    Cui,
    Cpv,
    CodiceAusa,
    CodiceIpa,
    CodiceIstat,
    CodiceNuts,
    Importo,
    Date,
    Instant,
    /// A procedure type, by the code of Legge 190/2012.
    SceltaContraente,
    /// A role inside a group, by the code of Legge 190/2012.
    Ruolo,
    /// The identifier of an operator.
    Operatore,
    /// One of these codes.
    Choice(Vec<String>),
    Integer,
    Truth,
    Decimal,
    Text,
}

impl Reader {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Cig" => Self::Cig,
            "CodiceFiscale" => Self::CodiceFiscale,
            "Cup" => Self::Cup,
            "Cui" => Self::Cui,
            "Cpv" => Self::Cpv,
            "CodiceAusa" => Self::CodiceAusa,
            "CodiceIpa" => Self::CodiceIpa,
            "CodiceIstat" => Self::CodiceIstat,
            "CodiceNuts" => Self::CodiceNuts,
            "Importo" => Self::Importo,
            "CalendarDate" => Self::Date,
            "UtcInstant" => Self::Instant,
            "SceltaContraente" => Self::SceltaContraente,
            "RuoloRaggruppamento" => Self::Ruolo,
            "IdentificativoOperatore" => Self::Operatore,
            _ => return None,
        })
    }
}

/// A node of a schema, with the name of the type that it is, where it has one.
type Node<'s> = (&'s Value, Option<&'s str>);

/// The schema of a kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema(&'static Value);

impl Schema {
    pub(crate) fn of(kind: Kind) -> Option<Self> {
        static SCHEMAS: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
        let schemas = SCHEMAS.get_or_init(|| {
            let parsed = |(name, text): (String, String)| Some((name, serde_json::from_str(&text).ok()?));
            canonical::json_schema::all().into_iter().filter_map(parsed).collect()
        });
        schemas.get(&format!("{}.schema.json", kind.name())).map(Self)
    }

    /// The fields without which a record, or an element of one of its lists, is none.
    pub(crate) fn required(self, path: &[&str]) -> Vec<String> {
        let Ok(nodes) = self.nodes(path) else { return Vec::new() };
        let names = nodes.first().and_then(|(node, _)| node.get("required")).and_then(Value::as_array);
        names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// True when the record has a field of this name.
    pub(crate) fn has(self, name: &str) -> bool {
        self.0.pointer("/properties").is_some_and(|fields| fields.get(name).is_some())
    }

    /// How the text of a path is read; or what is wrong with the path and what to write instead.
    pub(crate) fn reader(self, path: &[&str]) -> Result<Reader, (String, String)> {
        let nodes = self.nodes(path)?;
        if let Some(reader) = nodes.iter().find_map(|(_, name)| name.and_then(Reader::named)) {
            return Ok(reader);
        }
        let choices: Option<Vec<_>> = nodes.iter().map(|(node, _)| choices(node)).collect();
        if let Some(choices) = choices.map(|choices| choices.concat())
            && !choices.is_empty()
        {
            return Ok(Reader::Choice(choices));
        }
        let node = nodes.first().map_or(&Value::Null, |(node, _)| *node);
        match type_of(node) {
            Some("string") => Ok(Reader::Text),
            Some("integer") => Ok(Reader::Integer),
            Some("boolean") => Ok(Reader::Truth),
            Some("array") => Err((
                "is a list".to_owned(),
                "add `/*` for one element a row, or `/0`, `/1` for one a column".to_owned(),
            )),
            Some("object") => {
                Err(("has parts of its own".to_owned(), format!("add `/` and one of {}", names(&nodes).join(", "))))
            }
            _ => Err(("cannot be mapped".to_owned(), "leave it out".to_owned())),
        }
    }

    fn nodes(self, path: &[&str]) -> Result<Vec<Node<'static>>, (String, String)> {
        let mut nodes = self.alternatives(self.0);
        for part in path {
            let next: Vec<_> = if is_position(part) {
                nodes.iter().filter_map(|(node, _)| node.get("items")).collect()
            } else {
                nodes.iter().filter_map(|(node, _)| node.get("properties")?.get(part)).collect()
            };
            if next.is_empty() {
                let known = names(&nodes);
                let remedy = match known.as_slice() {
                    [] => "nothing can follow here: shorten the path".to_owned(),
                    known => format!("write one of {}", known.join(", ")),
                };
                return Err((format!("`{part}` is not a field"), remedy));
            }
            nodes = next.into_iter().flat_map(|node| self.alternatives(node)).collect();
        }
        Ok(nodes)
    }

    /// What a node may be, references followed and null left out.
    fn alternatives(self, node: &'static Value) -> Vec<Node<'static>> {
        let mut found = Vec::new();
        self.add_alternatives(node, None, &mut found);
        found
    }

    fn add_alternatives(self, node: &'static Value, name: Option<&'static str>, found: &mut Vec<Node<'static>>) {
        if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next();
            if let Some(definition) = self.0.pointer(reference.trim_start_matches('#')) {
                self.add_alternatives(definition, name, found);
            }
            return;
        }
        let variants = ["anyOf", "oneOf"].iter().find_map(|key| node.get(key)).and_then(Value::as_array);
        match variants {
            Some(variants) if name.and_then(Reader::named).is_none() => {
                for variant in variants.iter().filter(|variant| type_of(variant) != Some("null")) {
                    self.add_alternatives(variant, name, found);
                }
            }
            _ => found.push((node, name)),
        }
    }
}

/// A place in a list: one element a row, or the element of this number.
pub(crate) fn is_position(part: &str) -> bool {
    part == "*" || (!part.is_empty() && part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn names(nodes: &[Node<'_>]) -> Vec<String> {
    let fields = nodes.iter().filter_map(|(node, _)| node.get("properties")?.as_object());
    let mut names: Vec<_> = fields.flat_map(|fields| fields.keys().cloned()).collect();
    names.sort();
    names.dedup();
    names
}

fn choices(node: &Value) -> Option<Vec<String>> {
    if let Some(constant) = node.get("const").and_then(Value::as_str) {
        return Some(vec![constant.to_owned()]);
    }
    node.get("enum")?.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

fn type_of(node: &Value) -> Option<&str> {
    match node.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, path: &str, expected: &Reader) {
        let path: Vec<_> = path.split('/').collect();
        assert_eq!(Schema::of(kind).unwrap().reader(&path).as_ref(), Ok(expected));
    }

    #[test]
    fn every_path_is_read_by_its_type() {
        check(Kind::Lotto, "cig", &Reader::Cig);
        check(Kind::Lotto, "cup/0", &Reader::Cup);
        check(Kind::Lotto, "importo_netto", &Reader::Importo);
        check(Kind::Lotto, "oggetto", &Reader::Text);
        check(Kind::Lotto, "anno_riferimento", &Reader::Integer);
        check(Kind::Lotto, "scelta_contraente", &Reader::SceltaContraente);
        check(Kind::Lotto, "stato_cig/da", &Reader::Cig);
        let states = ["attivo", "cancellato", "sostituito"].map(str::to_owned).to_vec();
        check(Kind::Lotto, "stato_cig/stato", &Reader::Choice(states));
        check(Kind::Aggiudicazione, "aggiudicatari/*/operatore", &Reader::Operatore);
        check(Kind::Aggiudicazione, "aggiudicatari/*/ruolo", &Reader::Ruolo);
        check(Kind::Contratto, "data_inizio", &Reader::Date);
        check(Kind::Intervento, "rup/cognome", &Reader::Text);
        check(Kind::Intervento, "risorse/0/importo", &Reader::Importo);
        check(Kind::Intervento, "lotto_funzionale", &Reader::Truth);
    }

    #[test]
    fn a_path_that_is_none_says_what_to_write() {
        let refused = |kind, path: &str| Schema::of(kind).unwrap().reader(&path.split('/').collect::<Vec<_>>());
        let (what, remedy) = refused(Kind::Lotto, "ogetto").unwrap_err();
        assert!(what.contains("`ogetto` is not a field") && remedy.contains("oggetto"), "{what} {remedy}");
        assert!(refused(Kind::Lotto, "cup").unwrap_err().1.contains("/*"));
        assert!(refused(Kind::Intervento, "rup").unwrap_err().1.contains("cognome"));
        assert!(refused(Kind::Lotto, "cig/x").is_err());
    }

    #[test]
    fn every_kind_has_a_schema_and_fields() {
        for kind in Kind::ALL {
            assert!(!Schema::of(*kind).unwrap().required(&[]).is_empty(), "{kind}");
        }
    }
}
