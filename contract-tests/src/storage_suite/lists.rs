//! Lists of work items with a hundred thousand of them: exact, and there at once, by the store and by
//! the pages over it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use raccordo::clock::ManualClock;
use raccordo::http::reconciliation;
use raccordo::storage::{ItemFilter, RunResult};

use super::{Database, Scene};
use crate::records::at;

/// Work items that stand open or explained, and those that are closed.
const STANDING: u32 = 100_000;
const CLOSED: u32 = 10_000;
/// What is promised of a list. A program that is not optimised is given ten times as long, because other
/// tests run beside it: what is found then is a list that reads everything once for each of its rows.
const AT_ONCE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 2_000 } else { 200 });
/// A machine that tests is busy: the best of so many attempts counts.
const ATTEMPTS: usize = 6;

/// Filters, and which rows they choose in plain words of the database.
const FILTERS: &[(&str, &str)] = &[
    ("", "state <> 'closed'"),
    ("new=last", "state <> 'closed' and first_run = 2"),
    ("state=open", "state = 'open'"),
    ("cause=unexplained", "state <> 'closed' and cause is null"),
    ("rule=R05", "state <> 'closed' and rule = 'R05'"),
    ("body=00000000019&office=ufficio1", "state <> 'closed' and body = '00000000019' and office = 'ufficio1'"),
    (
        "comparison=hub&rule=R02&field=campo3",
        "state <> 'closed' and comparison = 'hub' and rule = 'R02' and field = 'campo3'",
    ),
    ("key=99998", "state <> 'closed' and unit_key like '%99998%'"),
    ("severity=error&not_escalated=yes", "state <> 'closed' and severity = 2 and escalated_at is null"),
    ("state=closed&rule=R02", "state = 'closed' and rule = 'R02'"),
    ("state=any&rule=R07", "rule = 'R07'"),
];

/// Two runs that found nothing, and then what they might have found.
async fn filled(database: &dyn Database) -> Scene {
    let scene = Scene::open(database).await;
    for seconds in [1, 100] {
        let run = scene.store.begin_comparison("hub", at(seconds)).await.expect("a run begins");
        let result = RunResult::default();
        scene.store.finish_comparison(&run, &result, at(seconds)).await.expect("it ends");
    }
    let number = if database.is_shared() { "lpad(i::text, 64, '0')" } else { "printf('%064d', i)" };
    let text = |value: &str| format!("cast(({value}) as text)");
    let all = STANDING + CLOSED;
    let mut sql = String::new();
    write!(
        sql,
        "insert into discrepancy (identity, comparison, unit_key, row_key, field, rule, severity, shape, against,
                cause, sides, at_stake, body, deadline, act, content, state, first_seen, last_seen, changed_at,
                opened_at, reopened, office, first_run, last_run)
         with recursive n (i) as (select 1 union all select i + 1 from n where i < {all})
         select unhex({number}), case i % 3 when 0 then 'hub' when 1 then 'pico' else 'fonti' end,
                'lotto/Z' || {i}, 'Z' || {i}, 'campo' || {field}, 'R0' || {rule}, i % 3, 'differs', 'hub',
                case when i % 4 = 0 then 'rounding' end,
                '[{{\"system\":\"contabilita\",\"is_owner\":true,\"value\":\"' || {i} || '.00\",\"as_of\":\"2026-11-13\"}},'
                  || '{{\"system\":\"hub\",\"is_owner\":false,\"value\":\"' || {i} || '.10\",\"as_of\":\"2026-11-13\"}}]',
                i * 37, '000000000' || {body}, '2026-12-15', 'send_again', unhex({number}),
                case when i > {STANDING} then 'closed' when i % 4 = 0 then 'explained' else 'open' end,
                {now} + i, {now} + i, {now} + i, {now} + i, 0, 'ufficio' || {office},
                case when i % 50 = 0 then 2 else 1 end, 2
           from n",
        i = text("i"),
        field = text("i % 7"),
        rule = text("1 + i / 3 % 9"),
        body = text("10 + i % 20"),
        office = text("i % 3"),
        now = at(1).unix_micros(),
    )
    .expect("a text takes everything");
    assert_eq!(database.execute(&sql).await.expect("filled"), u64::from(all));
    if database.is_shared() {
        // A server tidies up by itself, within a minute.
        database.execute("vacuum (analyze) discrepancy").await.expect("analysed");
    }
    scene
}

