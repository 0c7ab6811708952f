use std::io::Write as _;

use canonical::values::{CalendarDate, Importo};
use contract::rows_digest;
use proptest::prelude::*;

use super::*;

const MOMENT: &str = r#"{"inventario":{"al":"2026-11-20T08:00:00Z"}}"#;

fn key(key: &str) -> UnitKey {
    UnitKey(key.to_owned())
}

async fn read(name: &str, text: &str, said: Said) -> Result<Listing, InventoryError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    Listing::read(&path, said).await
}

async fn of_lines(lines: &[&str]) -> Result<Listing, InventoryError> {
    read("elenco.ndjson", &lines.join("\n"), Said::default()).await
}

async fn all(listing: &Listing) -> Vec<ObservedUnit> {
    let (mut units, mut from) = (Vec::new(), None::<String>);
    loop {
        let page = listing.inventory(from.as_deref()).await.unwrap();
        units.extend(page.units);
        match page.next {
            Some(next) => from = Some(next),
            None => return units,
        }
    }
}

fn said() -> Said {
    Said { as_of: UtcInstant::parse("2026-11-20T08:00:00Z").ok(), rows: None }
}

#[tokio::test]
async fn rows_in_any_order_are_units_in_the_order_of_their_keys() {
    let lines = [
        r#"{"inventario":{"al":"2026-11-20T08:00:00Z","righe":3}}"#,
        r#"{"unita":"b","riga":"2","campi":{"importo":"683000.00"}}"#,
        "",
        r#"{"unita":"a","campi":{"cup":["F1","F2"],"oggetto":"Qualità","data":null,"lotti":3}}"#,
        r#"{"unita":"b","riga":"1","campi":{}}"#,
    ];
    let listing = of_lines(&lines).await.unwrap();
    let text = |text: &str| Some(FieldValue::Text(text.to_owned()));
    let cup = FieldValue::Codes(["F1", "F2"].map(str::to_owned).into());
    let units = all(&listing).await;
    assert_eq!(
        units.iter().map(|unit| (unit.key.as_str(), unit.rows.clone())).collect::<Vec<_>>(),
        [
            ("a", vec![Row::new("a").with("cup", Some(cup)).with("oggetto", text("Qualità")).with("lotti", text("3"))]),
            ("b", vec![Row::new("1"), Row::new("2").with("importo", text("683000.00"))]),
        ]
    );
    assert_eq!((listing.units(), listing.incomplete_because()), (2, None));
    assert_eq!(listing.as_of().to_string(), "2026-11-20T08:00:00Z");
}

#[tokio::test]
async fn a_table_has_a_column_for_each_field_and_says_which_are_lacking() {
    let table = "\u{feff}unita;oggetto;importo\nb;\"Scuola; palestra\";10,00\na;;\n";
    let listing = read("elenco.CSV", table, Said { rows: Some(2), ..said() }).await.unwrap();
    let units = all(&listing).await;
    let fields = |unit: &ObservedUnit| unit.rows[0].fields.values().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        units.iter().map(fields).collect::<Vec<_>>(),
        [vec![], vec!["10,00".to_owned(), "Scuola; palestra".to_owned()]]
    );
    let mut ours = [Row::new("a")
        .with("oggetto", Some(FieldValue::Text("x".to_owned())))
        .with("rup", Some(FieldValue::Text("y".to_owned())))];
    listing.keep_listed_fields(&mut ours);
    assert_eq!(ours[0].fields.keys().collect::<Vec<_>>(), ["oggetto"]);
    assert_eq!(listing.incomplete_because().as_deref(), Some("il file non ha colonne per rup"));
}

