//! The server against clients that are slow, silent, greedy or many, over raw sockets.

use std::net::SocketAddr;

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::*;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
/// Far longer than any limit of these tests.
const LONG: Duration = Duration::from_secs(20);

struct TestServer {
    address: SocketAddr,
    pages: Pages,
}

impl TestServer {
    async fn start(limits: ServerLimits) -> Self {
        let app = Router::new()
            .route("/", get(|| async { "pagina" }))
            .route("/echo", post(|body: String| async move { body }))
            .route("/large", get(|| async { "x".repeat(64 * 1024 * 1024) }))
            .route("/slow", get(|| async { sleep(LONG).await }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        Self { address, pages: super::start(listener, guarded(app, &limits), limits) }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connected")
    }

    /// Sends these bytes, and gives what is answered until the other side closes.
    async fn ask(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.expect("sent");
        to_the_end(&mut stream).await
    }
}

/// What arrives until the other side closes, which it must do in time.
async fn to_the_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end too: a body that nobody reads is cut off.
    let _ = timeout(LONG, stream.read_to_end(&mut answer)).await.expect("closed in time");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Limits of time that a test can wait for.
fn short() -> ServerLimits {
    ServerLimits {
        header_time: Duration::from_millis(300),
        request_time: Duration::from_millis(600),
        unread_time: Duration::from_millis(300),
        ..ServerLimits::default()
    }
}

#[tokio::test]
async fn a_silent_client_is_closed() {
    let server = TestServer::start(short()).await;
    let begun = Instant::now();
    assert_eq!(to_the_end(&mut server.connect().await).await, "");
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_header_that_trickles_in_is_closed_however_busy_it_looks() {
    let server = TestServer::start(short()).await;
    let mut stream = server.connect().await;
    let (mut reading, mut writing) = stream.split();
    let trickle = async {
        writing.write_all(b"GET / HTTP/1.1\r\n").await.expect("sent");
        while writing.write_all(b"x: y\r\n").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = trickle => {}
        _ = reading.read_to_end(&mut answer) => {}
        () = sleep(LONG) => panic!("still open"),
    }
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_connection_that_is_kept_but_not_used_is_closed() {
    let server = TestServer::start(short()).await;
    let answer = server.ask(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("pagina"), "{answer}");
}

#[tokio::test]
async fn a_body_that_trickles_in_is_answered_with_408() {
    let server = TestServer::start(short()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\n").await.expect("sent");
    let (mut reading, mut writing) = stream.split();
    let trickle = async {
        while writing.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = [0; 12];
    tokio::select! {
        () = trickle => {}
        read = reading.read_exact(&mut answer) => { read.expect("an answer"); }
        () = sleep(LONG) => panic!("still open"),
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let server = TestServer::start(short()).await;
    let answer = server.ask(b"GET /slow HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_closed() {
    let server = TestServer::start(ServerLimits { connections: 1, ..short() }).await;
    let mut unread = server.connect().await;
    unread.write_all(b"GET /large HTTP/1.1\r\nhost: test\r\n\r\n").await.expect("sent");
    // The only place is free again although the first client is still there.
    assert!(server.ask(GET).await.starts_with("HTTP/1.1 200"));
    drop(unread);
}

#[tokio::test]
async fn no_connection_lasts_for_ever() {
    let limits = ServerLimits { connection_time: Duration::from_millis(300), ..ServerLimits::default() };
    let server = TestServer::start(limits).await;
    let mut stream = server.connect().await;
    let mut answers = 0;
    while stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.is_ok() {
        let mut answer = [0; 1024];
        if !matches!(stream.read(&mut answer).await, Ok(1..)) {
            break;
        }
        answers += 1;
        assert!(answers < 10_000, "busy for ever");
        sleep(Duration::from_millis(10)).await;
    }
    assert!(answers > 1, "it was served meanwhile");
}

#[tokio::test]
async fn above_the_limit_a_connection_waits_for_its_turn() {
    let server = TestServer::start(ServerLimits { connections: 2, ..short() }).await;
    let _idle = (server.connect().await, server.connect().await);
    sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    assert!(server.ask(GET).await.starts_with("HTTP/1.1 200"));
    assert!(begun.elapsed() >= Duration::from_millis(150), "it did not wait: {:?}", begun.elapsed());
}

#[tokio::test]
async fn five_hundred_half_open_clients_harm_nobody() {
    let server = TestServer::start(ServerLimits::default()).await;
    let mut half_open = Vec::new();
    for _ in 0..500 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: te").await.expect("sent");
        half_open.push(stream);
    }
    let begun = Instant::now();
    assert!(server.ask(GET).await.starts_with("HTTP/1.1 200"));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for mut stream in half_open {
        assert_eq!(to_the_end(&mut stream).await, "");
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_length_together_with_a_transfer_encoding_is_refused_in_any_order() {
    let server = TestServer::start(ServerLimits::default()).await;
    let (length, encoding) = ("content-length: 5", "transfer-encoding: chunked");
    for (first, second) in [(length, encoding), (encoding, length)] {
        let request =
            format!("POST /echo HTTP/1.1\r\nhost: test\r\n{first}\r\n{second}\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n");
        let answer = server.ask(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 411"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "nothing is smuggled behind it: {answer}");
    }
}

#[tokio::test]
async fn two_lengths_or_an_unknown_encoding_are_refused() {
    let server = TestServer::start(ServerLimits::default()).await;
    for headers in ["content-length: 5\r\ncontent-length: 6", "transfer-encoding: gzip", "content-length: -1"] {
        let request = format!("POST /echo HTTP/1.1\r\nhost: test\r\n{headers}\r\n\r\nhello");
        let answer = server.ask(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{headers}: {answer}");
    }
}

#[tokio::test]
async fn a_header_that_is_too_large_is_answered_with_431() {
    let server = TestServer::start(ServerLimits::default()).await;
    let large = format!("GET / HTTP/1.1\r\nhost: test\r\ncookie: {}\r\n\r\n", "x".repeat(20 * 1024));
    let answer = server.ask(large.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = format!("GET / HTTP/1.1\r\nhost: test\r\n{}\r\n", "x: y\r\n".repeat(200));
    let answer = server.ask(many.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_with_413_before_it_is_read() {
    let server = TestServer::start(ServerLimits::default()).await;
    let answer = server.ask(b"POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 1048577\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let fitting = format!(
        "POST /echo HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 1048576\r\n\r\n{}",
        "x".repeat(1_048_576)
    );
    assert!(server.ask(fitting.as_bytes()).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_waits_for_nobody_else() {
    let server = TestServer::start(ServerLimits::default()).await;
    let mut idle = server.connect().await;
    let mut half_open = server.connect().await;
    half_open.write_all(b"GET / HTTP/1.1\r\nhost:").await.expect("sent");
    sleep(Duration::from_millis(50)).await;
    let (address, begun) = (server.address, Instant::now());
    server.pages.stop().await;
    assert!(begun.elapsed() < GRACE + Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(to_the_end(&mut idle).await, "");
    assert_eq!(to_the_end(&mut half_open).await, "");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
