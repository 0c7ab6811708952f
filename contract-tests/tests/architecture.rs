//! The architecture, as promises: who may know whom, and what is absent on purpose.
//!
//! Every check is a function from the files of the repository to a list of violations, each of
//! which says what to do. The first half of this file runs the checks on the repository; the
//! second half plants a violation before each of them, because a check that cannot fail is
//! worthless.

#[path = "architecture/house.rs"]
mod house;

use std::collections::BTreeSet;

use rstest::rstest;

use house::{House, code, dependencies, known_modules, lines_naming_crate, names, names_module, stands_in};

/// Files longer than [`LINES`], each with the reason why its ideas belong together.
const LONG_FILES: &[(&str, &str)] = &[];
const LINES: usize = 500;

/// What may stand at the door of the house.
const FOLDERS: &[&str] =
    &["adapters", "benches", "contract-tests", "docs", "packaging", "schemas", "src", "target", "xtask"];
const FILES: &[&str] = &[
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "publiccode.yml",
];

/// A crate of ours, and those of ours that it may know.
const KNOWLEDGE: &[(&str, &[&str])] =
    &[("schemas", &[]), ("adapters/contract", &["canonical"]), ("adapters/kit", &["canonical", "contract"])];
const ADAPTER_KNOWLEDGE: &[&str] = &["canonical", "contract", "kit"];

/// A library, and the only places of the daemon that may name it.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("apalis", &["src/jobs/apalis.rs"]),
    ("apalis_core", &["src/jobs/apalis.rs"]),
    ("askama", &["src/http"]),
    ("axum", &["src/http"]),
    ("clap", &["src/cli", "src/main.rs"]),
    ("hyper", &["src/http"]),
    ("hyper_util", &["src/http"]),
    ("comfy_table", &["src/cli"]),
    ("governor", &["src/jobs/gate.rs"]),
    ("indicatif", &["src/cli"]),
    ("reqwest", &[]),
    ("rustix", &["src/pressure.rs"]),
    ("sqlx", &["src/storage/sql", "src/storage/sqlite", "src/storage/postgres", "src/storage/migrations.rs"]),
    ("tower_http", &["src/http"]),
];

/// A part of the daemon, and the parts that it must not know.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("src/clock.rs", &["config", "storage", "flow", "jobs", "http", "cli", "registry"]),
    ("src/delivery.rs", &["config", "storage", "flow", "jobs", "http", "cli", "registry"]),
    ("src/storage", &["config", "flow", "jobs", "http", "cli", "registry"]),
    ("src/pressure.rs", &["config", "flow", "jobs", "http", "cli", "registry"]),
    ("src/flow", &["jobs", "http", "cli", "registry"]),
    ("src/jobs", &["http", "cli", "registry"]),
    ("src/http", &["cli"]),
    ("src/registry.rs", &["http", "cli", "jobs"]),
];

/// The only places of the daemon that name a concrete adapter or a concrete database.
const COMPOSITION: &[&str] = &["src/registry.rs", "src/main.rs"];

/// What adapters leave to the daemon, and where it is done instead.
const NOT_IN_ADAPTERS: &[(&str, &str)] = &[
    ("SystemTime::now", "the time is given: use the instant of the request"),
    ("Instant::now", "deadlines belong to `kit::http`"),
    ("std::env", "settings are given by `src/config`"),
    ("thread::sleep", "retry and waiting live in `src/jobs`"),
    ("time::sleep", "retry and waiting live in `src/jobs`"),
    ("sqlx", "adapters do not touch the database"),
    ("apalis", "work is given by `src/jobs`"),
    ("clap", "commands live in `src/cli`"),
];

/// What the canonical model leaves to everybody else.
const NOT_IN_CANONICAL: &[&str] = &[
    "async fn",
    "async_trait",
    "tokio",
    "reqwest",
    "sqlx",
    "axum",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "now_utc",
];

