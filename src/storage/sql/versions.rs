//! Storing understood records: which of them is a new version, and everything that follows from
//! it, in one transaction.
//!
//! The digest is looked up first: a record that says nothing new costs a look and no write. What
//! only a write needs is computed for those that are written.

use std::collections::HashMap;
use std::fmt::Write as _;

use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::values::CalendarDate;
use canonical::{Digest, Finding, Kind, Provenance, Record};
use contract::SetAside;

use super::audit::Entry;
use super::bulk::{Bulk, rows_of_json};
use super::connection::{Text, query_scalar};
use super::desk::Desk;
use super::effects::Changed;
use super::families::Spoken;
use super::mentions;
use super::rows::{count, hex, json, stored};
use super::trouble::Trouble;
use crate::storage::{Arrival, Route, RoutedRecord, RunTotals, Stored};

/// An arrival with what can be computed outside the transaction.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) place: Place,
    pub(super) text: String,
    findings: Vec<Finding>,
    records: Vec<PreparedRecord>,
    pub(super) set_aside: Option<SetAside>,
}

#[derive(Debug)]
struct PreparedRecord {
    kind: &'static str,
    key: String,
    schema_version: u16,
    digest: Digest,
    body: String,
    mentioned: Vec<String>,
    provenance: Provenance,
    rank: u16,
    routes: Vec<Route>,
    lots: Vec<Cig>,
    ente: Option<CodiceFiscale>,
}

/// Where a record was said. On a document written on one line only the occurrence tells places
/// apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) document: i64,
    pub(super) line: i64,
    pub(super) occurrence: u32,
}

impl From<Arrival> for Prepared {
    fn from(arrival: Arrival) -> Self {
        let place = Place { document: arrival.document.0, line: stored(arrival.line), occurrence: arrival.occurrence };
        // What stands aside as a whole says nothing.
        let records = if arrival.set_aside.is_some() { Vec::new() } else { arrival.records };
        let records = records.into_iter().map(PreparedRecord::from).collect();
        Self { place, text: arrival.text, findings: arrival.findings, records, set_aside: arrival.set_aside }
    }
}

impl From<RoutedRecord> for PreparedRecord {
    fn from(routed: RoutedRecord) -> Self {
        let RoutedRecord { record: Record { schema_version, body, provenance }, rank, routes } = routed;
        let kind = body.kind().name();
        let key = body.key().as_str().to_owned();
        let (lots, ente, mentioned) =
            (body.named_lots().into_iter().collect(), body.ente().copied(), mentions::of(&body));
        let body = body.to_json();
        // The digest of the record, from JSON that is needed anyway; a test holds the two together.
        let digest = Digest::of_parts([kind.as_bytes(), &schema_version.to_be_bytes(), body.as_bytes()]);
        Self { kind, key, schema_version, digest, body, mentioned, provenance, rank, routes, lots, ente }
    }
}

impl PreparedRecord {
    fn source(&self) -> &str {
        self.provenance.source.as_str()
    }
}

/// What a source says about one thing today.
#[derive(Debug, Clone, Copy)]
struct Standing {
    id: i64,
    version: i64,
    digest: Digest,
    as_of: Option<CalendarDate>,
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
fn judge(standing: &Standing, digest: Digest, as_of: Option<CalendarDate>, place: Place) -> Verdict {
    let is_same = standing.digest == digest;
    if standing.place.document == place.document {
        // Another line of the same document: the first stays. The same line: the same words, read
        // with other rules when they now say something else.
        return if standing.place == place && !is_same { Verdict::New } else { Verdict::Nothing };
    }
    let is_later = (as_of, place.document) > (standing.as_of, standing.place.document);
    match (is_later, is_same) {
        (true, false) => Verdict::New,
        (true, true) => Verdict::Confirmed,
        (false, _) => Verdict::Nothing,
    }
}

/// One record of the ledger as this transaction finds it and leaves it.
#[derive(Default)]
struct Slot {
    standing: Option<Standing>,
    existed: bool,
    is_touched: bool,
    /// The prepared record whose routes count: the one of the last new version.
    last_new: Option<(usize, usize)>,
}

/// Records of one kind from one source, to be looked up together.
#[derive(Default)]
struct Group<'a> {
    keys: Vec<&'a str>,
    slots: Vec<usize>,
}

