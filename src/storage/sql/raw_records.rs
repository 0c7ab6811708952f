//! Raw records: kept when they gave a version or stand aside, each text once.

use std::collections::HashMap;

use contract::SetAside;
use xxhash_rust::xxh3::xxh3_128;

use super::audit::Entry;
use super::bulk::Bulk;
use super::connection::{query, query_scalar};
use super::desk::Desk;
use super::entries;
use super::rows::json;
use super::trouble::Trouble;
use super::versions::{Place, Prepared};
use crate::storage::Stored;

static RAW_RECORDS: Bulk =
    Bulk::new("insert into raw_record (id, document, line, fingerprint, occurrence, text)", 6, "");
static QUARANTINE: Bulk = Bulk::new(
    "insert into quarantine (id, raw_record, document, rule, reason, since)",
    6,
    "on conflict (raw_record) do update
        set rule = excluded.rule, reason = excluded.reason, since = excluded.since, resolved_at = null",
);

/// What tells apart the texts that begin on one line of one document. The document has a digest of
/// its own: this one need not withstand anybody.
type Fingerprint = [u8; 16];

fn fingerprint(text: &str) -> Fingerprint {
    xxh3_128(text.as_bytes()).to_be_bytes()
}

fn hex(fingerprint: &Fingerprint) -> String {
    format!("{:032x}", u128::from_be_bytes(*fingerprint))
}

impl Desk {
    /// Keeps the texts of what is new or stands aside, each once, and says under which id.
    pub(super) async fn keep_raw_records(
        &mut self,
        arrivals: &mut [Prepared],
        answers: &[Stored],
    ) -> Result<Vec<Option<i64>>, Trouble> {
        let wanted: Vec<_> = arrivals
            .iter()
            .zip(answers)
            .map(|(arrival, answer)| {
                let is_kept = *answer != Stored::Unchanged;
                is_kept.then(|| (arrival.place.document, arrival.place.line, fingerprint(&arrival.text)))
            })
            .collect();
        let mut known = self.known_raw_records(&wanted).await?;
        let mut fresh = Vec::new();
        let ids = arrivals
            .iter_mut()
            .zip(wanted)
            .map(|(arrival, wanted)| {
                let wanted = wanted?;
                let id = *known.entry(wanted).or_insert_with(|| {
                    let id = self.memory.raw_record.next();
                    fresh.push((id, wanted, arrival.place.occurrence, std::mem::take(&mut arrival.text)));
                    id
                });
                Some(id)
            })
            .collect();
        RAW_RECORDS
            .run(&mut self.connection, fresh, |(id, (document, line, fingerprint), occurrence, text), values| {
                values.push(id).push(document).push(line).push(fingerprint.to_vec()).push(occurrence).push(text);
            })
            .await?;
        Ok(ids)
    }

    /// Which of these texts are kept already. A document that is read for the first time has none
    /// in the range of its next lines, and one look answers for all of them.
    async fn known_raw_records(
        &mut self,
        wanted: &[Option<(i64, i64, Fingerprint)>],
    ) -> Result<HashMap<(i64, i64, Fingerprint), i64>, Trouble> {
        let mut ranges = HashMap::<i64, (i64, i64)>::new();
        for (document, line, _) in wanted.iter().flatten() {
            let (first, last) = ranges.entry(*document).or_insert((*line, *line));
            (*first, *last) = ((*first).min(*line), (*last).max(*line));
        }
        let mut known = HashMap::new();
        for (document, (first, last)) in ranges {
            let is_read_again: bool =
                query_scalar("select exists (select 1 from raw_record where document = $1 and line between $2 and $3)")
                    .bind(document)
                    .bind(first)
                    .bind(last)
                    .fetch_one(&mut self.connection)
                    .await?;
            if !is_read_again {
                continue;
            }
            let texts: Vec<_> = wanted.iter().flatten().filter(|(of, ..)| *of == document).collect();
            let texts: Vec<_> = texts.into_iter().map(|(_, line, fingerprint)| (line, hex(fingerprint))).collect();
            let rows = query(
                "select r.id, r.line, r.fingerprint from json_each($2) t cross join raw_record r
                  where r.document = $1 and r.line = cast(t.value ->> 0 as bigint) and r.fingerprint = unhex(t.value ->> 1)",
            )
            .bind(document)
            .bind(json(&texts)?)
            .fetch_all(&mut self.connection)
            .await?;
            for row in rows {
                let fingerprint = row.try_get::<&[u8]>(2)?.try_into();
                let fingerprint =
                    fingerprint.map_err(|_| Trouble::Damaged("fingerprint of another length".to_owned()))?;
                known.insert((document, row.try_get(1)?, fingerprint), row.try_get(0)?);
            }
        }
        Ok(known)
    }

