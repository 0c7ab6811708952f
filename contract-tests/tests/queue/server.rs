//! What becomes of the store when its PostgreSQL is not as it should be: connections that say nothing,
//! clocks that differ, a server that takes no writes, and one that does not let us in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contract_tests::private_postgres::PrivatePostgres;
use contract_tests::records::at;
use contract_tests::shared_postgres::SharedDatabase;
use raccordo::clock::{Clock as _, SystemClock, after};
use raccordo::storage::postgres::{self, Given};
use raccordo::storage::{ClaimRequest, NewJob, Queue as _, SqlStore, StorageError, Store, Turns as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{eventually, jobs};

/// Where the server of an address listens.
fn place_of(url: &str) -> SocketAddr {
    let place = url.split('@').nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    place.replace("localhost", "127.0.0.1").parse().expect("a place")
}

/// Passes everything on to a server. What is connected when it is told so falls silent on both sides,
/// and stays; what connects later is passed on.
async fn passing_on(server: SocketAddr) -> (SocketAddr, watch::Sender<()>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (freeze, frozen) = watch::channel(());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut frozen = frozen.clone();
            frozen.mark_unchanged();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(server).await.expect("the server is there");
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = frozen.changed() => std::future::pending().await,
                }
            });
        }
    });
    (address, freeze, connections)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_listens_to_a_connection_that_is_dead_finds_out_and_listens_to_another() {
    let database = SharedDatabase::fresh();
    let server = place_of(&database.url);
    let (address, freeze, connections) = passing_on(server).await;
    let through = database.url.replacen(&server.to_string(), &address.to_string(), 1);
    let given = Given { proved_after: Duration::from_millis(300), ..Given::default() };
    let store = postgres::open_given(&through, None, given).await.expect("the store opens");
    let other = postgres::open(&database.url, None).await.expect("the other opens");
    let mut wake_ups = store.wake_ups();
    let hears = async |wake_ups: &mut watch::Receiver<u64>, number: i64| {
        wake_ups.mark_unchanged();
        other.enqueue(&jobs([number], 0), SystemClock.now()).await.expect("a job is added");
        tokio::time::timeout(Duration::from_secs(2), wake_ups.changed()).await.is_ok()
    };
    let mut number = 0;
    eventually("it hears", async || {
        number += 1;
        hears(&mut wake_ups, number).await
    })
    .await;
    let before = connections.load(Ordering::SeqCst);
    freeze.send_replace(());
    assert!(!hears(&mut wake_ups, number + 1).await, "it is deaf");
    // An answer that does not come is waited for ten seconds.
    eventually("it listens to another", async || connections.load(Ordering::SeqCst) > before).await;
    eventually("it hears again", async || {
        number += 1;
        hears(&mut wake_ups, number + 1).await
    })
    .await;
}

async fn store(database: &SharedDatabase) -> Arc<SqlStore> {
    postgres::open(&database.url, None).await.expect("the store opens")
}

