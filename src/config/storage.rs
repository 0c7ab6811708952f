//! The database: which one, and what must be so before it is looked for.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde::Deserialize;

use super::Lines;

/// Where the records are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// The SQLite database file, used by one process. There is this or a `url`, never both.
    pub path: PathBuf,
    /// The PostgreSQL database, which several processes may share: `postgres://user@host:5432/name`,
    /// without a password.
    pub url: Option<String>,
    /// The file that holds the password of the PostgreSQL user.
    pub password_file: Option<PathBuf>,
    /// Sources are not read while fewer mebibytes than this are free on its disk. What is left is
    /// the reserve in which deliveries write their outcomes; below a quarter of it none is begun.
    pub hold_below_mebibytes: u32,
    /// They are read again when at least so many are free.
    pub resume_above_mebibytes: u32,
    /// Seconds for which the daemon still shows its page after the database could no longer be
    /// written, or did not answer any more. Then it ends with exit code 4, to be started again: only
    /// a start finds out what reached the disk.
    pub exit_after_failure_seconds: u16,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from("raccordo.db"),
            url: None,
            password_file: None,
            hold_below_mebibytes: 256,
            resume_above_mebibytes: 512,
            exit_after_failure_seconds: 60,
        }
    }
}

/// A password in the address would stand in a file that is shown and copied.
pub(super) fn check(storage: &StorageConfig, lines: &Lines) -> Result<(), String> {
    let Some(url) = &storage.url else {
        if storage.password_file.is_some() {
            let problem = "storage.password_file without storage.url: an SQLite file has no password";
            return Err(lines.at(&["storage", "password_file"], problem));
        }
        return Ok(());
    };
    let wrong = |problem: &str| Err(lines.at(&["storage", "url"], problem));
    if lines.has(&["storage", "path"]) {
        let problem = "storage.path and storage.url name two databases: keep `path` for an SQLite file, or `url` for \
                       PostgreSQL, and take the other away";
        return Err(lines.at(&["storage", "path"], problem));
    }
    let Some(rest) = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")) else {
        return wrong("storage.url is not of the form postgres://user@host:5432/name");
    };
    let user = rest.split('/').next().unwrap_or_default().rsplit_once('@').map_or("", |(user, _)| user);
    if user.contains(':') || rest.contains("password=") {
        return wrong("storage.url holds a password: write it into a file and name that in storage.password_file");
    }
    Ok(())
}

/// What the files that the configuration names must be, before a database is looked for.
pub(super) fn check_files(storage: &StorageConfig, lines: &Lines) -> Result<(), String> {
    if storage.url.is_none() && storage.path.is_dir() {
        let problem = format!("{} is a folder: name a file in it", storage.path.display());
        return Err(lines.at(&["storage", "path"], &problem));
    }
    let Some(file) = &storage.password_file else { return Ok(()) };
    let wrong = |problem: String| Err(lines.at(&["storage", "password_file"], &problem));
    match std::fs::metadata(file) {
        Err(error) => wrong(format!("the password file {} cannot be read: {error}", file.display())),
        Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => wrong(format!(
            "the password file {} is open to others than its owner: set its mode to 0600",
            file.display()
        )),
        Ok(_) => Ok(()),
    }
}
