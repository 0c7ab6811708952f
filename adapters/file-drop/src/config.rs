//! The settings of the adapter, as written in the configuration file.

use std::path::PathBuf;

use serde::Deserialize;

/// The settings. None is mandatory: explicit files can be imported without a folder.
///
/// ```toml
/// folder = "inbox"
/// max_bytes = 2147483648
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The folder in which files are dropped. Names that begin with a dot or end in `.part` or
    /// `.tmp` are files still on their way: write under such a name, then rename.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Files longer than this are refused.
    #[serde(default = "two_gibibytes")]
    pub max_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { folder: None, max_bytes: two_gibibytes() }
    }
}

fn two_gibibytes() -> u64 {
    2 << 30
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_is_mandatory() {
        assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        assert!(serde_json::from_str::<Settings>(r#"{"foldr": "inbox"}"#).is_err());
    }
}
