//! Secrets: keys and tokens, read from private files and printed as nothing.
//!
//! They never come from settings, arguments or the environment: those are shown, stored and
//! inherited. The file must be readable by its owner alone.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A secret. It has no `Display`, and its `Debug` says only that it is one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Why a secret could not be read. The messages never show the content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be opened or read as text.
    #[error("cannot read the secret file {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others than the owner can read the file.
    #[error("the secret file {path} is open to others than its owner: set its mode to 0600")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// Nothing but blanks.
    #[error("the secret file {path} is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Secret {
    /// A secret already at hand, for instance one that a simulator made.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Reads a secret from a file, without the blanks around it. On Unix the mode is checked on
    /// the opened file, so that it cannot change in between.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SecretError> {
        let path = path.as_ref();
        let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        if is_exposed(&file).map_err(unreadable)? {
            return Err(SecretError::Exposed { path: path.to_owned() });
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(unreadable)?;
        let value = text.trim();
        if value.is_empty() {
            return Err(SecretError::Empty { path: path.to_owned() });
        }
        Ok(Self(value.to_owned()))
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(unix)]
fn is_exposed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        fs::write(&path, content).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        (folder, path)
    }

    #[test]
    fn a_private_file_gives_its_trimmed_content() {
        let (_folder, path) = file(" s3cret\n", 0o600);
        let secret = Secret::from_file(path).expect("a secret");
        assert_eq!(secret.expose(), "s3cret");
        assert_eq!(format!("{secret:?}"), "Secret");
    }

    #[test]
    fn a_file_open_to_others_is_refused_with_the_remedy() {
        for mode in [0o640, 0o604, 0o620, 0o601] {
            let (_folder, path) = file("s3cret", mode);
            let error = Secret::from_file(path).expect_err("exposed");
            assert!(matches!(error, SecretError::Exposed { .. }));
            assert!(error.to_string().contains("0600") && !error.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn an_empty_file_is_no_secret() {
        let (_folder, path) = file(" \n", 0o600);
        assert!(matches!(Secret::from_file(path), Err(SecretError::Empty { .. })));
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_with_its_cause() {
        let error = Secret::from_file("/nonexistent/key").expect_err("absent");
        assert!(matches!(error, SecretError::Unreadable { .. }));
        assert!(std::error::Error::source(&error).is_some());
    }
}
