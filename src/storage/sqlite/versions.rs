//! Storing understood records: which of them is a new version, and everything that follows from
//! it, in one transaction.
//!
//! The digest is looked up first: a record that says nothing new costs a look and no write.

use std::collections::HashMap;

use canonical::Digest;
use contract::SetAside;
use sqlx::Row as _;

use super::audit::Entry;
use super::bulk::Bulk;
use super::effects::Changed;
use super::rows::{count, hex, json, stored};
use super::trouble::Trouble;
use super::writer::Desk;
use crate::storage::{Arrival, Route, RunTotals, Stored};

/// An arrival with everything that can be computed outside the transaction.
#[derive(Debug)]
pub(super) struct Prepared {
    place: Place,
    text: String,
    findings: Option<String>,
    records: Vec<PreparedRecord>,
    set_aside: Option<SetAside>,
}

#[derive(Debug)]
struct PreparedRecord {
    kind: &'static str,
    key: String,
    source: String,
    schema_version: u16,
    digest: Digest,
    as_of: Option<String>,
    body: String,
    provenance: String,
    routes: Vec<Route>,
}

/// Where a record was said. On a document written on one line only the occurrence tells places
/// apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    document: i64,
    line: i64,
    occurrence: u32,
}

impl Prepared {
    pub(super) fn from_arrival(arrival: Arrival) -> Result<Self, Trouble> {
        let place =
            Place { document: arrival.document.0, line: stored(arrival.line), occurrence: arrival.occurrence };
        let findings = if arrival.findings.is_empty() { None } else { Some(json(&arrival.findings)?) };
        // What stands aside as a whole says nothing.
        let records = if arrival.set_aside.is_some() { Vec::new() } else { arrival.records };
        let records = records
            .into_iter()
            .map(|routed| {
                let record = routed.record;
                Ok(PreparedRecord {
                    kind: record.kind().name(),
                    key: record.key().as_str().to_owned(),
                    source: record.provenance.source.to_string(),
                    schema_version: record.schema_version,
                    digest: record.digest(),
                    as_of: record.provenance.as_of.map(|day| day.to_string()),
                    body: record.body.to_json(),
                    provenance: json(&record.provenance)?,
                    routes: routed.routes,
                })
            })
            .collect::<Result<Vec<_>, Trouble>>()?;
        Ok(Self { place, text: arrival.text, findings, records, set_aside: arrival.set_aside })
    }
}

/// What a source says about one thing today.
#[derive(Debug, Clone)]
struct Standing {
    id: i64,
    version: i64,
    digest: Digest,
    as_of: Option<String>,
    place: Place,
}

/// What a record is beside the one that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It replaces what stands.
    New,
    /// It says the same, later: the standing record is as recent as this document now.
    Confirmed,
    /// It changes nothing.
    Nothing,
}

/// The rule of the ledger: only a later saying replaces an earlier one.
fn judge(standing: &Standing, digest: Digest, as_of: Option<&String>, place: Place) -> Verdict {
    let is_same = standing.digest == digest;
    if standing.place.document == place.document {
        // Another line of the same document: the first stays. The same line: the same words, read
        // with other rules when they now say something else.
        return if standing.place == place && !is_same { Verdict::New } else { Verdict::Nothing };
    }
    let is_later = (as_of, place.document) > (standing.as_of.as_ref(), standing.place.document);
    match (is_later, is_same) {
        (true, false) => Verdict::New,
        (true, true) => Verdict::Confirmed,
        (false, _) => Verdict::Nothing,
    }
}

/// One record of the ledger as this transaction finds it and leaves it.
struct Slot {
    standing: Option<Standing>,
    existed: bool,
    is_touched: bool,
    /// The prepared record whose routes count: the one of the last new version.
    last_new: Option<(usize, usize)>,
}

struct NewVersion {
    record: i64,
    number: i64,
    arrival: usize,
    index: usize,
}

static RECORDS: Bulk = Bulk::new(
    "insert into record (id, kind, key, source, version, digest, as_of, document, line, occurrence)",
    10,
    "on conflict (id) do update set version = excluded.version, digest = excluded.digest, as_of = excluded.as_of,
       document = excluded.document, line = excluded.line, occurrence = excluded.occurrence",
);
static VERSIONS: Bulk = Bulk::new(
    "insert into record_version (id, record, number, run, raw_record, digest, stored_at, schema_version, body,
       provenance, findings)",
    11,
    "",
);
static RAW_RECORDS: Bulk =
    Bulk::new("insert into raw_record (id, document, line, digest, occurrence, text)", 6, "");
