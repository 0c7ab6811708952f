//! Files and folders of a simulator, made for their owner alone: what it receives names persons, as
//! what the records say does.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Makes a folder and those around it, where they are not yet.
pub(super) fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens a file that grows.
pub(super) fn open_for_append(path: &Path) -> io::Result<File> {
    owned(OpenOptions::new().create(true).read(true).append(true)).open(path)
}

/// Writes a file that is not there yet.
pub(super) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    owned(OpenOptions::new().write(true).create_new(true)).open(path)?.write_all(text.as_bytes())
}

fn owned(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_a_simulator_keeps_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("simulators/pico");
        create_folder(&state).expect("made");
        create_folder(&state).expect("there already");
        open_for_append(&state.join("effects.ndjson")).expect("opened");
        write_new(&state.join("key"), "x").expect("written");
        let mode = |name: &str| std::fs::metadata(state.join(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(".."), mode("."), mode("effects.ndjson"), mode("key")), (0o700, 0o700, 0o600, 0o600));
    }
}
