//! Comparing inventories against the naive comparison, and sides that were not seen completely.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;

use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use contract::Row;
use proptest::prelude::*;

use super::file::{FileInventory, FileSource};
use super::memory::MemoryInventory;
use super::*;

const KEY: [u8; 16] = [9; 16];

fn layout() -> Layout {
    Layout::new([
        ("oggetto".to_owned(), Kind::Text),
        ("importo".to_owned(), Kind::Amount(NumberFormat::Undeclared)),
        ("data".to_owned(), Kind::Date(DateFormat::Iso)),
    ])
}

fn row(key: &str, oggetto: &str, importo: &str) -> Row {
    let amount = Kind::Amount(NumberFormat::Undeclared);
    Row::new(key).with("oggetto", Kind::Text.read(oggetto)).with("importo", amount.read(importo))
}

fn in_memory(rows: Vec<Row>, limits: Limits, completeness: Completeness) -> MemoryInventory {
    MemoryInventory::new(rows, &layout(), RunKey::new(KEY), limits, completeness).unwrap()
}

fn compare(ours: &dyn Inventory, theirs: &dyn Inventory) -> (Counts, Vec<Difference>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let mut comparer = Comparer::new(ours, theirs).await.unwrap();
        let mut found = Vec::new();
        while let Some(difference) = comparer.next().await.unwrap() {
            found.push(difference);
        }
        (comparer.counts(), found)
    })
}

/// What stands in the keys of differences, by shape, in order.
fn shape(found: &[Difference]) -> BTreeSet<(&'static str, String, usize, usize)> {
    let one = |difference: &Difference| match difference {
        Difference::Differs { ours, fields, .. } => ("differs", ours.key.clone(), fields.len(), 0),
        Difference::MissingThere(row, _) => ("missing there", row.key.clone(), 0, 0),
        Difference::MissingHere(row, _) => ("missing here", row.key.clone(), 0, 0),
        Difference::NotSeenThere(row) => ("not seen there", row.key.clone(), 0, 0),
        Difference::NotSeenHere(row) => ("not seen here", row.key.clone(), 0, 0),
        Difference::Repeated { ours, theirs } => {
            let key = ours.iter().chain(theirs).next().unwrap().key.clone();
            ("repeated", key, ours.len(), theirs.len())
        }
    };
    found.iter().map(one).collect()
}

fn naive(ours: &[Row], theirs: &[Row]) -> BTreeSet<(&'static str, String, usize, usize)> {
    let mut keys: BTreeMap<&str, (Vec<&Row>, Vec<&Row>)> = BTreeMap::new();
    for row in ours {
        keys.entry(&row.key).or_default().0.push(row);
    }
    for row in theirs {
        keys.entry(&row.key).or_default().1.push(row);
    }
    let judge = |(key, (ours, theirs)): (&str, (Vec<&Row>, Vec<&Row>))| match (&ours[..], &theirs[..]) {
        ([ours], [theirs]) => {
            let names: BTreeSet<_> = ours.fields.keys().chain(theirs.fields.keys()).collect();
            let differing = names.iter().filter(|name| ours.fields.get(**name) != theirs.fields.get(**name)).count();
            (differing > 0).then(|| ("differs", key.to_owned(), differing, 0))
        }
        ([_], []) => Some(("missing there", key.to_owned(), 0, 0)),
        ([], [_]) => Some(("missing here", key.to_owned(), 0, 0)),
        _ => Some(("repeated", key.to_owned(), ours.len(), theirs.len())),
    };
    keys.into_iter().filter_map(judge).collect()
}

fn side() -> impl Strategy<Value = Vec<Row>> {
    let one = (0_u32..60, 0_u32..3, 0_u32..3);
    prop::collection::vec(one, 0..80).prop_map(|rows| {
        rows.iter().map(|(key, a, b)| row(&format!("k{key}"), &format!("o{a}"), &b.to_string())).collect()
    })
}

