//! How long a server may take to answer. One that is frozen keeps its connections and says nothing:
//! its own limits do not hold, and whoever waited for it would wait without end.

use std::io;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::timeout;

/// For one statement of a writer: shorter than the lease of the job behind it, and longer than the
/// server lets anybody wait for a lock.
pub(super) const WRITING: Duration = seconds(30);
/// For one statement of a reader, who may look at much.
pub(super) const READING: Duration = seconds(60);
pub(super) const CLOSING: Duration = seconds(5);
const CONNECTING: Duration = seconds(10);

/// A unit test does not wait as long.
const fn seconds(count: u64) -> Duration {
    if cfg!(test) { Duration::from_millis(10 * count) } else { Duration::from_secs(count) }
}

/// Connects to a server.
pub(in crate::storage) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    timeout(CONNECTING, options.connect()).await.unwrap_or_else(|_| Err(unanswered()))
}

/// What is said instead of the answer.
pub(in crate::storage) fn unanswered() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the server did not answer in time"))
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgSslMode;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::storage::sql::connection::{Connection, query};

    /// A server that lets everybody in, or not even that, and then says nothing more.
    async fn silent(lets_in: bool) -> PgConnectOptions {
        const WELCOME: &[u8] = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody comes");
            let mut heard = [0; 4096];
            let mut is_in = false;
            while stream.read(&mut heard).await.is_ok_and(|bytes| bytes > 0) {
                if lets_in && !is_in {
                    stream.write_all(WELCOME).await.expect("it is heard");
                    is_in = true;
                }
            }
        });
        PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("u").ssl_mode(PgSslMode::Disable)
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_left_and_not_spoken_with_again() {
        let options = silent(true).await;
        let mut connection = Connection::Postgres(connect(&options).await.expect("it lets us in"));
        let asked = query("select 1").fetch_optional(&mut connection).await;
        assert!(matches!(asked, Err(sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut));
        assert!(matches!(connection, Connection::Gone));
        assert!(connection.command("rollback").await.is_err(), "at once");
        assert!(query("select 1").execute(&mut connection).await.is_err());
        assert!(connection.close().await.is_ok());
    }

    #[tokio::test]
    async fn a_server_that_lets_nobody_in_is_not_waited_for() {
        assert!(connect(&silent(false).await).await.is_err());
    }
}