/// Number of the question, id, version, digest in hexadecimal, day, document, line, occurrence.
type StandingRow = (usize, i64, i64, String, Option<CalendarDate>, i64, i64, u32);

struct NewVersion {
    record: i64,
    number: i64,
    arrival: usize,
    index: usize,
}

const STANDING: Text = Text::Each {
    sqlite: "select json_group_array(json_array(k.key, r.id, r.version, hex(r.digest), r.as_of, r.document, r.line,
                    r.occurrence))
               from json_each($1) k cross join record r
              where r.key = k.value ->> 0 and r.kind = $2 and r.source = $3",
    postgres: "select coalesce(json_agg(json_build_array(k.key, r.id, r.version, encode(r.digest, 'hex'), r.as_of,
                      r.document, r.line, r.occurrence)), '[]')::text
                 from json_each($1) k join record r
                   on r.key = k.value ->> 0 and r.kind = $2 and r.source = $3",
};
static RECORDS: Bulk = Bulk::new(
    "insert into record (id, kind, key, source, version, digest, as_of, document, line, occurrence, rank)",
    11,
    "on conflict (id) do update set version = excluded.version, digest = excluded.digest, as_of = excluded.as_of,
       document = excluded.document, line = excluded.line, occurrence = excluded.occurrence, rank = excluded.rank",
);
static VERSIONS: Bulk = Bulk::new(
    "insert into record_version (id, record, number, run, raw_record, digest, stored_at, schema_version, body,
       provenance, findings, ente)",
    12,
    "",
);
static MENTIONS: Bulk = Bulk::new("insert into version_mention (value, version)", 2, "");
impl Desk {
    /// Stores arrivals in order, and says what each of them turned out to be.
    pub(super) async fn store(
        &mut self,
        run: i64,
        mut arrivals: Vec<Prepared>,
        at: i64,
    ) -> Result<Vec<Stored>, Trouble> {
        let (mut slots, slot_of) = self.standings(&arrivals).await?;
        let mut answers = Vec::with_capacity(arrivals.len());
        let mut versions = Vec::new();
        let mut totals = RunTotals::default();
        let mut repeated = Vec::new();
        for (number, arrival) in arrivals.iter().enumerate() {
            let before = versions.len();
            repeated.extend(said_again(arrival, &slot_of[number], &slots));
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
        let resolved = self.resolve_understood(&arrivals, &answers, &raw_records, at).await?;
        let mut entries = self.quarantine(&arrivals, &raw_records, at).await?;
        entries.extend(resolved);
        if versions.is_empty() && !slots.iter().any(|slot| slot.is_touched) {
            self.note_repeated(repeated).await?;
            self.audit(entries, at).await?;
            return Ok(answers);
        }
        entries.extend(versions_stored(run, &versions, &arrivals)?);
        let changed = take_changed(&slots, &mut arrivals);
        self.put_records(&slots, &slot_of, &mut arrivals).await?;
        self.note_spoken(spoken(&versions, &mut arrivals)).await?;
        self.note_repeated(repeated).await?;
        self.put_versions(run, versions, arrivals, &raw_records, at).await?;
        entries.extend(self.cause_deliveries(changed, at).await?);
        self.audit(entries, at).await?;
        Ok(answers)
    }

    /// What stands for every record of the arrivals, each once however often it is said.
    async fn standings(&mut self, arrivals: &[Prepared]) -> Result<(Vec<Slot>, Vec<Vec<usize>>), Trouble> {
        let mut numbers = HashMap::new();
        let mut groups = HashMap::<(&str, &str), Group>::new();
        let mut slot_of = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let slots_of_arrival = arrival.records.iter().map(|record| {
                let next = numbers.len();
                *numbers.entry((record.key.as_str(), record.kind, record.source())).or_insert_with(|| {
                    let group = groups.entry((record.kind, record.source())).or_default();
                    group.keys.push(record.key.as_str());
                    group.slots.push(next);
                    next
                })
            });
            slot_of.push(slots_of_arrival.collect());
        }
        let mut slots: Vec<_> = (0..numbers.len()).map(|_| Slot::default()).collect();
        for ((kind, source), group) in groups {
            let keys: Vec<_> = group.keys.iter().map(|key| [key]).collect();
            let query = query_scalar(STANDING).bind(json(&keys)?).bind(kind).bind(source);
            let rows: Vec<StandingRow> = rows_of_json(&mut self.connection, query).await?;
            for (number, id, version, digest, as_of, document, line, occurrence) in rows {
                let digest = Digest::from_hex(&digest)
                    .ok_or_else(|| Trouble::Damaged("record digest of another length".to_owned()))?;
                let place = Place { document, line, occurrence };
                let slot = &mut slots[group.slots[number]];
                slot.standing = Some(Standing { id, version, digest, as_of, place });
                slot.existed = true;
            }
        }
        Ok((slots, slot_of))
    }