/// The shortest of some attempts.
async fn best<T>(mut what: impl AsyncFnMut() -> T) -> (Duration, T) {
    let mut best: Option<(Duration, T)> = None;
    for _ in 0..ATTEMPTS {
        let begun = Instant::now();
        let done = what().await;
        let took = begun.elapsed();
        if best.as_ref().is_none_or(|(before, _)| took < *before) {
            best = Some((took, done));
        }
    }
    best.expect("it was attempted")
}

#[expect(clippy::print_stdout, reason = "figures for whoever reads the output of the test")]
pub async fn a_hundred_thousand_open_are_listed_at_once(database: &dyn Database) {
    let scene = filled(database).await;
    let store = &scene.store;
    let mut slow = Vec::new();
    let mut judged = |what: String, took: Duration| {
        println!("{what}: {took:?}");
        if took > AT_ONCE {
            slow.push(format!("{what}: {took:?}"));
        }
    };
    for (query, chosen) in FILTERS {
        let filter = ItemFilter::from_query(query, &[]).expect("a filter");
        let expected = database.number(&format!("select count(*) from discrepancy where {chosen}")).await;
        assert!(expected > 0, "{query} chooses something");

        let (took, groups) = best(async || store.groups(&filter).await.expect("groups")).await;
        judged(format!("groups of «{query}»"), took);
        let sum: u64 = groups.iter().map(|group| group.count).sum();
        let staked: i64 = groups.iter().map(|group| group.at_stake.cents()).sum();
        let at_stake = format!("select cast(sum(at_stake) as bigint) from discrepancy where {chosen}");
        assert_eq!((i64::try_from(sum).expect("few"), staked), (expected, database.number(&at_stake).await), "{query}");

        let (took, count) = best(async || store.count_items(&filter).await.expect("a count")).await;
        judged(format!("count of «{query}»"), took);
        assert_eq!(i64::try_from(count).expect("few"), expected, "{query}");

        for (after, limit) in [(None, 51), (Some(i64::from(STANDING) / 2), 51), (None, 1_000)] {
            let (took, items) = best(async || store.items(&filter, after, limit).await.expect("a page")).await;
            judged(format!("{limit} of «{query}» after {after:?}"), took);
            let after = after.unwrap_or(0);
            let page = format!("select id from discrepancy where {chosen} and id > {after} order by id limit {limit}");
            let sums = "select cast(coalesce(sum(id), 0) * 10000 + count(*) as bigint)";
            let expected = database.number(&format!("{sums} from ({page}) as page")).await;
            let sum: i64 = items.iter().map(|item| item.id).sum();
            assert_eq!(sum * 10_000 + i64::try_from(items.len()).expect("few"), expected, "{query} after {after}");
            assert!(items.is_sorted_by_key(|item| item.id), "in order");
        }
    }
    for address in [
        "/reconciliation?state=standing",
        "/reconciliation?new=last",
        "/reconciliation?rule=R05&state=open",
        "/reconciliation/items?state=standing",
        "/reconciliation/items?rule=R05&body=00000000019",
        "/reconciliation/items?key=99998",
        "/reconciliation/items/99998",
    ] {
        let url = format!("{}{address}", served(&scene).await);
        let (took, page) =
            best(async || reqwest::get(&url).await.expect("an answer").text().await.expect("a page")).await;
        judged(address.to_owned(), took);
        assert!(page.contains("discordanze") || page.contains("Discordanz"), "{address}: {page}");
    }
    assert!(slow.is_empty(), "slower than {AT_ONCE:?}: {slow:#?}");
    if database.is_shared() {
        // Which index a plan of SQLite uses is said in its own tests; a server counts what it used.
        let used = "select cast(coalesce(sum(idx_scan), 0) as bigint) from pg_stat_user_indexes
                     where indexrelname in ('discrepancy_group', 'discrepancy_standing')";
        let mut scans = 0;
        for _ in 0..50 {
            scans = database.number(used).await;
            if scans > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(scans > 0, "no list used its index");
    }
}

/// The pages over the store of a scene.
pub(super) async fn served(scene: &Scene) -> String {
    let clock = Arc::new(ManualClock::at(at(1_000)));
    let router = reconciliation(scene.store.clone(), scene.store.clone(), clock);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}
