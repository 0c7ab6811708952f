//! A server that writes raw bytes: it reads one request, plays a script, and closes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One thing that a script does.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// These bytes at once.
    Bytes(Vec<u8>),
    /// These bytes one at a time, this long apart.
    Drip(Vec<u8>, Duration),
    /// Nothing, for as long as the client likes.
    Silence,
    /// The connection is reset.
    Reset,
}

/// What becomes of one request. After the last step the connection is closed in order.
#[derive(Debug, Clone)]
pub(crate) struct Script(pub(crate) Vec<Step>);

impl Script {
    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(vec![Step::Bytes(bytes.into())])
    }
}

/// What tells requests apart: method, path, and query without the token of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn new(method: &str, path: &str, mut query: Vec<(String, String)>) -> Self {
        query.retain(|(name, _)| name != "token");
        Self { method: method.to_owned(), path: path.to_owned(), query }
    }
}

/// A server that is running. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct RawServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl RawServer {
    /// Starts it on a free port of loopback.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Script + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&asked), Arc::new(answer));
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                open.spawn(async move {
                    let mut connection = connection;
                    let Some(request) = read_request(&mut connection).await else { return };
                    let script = answer(&request);
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                    // A client that has left early is its own business.
                    drop(play(script, connection).await);
                });
            }
        });
        Self { address, asked, task }
    }

    /// The requests that arrived whole, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads a request with its body; none when the client left before.
async fn read_request(connection: &mut TcpStream) -> Option<Asked> {
    let mut received = Vec::new();
    let end = loop {
        if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if connection.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(received[..end].to_vec()).ok()?;
    let declared = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    while received.len() < end + declared.unwrap_or(0) {
        if connection.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let url = reqwest::Url::parse(&format!("http://loopback{target}")).ok()?;
    Some(Asked::new(method, url.path(), url.query_pairs().into_owned().collect()))
}

async fn play(script: Script, mut connection: TcpStream) -> std::io::Result<()> {
    for step in script.0 {
        match step {
            Step::Bytes(bytes) => connection.write_all(&bytes).await?,
            Step::Drip(bytes, apart) => {
                for byte in bytes {
                    connection.write_all(&[byte]).await?;
                    tokio::time::sleep(apart).await;
                }
            }
            Step::Silence => std::future::pending().await,
            Step::Reset => {
                connection.set_zero_linger()?;
                return Ok(());
            }
        }
    }
    connection.shutdown().await
}
