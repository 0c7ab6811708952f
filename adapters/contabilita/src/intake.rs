//! From an answer to raw records: which rows are told here, and what only the whole answer can say.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use canonical::identifiers::{Cig, CodiceFiscale};
use contract::{DocumentHeader, RawRecord, Received};
use kit::Occurrences;

use crate::envelope::RowText;
use crate::read::{self, Context};
use crate::scissione::scissioni;
use crate::wire::{Operation, Riga};

/// How the documents of the service are called in the provenance.
const FORMAT: &str = "soap";
const VERSION: &str = "FinanziariaAPK_service";

/// A row with what is known of it before it is handed over.
struct Taken {
    row: RowText,
    riga: Option<Riga>,
    occurrence: u32,
    is_repetition: bool,
}

/// A document with its rows, but for those of lots that are `told` by answers of their own. `seen`
/// are the keys of the rows before it that could be the same.
pub(crate) fn document(
    remote_id: String,
    digest: String,
    ente: CodiceFiscale,
    operation: Operation,
    rows: Vec<RowText>,
    seen: &mut Occurrences,
    told: &BTreeSet<Cig>,
) -> Vec<Received> {
    let (mut taken, mut passed_over) = (Vec::new(), 0_u64);
    let (mut firsts, mut discordi) = (BTreeMap::new(), BTreeMap::new());
    for row in rows {
        // A row that is not well formed cannot be here; if it were, normalizing would say so.
        let riga = Riga::parse(&row.text).ok();
        let pagamento = riga.as_ref().and_then(|riga| read::pagamento(riga, ente, operation));
        if pagamento.as_ref().and_then(|it| it.cig).is_some_and(|cig| told.contains(&cig)) {
            passed_over += 1;
            continue;
        }
        let (mut occurrence, mut is_repetition) = (0, false);
        if let Some(pagamento) = pagamento {
            let key = read::key(&pagamento);
            occurrence = seen.add(key.as_bytes());
            match firsts.entry(key) {
                Entry::Vacant(first) if occurrence == 0 => {
                    first.insert(pagamento);
                }
                // What is said again word for word is a repetition, and nothing else is.
                Entry::Occupied(first) if *first.get() == pagamento => is_repetition = true,
                entry => {
                    *discordi.entry(entry.key().clone()).or_default() += 1;
                }
            }
        }
        taken.push(Taken { row, riga, occurrence, is_repetition });
    }
    if passed_over > 0 {
        tracing::info!(document = remote_id, rows = passed_over, "rows told by the answers about their lots");
    }
    let scissioni = match operation {
        Operation::Impegni => BTreeMap::new(),
        Operation::Mandati => scissioni(taken.iter().filter(|it| !it.is_repetition).filter_map(|it| it.riga.as_ref())),
    };
    let context = serde_json::to_value(Context { ente, operation, scissioni, discordi }).unwrap_or_default();
    let (format, version) = (FORMAT.to_owned(), VERSION.to_owned());
    let header = Arc::new(DocumentHeader { remote_id, digest, format, version, as_of: None, context });
    let record = |Taken { row, occurrence, .. }| {
        Received::Record(RawRecord { document: header.clone(), line: row.line, occurrence, text: row.text })
    };
    let begin = std::iter::once(Received::Begin(header.clone()));
    begin.chain(taken.into_iter().map(record)).chain(std::iter::once(Received::End)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::envelope::{self, Envelope};
    use crate::simulator;
    use crate::testing::{CIG, columns, records};

    /// The answers about two projects, in this order, each with one row.
    fn about_projects(rows: [&Value; 2], told: &[&str]) -> Vec<contract::Normalized> {
        let mut seen = Occurrences::default();
        let told = told.iter().map(|cig| Cig::parse(cig).unwrap()).collect();
        let answers = rows.map(|row| {
            let row = columns(row);
            let answer = simulator::envelope(Operation::Mandati, std::iter::once(&row));
            let Ok(Envelope::Rows(operation, rows)) = envelope::read(answer.as_bytes()) else { panic!("no rows") };
            let ente = CodiceFiscale::parse("80098765433").unwrap();
            document("x".to_owned(), String::new(), ente, operation, rows, &mut seen, &told)
        });
        answers.iter().flat_map(|received| records(received)).map(read::normalize).collect()
    }

    #[test]
    fn a_lot_that_two_projects_pay_with_one_order_is_never_overwritten() {
        let rows = [&json!({"CodiceCUP": "F91B21000010001"}), &json!({"CodiceCUP": "J59J21000150001"})];
        let found = about_projects(rows, &[]);
        assert_eq!((found[0].records.len(), found[1].records.len()), (1, 0));
        assert_eq!(found[1].set_aside.as_ref().unwrap().rule, canonical::Rule::R02);
    }

    #[test]
    fn rows_of_lots_that_are_asked_for_by_themselves_are_passed_over_and_no_others() {
        let rows = [&json!({}), &json!({"CodiceCIG": "918052266A"})];
        assert_eq!(about_projects(rows, &[CIG]).len(), 1);
        assert_eq!(about_projects(rows, &[]).len(), 2);
        assert_eq!(about_projects([&json!({"CodiceCIG": null}), &json!({"CodiceCIG": "x"})], &[CIG]).len(), 2);
    }

    #[test]
    fn a_number_written_with_zeros_is_the_same_number() {
        let found = about_projects([&json!({}), &json!({"Numero": "055"})], &[]);
        assert!(found[1].records.is_empty());
    }
}