static QUARANTINE: Bulk = Bulk::new(
    "insert into quarantine (id, raw_record, document, rule, reason, since)",
    6,
    "on conflict (raw_record) do update
        set rule = excluded.rule, reason = excluded.reason, since = excluded.since, resolved_at = null",
);

impl Desk {
    /// Stores arrivals in order, and says what each of them turned out to be.
    pub(super) async fn store(&mut self, run: i64, mut arrivals: Vec<Prepared>, at: i64) -> Result<Vec<Stored>, Trouble> {
        let (mut slots, slot_of) = self.standings(&arrivals).await?;
        let mut answers = Vec::with_capacity(arrivals.len());
        let mut versions = Vec::new();
        let mut totals = RunTotals::default();
        for (number, arrival) in arrivals.iter().enumerate() {
            let before = versions.len();
            for (index, record) in arrival.records.iter().enumerate() {
                let slot = &mut slots[slot_of[number][index]];
                if self.decide(slot, arrival.place, record) == Verdict::New
                    && let Some(standing) = &slot.standing
                {
                    versions.push(NewVersion { record: standing.id, number: standing.version, arrival: number, index });
                    slot.last_new = Some((number, index));
                }
            }
            let answer = match arrival.set_aside {
                Some(_) => Stored::Quarantined,
                None if versions.len() > before => Stored::New,
                None => Stored::Unchanged,
            };
            totals = totals.plus(counted(answer));
            answers.push(answer);
        }
        self.add_totals(run, totals).await?;
        let raw_records = self.keep_raw_records(&mut arrivals, &answers).await?;
        self.resolve_understood(&arrivals, &answers, &raw_records, at).await?;
        let quarantined = self.quarantine(&arrivals, &raw_records, at).await?;
        if versions.is_empty() && !slots.iter().any(|slot| slot.is_touched) {
            self.audit(quarantined, at).await?;
            return Ok(answers);
        }
        let mut entries = quarantined;
        entries.extend(versions.iter().map(|version| {
            let record = &arrivals[version.arrival].records[version.index];
            Entry::new(
                "version_stored",
                format!("record/{}/{}/{}", record.source, record.kind, record.key),
                format!(r#"{{"version":{},"run":{run},"digest":"{}"}}"#, version.number, hex(record.digest.as_bytes())),
            )
        }));
        let changed = take_changed(&slots, &mut arrivals);
        self.put_records(&slots, &slot_of, &mut arrivals).await?;
        self.put_versions(run, versions, arrivals, &raw_records, at).await?;
        entries.extend(self.cause_deliveries(changed, at).await?);
        self.audit(entries, at).await?;
        Ok(answers)
    }

    /// What stands for every record of the arrivals, each once however often it is said.
    async fn standings(&mut self, arrivals: &[Prepared]) -> Result<(Vec<Slot>, Vec<Vec<usize>>), Trouble> {
        let mut numbers = HashMap::new();
        let mut names = Vec::new();
        let slot_of = arrivals
            .iter()
            .map(|arrival| {
                let numbers_of_arrival = arrival.records.iter().map(|record| {
                    let name = (record.key.as_str(), record.kind, record.source.as_str());
                    *numbers.entry(name).or_insert_with(|| {
                        names.push(name);
                        names.len() - 1
                    })
                });
                numbers_of_arrival.collect()
            })
            .collect();
        let mut slots: Vec<_> = names
            .iter()
            .map(|_| Slot { standing: None, existed: false, is_touched: false, last_new: None })
            .collect();
        if names.is_empty() {
            return Ok((slots, slot_of));
        }
        let rows = sqlx::query(
            "select n.key, r.id, r.version, r.digest, r.as_of, r.document, r.line, r.occurrence
               from json_each(?1) n cross join record r
              where r.key = n.value ->> 0 and r.kind = n.value ->> 1 and r.source = n.value ->> 2",
        )
        .bind(json(&names)?)
        .fetch_all(&mut self.connection)
        .await?;
        for row in rows {
            let number: i64 = row.try_get(0)?;
            let digest = Digest::from_bytes(row.try_get(3)?)
                .ok_or_else(|| Trouble::Damaged("record digest of another length".to_owned()))?;
            let place = Place { document: row.try_get(5)?, line: row.try_get(6)?, occurrence: row.try_get(7)? };
            let standing = Standing { id: row.try_get(1)?, version: row.try_get(2)?, digest, as_of: row.try_get(4)?, place };
            let slot = usize::try_from(number).ok().and_then(|number| slots.get_mut(number));
            let slot = slot.ok_or_else(|| Trouble::Damaged("an answer to a question never asked".to_owned()))?;
            slot.standing = Some(standing);
            slot.existed = true;
        }
        Ok((slots, slot_of))
    }

    /// Judges one record and leaves its slot as the record makes it.
    fn decide(&mut self, slot: &mut Slot, place: Place, record: &PreparedRecord) -> Verdict {
        let verdict = match &slot.standing {
            None => Verdict::New,
            Some(standing) => judge(standing, record.digest, record.as_of.as_ref(), place),
        };
        if verdict == Verdict::Nothing {
            return verdict;
        }
        slot.is_touched = true;
        let (id, version) = match &slot.standing {
            Some(standing) if verdict == Verdict::Confirmed => (standing.id, standing.version),
            Some(standing) => (standing.id, standing.version + 1),
            None => (self.memory.record.next(), 1),
        };
        slot.standing = Some(Standing { id, version, digest: record.digest, as_of: record.as_of.clone(), place });
        verdict
    }

    /// Keeps the texts of what is new or stands aside, each once, and says under which id.
    async fn keep_raw_records(
        &mut self,
        arrivals: &mut [Prepared],
        answers: &[Stored],
    ) -> Result<Vec<Option<i64>>, Trouble> {
        let digests: Vec<_> = arrivals
            .iter()
            .zip(answers)
            .map(|(arrival, answer)| (*answer != Stored::Unchanged).then(|| Digest::of(arrival.text.as_bytes())))
            .collect();
        let wanted: Vec<_> = arrivals
            .iter()
            .zip(&digests)
            .filter_map(|(arrival, digest)| {
                let digest = digest.as_ref()?;
                Some((arrival.place.document, arrival.place.line, hex(digest.as_bytes())))
            })
            .collect();
        if wanted.is_empty() {
            return Ok(vec![None; arrivals.len()]);
        }
        let rows = sqlx::query(
            "select r.id, r.document, r.line, r.digest from json_each(?1) w cross join raw_record r
              where r.document = w.value ->> 0 and r.line = w.value ->> 1 and r.digest = unhex(w.value ->> 2)",
        )
        .bind(json(&wanted)?)
        .fetch_all(&mut self.connection)
        .await?;
        let mut known = HashMap::new();
        for row in rows {
            let digest: Option<Digest> = Digest::from_bytes(row.try_get(3)?);
            known.insert((row.try_get::<i64, _>(1)?, row.try_get::<i64, _>(2)?, digest), row.try_get::<i64, _>(0)?);
        }
        let mut fresh = Vec::new();
        let ids = arrivals
            .iter_mut()
            .zip(&digests)
            .map(|(arrival, digest)| {
                let digest = (*digest)?;
                let Place { document, line, occurrence } = arrival.place;
                let id = *known.entry((document, line, Some(digest))).or_insert_with(|| {
                    let id = self.memory.raw_record.next();
                    fresh.push((id, document, line, digest, occurrence, std::mem::take(&mut arrival.text)));
                    id
                });
                Some(id)
            })
            .collect();
        RAW_RECORDS
            .run(&mut self.connection, fresh, |(id, document, line, digest, occurrence, text), values| {
                values.push(id).push(document).push(line).push(digest.as_bytes().to_vec());
                values.push(occurrence).push(text);
            })
            .await?;
        Ok(ids)
    }

    /// Sets raw records aside, each once. Gives the entries of those that were not aside before.
    async fn quarantine(
        &mut self,
        arrivals: &[Prepared],
        raw_records: &[Option<i64>],
        at: i64,
    ) -> Result<Vec<Entry>, Trouble> {
        let mut aside: HashMap<i64, (&Prepared, &SetAside)> = HashMap::new();
        for (arrival, raw_record) in arrivals.iter().zip(raw_records) {
            if let (Some(set_aside), Some(raw_record)) = (&arrival.set_aside, raw_record) {
                aside.entry(*raw_record).or_insert((arrival, set_aside));
            }
        }
        if aside.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = aside.keys().collect();
        let already = sqlx::query(
            "select q.raw_record from json_each(?1) i cross join quarantine q
              where q.raw_record = i.value and q.resolved_at is null",
        )
        .bind(json(&ids)?)
        .fetch_all(&mut self.connection)
        .await?;
        for row in already {
            aside.remove(&row.try_get(0)?);
        }
        let mut rows: Vec<_> = aside.into_iter().collect();
        rows.sort_unstable_by_key(|(raw_record, _)| *raw_record);
        let entries = rows
            .iter()
            .map(|(raw_record, (arrival, set_aside))| {
                let detail = format!(
                    r#"{{"rule":"{}","document":{},"line":{}}}"#,
                    set_aside.rule.code(),
                    arrival.place.document,
                    arrival.place.line
                );
                Entry::new("quarantined", format!("raw_record/{raw_record}"), detail)
            })
            .collect();
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(raw_record, (arrival, set_aside))| {
                let id = self.memory.quarantine.next();
                (id, raw_record, arrival.place.document, set_aside.rule.code(), set_aside.reason.clone())
            })
            .collect();
        QUARANTINE
            .run(&mut self.connection, rows, |(id, raw_record, document, rule, reason), values| {
                values.push(id).push(raw_record).push(document).push(rule).push(reason).push(at);
            })
            .await?;
        Ok(entries)
    }

