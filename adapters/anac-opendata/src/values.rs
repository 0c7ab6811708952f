//! Named values, wherever they stand: the row of a table, or the objects of a JSON document. ANAC
//! calls a value by the same name in both, so one mapping reads both.

use kit::Cells;

use crate::node::Node;

/// Where values are found by name, whatever its letter case.
pub(crate) trait Values {
    /// The text, when there is one.
    fn text(&self, name: &str) -> Option<&str>;

    /// The objects of a list; a table has none.
    fn objects(&self, _name: &str) -> &[Node] {
        &[]
    }

    /// The text, unless it is one of the ways in which the portal writes nothing.
    fn given(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !matches!(text.trim(), "" | "-1" | "-1.0"))
    }
}

impl Values for Cells<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.get(name)
    }
}

impl Values for Node {
    fn text(&self, name: &str) -> Option<&str> {
        self.at(name).text()
    }

    fn objects(&self, name: &str) -> &[Node] {
        self.at(name).list()
    }
}

/// Several objects as if they were one: the first that has a value gives it.
pub(crate) struct Layers<'n>(pub(crate) Vec<&'n Node>);

impl Values for Layers<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|layer| layer.at(name).text())
    }

    fn objects(&self, name: &str) -> &[Node] {
        self.0.iter().map(|layer| layer.at(name).list()).find(|list| !list.is_empty()).unwrap_or(&[])
    }
}