proptest! {
    #[test]
    fn two_inventories_differ_as_the_naive_comparison_says(
        ours in side(),
        theirs in side(),
        is_shared in any::<bool>(),
        partition_bits in 0_u8..5,
        entries_in_memory in prop_oneof![1_usize..20, Just(usize::MAX)],
    ) {
        // Mostly the same: otherwise no partition would ever be passed over.
        let theirs: Vec<Row> =
            if is_shared { ours.iter().cloned().chain(theirs.into_iter().take(3)).collect() } else { theirs };
        let limits = Limits { partition_bits, entries_in_memory };
        let sides = [&ours, &theirs].map(|rows| in_memory(rows.clone(), limits, Completeness::Complete));
        let (counts, found) = compare(&sides[0], &sides[1]);
        let expected = naive(&ours, &theirs);
        prop_assert_eq!(found.len(), expected.len());
        prop_assert_eq!(shape(&found), expected);
        let keys: BTreeSet<_> = ours.iter().chain(&theirs).map(|row| &row.key).collect();
        prop_assert_eq!(
            keys.len() as u64,
            counts.equal + counts.different + counts.only_ours + counts.only_theirs + counts.repeated
        );
        prop_assert_eq!((counts.ours, counts.theirs), (ours.len() as u64, theirs.len() as u64));
    }

    #[test]
    fn nothing_is_missing_from_a_side_that_was_not_seen_completely(ours in side(), theirs in side()) {
        let partial = Completeness::Partial(Shortfall::Pages { expected: 3, read: 2 });
        let ours = in_memory(ours, Limits::default(), Completeness::Complete);
        let theirs = in_memory(theirs, Limits::default(), partial);
        let (_, found) = compare(&ours, &theirs);
        prop_assert!(!found.iter().any(|found| matches!(found, Difference::MissingThere(..))));
        prop_assert!(!found.iter().any(|found| matches!(found, Difference::NotSeenHere(..))));
        let (_, found) = compare(&theirs, &ours);
        prop_assert!(!found.iter().any(|found| matches!(found, Difference::MissingHere(..))));
    }
}

#[test]
fn rows_that_change_places_are_two_differences() {
    let sides = [["o0", "o1"], ["o1", "o0"]].map(|[one, two]| vec![row("k1", one, "1"), row("k2", two, "1")]);
    let limits = Limits { partition_bits: 0, ..Limits::default() };
    let [ours, theirs] = sides.map(|rows| in_memory(rows, limits, Completeness::Complete));
    let (counts, found) = compare(&ours, &theirs);
    assert_eq!((counts.different, found.len()), (2, 2), "{found:?}");
}

#[test]
fn a_key_that_both_sides_repeat_in_the_same_way_is_told() {
    let rows = vec![row("a", "x", "1"), row("a", "x", "1"), row("b", "y", "2")];
    let side = || in_memory(rows.clone(), Limits::default(), Completeness::Complete);
    let (counts, found) = compare(&side(), &side());
    assert_eq!((counts.equal, counts.repeated), (1, 1));
    assert_eq!(shape(&found), BTreeSet::from([("repeated", "a".to_owned(), 2, 2)]));
}

#[test]
fn sides_that_were_cut_differently_are_refused() {
    let side = |partition_bits| {
        in_memory(Vec::new(), Limits { partition_bits, entries_in_memory: 10 }, Completeness::Complete)
    };
    let (ours, theirs) = (side(3), side(4));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(Comparer::new(&ours, &theirs)).unwrap_err();
    assert!(matches!(error, InventoryError::Partitions { ours: 8, theirs: 16 }));
}

fn file(text: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    file
}

fn read(source: FileSource) -> Result<FileInventory, InventoryError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(FileInventory::read(source, Arc::new(layout()), RunKey::new(KEY), Limits::default()))
}

const CSV: &str = "\u{feff}cig,importo,altro,oggetto,data\r\n\
    A,\"1.234,50\",x,\"una  \"\"scuola\"\",\ngrande\",17/12/2019\r\n\
    B,10,x,ponte,2020-01-01\r\n\
    C,7.5,x,strada,\r\n";
const NDJSON: &str = r#"{"cig":"C","oggetto":"strada","importo":7.50,"data":null}