/// The four lines with which a station opens, in this order.
const STATION: &[&str] = &["Comes from:", "Goes to:", "Safe to repeat because:", "When it fails:"];

#[test]
fn a_crate_knows_only_the_crates_that_stand_before_it() {
    expect_none(&crates_that_know_too_much(&House::standing()));
}

#[test]
fn the_canonical_model_has_no_io_no_async_and_no_clock() {
    expect_none(&canonical_that_does_something(&House::standing()));
}

#[test]
fn a_library_is_named_only_where_it_belongs() {
    expect_none(&libraries_out_of_place(&House::standing()));
}

#[test]
fn only_registry_and_main_name_an_adapter_or_a_database() {
    expect_none(&concrete_names_out_of_place(&House::standing()));
}

#[test]
fn no_part_of_the_daemon_knows_what_stands_after_it() {
    expect_none(&backward_knowledge(&House::standing()));
}

#[test]
fn adapters_do_not_touch_clock_environment_database_or_retry() {
    expect_none(&adapters_that_do_too_much(&House::standing()));
}

#[test]
fn an_adapter_serves_http_only_in_its_simulator() {
    expect_none(&servers_outside_simulators(&House::standing()));
}

#[test]
fn every_station_opens_with_its_four_lines() {
    expect_none(&stations_that_do_not_introduce_themselves(&House::standing()));
}

#[test]
fn a_long_file_has_a_reason() {
    expect_none(&long_files_without_reason(&House::standing()));
}

#[test]
fn the_door_shows_only_the_house() {
    expect_none(&strangers_at_the_door(&House::standing()));
}

#[test]
fn nothing_is_left_for_later_in_silence() {
    expect_none(&unfinished_work(&House::standing()));
}

fn expect_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n- {}\n", violations.join("\n- "));
}

fn crates_that_know_too_much(house: &House) -> Vec<String> {
    let adapters = house.adapters();
    let ours: BTreeSet<&str> = adapters
        .iter()
        .copied()
        .chain(["canonical", "contract", "kit", "raccordo", "contract-tests", "xtask"])
        .collect();
    let mut rules: Vec<(String, &[&str])> =
        KNOWLEDGE.iter().map(|(folder, may)| ((*folder).to_owned(), *may)).collect();
    rules.extend(adapters.iter().map(|adapter| (format!("adapters/{adapter}"), ADAPTER_KNOWLEDGE)));
    let mut violations = Vec::new();
    for (folder, may) in rules {
        for known in dependencies(house.manifest(&folder).unwrap_or_default()) {
            if ours.contains(known) && !may.contains(&known) {
                violations.push(format!(
                    "{folder}/Cargo.toml depends on `{known}`: it may know only {may:?}. What two adapters need goes to \
                     `kit`, what the flow needs to `contract`"
                ));
            }
        }
    }
    violations
}

fn canonical_that_does_something(house: &House) -> Vec<String> {
    let mut violations = Vec::new();
    for dependency in dependencies(house.manifest("schemas").unwrap_or_default()) {
        if NOT_IN_CANONICAL.contains(&dependency.replace('-', "_").as_str()) {
            violations
                .push(format!("schemas/Cargo.toml depends on `{dependency}`: the model is a function of its input"));
        }
    }
    for (file, text) in house.under("schemas/src") {
        for (number, line) in code(text, true) {
            for word in NOT_IN_CANONICAL.iter().filter(|word| names(line, word)) {
                violations.push(format!(
                    "{file}:{number} says `{word}`: move it to the caller, who gives bytes and instants"
                ));
            }
        }
    }
    violations
}

fn libraries_out_of_place(house: &House) -> Vec<String> {
    let mut violations = Vec::new();
    for (file, text) in house.under("src") {
        for (library, places) in LIBRARIES {
            if places.iter().any(|place| stands_in(file, place)) {
                continue;
            }
            for number in lines_naming_crate(text, true, library) {
                violations.push(format!("{file}:{number} names `{library}`: it belongs only in {places:?}"));
            }
        }
    }
    violations
}