    /// Judges one record and leaves its slot as the record makes it.
    fn decide(&mut self, slot: &mut Slot, place: Place, record: &PreparedRecord) -> Verdict {
        let verdict = match &slot.standing {
            None => Verdict::New,
            Some(standing) => judge(standing, record.digest, record.provenance.as_of, place),
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
        slot.standing = Some(Standing { id, version, digest: record.digest, as_of: record.provenance.as_of, place });
        verdict
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
                    rows.push((record.kind, key, record.source().to_owned(), record.rank, *standing));
                }
            }
        }
        RECORDS
            .run(&mut self.connection, rows, |(kind, key, source, rank, standing), values| {
                let Standing { id, version, digest, as_of, place } = standing;
                values.push(id).push(kind).push(key).push(source).push(version).push(digest.as_bytes().to_vec());
                values
                    .push(as_of.map(|day| day.to_string()))
                    .push(place.document)
                    .push(place.line)
                    .push(place.occurrence)
                    .push(rank);
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
        let mut rows = Vec::with_capacity(versions.len());
        let mut mentioned = Vec::new();
        for version in versions {
            let id = self.memory.record_version.next();
            let arrival = &mut arrivals[version.arrival];
            let record = &mut arrival.records[version.index];
            let findings = if arrival.findings.is_empty() { None } else { Some(json(&arrival.findings)?) };
            mentioned.extend(std::mem::take(&mut record.mentioned).into_iter().map(|value| (value, id)));
            rows.push((
                id,
                (version.record, version.number, raw_records[version.arrival]),
                (record.digest, record.schema_version),
                (std::mem::take(&mut record.body), record.ente.map(|ente| ente.as_str().to_owned())),
                json(&record.provenance)?,
                findings,
            ));
        }
        VERSIONS
            .run(&mut self.connection, rows, |row, values| {
                let (id, (record, number, raw_record), (digest, schema_version), (body, ente), provenance, findings) =
                    row;
                values.push(id).push(record).push(number).push(run).push(raw_record);
                values.push(digest.as_bytes().to_vec()).push(at).push(schema_version);
                values.push(body).push(provenance).push(findings).push(ente);
            })
            .await?;
        MENTIONS
            .run(&mut self.connection, mentioned, |(value, id), values| {
                values.push(value).push(id);
            })
            .await?;
        Ok(())
    }
}

