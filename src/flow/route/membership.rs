//! Which bodies have a membership in Pi.Co. in force: the gate of the targets that ask for one.

use std::collections::BTreeSet;

use canonical::identifiers::CodiceFiscale;
use canonical::values::CalendarDate;
use canonical::{Body, Record};

use crate::clock::italian_day;
use crate::flow::{Flow, FlowError};

/// The code of what is held back at such a target.
pub const WITHOUT_MEMBERSHIP: &str = "senza_adesione";

/// The bodies with a membership in force today.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    members: BTreeSet<CodiceFiscale>,
}

impl Members {
    /// Those that the ledger knows, on the Italian day of an instant.
    pub async fn load(flow: &Flow) -> Result<Self, FlowError> {
        Ok(Self::of(&flow.store.adesioni().await?, italian_day(flow.clock.now())))
    }

    /// Those that some records say. Of two records about one body the first one counts.
    pub fn of(records: &[Record], today: CalendarDate) -> Self {
        let (mut told, mut members) = (BTreeSet::new(), BTreeSet::new());
        for record in records {
            if let Body::Adesione(adesione) = &record.body
                && told.insert(adesione.ente)
                && adesione.is_in_force(today)
            {
                members.insert(adesione.ente);
            }
        }
        Self { members }
    }

    /// Whether records of a body pass.
    pub fn admit(&self, ente: &CodiceFiscale) -> bool {
        self.members.contains(ente)
    }

    /// Whether a record passes: its body is a member, or it names none.
    pub fn admit_record(&self, record: &Record) -> bool {
        record.body.ente().is_none_or(|ente| self.admit(ente))
    }

    /// The members as one text, for those who must see whether they changed.
    pub fn describe(&self) -> String {
        self.members.iter().map(CodiceFiscale::as_str).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use canonical::kinds::{Adesione, Atto, StatoAdesione, TipoAdesione};
    use canonical::values::UtcInstant;
    use canonical::{Provenance, SourceName};

    use super::*;

    const MESSINA: &str = "80002760835";
    const COMO: &str = "80004650133";

    fn adesione(ente: &str, stato: StatoAdesione) -> Record {
        let body = Adesione {
            ente: CodiceFiscale::parse(ente).unwrap(),
            tipo: TipoAdesione::Protocollo,
            atto: Atto::default(),
            stato,
            valida_dal: CalendarDate::parse("2026-01-01").unwrap(),
            valida_al: None,
        };
        let provenance = Provenance {
            source: SourceName::parse("test").unwrap(),
            remote_id: String::new(),
            document_digest: String::new(),
            line: None,
            as_of: None,
            read_at: UtcInstant::from_unix_micros(0).unwrap(),
            raw: std::collections::BTreeMap::new(),
        };
        Record::new(body.into(), provenance)
    }

    #[test]
    fn the_first_record_about_a_body_counts_and_only_one_in_force_opens_the_gate() {
        let records = [
            adesione(COMO, StatoAdesione::Sospesa),
            adesione(COMO, StatoAdesione::Attiva),
            adesione(MESSINA, StatoAdesione::Attiva),
        ];
        let members = Members::of(&records, CalendarDate::parse("2026-06-30").unwrap());
        assert!(members.admit(&CodiceFiscale::parse(MESSINA).unwrap()));
        assert!(!members.admit(&CodiceFiscale::parse(COMO).unwrap()));
        assert_eq!(members.describe(), MESSINA);
        assert_eq!(Members::of(&records, CalendarDate::parse("2025-12-31").unwrap()), Members::default());
    }
}