fn concrete_names_out_of_place(house: &House) -> Vec<String> {
    let adapters: Vec<String> = house.adapters().iter().map(|folder| folder.replace('-', "_")).collect();
    let mut violations = Vec::new();
    for (file, text) in house.under("src") {
        if COMPOSITION.contains(&file) {
            continue;
        }
        for adapter in &adapters {
            for number in lines_naming_crate(text, true, adapter) {
                violations.push(format!("{file}:{number} names the adapter `{adapter}`: ask `src/registry.rs` for it"));
            }
        }
        for (number, line) in code(text, true) {
            for database in ["sqlite", "postgres"] {
                if names_module(line, "storage", database) && !stands_in(file, "src/storage") {
                    violations.push(format!(
                        "{file}:{number} names the database `{database}`: take a `Store`, which `src/registry.rs` opens"
                    ));
                }
            }
        }
    }
    violations
}

fn backward_knowledge(house: &House) -> Vec<String> {
    let mut violations = Vec::new();
    for (place, forbidden) in DIRECTIONS {
        for (file, text) in house.under(place) {
            for (number, module) in known_modules(text) {
                if forbidden.contains(&module.as_str()) {
                    violations.push(format!(
                        "{file}:{number} knows `crate::{module}`, which stands after it: let `{module}` call, and take what \
                         is needed as a parameter"
                    ));
                }
            }
        }
    }
    violations
}

/// Rust files of the concrete adapters that are neither simulator nor test.
fn adapter_files(house: &House) -> impl Iterator<Item = (&str, &str)> {
    house.under("adapters").filter(|(file, _)| {
        let Some((folder, path)) = file.split_once("/src/") else { return false };
        let is_set_apart = |part| matches!(part, "simulator" | "simulator.rs" | "tests" | "tests.rs");
        !matches!(folder, "adapters/contract" | "adapters/kit") && !path.split('/').any(is_set_apart)
    })
}

fn adapters_that_do_too_much(house: &House) -> Vec<String> {
    let mut violations = Vec::new();
    for (file, text) in adapter_files(house) {
        for (number, line) in code(text, false) {
            for (word, instead) in NOT_IN_ADAPTERS.iter().filter(|(word, _)| names(line, word)) {
                violations.push(format!("{file}:{number} says `{word}`: {instead}"));
            }
        }
    }
    violations
}

fn servers_outside_simulators(house: &House) -> Vec<String> {
    let named = adapter_files(house)
        .flat_map(|(file, text)| lines_naming_crate(text, false, "axum").map(move |number| (file, number)));
    named
        .map(|(file, number)| format!("{file}:{number} names `axum`: an adapter serves nothing but its simulator"))
        .collect()
}

fn stations_that_do_not_introduce_themselves(house: &House) -> Vec<String> {
    let mut violations = Vec::new();
    for (file, text) in
        house.under("src/flow").filter(|file| file.0 != "src/flow/mod.rs" && file.0.matches('/').count() == 2)
    {
        let head: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
        let said: Vec<_> = STATION.iter().map(|words| head.iter().position(|line| line.starts_with(words))).collect();
        if said.contains(&None) || !said.is_sorted() {
            violations.push(format!(
                "{file} must open with four lines, `//! Comes from: …` and so on, in order: {STATION:?}"
            ));
        }
    }
    violations
}

fn long_files_without_reason(house: &House) -> Vec<String> {
    long_files(house, LONG_FILES)
}