{"cig":"A","oggetto":"una \"scuola\", grande","importo":"1234.5","data":"2019-12-17T00:00:00Z"}
{"cig":"B","oggetto":"ponte","importo":11,"data":"2020-01-01"}
"#;

#[test]
fn a_csv_file_and_a_json_file_are_compared_by_what_they_mean() {
    let (csv, ndjson) = (file(CSV.as_bytes()), file(NDJSON.as_bytes()));
    let ours = read(FileSource::csv(csv.path(), "cig")).unwrap();
    let theirs = read(FileSource::ndjson(ndjson.path(), "cig")).unwrap();
    let (counts, found) = compare(&ours, &theirs);
    assert_eq!((counts.equal, counts.different), (2, 1));
    let [Difference::Differs { ours, theirs, fields }] = &found[..] else { panic!("{found:?}") };
    assert_eq!((ours.key.as_str(), theirs.key.as_str(), &fields[..]), ("B", "B", &["importo".to_owned()][..]));
    assert_eq!(ours.fields["importo"].to_string(), "10.00");
    assert_eq!(theirs.fields["importo"].to_string(), "11.00");
}

#[test]
fn every_record_of_a_file_is_found_again_where_it_stands() {
    let (csv, empty) = (file(CSV.as_bytes()), file(b"cig\n"));
    let ours = read(FileSource::csv(csv.path(), "cig")).unwrap();
    let theirs = read(FileSource::csv(empty.path(), "cig")).unwrap();
    let (_, found) = compare(&ours, &theirs);
    let keys: Vec<_> = shape(&found).into_iter().map(|(shape, key, ..)| (shape, key)).collect();
    assert_eq!(keys, ["A", "B", "C"].map(|key| ("missing there", key.to_owned())));
}

#[test]
fn a_record_that_cannot_be_read_makes_the_side_partial() {
    let cases: [&[u8]; 3] = [b"cig,oggetto\nA,x\nB\n", b"cig,oggetto\nA,x\n,y\n", b"cig,oggetto\nA,x\nB,\xff\n"];
    for text in cases {
        let file = file(text);
        let side = read(FileSource::csv(file.path(), "cig")).unwrap();
        assert_eq!(
            (side.count(), side.completeness()),
            (1, Completeness::Partial(Shortfall::Unreadable { records: 1 }))
        );
    }
    let broken = file(b"{\"cig\":\"A\"}\n{\"cig\":\n[]\n{\"oggetto\":\"x\"}\n");
    let side = read(FileSource::ndjson(broken.path(), "cig")).unwrap();
    assert_eq!((side.count(), side.completeness()), (1, Completeness::Partial(Shortfall::Unreadable { records: 3 })));
}

#[test]
fn a_file_that_is_shorter_than_it_announced_lacks_nothing() {
    let (csv, short) = (file(CSV.as_bytes()), file(b"cig\nB\n"));
    let mut source = FileSource::csv(short.path(), "cig");
    source.expected.records = Some(3);
    let (ours, theirs) = (read(FileSource::csv(csv.path(), "cig")).unwrap(), read(source).unwrap());
    let (counts, found) = compare(&ours, &theirs);
    assert_eq!((counts.only_ours, counts.different), (2, 1));
    assert!(!found.iter().any(|found| matches!(found, Difference::MissingThere(..))), "{found:?}");
}

#[test]
fn a_file_without_its_key_is_no_inventory() {
    let csv = file(CSV.as_bytes());
    let error = read(FileSource::csv(csv.path(), "cup")).unwrap_err();
    assert!(matches!(error, InventoryError::Format { .. }), "{error}");
}

#[test]
fn a_file_that_changes_meanwhile_is_noticed() {
    let mut csv = file(CSV.as_bytes());
    let ours = read(FileSource::csv(csv.path(), "cig")).unwrap();
    csv.write_all(b"D,1,x,y,\n").unwrap();
    let theirs = in_memory(Vec::new(), Limits::default(), Completeness::Complete);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let next = runtime.block_on(async { Comparer::new(&ours, &theirs).await.unwrap().next().await });
    assert!(matches!(next, Err(InventoryError::Format { .. })), "{next:?}");
}