    /// What stood aside and is understood now stands aside no longer.
    async fn resolve_understood(
        &mut self,
        arrivals: &[Prepared],
        answers: &[Stored],
        raw_records: &[Option<i64>],
        at: i64,
    ) -> Result<(), Trouble> {
        let mut documents: Vec<_> = arrivals.iter().map(|arrival| arrival.place.document).collect();
        documents.sort_unstable();
        documents.dedup();
        let has_open: bool = sqlx::query_scalar(
            "select exists (select 1 from quarantine
                             where document in (select value from json_each(?1)) and resolved_at is null)",
        )
        .bind(json(&documents)?)
        .fetch_one(&mut self.connection)
        .await?;
        if !has_open {
            return Ok(());
        }
        let understood = arrivals.iter().zip(answers).zip(raw_records);
        let understood: Vec<_> = understood
            .filter(|((_, answer), _)| **answer != Stored::Quarantined)
            .map(|((arrival, _), raw_record)| {
                // The text of a raw record that was kept just now has moved on; its id has not.
                let digest = raw_record.is_none().then(|| hex(Digest::of(arrival.text.as_bytes()).as_bytes()));
                (arrival.place.document, arrival.place.line, digest, raw_record)
            })
            .collect();
        sqlx::query(
            "update quarantine set resolved_at = ?2
              where resolved_at is null and raw_record in (
                    select coalesce(u.value ->> 3,
                           (select r.id from raw_record r
                             where r.document = u.value ->> 0 and r.line = u.value ->> 1
                               and r.digest = unhex(u.value ->> 2)))
                      from json_each(?1) u)",
        )
        .bind(json(&understood)?)
        .bind(at)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    async fn put_records(
        &mut self,
        slots: &[Slot],
        slot_of: &[Vec<usize>],
        arrivals: &mut [Prepared],
    ) -> Result<(), Trouble> {
        let mut is_put = vec![false; slots.len()];
        let mut rows = Vec::new();
        for (arrival, numbers) in arrivals.iter_mut().zip(slot_of) {
            for (record, number) in arrival.records.iter_mut().zip(numbers) {
                let slot = &slots[*number];
                if let (Some(standing), true, false) = (&slot.standing, slot.is_touched, is_put[*number]) {
                    is_put[*number] = true;
                    let key = std::mem::take(&mut record.key);
                    rows.push((record.kind, key, std::mem::take(&mut record.source), standing.clone()));
                }
            }
        }
        RECORDS
            .run(&mut self.connection, rows, |(kind, key, source, standing), values| {
                let Standing { id, version, digest, as_of, place } = standing;
                values.push(id).push(kind).push(key).push(source).push(version).push(digest.as_bytes().to_vec());
                values.push(as_of).push(place.document).push(place.line).push(place.occurrence);
            })
            .await?;
        Ok(())
    }

