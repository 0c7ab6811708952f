//! Two CSV files of invented contracts, forty fields each, that differ in known places. The same
//! number of records always gives the same bytes.
//!
//! The first file is written as our exports are. The second one holds the same in the spellings of
//! other systems and in another order; the third is the second in the spelling of the first, for
//! those who compare bytes.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// What kind of value a field has; the names end in a number.
pub(super) const KINDS: [(&str, usize); 4] = [("codice", 17), ("testo", 5), ("importo", 9), ("data", 8)];

/// The paths of the files.
pub(super) struct Files {
    pub(super) ours: PathBuf,
    pub(super) theirs: PathBuf,
    pub(super) theirs_as_ours: PathBuf,
}

impl Files {
    pub(super) fn under(folder: &Path) -> Self {
        let path = |name: &str| folder.join(name);
        Self { ours: path("ours.csv"), theirs: path("theirs.csv"), theirs_as_ours: path("theirs_as_ours.csv") }
    }
}

/// What the files differ in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Planted {
    pub(super) changed: u64,
    pub(super) only_ours: u64,
    pub(super) only_theirs: u64,
}

impl Planted {
    /// A tenth on each side only, the rest changed.
    pub(super) fn of(differences: u64) -> Self {
        let alone = differences / 10;
        Self { changed: differences - 2 * alone, only_ours: alone, only_theirs: alone }
    }
}

/// Names of the fields without the key, in the order of the columns.
pub(super) fn fields() -> Vec<String> {
    KINDS.iter().flat_map(|(kind, count)| (1..=*count).map(move |n| format!("{kind}_{n}"))).collect()
}

/// Writes so many records on each side.
pub(super) fn write(files: &Files, records: u64, planted: &Planted) -> io::Result<()> {
    let mut out = [&files.ours, &files.theirs, &files.theirs_as_ours]
        .map(|path| File::create(path).map(|file| BufWriter::with_capacity(1 << 20, file)));
    let header = format!("cig,{}\n", fields().join(","));
    for out in &mut out {
        out.as_mut().map_err(|error| io::Error::from(error.kind()))?.write_all(header.as_bytes())?;
    }
    let [ours, theirs, theirs_as_ours] = out;
    let (mut ours, mut theirs, mut theirs_as_ours) = (ours?, theirs?, theirs_as_ours?);
    let mut text = String::with_capacity(2048);
    // The first ones are only ours, the next ones changed, those beyond the end only theirs.
    for number in 0..records {
        text.clear();
        record(&mut text, number, false, false);
        ours.write_all(text.as_bytes())?;
    }
    for step in 0..records {
        // Another order: the step has no divisor in common with any usual number of records.
        let number = planted.only_ours + step * 7_368_787 % records;
        let is_changed = number - planted.only_ours < planted.changed;
        for (out, is_foreign) in [(&mut theirs, true), (&mut theirs_as_ours, false)] {
            text.clear();
            record(&mut text, number, is_changed, is_foreign);
            out.write_all(text.as_bytes())?;
        }
    }
    for out in [&mut ours, &mut theirs, &mut theirs_as_ours] {
        out.flush()?;
    }
    Ok(())
}

const OGGETTI: [&str; 6] = [
    "Manutenzione straordinaria delle pavimentazioni S.P.",
    "Servizio di sgombero neve e trattamento antighiaccio, stagione",
    "Fornitura di arredi per gli istituti superiori, plesso",
    "Adeguamento sismico dell'edificio scolastico Galilei, lotto",
    "Verifica di vulnerabilità e progettazione definitiva del ponte al km",
    "Noleggio",
];

fn record(text: &mut String, number: u64, is_changed: bool, is_foreign: bool) {
    let mut invented = Invented(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    // Which field is changed depends on the record: every kind has its turn.
    let changed = is_changed.then_some(number % 39);
    let _ = write!(text, "B{number:09X}");
    for field in 0..39 {
        text.push(',');
        let value = invented.next() + u64::from(changed == Some(field)) * 12_345;
        let drawn = invented.next() % 4;
        let spelling = if is_foreign { drawn } else { 0 };
        match field {
            // Codes: some empty, as in life.
            0..17 if value.is_multiple_of(5) && changed != Some(field) => {}
            0..17 => drop(write!(text, "{:08X}", value & 0xFFFF_FFFF)),
            17..22 => oggetto(text, value, spelling),
            22..31 => importo(text, value % 90_000_000, spelling),
            _ => data(text, value, spelling),
        }
    }
    text.push('\n');
}

fn oggetto(text: &mut String, value: u64, spelling: u64) {
    let words = OGGETTI[usize::try_from(value % 6).unwrap_or_default()];
    let number = value / 6 % 100_000;
    // Blanks doubled and added at the ends.
    let quote = if words.contains(',') { "\"" } else { "" };
    let _ = match spelling {
        1 => write!(text, "{quote}{words}  {number}{quote}"),
        2 => write!(text, "{quote}{words} {number} {quote}"),
        _ => write!(text, "{quote}{words} {number}{quote}"),
    };
}

fn importo(text: &mut String, cents: u64, spelling: u64) {
    let (euro, rest) = (cents / 100, cents % 100);
    let _ = match spelling {
        1 => write!(text, "\"{euro},{rest:02}\""),
        2 if euro >= 1_000 => write!(text, "\"{}.{:03},{rest:02}\"", euro / 1_000, euro % 1_000),
        3 if rest.is_multiple_of(10) => write!(text, "{euro}.{}", rest / 10),
        _ => write!(text, "{euro}.{rest:02}"),
    };
}

fn data(text: &mut String, value: u64, spelling: u64) {
    let (year, month, day) = (2010 + value % 15, 1 + value / 15 % 12, 1 + value / 180 % 28);
    let _ = match spelling {
        1 => write!(text, "{day:02}/{month:02}/{year}"),
        2 => write!(text, "{year}-{month:02}-{day:02}T00:00:00"),
        _ => write!(text, "{year}-{month:02}-{day:02}"),
    };
}

/// Numbers that look invented, always the same.
struct Invented(u64);

impl Invented {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }
}
