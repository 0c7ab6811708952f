//! The settings of `pad-file`, as written in the configuration file.

use std::path::PathBuf;

use serde::Deserialize;

/// The settings. Explicit files can be imported without a folder, never without mappings.
///
/// ```toml
/// folder = "export"
/// mappings = "mappings"
/// max_bytes = 2147483648
/// max_xlsx_bytes = 52428800
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadFileSettings {
    /// The folder in which files are dropped. Names that begin with a dot or end in `.part` or
    /// `.tmp` are files still on their way: write under such a name, then rename.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// A mapping file, or the folder of the mapping files, one a platform.
    #[serde(default)]
    pub mappings: Option<PathBuf>,
    /// CSV longer than this are refused.
    #[serde(default = "two_gibibytes")]
    pub max_bytes: u64,
    /// Workbooks longer than this are refused. They are held in memory.
    #[serde(default = "fifty_mebibytes")]
    pub max_xlsx_bytes: u64,
}

impl Default for PadFileSettings {
    fn default() -> Self {
        Self { folder: None, mappings: None, max_bytes: two_gibibytes(), max_xlsx_bytes: fifty_mebibytes() }
    }
}

fn two_gibibytes() -> u64 {
    2 << 30
}

fn fifty_mebibytes() -> u64 {
    50 << 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_is_mandatory_and_a_misspelt_one_is_refused() {
        assert_eq!(serde_json::from_str::<PadFileSettings>("{}").unwrap(), PadFileSettings::default());
        assert!(serde_json::from_str::<PadFileSettings>(r#"{"mapping": "a"}"#).is_err());
    }
}