/// How many seconds from now an instant lies that a statement gives.
async fn seconds_left(database: &SharedDatabase, instant: &str) -> i64 {
    let left =
        format!("select (({instant}) - cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)) / 1000000");
    postgres::bare::number(&database.url, &left).await.expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_lasts_as_long_as_the_clock_of_the_server_says_whoever_took_it() {
    let database = SharedDatabase::fresh();
    let (one, other) = (store(&database).await, store(&database).await);
    let now = SystemClock.now();
    let ahead = after(now, Duration::from_hours(10));
    let minute = Duration::from_mins(1);
    // The clock of one stands in 1970.
    let slow = one.take_turn("slow", at(0), at(60)).await.expect("an answer").expect("the first");
    assert_eq!(other.take_turn("slow", now, after(now, minute)).await.expect("an answer"), None);
    assert_eq!(other.take_turn("slow", ahead, after(ahead, minute)).await.expect("an answer"), None);
    assert!(one.hold_turn(&slow, at(30), at(90)).await.expect("an answer"));
    one.take_turn("fast", ahead, after(ahead, minute)).await.expect("an answer").expect("the first");
    for name in ["slow", "fast"] {
        let left = seconds_left(&database, &format!("select free_at from turn where name = '{name}'")).await;
        assert!((50..=60).contains(&left), "{name}: {left}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_lasts_as_long_as_the_clock_of_the_server_says_whoever_claimed() {
    let database = SharedDatabase::fresh();
    let (one, other) = (store(&database).await, store(&database).await);
    let old = jobs(0..2, 0).into_iter().map(|job| NewJob { run_at: at(0), ..job }).collect::<Vec<_>>();
    one.enqueue(&old, at(0)).await.expect("jobs are added");
    let ahead = after(SystemClock.now(), Duration::from_hours(10));
    let minute = Duration::from_mins(1);
    let mut leases = Vec::new();
    for now in [at(1), ahead] {
        let claim = ClaimRequest { limit: 1, now, lease_until: after(now, minute) };
        let claimed = one.round(&[], claim).await.expect("a round").claimed;
        leases.extend(claimed.iter().map(|job| (job.lease, now)));
    }
    assert_eq!(leases.len(), 2);
    let least = "select min(lease_until) from job where state = 'leased'";
    let most = "select max(lease_until) from job where state = 'leased'";
    assert_eq!(other.expire(SystemClock.now(), 12).await.expect("a look"), 0);
    for renewed in [false, true] {
        for (lease, now) in leases.iter().filter(|_| renewed) {
            assert!(one.renew(&[*lease], *now, after(*now, minute)).await.expect("renewed").is_empty());
        }
        for question in [least, most] {
            let left = seconds_left(&database, question).await;
            assert!((50..=60).contains(&left), "{question}: {left}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_writes_is_not_available() {
    let server = PrivatePostgres::start().expect("PostgreSQL starts");
    let url = server.new_database("raccordo").expect("a database");
    let store = postgres::open(&url, None).await.expect("the store opens");
    assert!(store.time().await.is_ok());
    let set = async |change: &str| {
        postgres::bare::execute(&url, change).await.expect("changed");
        postgres::bare::execute(&url, "select pg_reload_conf()").await.expect("told");
    };
    set("alter system set default_transaction_read_only = on").await;
    eventually("it says so", async || store.time().await.is_err()).await;
    let told = store.time().await.expect_err("it takes no writes");
    assert!(matches!(told, StorageError::Unavailable { .. }), "{told:?}");
    assert!(store.next_ready().await.is_ok(), "it can be read");
    assert!(store.release(&[]).await.is_err());
    set("alter system reset default_transaction_read_only").await;
    eventually("it is back", async || store.time().await.is_ok() && store.release(&[]).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_must_correct_is_refused_and_what_may_go_well_later_is_not_available() {
    let database = SharedDatabase::fresh();
    let url = &database.url;
    // Roles are of the whole server, which other tests use too.
    postgres::bare::execute(url, "create role weak login").await.expect("made");
    let (user, name) = ("raccordo@", url.rsplit('/').next().expect("a name"));
    let cases = [
        (url.replacen(user, "nobody@", 1), "role"),
        (url.replacen(name, "nowhere", 1), "make the database"),
        (url.replacen(user, "weak@", 1), "permission"),
    ];
    for (wrong, words) in cases {
        let told = postgres::open(&wrong, None).await.expect_err("it is not let in");
        let StorageError::Refused { problem } = &told else { panic!("{told:?}") };
        assert!(problem.contains(words), "{problem}");
    }
    let away = url.replacen(&place_of(url).to_string(), "127.0.0.1:1", 1);
    let told = postgres::open(&away, None).await.expect_err("nobody is there");
    assert!(matches!(told, StorageError::Unavailable { .. }), "{told:?}");
}
