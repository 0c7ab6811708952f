//! How far each source was read, and of what it speaks.

use std::collections::BTreeMap;

use canonical::identifiers::CodiceFiscale;
use canonical::values::CalendarDate;

use crate::storage::families::SourceState;
use crate::storage::sql::connection::{Connection, query};
use crate::storage::sql::rows::{count, kind, optional_instant};
use crate::storage::sql::trouble::Trouble;

/// Rows without any code of a lot stand aside under this rule: they are no lot that could be missing.
const WITHOUT_CIG: &str = "R05";

pub(super) async fn states(connection: &mut Connection) -> Result<BTreeMap<String, SourceState>, Trouble> {
    let mut states: BTreeMap<String, SourceState> = BTreeMap::new();
    // Files that somebody named are no reading of the whole source.
    let rows = query(
        "select source, finished_at, refused from run
          where id in (select max(id) from run where kind = 'sync' group by source)",
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in &rows {
        let state = states.entry(row.try_get(0)?).or_default();
        state.read_at = optional_instant(row.try_get(1)?)?;
        state.is_read = state.read_at.is_some();
        state.refused = count(row.try_get(2)?);
    }
    let rows = query(
        "select d.source, count(*) from quarantine q join source_document d on d.id = q.document
          where q.resolved_at is null and q.rule <> $1 group by d.source",
    )
    .bind(WITHOUT_CIG)
    .fetch_all(&mut *connection)
    .await?;
    for row in &rows {
        states.entry(row.try_get(0)?).or_default().unreadable = count(row.try_get(1)?);
    }
    let rows = query("select source, max(as_of) from source_document where as_of is not null group by source")
        .fetch_all(&mut *connection)
        .await?;
    for row in &rows {
        let day = CalendarDate::parse(row.try_get(1)?).map_err(|problem| Trouble::Damaged(problem.to_string()))?;
        states.entry(row.try_get(0)?).or_default().as_of = Some(day);
    }
    let rows = query("select source, kind, ente from spoken_of").fetch_all(connection).await?;
    for row in &rows {
        let ente = CodiceFiscale::parse(row.try_get(2)?);
        let ente = ente.map_err(|_| Trouble::Damaged("a body without a tax code".to_owned()))?;
        let spoken_of = &mut states.entry(row.try_get(0)?).or_default().spoken_of;
        spoken_of.entry(kind(row.try_get(1)?)?).or_default().insert(ente);
    }
    Ok(states)
}