/// What new versions say of lots and bodies.
fn spoken(versions: &[NewVersion], arrivals: &mut [Prepared]) -> Vec<Spoken> {
    let spoken = versions.iter().map(|version| {
        let record = &mut arrivals[version.arrival].records[version.index];
        let (kind, source, lots) = (record.kind, record.source().to_owned(), std::mem::take(&mut record.lots));
        Spoken { record: version.record, is_first: version.number == 1, kind, source, lots, ente: record.ente }
    });
    spoken.collect()
}

/// The record, the document and the line, where all that a raw record says was said on another line of
/// its document. A second award of a lot says more than that. Registers are repeated on purpose.
fn said_again(arrival: &Prepared, slot_of: &[usize], slots: &[Slot]) -> Option<(i64, i64, i64)> {
    let place = arrival.place;
    let standing = |slot: &usize| slots[*slot].standing.as_ref();
    let is_again =
        |slot: &usize| standing(slot).is_some_and(|said| said.place.document == place.document && said.place != place);
    if !slot_of.iter().all(is_again) {
        return None;
    }
    let is_register = |kind: &str| {
        let registers = [Kind::Ente, Kind::OperatoreEconomico, Kind::Territorio, Kind::Codice];
        registers.iter().any(|register| register.name() == kind)
    };
    let first = arrival.records.iter().position(|record| !is_register(record.kind))?;
    Some((standing(&slot_of[first])?.id, place.document, place.line))
}

/// The records that have a new version, with the routes of the last one.
fn take_changed(slots: &[Slot], arrivals: &mut [Prepared]) -> Vec<Changed> {
    slots
        .iter()
        .filter_map(|slot| {
            let (arrival, index) = slot.last_new?;
            let record = slot.standing.as_ref()?.id;
            let routes = std::mem::take(&mut arrivals[arrival].records[index].routes);
            Some(Changed { record, existed: slot.existed, is_new: true, routes })
        })
        .collect()
}

/// One entry for all versions of a transaction: kind, key, source, number and digest of each.
fn versions_stored(run: i64, versions: &[NewVersion], arrivals: &[Prepared]) -> Result<Option<Entry>, Trouble> {
    if versions.is_empty() {
        return Ok(None);
    }
    let mut detail = String::with_capacity(versions.len() * 140);
    for version in versions {
        let record = &arrivals[version.arrival].records[version.index];
        let comma = if detail.is_empty() { '[' } else { ',' };
        let digest = hex(record.digest.as_bytes());
        let line = json(&(record.kind, &record.key, record.source(), version.number, digest))?;
        // Writing to a string does not fail.
        let _ = write!(detail, "{comma}{line}");
    }
    detail.push(']');
    Ok(Some(Entry::new("versions_stored", format!("run/{run}"), detail)))
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
            as_of: CalendarDate::parse("2024-01-31").ok(),
            place: Place { document: 5, line: 10, occurrence: 0 },
        }
    }

    fn judged(words: &[u8], as_of: Option<&str>, place: (i64, i64, u32)) -> Verdict {
        let place = Place { document: place.0, line: place.1, occurrence: place.2 };
        judge(&standing(), Digest::of(words), as_of.and_then(|text| CalendarDate::parse(text).ok()), place)
    }

    #[test]
    fn the_digest_is_the_one_of_the_record() {
        let cig = canonical::identifiers::Cig::parse("5044003AF1").expect("a CIG");
        let provenance = Provenance {
            source: canonical::SourceName::parse("file-drop").expect("a name"),
            remote_id: String::new(),
            document_digest: String::new(),
            line: None,
            as_of: None,
            read_at: canonical::values::UtcInstant::from_unix_micros(0).expect("an instant"),
            raw: std::collections::BTreeMap::new(),
        };
        let record = Record::new(canonical::kinds::Lotto::new(cig).into(), provenance);
        let routed = RoutedRecord { record: record.clone(), rank: 0, routes: Vec::new() };
        assert_eq!(PreparedRecord::from(routed).digest, record.digest());
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
