//! Totals that anybody can recompute from the rows.

use std::collections::{BTreeMap, BTreeSet};

use canonical::values::Importo;
use serde::{Deserialize, Serialize};

use crate::cell::Cell;

use super::{Dataset, Riga};

/// How a total is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Total {
    /// How many rows.
    Rows,
    /// How many rows have a value in this column.
    With(&'static str),
    /// How many different values this column has.
    Distinct(&'static str),
    /// The sum of the counts of this column.
    Count(&'static str),
    /// The sum of the amounts of this column.
    Sum(&'static str),
    /// The sum of the amounts of a column, once for each value of another: those of the first row
    /// that has one.
    SumOnce { amount: &'static str, per: &'static str },
}

/// A total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum TotalValue {
    Number(u64),
    Amount(Importo),
}

impl Total {
    /// The columns by which it is computed.
    #[cfg(test)]
    pub(crate) fn columns(self) -> Vec<&'static str> {
        match self {
            Self::Rows => Vec::new(),
            Self::With(column) | Self::Distinct(column) | Self::Count(column) | Self::Sum(column) => vec![column],
            Self::SumOnce { amount, per } => vec![amount, per],
        }
    }

    /// The total of some rows; none when it becomes too large to be written.
    fn of(self, rows: &[Riga]) -> Option<TotalValue> {
        let texts = |column| rows.iter().filter_map(move |row| row.cell(column).map(Cell::to_string));
        Some(match self {
            Self::Rows => TotalValue::Number(rows.len() as u64),
            Self::With(column) => TotalValue::Number(texts(column).count() as u64),
            Self::Distinct(column) => TotalValue::Number(texts(column).collect::<BTreeSet<_>>().len() as u64),
            Self::Count(column) => TotalValue::Number(
                rows.iter().filter_map(|row| number(row.cell(column)?)).try_fold(0_u64, u64::checked_add)?,
            ),
            Self::Sum(column) => {
                TotalValue::Amount(Importo::checked_sum(rows.iter().filter_map(|row| amount(row.cell(column)?)))?)
            }
            Self::SumOnce { amount: column, per } => {
                let mut first: BTreeMap<String, Importo> = BTreeMap::new();
                for row in rows {
                    if let (Some(per), Some(importo)) = (row.cell(per), row.cell(column).and_then(amount)) {
                        first.entry(per.to_string()).or_insert(importo);
                    }
                }
                TotalValue::Amount(Importo::checked_sum(first.into_values())?)
            }
        })
    }
}

fn number(cell: &Cell) -> Option<u64> {
    if let Cell::Number(number) = cell { Some(*number) } else { None }
}

fn amount(cell: &Cell) -> Option<Importo> {
    if let Cell::Amount(importo) = cell { Some(*importo) } else { None }
}

impl Dataset {
    /// The totals of some rows, by name; none when one becomes too large to be written.
    pub(crate) fn totals_of(&self, rows: &[Riga]) -> Option<BTreeMap<String, TotalValue>> {
        self.totals.iter().map(|(name, total)| Some(((*name).to_owned(), total.of(rows)?))).collect()
    }
}
