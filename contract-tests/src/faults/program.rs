//! The program under test as a child process: started, signalled by its own process id, waited for.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::rest::rest;

/// How often to look whether a child has ended.
const LOOK: Duration = Duration::from_millis(2);

/// A child that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    begun: Instant,
    stdout: Option<ChildStdout>,
}

/// How a child ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// What it printed.
    pub printed: String,
    /// How long it ran.
    pub took: Duration,
}

impl Ended {
    /// The exit code; none when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// What it printed, as one JSON value.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.printed).with_context(|| format!("not JSON ({}): {}", self.status, self.printed))
    }
}

impl Running {
    /// Starts a command, with its messages added to a file.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let stdout = child.stdout.take();
        Ok(Self { child, begun: Instant::now(), stdout })
    }

    /// Whether it has not ended by itself.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Reads its first line, which says where its page is.
    pub fn page(&mut self) -> Result<String> {
        let mut stdout = BufReader::new(self.stdout.take().context("the first line was read before")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let facts: Value = serde_json::from_str(&line).with_context(|| format!("no first line: {line}"))?;
        let page = facts["page"].as_str().and_then(|page| page.strip_prefix("http://")).context("no page")?;
        self.stdout = Some(stdout.into_inner());
        Ok(page.trim_end_matches('/').to_owned())
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).output()?;
        if !sent.status.success() {
            bail!("kill -{name}: {}", String::from_utf8_lossy(&sent.stderr));
        }
        Ok(())
    }

    /// Lets it run for this long, then kills it with SIGKILL. True when it was still running.
    pub fn kill_after(mut self, pause: Duration) -> Result<(bool, Option<Ended>)> {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            if !self.runs()? {
                return Ok((false, Some(self.wait(Duration::from_secs(1))?)));
            }
            rest(LOOK);
        }
        self.child.kill()?;
        let status = self.child.wait()?;
        // It may have ended by itself in the very moment: then nothing was killed.
        if status.code().is_some() {
            return Ok((false, Some(self.wait(Duration::from_secs(1))?)));
        }
        Ok((true, None))
    }

    /// Waits for its end; an error when it does not come.
    pub fn wait(mut self, patience: Duration) -> Result<Ended> {
        let mut stdout = self.stdout.take();
        let reader = std::thread::spawn(move || {
            let mut printed = String::new();
            if let Some(stdout) = &mut stdout {
                let _ = stdout.read_to_string(&mut printed);
            }
            printed
        });
        let end = Instant::now() + patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                let took = self.begun.elapsed();
                let printed = reader.join().unwrap_or_default();
                return Ok(Ended { status, printed, took });
            }
            if Instant::now() > end {
                self.child.kill()?;
                self.child.wait()?;
                bail!("the program did not end within {} s and was killed", patience.as_secs());
            }
            rest(LOOK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Asks a page of the program; its status and text.
pub fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok((status, answer))
}
