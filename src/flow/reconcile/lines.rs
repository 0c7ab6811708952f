//! Lines of files that others write: of one that never ends no more is kept than a record may have.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

/// In bytes. A longer line is no record.
pub(super) const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// Reads one line; its length in the file.
pub(super) fn read_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let mut length = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', line)? as u64;
    if length == LONGEST_LINE && line.last() != Some(&b'\n') {
        line.clear();
        line.extend_from_slice(b"too long");
        length += reader.skip_until(b'\n')? as u64;
    }
    Ok(length)
}
