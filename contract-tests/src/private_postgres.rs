//! A PostgreSQL of one's own: started from the installed programs in a folder that goes with it, on
//! a free loopback port, durable as in production (`fsync` on), stopped by its own process id.
//!
//! It is for tests that stop, kill and restart a server, which nobody wants done to the one that is
//! already running. `PostgreSQL` refuses to run as root: there it runs as the user `postgres`, which
//! the package makes. Any local user may connect (`trust`): nothing but test data is ever in it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Error, Result};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::rest::rest;

/// The superuser of every private server.
const USER: &str = "raccordo";

/// How long a server may take to answer, or to stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// What to say where the programs are missing.
pub const REMEDY: &str = "PostgreSQL is not installed; on Debian: apt-get install postgresql";

/// A running server. Dropped, it is stopped and its folder removed.
#[derive(Debug)]
pub struct PrivatePostgres {
    programs: PathBuf,
    folder: TempDir,
    owner: Option<(u32, u32)>,
    port: u16,
    server: Option<Child>,
}

/// The folder with the programs of the newest installed version. None: not installed.
pub fn programs() -> Option<PathBuf> {
    let version = |path: &Path| path.file_name().and_then(OsStr::to_str).and_then(|name| name.parse::<u32>().ok());
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut versions: Vec<_> = debian.filter_map(|path| Some((version(&path)?, path.join("bin")))).collect();
    versions.sort();
    let mut folders = versions.into_iter().rev().map(|(_, bin)| bin);
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).find(|folder| has_server(folder));
    folders.find(|folder| has_server(folder)).or_else(on_path)
}

fn has_server(folder: &Path) -> bool {
    ["postgres", "initdb", "createdb", "pg_isready"].iter().all(|program| folder.join(program).is_file())
}

impl PrivatePostgres {
    /// Starts a new, empty server in the folder for temporary files.
    pub fn start() -> Result<Self> {
        Self::start_in(&std::env::temp_dir())
    }

    /// Starts a new, empty server in a new folder below this one, which everybody may enter.
    pub fn start_in(parent: &Path) -> Result<Self> {
        let programs = programs().ok_or_else(|| Error::other(REMEDY))?;
        let folder = tempfile::Builder::new().prefix("private-postgres-").tempdir_in(parent)?;
        let owner = owner()?;
        if let Some((user, group)) = owner {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group))?;
        }
        let mut postgres = Self { programs, folder, owner, port: 0, server: None };
        let data = postgres.data();
        let mut initdb = postgres.as_owner("initdb");
        initdb.args(["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]);
        expect("initdb", &initdb.arg("--pgdata").arg(data).output()?)?;
        // Another process may take the free port in between; then the next one is tried.
        let mut outcome = Ok(());
        for _ in 0..5 {
            postgres.port = free_port()?;
            outcome = postgres.run();
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map(|()| postgres)
    }

    /// The address of the database that every server has.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes an empty database; its address.
    pub fn new_database(&self, name: &str) -> Result<String> {
        let mut createdb = Command::new(self.programs.join("createdb"));
        expect("createdb", &createdb.args(self.where_it_is()).arg(name).output()?)?;
        Ok(self.url_of(name))
    }

    /// The process id of the server, as the server itself wrote it down. None when it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref()?;
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// Ends every session and stops in order.
    pub fn stop(&mut self) -> Result<()> {
        self.end("INT")
    }

    /// Kills the server with SIGKILL, as a lost machine would.
    pub fn kill_hard(&mut self) -> Result<()> {
        self.end("KILL")
    }

    /// Starts a server that was stopped or killed; one that runs is stopped first. Same port, same
    /// data.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        // After a kill the orphaned sessions hold the shared memory for a moment, and a start in
        // that moment is refused.
        let end = Instant::now() + PATIENCE;
        loop {
            match self.run() {
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => rest(Duration::from_millis(100)),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// What the server said since it was made.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    fn where_it_is(&self) -> [String; 6] {
        ["--host", "127.0.0.1", "--port", &self.port.to_string(), "--username", USER].map(str::to_owned)
    }

    fn as_owner(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts the server and waits until it answers.
    fn run(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"))?;
        let sockets = format!("unix_socket_directories={}", self.folder.path().display());
        let mut server = self.as_owner("postgres");
        server.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "fsync=on", "synchronous_commit=on", "full_page_writes=on"] {
            server.args(["-c", setting]);
        }
        server.args(["-c", "shared_buffers=32MB", "-c", "max_connections=100", "-c", &sockets]);
        let mut server = server.stdout(log.try_clone()?).stderr(log).spawn()?;
        let end = Instant::now() + PATIENCE;
        loop {
            // A server that is already there, on somebody else's behalf, answers too: ours must run.
            if let Some(status) = server.try_wait()? {
                return Err(Error::other(format!("PostgreSQL did not start ({status}): {}", last_words(&self.log()))));
            }
            let mut ready = Command::new(self.programs.join("pg_isready"));
            if ready.arg("--quiet").args(self.where_it_is()).status()?.success() {
                self.server = Some(server);
                return Ok(());
            }
            if Instant::now() > end {
                server.kill()?;
                server.wait()?;
                return Err(Error::other("PostgreSQL did not answer"));
            }
            rest(Duration::from_millis(20));
        }
    }

    /// Sends a signal to the server, by its own process id, and waits for its end.
    fn end(&mut self, signal: &str) -> Result<()> {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        // The child is the server itself, so that its id is certain even before the file is there.
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(server.id().to_string()).output()?;
        let end = Instant::now() + PATIENCE;
        while server.try_wait()?.is_none() {
            if Instant::now() > end || !sent.status.success() {
                server.kill()?;
                server.wait()?;
                return Err(Error::other(format!("PostgreSQL did not heed SIG{signal} and was killed")));
            }
            rest(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // At once and without tidying: the data go with the folder.
        let _ = self.end("QUIT");
    }
}

/// The user and group to run as. None: the present one, which is not root.
fn owner() -> Result<Option<(u32, u32)>> {
    if number_of("id", &["-u"])? != 0 {
        return Ok(None);
    }
    Ok(Some((number_of("id", &["-u", "postgres"])?, number_of("id", &["-g", "postgres"])?)))
}

fn number_of(program: &str, arguments: &[&str]) -> Result<u32> {
    let output = Command::new(program).args(arguments).output()?;
    expect(program, &output)?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(Error::other)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn expect(what: &str, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    Err(Error::other(format!("{what}: {}: {}", output.status, last_words(&String::from_utf8_lossy(&output.stderr)))))
}

fn last_words(text: &str) -> String {
    let lines: Vec<_> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}
