//! From a local table to raw records: which table it is, by its header.

use kit::published::LocalTable;
use kit::{Closed, Give, TableFormat, give_table};

use crate::wire::{Format, VERSION};

/// Reads one table and gives what it holds, or why it is refused.
pub(crate) fn give_document(local: &LocalTable<'_>, give: &mut Give<'_>) -> Result<(), Closed> {
    match local.recognise(|header| Format::recognise(header).map(|format| (format.name, format))) {
        Ok(found) => {
            let remote_id = local.remote_id.map(str::to_owned);
            let dialect = found.format.dialect();
            let table = TableFormat { remote_id, ..TableFormat::new(found.format.name, VERSION, dialect) };
            give_table(local.path, local.links, &table, local.max_bytes, give)
        }
        Err(refusal) => give(local.refused(refusal)),
    }
}