fn long_files(house: &House, listed: &[(&str, &str)]) -> Vec<String> {
    let is_long = |text: &str| text.lines().count() > LINES;
    let is_listed = |file: &str| listed.iter().any(|row| row.0 == file);
    let mut violations: Vec<String> = house
        .rust()
        .filter(|(file, text)| is_long(text) && !is_listed(file))
        .map(|(file, text)| {
            let lines = text.lines().count();
            format!("{file} has {lines} lines: which two ideas share it? Split them, or add its reason to LONG_FILES")
        })
        .collect();
    for (file, _) in listed {
        if !house.rust().any(|(name, text)| name == *file && is_long(text)) {
            violations.push(format!("{file} is no longer long: take it out of LONG_FILES"));
        }
    }
    violations
}

fn strangers_at_the_door(house: &House) -> Vec<String> {
    let is_known = |name: &str| match name.strip_suffix('/') {
        Some(folder) => FOLDERS.contains(&folder),
        None => FILES.contains(&name),
    };
    let strangers = house.door.iter().filter(|name| !name.starts_with('.') && !is_known(name));
    strangers
        .map(|name| format!("{name} stands at the door: tool settings are dotfiles, the rest has its folder"))
        .collect()
}

fn unfinished_work(house: &House) -> Vec<String> {
    // In pieces, so that this file does not accuse itself.
    let marks = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "ignore")];
    let mut violations = Vec::new();
    for (file, text) in house.rust() {
        for (number, line) in (1..).zip(text.lines()) {
            for mark in marks.iter().filter(|mark| line.contains(**mark)) {
                violations.push(format!(
                    "{file}:{number} has `{mark}`: finish it, or return an error that says what is missing"
                ));
            }
        }
    }
    violations
}

type Check = fn(&House) -> Vec<String>;

/// The violations of a check in a house of one planted file beside what every house has.
fn planted(check: Check, file: &str, text: &str) -> Vec<String> {
    let reserved = |name: &str| (name.to_owned(), "//\n".repeat(LINES + 1));
    let mut files: Vec<_> = LONG_FILES.iter().map(|row| reserved(row.0)).collect();
    files.extend(
        ["adapters/pico/Cargo.toml", "adapters/scp-esecuzione/Cargo.toml"].map(|name| (name.to_owned(), String::new())),
    );
    files.retain(|kept| kept.0 != file);
    files.push((file.to_owned(), text.to_owned()));
    check(&House { files, door: vec![file.to_owned()] })
}

