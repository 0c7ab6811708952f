//! Of which lots a record speaks. Most say so with their key; payments, links and procedures name them.

use std::collections::BTreeSet;

use crate::identifiers::Cig;
use crate::kinds::Body;

impl Body {
    /// The lots that a body names beside its key. The null CIG (art. 3, legge 136/2010: not subject)
    /// names no lot.
    pub fn named_lots(&self) -> BTreeSet<Cig> {
        let named = match self {
            Self::Pagamento(payment) => payment.cig.as_slice(),
            Self::CollegamentoCupCig(link) => link.cig.as_slice(),
            Self::Procedura(procedure) => &procedure.lotti,
            _ => &[],
        };
        named.iter().copied().filter(|cig| !cig.is_null()).collect()
    }

    /// Every lot of which a body speaks: that of its key, and those that it names.
    pub fn lots(&self) -> BTreeSet<Cig> {
        let mut lots = self.named_lots();
        let key = self.key();
        let of_key = key.as_str().split('/').next().and_then(|head| Cig::parse(head).ok());
        lots.extend(of_key.filter(|cig| !cig.is_null()));
        lots
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;

    fn body(kind: Kind, json: &str) -> Body {
        Body::from_json(kind, json).expect("a body")
    }

    #[test]
    fn a_lot_speaks_of_itself_and_a_link_of_the_lot_that_it_names() {
        let cig = Cig::parse("5044003AF1").expect("a CIG");
        let lot = body(Kind::Lotto, r#"{"cig":"5044003AF1","oggetto":"una scuola"}"#);
        assert!(lot.named_lots().is_empty() && lot.lots() == BTreeSet::from([cig]));
        let link = body(Kind::CollegamentoCupCig, r#"{"cup":"F41B21000000001","cig":"5044003AF1"}"#);
        assert_eq!((link.named_lots(), link.lots()), (BTreeSet::from([cig]), BTreeSet::from([cig])));
    }
}
