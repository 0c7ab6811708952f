//! Repairs between the decision and their end: begun in the transaction that decides, ended when what
//! was decided was done.

use canonical::values::UtcInstant;

use super::lists;
use crate::storage::sql::audit::Entry;
use crate::storage::sql::bulk::Bulk;
use crate::storage::sql::connection::{Connection, query};
use crate::storage::sql::desk::Desk;
use crate::storage::sql::rows::{instant, json};
use crate::storage::sql::trouble::Trouble;
use crate::storage::{BegunRepair, Person};

static BEGUN: Bulk = Bulk::new(
    "insert into begun_repair (discrepancy, at, who, reason)",
    4,
    "on conflict (discrepancy) do update set at = excluded.at, who = excluded.who, reason = excluded.reason",
);

const LIST: &str = concat!(
    "select ",
    item_columns!(@names),
    ", b.at, b.who, b.reason from begun_repair b cross join discrepancy d on d.id = b.discrepancy
      where b.discrepancy > $1 order by b.discrepancy limit $2"
);

/// Begins them.
pub(super) async fn begin(desk: &mut Desk, items: &[i64], by: &Person, now: i64) -> Result<(), Trouble> {
    BEGUN
        .run(&mut desk.connection, items.to_vec(), |item, values| {
            values.push(item).push(now).push(by.name.clone()).push(by.reason.clone());
        })
        .await?;
    Ok(())
}

pub(super) async fn begun(
    connection: &mut Connection,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<BegunRepair>, Trouble> {
    let rows = query(LIST).bind(after.unwrap_or(0)).bind(limit).fetch_all(connection).await?;
    let begun = rows.iter().map(|row| {
        let first = lists::COLUMNS;
        Ok(BegunRepair {
            item: lists::read_item(row)?,
            at: instant(row.try_get(first)?)?,
            by: Person { name: row.try_get(first + 1)?, reason: row.try_get(first + 2)? },
        })
    });
    begun.collect()
}

/// Ends them.
pub(super) async fn end(desk: &mut Desk, items: Vec<i64>, outcome: String, at: UtcInstant) -> Result<(), Trouble> {
    let ended =
        query("delete from begun_repair where discrepancy in (select cast(value as bigint) from json_each($1))")
            .bind(json(&items)?)
            .execute(&mut desk.connection)
            .await?;
    if ended.rows_affected() == 0 {
        return Ok(());
    }
    let told = serde_json::json!({ "outcome": outcome, "items": items });
    desk.audit(vec![Entry::new("repair_ended", "discrepancies", json(&told)?)], at.unix_micros()).await
}
