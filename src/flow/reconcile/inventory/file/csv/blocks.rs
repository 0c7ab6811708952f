//! A file in blocks of text, checked to be UTF-8 once for each block and not for each field.

use std::fs::File;
use std::io::Read;
use std::ops::Range;

use crate::flow::reconcile::inventory::InventoryError;

const BLOCK: u64 = 512 * 1024;
/// A longer record is none: as a rule a quote that is never closed.
const LONGEST_RECORD: usize = 16 * 1024 * 1024;

pub(super) struct Blocks {
    file: File,
    block: Block,
    /// What was cut in the middle of a character.
    rest: Vec<u8>,
    /// Where the block starts in the file.
    place: u64,
    is_end: bool,
}

enum Block {
    Text(String),
    /// Something in it is not UTF-8: every record is checked by itself.
    Bytes(Vec<u8>),
}

impl Blocks {
    /// The blocks of a file from where it stands, which is this place.
    pub(super) fn new(file: File, place: u64) -> Self {
        Self { file, block: Block::Text(String::new()), rest: Vec::new(), place, is_end: false }
    }

    /// Forgets so many bytes of the block and reads more.
    pub(super) fn read_on(&mut self, done: usize) -> Result<(), InventoryError> {
        let block = std::mem::replace(&mut self.block, Block::Bytes(Vec::new()));
        let mut bytes = match block {
            Block::Text(text) => text.into_bytes(),
            Block::Bytes(bytes) => bytes,
        };
        bytes.drain(..done);
        if bytes.len() > LONGEST_RECORD {
            let problem = format!("the record at byte {} has no end: is a quote open?", self.place + done as u64);
            return Err(InventoryError::Format { problem });
        }
        bytes.append(&mut self.rest);
        self.place += done as u64;
        let read = (&mut self.file).take(BLOCK).read_to_end(&mut bytes)?;
        self.is_end = (read as u64) < BLOCK;
        if !self.is_end {
            self.rest = bytes.split_off(whole_characters(&bytes));
        }
        self.block = String::from_utf8(bytes).map_or_else(|error| Block::Bytes(error.into_bytes()), Block::Text);
        Ok(())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.block {
            Block::Text(text) => text.as_bytes(),
            Block::Bytes(bytes) => bytes,
        }
    }

    /// A part of the block; none when it is not UTF-8.
    pub(super) fn text(&self, range: Range<usize>) -> Option<&str> {
        match &self.block {
            Block::Text(text) => text.get(range),
            Block::Bytes(bytes) => str::from_utf8(bytes.get(range)?).ok(),
        }
    }

    /// True when nothing comes after the block.
    pub(super) fn is_end(&self) -> bool {
        self.is_end
    }

    /// Where a byte of the block stands in the file.
    pub(super) fn place(&self, at: usize) -> u64 {
        self.place + at as u64
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }
}

/// How many bytes stand before a character that is cut at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    for (behind, byte) in bytes.iter().rev().take(4).enumerate() {
        match byte.leading_ones() as usize {
            1 => {}
            length if length > behind + 1 => return bytes.len() - behind - 1,
            _ => break,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_cut_between_characters(text in "[a-cà€𝄞]{0,8}", missing in 0_usize..4) {
            let bytes = &text.as_bytes()[..text.len().saturating_sub(missing)];
            let whole = whole_characters(bytes);
            let expected = str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
            prop_assert_eq!(whole, expected);
        }
    }

    #[test]
    fn what_is_no_text_at_all_is_cut_nowhere_far_from_its_end() {
        assert_eq!(whole_characters(&[0x80; 9]), 9);
        assert_eq!(whole_characters(&[0xff; 9]), 8);
    }
}
