//! The mapping files that the crate ships, and the examples beside each.

use std::path::{Path, PathBuf};

use file_drop::mapping;

fn mappings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings")
}

#[test]
fn every_shipped_mapping_passes_its_examples() {
    let reports = mapping::test(&mappings()).expect("the mappings are there");
    assert_eq!(reports.len(), 3);
    for report in reports {
        assert_eq!(report.problems, [], "{}", report.file.display());
        assert!(!report.examples.is_empty(), "{} has no example", report.platform);
        for example in &report.examples {
            assert_eq!(example.differences, Vec::<String>::new(), "{}", example.file.display());
        }
        assert!(report.is_passed());
    }
}