    async fn put_versions(
        &mut self,
        run: i64,
        versions: Vec<NewVersion>,
        mut arrivals: Vec<Prepared>,
        raw_records: &[Option<i64>],
        at: i64,
    ) -> Result<(), Trouble> {
        let rows: Vec<_> = versions
            .into_iter()
            .map(|version| {
                let arrival = &mut arrivals[version.arrival];
                let record = &mut arrival.records[version.index];
                (
                    self.memory.record_version.next(),
                    (version.record, version.number, raw_records[version.arrival]),
                    (record.digest, record.schema_version),
                    std::mem::take(&mut record.body),
                    std::mem::take(&mut record.provenance),
                    arrival.findings.clone(),
                )
            })
            .collect();
        VERSIONS
            .run(&mut self.connection, rows, |row, values| {
                let (id, (record, number, raw_record), (digest, schema_version), body, provenance, findings) = row;
                values.push(id).push(record).push(number).push(run).push(raw_record);
                values.push(digest.as_bytes().to_vec()).push(at).push(schema_version);
                values.push(body).push(provenance).push(findings);
            })
            .await?;
        Ok(())
    }
}

/// The records that have a new version, with the routes of the last one.
fn take_changed(slots: &[Slot], arrivals: &mut [Prepared]) -> Vec<Changed> {
    slots
        .iter()
        .filter_map(|slot| {
            let (arrival, index) = slot.last_new?;
            let record = slot.standing.as_ref()?.id;
            let routes = std::mem::take(&mut arrivals[arrival].records[index].routes);
            Some(Changed { record, existed: slot.existed, routes })
        })
        .collect()
}

