//! The server of a simulator: a port, a key, and an end in time.

use std::future::pending;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::serve::ListenerExt;
use contract::{RunningSimulator, Settings, SimulatorOptions};
use serde_json::json;
use tokio::sync::watch;

use super::{Fault, private};
use crate::Secret;

/// How long open exchanges may take to end after the server is told to stop.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Binds the port at once and serves on a task of the current runtime. The settings with which an
/// adapter reaches the simulator are made from the address that was taken.
pub fn serve(
    options: &SimulatorOptions,
    router: Router,
    settings: impl FnOnce(SocketAddr) -> Settings,
) -> io::Result<RunningSimulator> {
    let listener = TcpListener::bind(options.listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|connection| {
        // Small answers must not wait for each other; without it they are only slower.
        let _ = connection.set_nodelay(true);
    });
    let (shutdown, told) = watch::channel(false);
    let end = told.clone();
    let router = router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let end = stopped(end.clone(), LAST_WORDS);
        async move {
            tokio::select! {
                answer = next.run(request) => answer,
                // Whether it had its effect is not told: the connection breaks.
                () = end => Fault::lost_answer().answer().await,
            }
        }
    }));
    let server = axum::serve(listener, router).with_graceful_shutdown(stopped(told, Duration::ZERO));
    // The listener of axum survives every error of a connection: there is nothing to report.
    let task = tokio::spawn(async move { drop(server.await) });
    Ok(RunningSimulator { address, settings: settings(address), shutdown, task })
}

/// Waits for the word to stop, then a little longer. A sender that is gone never tells it.
async fn stopped(mut told: watch::Receiver<bool>, longer: Duration) {
    if told.wait_for(|stop| *stop).await.is_err() {
        return pending().await;
    }
    tokio::time::sleep(longer).await;
}

/// The bearer key that a simulator admits, in a private file that an adapter can read.
#[derive(Debug)]
pub struct Key {
    path: PathBuf,
    secret: Secret,
    /// Removed with the simulator, when there was no state folder to put the key in.
    _folder: Option<tempfile::TempDir>,
}

impl Key {
    /// The key of the state folder, made when there is none yet; without a folder, a new key in a
    /// temporary one.
    pub fn open(state: Option<&Path>) -> io::Result<Self> {
        let temporary = if state.is_none() { Some(tempfile::tempdir()?) } else { None };
        let folder = state.or(temporary.as_ref().map(tempfile::TempDir::path)).unwrap_or(Path::new("."));
        private::create_folder(folder)?;
        let path = folder.join("key");
        if !path.exists() {
            private::write_new(&path, &random_text())?;
        }
        let secret = Secret::from_file(&path).map_err(io::Error::other)?;
        Ok(Self { path, secret, _folder: temporary })
    }

    /// The file in which an adapter finds the key.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when a request carries this key as its bearer token.
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        sent.and_then(|value| value.strip_prefix("Bearer ")) == Some(self.secret.expose())
    }
}

/// A problem document with a stable code, as the contracts of ours describe errors.
pub fn problem(status: StatusCode, codice: &str, title: &str, dettagli: &[String]) -> Response<Body> {
    let body = json!({
        "type": format!("urn:raccordo:problema:{codice}"),
        "title": title,
        "status": status.as_u16(),
        "codice": codice,
        "messaggio": title,
        "dettagli": dettagli,
    });
    let headers = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, headers, body.to_string()).into_response()
}

/// Text that nobody guesses by chance: a stand-in on loopback needs no more.
fn random_text() -> String {
    let words = [(); 4].map(|()| format!("{:016x}", RandomState::new().hash_one(())));
    words.concat()
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;
    use crate::http::{HttpClient, HttpSettings, Method};

    fn options() -> SimulatorOptions {
        SimulatorOptions { listen: ([127, 0, 0, 1], 0).into(), state: None, faults: None }
    }

    #[tokio::test]
    async fn a_simulator_answers_and_stops_in_time_even_with_an_open_exchange() {
        let router = Router::new().route("/now", get(async || "{}")).route("/never", get(pending::<String>));
        let running = serve(&options(), router, |address| json!(format!("http://{address}"))).expect("a server");
        let base_url = running.settings.as_str().expect("an address");
        let client = HttpClient::new("example", &HttpSettings::new(base_url)).expect("a client");
        let answer = client.exchange(client.request(Method::GET, &["now"], &[])).await.expect("an answer");
        assert_eq!(answer.status, 200);
        let (arrived, arrival) = (tokio::time::sleep(Duration::from_millis(200)), client.clone());
        let request = client.request(Method::GET, &["never"], &[]);
        let hanging = tokio::spawn(async move { arrival.exchange(request).await });
        arrived.await;
        let both = async { tokio::join!(running.stop(), hanging).1 };
        let lost = tokio::time::timeout(Duration::from_secs(5), both).await.expect("stopped in time");
        lost.expect("no panic").expect_err("no answer");
    }

    #[test]
    fn the_key_of_a_state_folder_survives_and_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = Key::open(Some(folder.path())).expect("a key");
        let again = Key::open(Some(folder.path())).expect("the key");
        assert_eq!(key.secret, again.secret);
        assert_ne!(key.secret, Key::open(None).expect("another key").secret);
        let mut headers = HeaderMap::new();
        assert!(!key.admits(&headers));
        let bearer = format!("Bearer {}", again.secret.expose()).parse().expect("a header");
        headers.insert(header::AUTHORIZATION, bearer);
        assert!(key.admits(&headers));
    }
}
