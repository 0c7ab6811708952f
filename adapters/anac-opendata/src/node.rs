//! A JSON value as received: numbers stay as they are written, so that an amount never passes
//! through floating point; whatever has another shape than expected is simply not there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A JSON value.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) enum Node {
    /// `null`, or nothing at all.
    #[default]
    Nothing,
    /// A text, a number or a truth value, as written and without quotes.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// An object.
    Object(BTreeMap<String, Node>),
}

impl fmt::Debug for Node {
    /// What was received may name persons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Node(…)")
    }
}

/// A text that is not JSON, or is nested too deeply. The message holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON, or nested too deeply")]
pub(crate) struct NodeError;

const DEEPEST: usize = 32;

static NOTHING: Node = Node::Nothing;

#[derive(Deserialize)]
struct List<'t>(#[serde(borrow)] Vec<&'t RawValue>);

#[derive(Deserialize)]
struct Object<'t>(#[serde(borrow)] BTreeMap<Cow<'t, str>, &'t RawValue>);

impl Node {
    /// Reads a JSON text.
    pub(crate) fn parse(text: &str) -> Result<Self, NodeError> {
        Self::at_depth(text, 0)
    }

    fn at_depth(text: &str, depth: usize) -> Result<Self, NodeError> {
        if depth > DEEPEST {
            return Err(NodeError);
        }
        let below = |raw: &RawValue| Self::at_depth(raw.get(), depth + 1);
        let text = text.trim();
        match text.as_bytes().first() {
            Some(b'{') => {
                let Object(fields) = serde_json::from_str(text).map_err(|_| NodeError)?;
                let fields = fields.into_iter().map(|(name, raw)| Ok((name.into_owned(), below(raw)?)));
                fields.collect::<Result<_, _>>().map(Self::Object)
            }
            Some(b'[') => {
                let List(elements) = serde_json::from_str(text).map_err(|_| NodeError)?;
                elements.into_iter().map(below).collect::<Result<_, _>>().map(Self::List)
            }
            Some(b'"') => serde_json::from_str(text).map(Self::Scalar).map_err(|_| NodeError),
            _ => match serde_json::from_str::<&RawValue>(text).map_err(|_| NodeError)?.get() {
                "null" => Ok(Self::Nothing),
                scalar => Ok(Self::Scalar(scalar.to_owned())),
            },
        }
    }

    /// What stands at a path such as `tender.value.amount`, whatever the letter case of its names;
    /// of a list with one element, that element.
    pub(crate) fn at(&self, path: &str) -> &Self {
        path.split('.').fold(self, |node, name| node.field(name))
    }

    fn field(&self, name: &str) -> &Self {
        match self {
            Self::Object(fields) => fields
                .get(name)
                .or_else(|| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, node)| node))
                .unwrap_or(&NOTHING),
            Self::List(elements) if elements.len() == 1 => elements[0].field(name),
            _ => &NOTHING,
        }
    }

    /// The text of a scalar that is not blank, as written.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Scalar(text) if !text.trim().is_empty() => Some(text),
            _ => None,
        }
    }

    /// The elements of a list; none of anything else.
    pub(crate) fn list(&self) -> &[Self] {
        match self {
            Self::List(elements) => elements,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_as_they_are_written() {
        let node = Node::parse(r#"{"a": {"B": [ {"c": 123456789012345678.10} ]}, "d": null, "e": true, "f": " "}"#);
        let node = node.unwrap();
        assert_eq!(node.at("a.b.C").text(), Some("123456789012345678.10"));
        assert_eq!(node.at("a.B").list().len(), 1);
        assert_eq!((node.at("d").text(), node.at("e").text(), node.at("f").text()), (None, Some("true"), None));
        assert_eq!(node.at("a.x.y"), &Node::Nothing);
    }

    #[test]
    fn what_is_no_json_or_too_deep_is_refused() {
        assert_eq!(Node::parse(&"[".repeat(40)), Err(NodeError));
        let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
        for text in ["", "{", "nul", "{\"a\":}", deep.as_str()] {
            assert_eq!(Node::parse(text), Err(NodeError), "{text}");
        }
    }
}