fn counted(answer: Stored) -> RunTotals {
    let one = |stored: Stored| count(i64::from(stored == answer));
    RunTotals {
        read: 1,
        new: one(Stored::New),
        unchanged: one(Stored::Unchanged),
        quarantined: one(Stored::Quarantined),
        refused: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        Standing {
            id: 1,
            version: 1,
            digest: Digest::of(b"a"),
            as_of: Some("2024-01-31".to_owned()),
            place: Place { document: 5, line: 10, occurrence: 0 },
        }
    }

    fn judged(words: &[u8], as_of: Option<&str>, place: (i64, i64, u32)) -> Verdict {
        let place = Place { document: place.0, line: place.1, occurrence: place.2 };
        judge(&standing(), Digest::of(words), as_of.map(str::to_owned).as_ref(), place)
    }

    #[test]
    fn a_later_date_of_the_data_replaces_whatever_arrived_first() {
        assert_eq!(judged(b"b", Some("2024-02-01"), (4, 1, 0)), Verdict::New);
        assert_eq!(judged(b"b", Some("2024-01-30"), (9, 1, 0)), Verdict::Nothing);
    }

    #[test]
    fn on_the_same_date_the_later_document_replaces() {
        assert_eq!(judged(b"b", Some("2024-01-31"), (6, 1, 0)), Verdict::New);
        assert_eq!(judged(b"b", Some("2024-01-31"), (4, 1, 0)), Verdict::Nothing);
    }

    #[test]
    fn no_date_is_earlier_than_any() {
        assert_eq!(judged(b"b", None, (9, 1, 0)), Verdict::Nothing);
    }

    #[test]
    fn the_same_words_later_confirm_what_stands() {
        assert_eq!(judged(b"a", Some("2024-02-01"), (6, 1, 0)), Verdict::Confirmed);
        assert_eq!(judged(b"a", Some("2024-01-01"), (6, 1, 0)), Verdict::Nothing);
    }

    #[test]
    fn in_one_document_the_first_line_stays_and_other_rules_make_a_version() {
        assert_eq!(judged(b"b", Some("2024-01-31"), (5, 11, 0)), Verdict::Nothing);
        assert_eq!(judged(b"b", Some("2024-01-31"), (5, 10, 1)), Verdict::Nothing);
        assert_eq!(judged(b"b", Some("2024-01-31"), (5, 10, 0)), Verdict::New);
        assert_eq!(judged(b"a", Some("2024-01-31"), (5, 10, 0)), Verdict::Nothing);
    }
}