#[tokio::test]
async fn a_list_that_cannot_be_read_whole_says_so() {
    let good = r#"{"unita":"a","campi":{}}"#;
    for broken in ["{", r#"{"campi":{}}"#, r#"{"unita":"b","campo":{}}"#, r#"{"unita":"b","campi":{"x":{"type":"y"}}}"#]
    {
        let listing = of_lines(&[MOMENT, good, broken]).await.unwrap();
        assert_eq!(listing.incomplete_because().as_deref(), Some("1 righe non si possono leggere"), "{broken}");
        assert_eq!(listing.units(), 1);
    }
    let announced = r#"{"inventario":{"al":"2026-11-20T08:00:00Z","righe":2}}"#;
    let listing = of_lines(&[announced, good]).await.unwrap();
    assert_eq!(listing.incomplete_because().as_deref(), Some("letti 1 elementi dei 2 annunciati"));
    let listing = read("a.csv", "unita,x\na,1\nb\n", Said { rows: Some(2), ..said() }).await.unwrap();
    assert_eq!(listing.incomplete_because().as_deref(), Some("1 righe non si possono leggere"));
}

#[tokio::test]
async fn a_list_without_a_total_may_have_been_cut_anywhere() {
    let no_total = Some("il file non dice quante righe ha");
    for (name, text) in [("a.ndjson", ""), ("a.ndjson", r#"{"unita":"a"}"#), ("a.csv", "unita,x\na,1\n")] {
        let listing = read(name, text, said()).await.unwrap();
        assert_eq!(listing.incomplete_because().as_deref(), no_total, "{text}");
    }
    assert_eq!(read("a.csv", "unita,x\n", Said { rows: Some(0), ..said() }).await.unwrap().incomplete_because(), None);
}

#[tokio::test]
async fn a_row_twice_is_one_row_and_rows_that_contradict_each_other_are_none() {
    let row = |value: &str| format!(r#"{{"unita":"a","riga":"1","campi":{{"x":"{value}"}}}}"#);
    let other = r#"{"unita":"b","campi":{}}"#;
    let total = r#"{"inventario":{"al":"2026-11-20T08:00:00Z","righe":3}}"#;
    let listing = of_lines(&[&row("1"), other, &row("1"), total]).await.unwrap();
    assert_eq!((listing.incomplete_because(), all(&listing).await[0].rows.len()), (None, 1));
    let listing = of_lines(&[&row("1"), other, &row("2"), total]).await.unwrap();
    assert_eq!(listing.incomplete_because().as_deref(), Some("2 righe non si possono leggere"));
    assert_eq!(all(&listing).await.iter().map(|unit| unit.key.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn a_quote_that_is_never_closed_does_not_fill_the_memory() {
    let table = format!("unita,x\na,\"{}", "y".repeat(17 * 1024 * 1024));
    let refused = read("a.csv", &table, said()).await.unwrap_err();
    assert!(matches!(&refused, InventoryError::Io(error) if error.to_string().contains("too long")), "{refused:?}");
}

#[tokio::test]
async fn a_list_of_the_future_or_of_before_the_last_comparison_is_refused_but_not_the_same_list() {
    let listing = read("a.ndjson", "", said()).await.unwrap();
    let at = |text: &str| UtcInstant::parse(text).unwrap();
    let run = |started_at: &str, complete: bool, evidence: Option<String>| RunSummary {
        id: crate::storage::ReconciliationId(1),
        comparison: "target".to_owned(),
        started_at: at(started_at),
        finished_at: None,
        complete,
        incomplete_because: None,
        counts: crate::storage::ReconciliationCounts::default(),
        changes: crate::storage::Changes::default(),
        open: 0,
        explained: 0,
        accepted: 0,
        evidence,
    };
    let (as_of, later, now) = ("2026-11-20T08:00:00Z", "2026-11-20T08:00:01Z", at("2026-11-20T09:00:00Z"));
    let same = || Some(listing.evidence());
    assert!(listing.fits(now, &[]).is_ok());
    assert!(listing.fits(now, &[run(as_of, true, None)]).is_ok());
    assert!(listing.fits(now, &[run(later, false, None)]).is_ok(), "nothing was seen to its end");
    assert!(listing.fits(now, &[run(later, true, None)]).is_err());
    assert!(listing.fits(now, &[run(later, true, Some("another".to_owned()))]).is_err());
    assert!(listing.fits(now, &[run(later, true, same())]).is_ok());
    assert!(listing.fits(now, &[run(later, true, same()), run(later, true, None)]).is_ok());
    assert!(listing.fits(now, &[run(later, false, None), run(later, true, same())]).is_err(), "it saw what is newer");
    assert!(listing.fits(at("2026-11-20T07:59:59Z"), &[]).is_err());
}

#[tokio::test]
async fn a_list_is_known_again_by_what_it_says() {
    let evidence = async |lines: &[&str]| of_lines(lines).await.unwrap().evidence();
    let (one, other) = (r#"{"unita":"a","campi":{"x":"1"}}"#, r#"{"unita":"b","campi":{"x":"2"}}"#);
    let list = evidence(&[MOMENT, one, other]).await;
    assert_eq!(evidence(&[other, one, MOMENT]).await, list, "in another order");
    assert_ne!(evidence(&[MOMENT, one]).await, list);
    assert_ne!(evidence(&[MOMENT, one, &other.replace('2', "3")]).await, list);
    assert_ne!(evidence(&[&MOMENT.replace("08", "07"), one, other]).await, list);
    assert_ne!(evidence(&[r#"{"inventario":{"al":"2026-11-20T08:00:00Z","righe":2}}"#, one, other]).await, list);
}

#[tokio::test]
async fn a_list_with_a_field_for_every_row_is_none() {
    let table = |columns: usize| {
        let names: Vec<_> = (0..columns).map(|number| format!("c{number}")).collect();
        format!("unita,{}\n", names.join(","))
    };
    assert!(read("a.csv", &table(1_000), said()).await.is_ok());
    let refused = read("a.csv", &table(1_001), said()).await.unwrap_err();
    assert!(refused.to_string().contains("more than 1000 different fields"), "{refused}");
}

#[tokio::test]
async fn a_list_without_a_moment_or_without_keys_is_none() {
    let problem = |read: Result<Listing, InventoryError>| read.unwrap_err().to_string();
    assert!(problem(of_lines(&[r#"{"unita":"a"}"#]).await).contains("--as-of"));
    assert!(problem(of_lines(&[r#"{"inventario":{"quando":1}}"#]).await).contains("inventario"));
    assert!(problem(read("a.csv", "chiave,x\na,1\n", said()).await).contains("unita"));
    assert!(problem(read("a.csv", "unita,x,x\na,1,2\n", said()).await).contains("same name"));
    assert!(Listing::read(Path::new("/nowhere/elenco.csv"), said()).await.is_err());
}

#[test]
fn texts_are_read_as_what_ours_are() {
    let ours = [Row::new("1")
        .with("importo", Some(FieldValue::Amount(Importo::from_cents(68_300_000))))
        .with("data", Some(FieldValue::Date(CalendarDate::parse("2024-03-01").unwrap())))
        .with("cup", Some(FieldValue::Codes(["F1", "F2"].map(str::to_owned).into())))
        .with("stato", Some(FieldValue::Code("4".to_owned())))];
    let text = |text: &str| Some(FieldValue::Text(text.to_owned()));
    let theirs = [Row::new("1")
        .with("importo", text("683.000,00"))
        .with("data", text("01/03/2024"))
        .with("cup", text("F2; F1"))
        .with("stato", text("4"))];
    assert_eq!(typed_like(&ours, &theirs), ours);
    let unreadable = [Row::new("9").with("importo", text("molto")).with("altro", text("x"))];
    let typed = typed_like(&ours, &unreadable);
    assert_eq!(typed[0].fields["importo"], FieldValue::Code("molto".to_owned()));
    assert_eq!(typed[0].fields["altro"], FieldValue::Text("x".to_owned()));
}

proptest! {
    #[test]
    fn what_is_sorted_on_disk_is_what_was_given(
        given in prop::collection::vec(("[a-f]{1,2}", "[a-c]", 0_u8..4), 0..150),
        memory in 1_usize..4_000,
        after in prop::option::of("[a-f]{1,2}"),
    ) {
        let row = |(_, row, value): &(String, String, u8)| {
            Row::new(row.as_str()).with("campo", Some(FieldValue::Code(value.to_string())))
        };
        let mut sorter = Sorter::within(memory);
        for one in &given {
            sorter.add(one.0.clone(), &row(one)).unwrap();
        }
        let sorted = sorter.finish().unwrap();
        let mut expected: std::collections::BTreeMap<UnitKey, Vec<Row>> = std::collections::BTreeMap::new();
        for one in &given {
            expected.entry(key(&one.0)).or_default().push(row(one));
        }
        // Identical rows are one; those that contradict each other are none.
        for rows in expected.values_mut() {
            rows.sort_by(|a, b| a.key.cmp(&b.key));
            rows.dedup();
            let all = rows.clone();
            rows.retain(|row| all.iter().filter(|other| other.key == row.key).all(|other| other == row));
        }
        expected.retain(|_, rows| !rows.is_empty());
        prop_assert_eq!(sorted.units(), expected.len() as u64);
        let after = after.map(UnitKey);
        let range = KeyRange { after: after.clone(), up_to: None };
        let rest: Vec<_> = expected.iter().filter(|(key, _)| range.contains(key)).collect();
        let mut entries = sorted.after(after.as_ref()).unwrap();
        for (key, rows) in &rest {
            let entry = entries.next().unwrap().unwrap();
            prop_assert_eq!(&entry.key, *key);
            prop_assert_eq!(entry.digest, rows_digest(rows));
            prop_assert_eq!(&sorted.rows(&entry).unwrap(), *rows);
            prop_assert_eq!(&sorted.find(key).unwrap().unwrap().key, *key);
        }
        prop_assert!(entries.next().unwrap().is_none());
        prop_assert!(sorted.find(&key("g")).unwrap().is_none() && sorted.find(&key("")).unwrap().is_none());
        let digests: Vec<_> = rest.iter().map(|(key, rows)| (*key, rows_digest(rows))).collect();
        prop_assert_eq!(sorted.sum(&range).unwrap(), RangeDigest::of(digests.iter().map(|(key, digest)| (*key, digest))));
    }
}

#[tokio::test]
async fn a_long_list_is_given_in_pages_and_by_digest_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("elenco.ndjson");
    let mut file = std::fs::File::create(&path).unwrap();
    for number in (0..2_500).rev() {
        writeln!(file, r#"{{"unita":"u{number:05}","campi":{{"n":"{number}"}}}}"#).unwrap();
    }
    let listing = Listing::read(&path, said()).await.unwrap();
    let units = all(&listing).await;
    assert_eq!(units.len(), 2_500);
    let (mut range, mut listed) = (KeyRange::default(), Vec::new());
    loop {
        let page = listing.list(&range).await.unwrap();
        listed.extend(page.units);
        match page.next {
            Some(next) => range.after = Some(next),
            None => break,
        }
    }
    let expected: Vec<_> = units.iter().map(|unit| (unit.key.clone(), rows_digest(&unit.rows))).collect();
    assert_eq!(listed.into_iter().map(|unit| (unit.key, unit.digest)).collect::<Vec<_>>(), expected);
    let asked = [key("u00003"), key("u02499"), key("u9")];
    assert_eq!(listing.observe(&asked).await.unwrap(), [units[3].clone(), units[2_499].clone()]);
}