#[rstest]
#[case::adapter_knows_adapter(
    crates_that_know_too_much,
    "adapters/pico/Cargo.toml",
    "[dependencies]\nscp-esecuzione.workspace = true\n"
)]
#[case::canonical_knows_contract(
    crates_that_know_too_much,
    "schemas/Cargo.toml",
    "[dev-dependencies]\ncontract = { path = \"x\" }\n"
)]
#[case::async_dependency(
    canonical_that_does_something,
    "schemas/Cargo.toml",
    "[dependencies]\nasync-trait.workspace = true\n"
)]
#[case::file_access(canonical_that_does_something, "schemas/src/record.rs", "let text = std::fs::read(path)?;\n")]
#[case::sql_in_the_flow(libraries_out_of_place, "src/flow/intake.rs", "use sqlx::Row;\n")]
#[case::sql_beside_its_folder(libraries_out_of_place, "src/storage/sqlite_extra.rs", "sqlx::query(\"\")\n")]
#[case::http_client(libraries_out_of_place, "src/http/mod.rs", "use reqwest;\n")]
#[case::absolute_path(libraries_out_of_place, "src/jobs/mod.rs", "mod apalis;\n::apalis::run();\n")]
#[case::adapter_in_a_command(concrete_names_out_of_place, "src/cli/sync.rs", "let adapter = scp_esecuzione::new();\n")]
#[case::database_in_a_command(concrete_names_out_of_place, "src/cli/sync.rs", "crate::storage::sqlite::open()\n")]
#[case::flow_knows_http(backward_knowledge, "src/flow/report.rs", "use crate::http::Page;\n")]
#[case::flow_knows_http_in_a_group(
    backward_knowledge,
    "src/flow/report.rs",
    "use crate::{\n    clock::{self, Clock},\n    http,\n};\n"
)]
#[case::storage_knows_flow(backward_knowledge, "src/storage/mod.rs", "fn f(x: &crate::flow::Flow) {}\n")]
#[case::adapter_sleeps(adapters_that_do_too_much, "adapters/pico/src/client.rs", "tokio::time::sleep(wait).await;\n")]
#[case::adapter_reads_the_clock(
    adapters_that_do_too_much,
    "adapters/pico/src/read/mod.rs",
    "let now = Instant::now();\n"
)]
#[case::adapter_sleeps_after_a_test_import(
    adapters_that_do_too_much,
    "adapters/pico/src/client.rs",
    "#[cfg(test)]\nuse a::b;\nthread::sleep(wait);\n"
)]
#[case::adapter_serves(servers_outside_simulators, "adapters/pico/src/client.rs", "use axum::Router;\n")]
#[case::station_without_head(
    stations_that_do_not_introduce_themselves,
    "src/flow/route.rs",
    "//! Comes from: x\n//! Goes to: y\n"
)]
#[case::station_in_disorder(
    stations_that_do_not_introduce_themselves,
    "src/flow/route.rs",
    "//! Goes to: y\n//! Comes from: x\n//! Safe to repeat because: z\n//! When it fails: w\n"
)]
#[case::long_file(long_files_without_reason, "src/config/mod.rs", &"//\n".repeat(LINES + 1))]
#[case::settings_at_the_door(strangers_at_the_door, "deny.toml", "")]
#[case::folder_at_the_door(strangers_at_the_door, "utils/", "")]
#[case::left_for_later(unfinished_work, "src/main.rs", concat!("todo", "!()\n"))]
#[case::test_set_aside(unfinished_work, "contract-tests/tests/x.rs", concat!("#[", "ignore]\n"))]
fn a_planted_violation_is_found(#[case] check: Check, #[case] file: &str, #[case] text: &str) {
    assert_eq!(planted(check, file, text).len(), 1);
}

#[test]
fn a_reason_for_a_file_that_is_short_is_found() {
    let house = House { files: vec![("src/main.rs".to_owned(), "//\n".to_owned())], door: Vec::new() };
    assert_eq!(long_files(&house, &[("src/main.rs", "it was long once")]).len(), 1);
    assert_eq!(long_files(&house, &[]).len(), 0);
}

#[rstest]
#[case::comment(libraries_out_of_place, "src/flow/intake.rs", "// sqlx::query is for the storage\n")]
#[case::longer_name(libraries_out_of_place, "src/flow/intake.rs", "my_sqlx::query(); a::sqlx::b();\n")]
#[case::module_of_the_same_name(libraries_out_of_place, "src/jobs/mod.rs", "pub(crate) mod apalis;\napalis::run();\n")]
#[case::own_place(libraries_out_of_place, "src/storage/sqlite/mod.rs", "use sqlx::Row;\n")]
#[case::registry(concrete_names_out_of_place, "src/registry.rs", "pico::factory(); crate::storage::sqlite::open()\n")]
#[case::simulator(adapters_that_do_too_much, "adapters/pico/src/simulator.rs", "tokio::time::sleep(wait).await;\n")]
#[case::tests_of_an_adapter(
    adapters_that_do_too_much,
    "adapters/pico/src/read.rs",
    "fn f() {}\n#[cfg(test)]\nmod tests {\n    std::env\n}\n"
)]
#[case::deeper_module(backward_knowledge, "src/flow/report.rs", "use crate::{clock::http, delivery::{jobs, cli}};\n")]
#[case::hidden_file(strangers_at_the_door, ".deny.toml", "")]
fn what_is_allowed_is_not_accused(#[case] check: Check, #[case] file: &str, #[case] text: &str) {
    assert_eq!(planted(check, file, text), [""; 0]);
}
