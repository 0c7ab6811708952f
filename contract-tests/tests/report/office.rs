//! Another spreadsheet program, without a screen: what it reads of ours, and writes again.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file as that program writes it after reading ours.
pub(crate) fn converted(file: &Path, format: &str, folder: &Path) -> PathBuf {
    // A profile of its own: two of them at the same time would wait for each other.
    let profile = folder.join("profile");
    std::fs::create_dir_all(&profile).unwrap();
    let said = Command::new("soffice")
        .arg(format!("-env:UserInstallation=file://{}", profile.display()))
        .args(["--headless", "--norestore", "--convert-to", format, "--outdir"])
        .arg(folder)
        .arg(file)
        .output()
        .expect("LibreOffice is installed: `cargo xtask test` does it (Debian package libreoffice-calc)");
    let converted = folder.join(file.file_stem().unwrap()).with_extension(format);
    assert!(converted.is_file(), "not converted: {}", String::from_utf8_lossy(&said.stderr));
    converted
}

/// The text of a part of a packed document.
pub(crate) fn part(file: &Path, name: &str) -> String {
    let bytes = std::fs::read(file).unwrap();
    let number = |at: usize, length: usize| -> usize {
        bytes[at..at + length].iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte))
    };
    // The entry of the directory says where the part begins; what stands there has a head of its own.
    let entry = (0..bytes.len() - 46)
        .find(|at| {
            bytes[*at..].starts_with(b"PK\x01\x02") && bytes[at + 46..at + 46 + number(at + 28, 2)] == *name.as_bytes()
        })
        .unwrap_or_else(|| panic!("{name} is no part"));
    let (method, packed, head) = (number(entry + 10, 2), number(entry + 20, 4), number(entry + 42, 4));
    let start = head + 30 + number(head + 26, 2) + number(head + 28, 2);
    let packed = &bytes[start..start + packed];
    let mut text = String::new();
    match method {
        0 => text.push_str(std::str::from_utf8(packed).unwrap()),
        _ => {
            flate2::read::DeflateDecoder::new(packed).read_to_string(&mut text).unwrap();
        }
    }
    text
}

/// The names of the parts of a packed document, from the headers that stand before each of them.
pub(crate) fn parts(file: &Path) -> Vec<String> {
    let bytes = std::fs::read(file).unwrap();
    let headers = bytes.windows(4).enumerate().filter(|(_, window)| *window == b"PK\x01\x02").map(|(at, _)| at);
    headers
        .filter_map(|at| {
            let length = usize::from(u16::from_le_bytes([*bytes.get(at + 28)?, *bytes.get(at + 29)?]));
            Some(String::from_utf8_lossy(bytes.get(at + 46..at + 46 + length)?).into_owned())
        })
        .collect()
}
