//! Who is believed about each kind of record, when several sources speak of the same thing.
//!
//! The owner's value wins; what the others say is kept and compared, never written over it. The
//! default order stands where the adapters are listed; all of it is configuration.

use std::collections::BTreeMap;

use canonical::Kind;

/// Some kinds and who is believed about them, the first before the others: names of systems or of
/// adapters.
pub type Order = (&'static [Kind], &'static [&'static str]);

/// Who is believed, kind by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    order: BTreeMap<Kind, Vec<String>>,
}

impl Ownership {
    /// The order that a list gives.
    pub fn of(order: &[Order]) -> Self {
        let owned = |(kinds, owners): &Order| {
            let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
            kinds.iter().map(move |kind| (*kind, owners.clone())).collect::<Vec<_>>()
        };
        Self { order: order.iter().flat_map(owned).collect() }
    }

    /// The same order with that of some kinds replaced.
    #[must_use]
    pub fn with(mut self, order: BTreeMap<Kind, Vec<String>>) -> Self {
        self.order.extend(order);
        self
    }

    /// Who is believed first has the smallest rank. Sources that are not named come last, all
    /// together; among equals the first by name is believed.
    pub fn rank(&self, kind: Kind, source: &str, adapter: &str) -> u16 {
        let owners = self.order.get(&kind).map_or(&[][..], Vec::as_slice);
        let place = owners.iter().position(|owner| owner == source || owner == adapter).unwrap_or(owners.len());
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    /// The order as one text, for those who must see whether it changed.
    pub fn describe(&self) -> String {
        let kinds = self.order.iter().map(|(kind, owners)| format!("{kind}={}", owners.join(">")));
        kinds.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &[Order] = &[
        (&[Kind::Lotto], &["pad-maggioli", "file-drop", "anac-opendata"]),
        (&[Kind::Contratto], &["scp-esecuzione", "pad-maggioli"]),
        (&[Kind::Pagamento], &["contabilita"]),
    ];

    #[test]
    fn the_platform_of_the_province_is_believed_before_the_open_data_about_it() {
        let ownership = Ownership::of(ORDER);
        let rank = |source| ownership.rank(Kind::Lotto, source, source);
        assert!(rank("pad-maggioli") < rank("file-drop"));
        assert!(rank("file-drop") < rank("anac-opendata"));
        assert!(rank("anac-opendata") < rank("a-stranger"));
    }

    #[test]
    fn a_system_is_known_by_its_own_name_or_by_its_adapter() {
        let ownership = Ownership::of(ORDER);
        let rank = ownership.rank(Kind::Pagamento, "ragioneria-provincia", "contabilita");
        assert_eq!(rank, 0);
    }

    #[test]
    fn the_configuration_replaces_the_order_of_a_kind_and_of_no_other() {
        let order = BTreeMap::from([(Kind::Lotto, vec!["anac-opendata".to_owned()])]);
        let ownership = Ownership::of(ORDER).with(order);
        assert_eq!(ownership.rank(Kind::Lotto, "anac-opendata", "anac-opendata"), 0);
        assert_eq!(ownership.rank(Kind::Lotto, "pad-maggioli", "pad-maggioli"), 1);
        assert_eq!(ownership.rank(Kind::Contratto, "scp-esecuzione", "scp-esecuzione"), 0);
    }
}
