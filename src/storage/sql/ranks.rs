//! The ranks of standing records: who is believed first. All of them are looked at when the rules change,
//! some thousands in each transaction, so that no statement is long and nobody waits behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use canonical::{Kind, SourceName};

use super::audit::Entry;
use super::connection::{query, query_scalar};
use super::desk::Desk;
use super::rows::json;
use super::trouble::Trouble;

/// Records looked at by one transaction. A unit test has fewer.
const AT_ONCE: i64 = if cfg!(test) { 2 } else { 20_000 };

/// The rank of each kind from each source.
#[derive(Debug, Clone)]
pub(super) struct Ranks(Arc<[(&'static str, String, u16)]>);

impl Ranks {
    pub(super) fn of(ranks: &[(Kind, SourceName, u16)]) -> Self {
        Self(ranks.iter().map(|(kind, source, rank)| (kind.name(), source.as_str().to_owned(), *rank)).collect())
    }

    /// Sets those of the records that come next, where they are others than before. Returns where the
    /// next step goes on; none after the last record.
    pub(super) async fn set(self, desk: &mut Desk, after: i64, at: i64) -> Result<Option<i64>, Trouble> {
        let last = "select max(id) from (select id from record where id > $1 order by id limit $2) page";
        let last: Option<i64> = query_scalar(last).bind(after).bind(AT_ONCE).fetch_one(&mut desk.connection).await?;
        let Some(last) = last else { return Ok(None) };
        let rows = query(
            "update record set rank = cast(e.value ->> 2 as bigint) from json_each($1) e
              where record.id > $2 and record.id <= $3 and record.kind = e.value ->> 0
                and record.source = e.value ->> 1 and record.rank <> cast(e.value ->> 2 as bigint)
             returning record.kind, record.source, record.rank",
        )
        .bind(json(&&self.0[..])?)
        .bind(after)
        .bind(last)
        .fetch_all(&mut desk.connection)
        .await?;
        let mut ranked: BTreeMap<(String, String, i64), u64> = BTreeMap::new();
        for row in &rows {
            *ranked.entry((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)).or_default() += 1;
        }
        let mut entries = Vec::new();
        for ((kind, source, rank), records) in ranked {
            let detail = json(&serde_json::json!({ "kind": kind, "rank": rank, "records": records }))?;
            entries.push(Entry::new("records_ranked", format!("source/{source}"), detail));
        }
        desk.audit(entries, at).await?;
        Ok(Some(last))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::storage::{Ledger as _, sqlite};

    const FIVE: &str = "insert into run (id, kind, source, started_at) values (1, 'import', 'a', 0);
        insert into source_document (id, run, source, digest, remote_id, format, version, context, arrived_at)
        values (1, 1, 'a', 'x', 'x', 'f', '1', '{}', 0);
        insert into record (id, kind, key, source, version, digest, document, line, occurrence, rank)
        select cast(value as integer), 'lotto', 'k' || value, case value when 4 then 'b' else 'a' end, 1, zeroblob(32), 1, 1, 0, 9
          from json_each('[1,2,3,4,5]')";

    #[tokio::test]
    async fn ranks_are_set_page_by_page_each_with_its_entry_and_others_stay() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let store = sqlite::open(folder.path().join("raccordo.db")).await.expect("the store opens");
        for statement in FIVE.split(';') {
            let statement = statement.trim().to_owned().leak();
            store.write("plant", |desk| desk.command(statement).boxed()).await.expect("planted");
        }
        let source = SourceName::parse("a").expect("a name");
        let at = canonical::values::UtcInstant::from_unix_micros(0).expect("the epoch");
        store.rank(vec![(Kind::Lotto, source, 1)], at).await.expect("ranked");
        let counted = store.write("count", |desk| {
            async move {
                let (mut counts, questions) = (
                    Vec::new(),
                    [
                        "select count(*) from record where rank = 1 and source = 'a'",
                        "select count(*) from record where rank = 9 and source = 'b'",
                        "select count(*) from audit where kind = 'records_ranked'",
                    ],
                );
                for question in questions {
                    counts.push(query_scalar(question).fetch_one::<i64>(&mut desk.connection).await?);
                }
                Ok(counts)
            }
            .boxed()
        });
        assert_eq!(counted.await.expect("counted"), [4, 1, 3], "1 and 2, then 3 without 4, then 5");
    }
}
