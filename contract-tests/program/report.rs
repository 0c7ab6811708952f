//! `report`, as a person uses it.

use std::os::unix::fs::PermissionsExt;

use super::{code, json, raccordo};

#[test]
fn a_report_is_written_once_for_its_owner_alone_and_never_over_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("raccordo.toml"), "[systems.file-drop]\n").expect("written");
    for form in ["html", "csv", "json", "xlsx"] {
        let path = folder.join(format!("rapporto.{form}"));
        let name = path.to_str().expect("a path");
        let output = raccordo(folder, &["report", "--output", name, "--json"]);
        assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(json(&output)["discrepancies"], 0);
        let mode = path.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{form}");
        let again = raccordo(folder, &["report", "--output", name]);
        assert_eq!(code(&again), 1);
        assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));
        assert_eq!(code(&raccordo(folder, &["report", "--output", name, "--force"])), 0);
    }
    assert_eq!(code(&raccordo(folder, &["report", "--output", folder.join("r.doc").to_str().expect("a path")])), 2);
    assert!(!folder.join("r.doc").exists(), "no page under the name of something else");
    let left = std::fs::read_dir(folder).expect("a folder").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(!left.iter().any(|name| name.starts_with(".raccordo-report")), "{left:?}");
}

#[test]
fn without_a_file_the_report_goes_to_standard_output_in_the_language_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("raccordo.toml"), "[systems.file-drop]\n").expect("written");
    let output = raccordo(folder, &["report", "--format", "csv", "--no-bom", "--lang", "en"]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("No.;Comparison;Unit;"));
    let page = raccordo(folder, &["report"]);
    assert!(String::from_utf8_lossy(&page.stdout).contains("<html lang=\"it\">"));
    assert_eq!(code(&raccordo(folder, &["report", "--format", "xlsx"])), 2, "a spreadsheet is no text");
    assert_eq!(code(&raccordo(folder, &["report", "--filter", "regola=R02"])), 2);
    assert_eq!(code(&raccordo(folder, &["report", "12"])), 1, "there is no such comparison");
    assert_eq!(code(&raccordo(folder, &["report", "12", "--filter", "rule=R02"])), 2);
}

#[test]
fn a_period_is_signed_off_with_a_name_and_stands_in_every_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("raccordo.toml"), "[systems.file-drop]\n").expect("written");
    let signed =
        raccordo(folder, &["report", "sign-off", "2026-11", "--by", "Anna Neri", "--reason", "verificato", "--json"]);
    assert_eq!(code(&signed), 0, "{}", String::from_utf8_lossy(&signed.stderr));
    assert_eq!((&json(&signed)["period"], &json(&signed)["open"]), (&"2026-11".into(), &0.into()));
    let report = json(&raccordo(folder, &["report", "--format", "json"]));
    let text = report.to_string();
    assert!(text.contains("Anna Neri") && text.contains("2026-11") && text.contains("verificato"), "{text}");
    assert!(String::from_utf8_lossy(&raccordo(folder, &["report"]).stdout).contains("Anna Neri"));
    assert_eq!(code(&raccordo(folder, &["audit", "verify"])), 0);
    assert_eq!(code(&raccordo(folder, &["report", "sign-off", "2026-13", "--reason", "x"])), 2, "no such month");
    assert_eq!(code(&raccordo(folder, &["report", "sign-off", "2026-11"])), 2, "nothing is signed without words");
    assert_ne!(code(&raccordo(folder, &["report", "sign-off", "2026-11", "--reason", " "])), 0);
}
