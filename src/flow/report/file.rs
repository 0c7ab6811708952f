//! The file of a report: written beside its name, given its name when it is whole. Only its owner may
//! read it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

/// What begins the name of what is not finished.
const PREFIX: &str = ".raccordo-report-";

/// A file that is being written.
#[derive(Debug)]
pub struct Unfinished {
    file: NamedTempFile,
    path: PathBuf,
    may_replace: bool,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is one already.
    #[error("{} is there already: give another name, or --force", .0.display())]
    Exists(PathBuf),
    /// The disk.
    #[error("not written to {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Unfinished {
    /// Begins a file. One of that name is replaced only when that is said, and only by a whole one.
    pub fn begin(path: &Path, may_replace: bool) -> Result<Self, FileError> {
        if !may_replace && path.symlink_metadata().is_ok() {
            return Err(FileError::Exists(path.to_owned()));
        }
        let permissions = std::fs::Permissions::from_mode(0o600);
        let file = tempfile::Builder::new().prefix(PREFIX).permissions(permissions).tempfile_in(folder_of(path));
        let file = file.map_err(|source| FileError::Io { path: path.to_owned(), source })?;
        Ok(Self { file, path: path.to_owned(), may_replace })
    }

    /// Another handle to write to.
    pub fn handle(&self) -> Result<std::fs::File, FileError> {
        self.file.as_file().try_clone().map_err(|source| FileError::Io { path: self.path.clone(), source })
    }

    /// A folder beside the file, which only its owner can enter.
    pub fn folder(&self) -> Result<TempDir, FileError> {
        private_folder(Some(folder_of(&self.path))).map_err(|source| FileError::Io { path: self.path.clone(), source })
    }

    /// Gives the file its name.
    pub fn finish(self) -> Result<(), FileError> {
        let Self { file, path, may_replace } = self;
        let io = |source| FileError::Io { path: path.clone(), source };
        file.as_file().sync_all().map_err(io)?;
        let named = if may_replace { file.persist(&path) } else { file.persist_noclobber(&path) };
        match named {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(FileError::Exists(path.clone()));
            }
            Err(error) => return Err(io(error.error)),
        }
        let folder = std::fs::File::open(folder_of(&path)).map_err(io)?;
        folder.sync_all().map_err(io)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A folder that only its owner can enter, gone with its last user: beside others, or where temporary
/// files belong.
pub fn private_folder(beside: Option<&Path>) -> io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(PREFIX);
    let folder = match beside {
        Some(beside) => builder.permissions(std::fs::Permissions::from_mode(0o700)).tempdir_in(beside)?,
        None => builder.permissions(std::fs::Permissions::from_mode(0o700)).tempdir()?,
    };
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_report_is_whole_or_not_there_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rapporto.csv");
        let unfinished = Unfinished::begin(&path, false).unwrap();
        unfinished.handle().unwrap().write_all(b"intero").unwrap();
        assert!(!path.exists());
        assert_eq!(unfinished.folder().unwrap().path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        unfinished.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"intero");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_file_that_is_there_stays_unless_it_may_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rapporto.csv");
        let late = Unfinished::begin(&path, false).unwrap();
        std::fs::write(&path, b"di altri").unwrap();
        assert!(matches!(Unfinished::begin(&path, false), Err(FileError::Exists(_))));
        assert!(matches!(late.finish(), Err(FileError::Exists(_))), "it came while the report was being made");
        assert_eq!(std::fs::read(&path).unwrap(), b"di altri");
        Unfinished::begin(&path, true).unwrap().finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
