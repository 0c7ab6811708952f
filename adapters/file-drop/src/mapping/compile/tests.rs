//! What the linter says, and that it says all of it.

use super::super::{Mapping, lint};

const GOOD: &str = r#"
platform = "prova"
version = 1
kind = "csv"
separator = ";"
date_format = "dd/mm/yyyy"
number_format = "comma"
key = ["CIG"]

[[record]]
kind = "lotto"
[record.fields]
cig = { column = "CIG" }
importo_netto = { column = "Importo" }
"#;

fn problems(text: &str) -> Vec<String> {
    let mapping = Mapping::parse(text).expect("a mapping file");
    lint(&mapping).iter().map(ToString::to_string).collect()
}

/// One change to a good mapping gives one problem, that says where, what and how to mend it.
#[track_caller]
fn check(from: &str, to: &str, path: &str, words: &str) {
    assert!(GOOD.contains(from));
    let problems = problems(&GOOD.replace(from, to));
    let [problem] = problems.as_slice() else { panic!("one problem was expected: {problems:?}") };
    assert!(problem.starts_with(&format!("{path}: ")), "{problem}");
    assert!(problem.contains(words), "{problem}");
}

#[test]
fn a_good_mapping_has_no_problem() {
    assert_eq!(problems(GOOD), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_the_file_is_told() {
    check("\"prova\"", "\"Prova 1\"", "platform", "lower case");
    check("version = 1", "version = 0", "version", "write 1");
    check("separator = \";\"\n", "", "separator", "not given");
    check("separator = \";\"", "separator = \"x\"", "separator", "not a separator");
    check("kind = \"csv\"", "kind = \"xlsx\"", "separator", "remove it");
    check("key = [\"CIG\"]", "key = [\"CIG\", \"CIG\"]", "key", "named twice");
    check("key = [\"CIG\"]", "key = [\"CIG\"]\noptional_columns = [\"Note\"]", "optional_columns", "nothing takes");
    check("key = [\"CIG\"]", "key = [\"Cig\"]", "columns", "the same column");
}

#[test]
fn what_is_wrong_with_a_field_is_told() {
    let cig = "cig = { column = \"CIG\" }";
    check("\"lotto\"", "\"lotti\"", "record.1.kind", "write one of ente");
    check(cig, "oggetto = { column = \"CIG\" }", "record.1.fields", "no lotto without");
    check(cig, &format!("{cig}\nogetto = {{ column = \"O\" }}"), "record.1.fields.ogetto", "oggetto");
    check(cig, &format!("{cig}\ncup = {{ column = \"O\" }}"), "record.1.fields.cup", "/*");
    check(cig, "cig = { }", "record.1.fields.cig", "is not said");
    check(cig, "cig = { column = \"CIG\", value = \"x\" }", "record.1.fields.cig", "said twice");
    check(cig, "cig = { expression = \"row[\" }", "record.1.fields.cig", "CEL");
    check(cig, "cig = { value = \"x\" }", "record.1.fields.cig", "not a value");
    check(cig, "cig = { column = \"CIG\", foreign = \"X\" }", "record.1.fields.cig", "operator");
    check(cig, "cig = { column = \"CIG\", decimal = true }", "record.1.fields.cig", "texts");
    check(
        cig,
        &format!("{cig}\n\"stato_cig/stato\" = {{ column = \"S\", codes = {{ A = \"boh\" }} }}"),
        "record.1.fields.stato_cig/stato",
        "attivo",
    );
    check("[record.fields]", "when = \"1 +\"\n[record.fields]", "record.1.when", "CEL");
    check(
        "[record.fields]",
        "each_row = true\n[record.fields]\n\"cup/*\" = { column = \"C\" }",
        "record.1.fields.cup/*",
        "each_row",
    );
}

#[test]
fn dates_and_amounts_want_a_format() {
    check("number_format = \"comma\"\n", "", "record.1.fields.importo_netto", "number_format");
    let without = GOOD.replace("date_format = \"dd/mm/yyyy\"\n", "").replace(
        "kind = \"lotto\"\n[record.fields]",
        "kind = \"contratto\"\n[record.fields]\ndata_inizio = { column = \"I\" }",
    );
    let problems = problems(&without.replace("importo_netto", "importo"));
    assert!(problems.len() == 1 && problems[0].contains("date_format"), "{problems:?}");
}

#[test]
fn a_misspelt_word_is_refused_with_its_line() {
    let problem = Mapping::parse(&GOOD.replace("separator", "separatore")).unwrap_err();
    assert!(problem.contains("separatore") && problem.contains("line"), "{problem}");
}