    /// Sets raw records aside, each once. Gives the entries of those that were not aside before.
    pub(super) async fn quarantine(
        &mut self,
        arrivals: &[Prepared],
        raw_records: &[Option<i64>],
        at: i64,
    ) -> Result<Vec<Entry>, Trouble> {
        let mut aside: HashMap<i64, (Place, &SetAside)> = HashMap::new();
        for (arrival, raw_record) in arrivals.iter().zip(raw_records) {
            if let (Some(set_aside), Some(raw_record)) = (&arrival.set_aside, raw_record) {
                aside.entry(*raw_record).or_insert((arrival.place, set_aside));
            }
        }
        if aside.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = aside.keys().collect();
        let already = query(
            "select q.raw_record from json_each($1) i cross join quarantine q
              where q.raw_record = cast(i.value as bigint)
                and (q.resolved_at is null
                     or exists (select 1 from discarded x where x.what = 'record' and x.number = q.raw_record))",
        )
        .bind(json(&ids)?)
        .fetch_all(&mut self.connection)
        .await?;
        for row in already {
            aside.remove(&row.try_get(0)?);
        }
        let mut aside: Vec<_> = aside.into_iter().collect();
        aside.sort_unstable_by_key(|(raw_record, _)| *raw_record);
        let entries = aside.iter().map(|(raw_record, (place, set_aside))| entry(*raw_record, *place, set_aside));
        let entries = entries.collect();
        let rows: Vec<_> = aside.into_iter().map(|aside| (self.memory.quarantine.next(), aside)).collect();
        QUARANTINE
            .run(&mut self.connection, rows, |(id, (raw_record, (place, set_aside))), values| {
                values.push(id).push(raw_record).push(place.document);
                values.push(set_aside.rule.code()).push(set_aside.reason.as_str()).push(at);
            })
            .await?;
        Ok(entries)
    }

    /// What stood aside and is understood now stands aside no longer. Gives the entry of that.
    pub(super) async fn resolve_understood(
        &mut self,
        arrivals: &[Prepared],
        answers: &[Stored],
        raw_records: &[Option<i64>],
        at: i64,
    ) -> Result<Option<Entry>, Trouble> {
        let mut documents: Vec<_> = arrivals.iter().map(|arrival| arrival.place.document).collect();
        documents.sort_unstable();
        documents.dedup();
        let has_open: bool = query_scalar(
            "select exists (select 1 from quarantine
                             where document in (select cast(value as bigint) from json_each($1)) and resolved_at is null)",
        )
        .bind(json(&documents)?)
        .fetch_one(&mut self.connection)
        .await?;
        if !has_open {
            return Ok(None);
        }
        let understood = arrivals.iter().zip(answers).zip(raw_records);
        let understood: Vec<_> = understood
            .filter(|((_, answer), _)| **answer != Stored::Quarantined)
            .map(|((arrival, _), raw_record)| {
                // The text of a raw record that was kept just now has moved on; its id has not.
                let text = raw_record.is_none().then(|| hex(&fingerprint(&arrival.text)));
                (arrival.place.document, arrival.place.line, text, raw_record)
            })
            .collect();
        let resolved = query(
            "update quarantine set resolved_at = $2
              where resolved_at is null and raw_record in (
                    select coalesce(cast(u.value ->> 3 as bigint),
                           (select r.id from raw_record r
                             where r.document = cast(u.value ->> 0 as bigint) and r.line = cast(u.value ->> 1 as bigint)
                               and r.fingerprint = unhex(u.value ->> 2)))
                      from json_each($1) u)
             returning raw_record",
        )
        .bind(json(&understood)?)
        .bind(at)
        .fetch_all(&mut self.connection)
        .await?;
        let resolved = resolved.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Trouble>>()?;
        entries::list("quarantine_resolved", "raw_records", resolved)
    }
}

fn entry(raw_record: i64, place: Place, set_aside: &SetAside) -> Entry {
    let rule = set_aside.rule.code();
    let detail = format!(r#"{{"rule":"{rule}","document":{},"line":{}}}"#, place.document, place.line);
    Entry::new("quarantined", format!("raw_record/{raw_record}"), detail)
}
