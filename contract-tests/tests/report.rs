//! The report of discrepancies in its four forms: the same facts in each, opened by programs that are
//! not ours, in little memory whatever their number.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test, in its helpers too")]

#[path = "report/office.rs"]
mod office;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use calamine::{Data, DataType, Reader, Xlsx, open_workbook};
use contract_tests::discrepancies::{NOW, Standing, at};
use raccordo::clock::italian_day;
use raccordo::discrepancy::{Cause, Shape, WorkItem};
use raccordo::flow::report::columns::{COUNT, columns};
use raccordo::flow::report::file::private_folder;
use raccordo::flow::report::gather;
use raccordo::flow::report::model::Totals;
use raccordo::flow::report::print::Report;
use raccordo::flow::report::words::{Language, headings};
use raccordo::flow::report::xlsx;
use raccordo::http::{Format, report_form};
use raccordo::storage::ItemFilter;
use serde_json::Value;

const ITEMS: i64 = 330;
/// Of the resident memory of a process that writes a hundred thousand discrepancies.
const KIBIBYTES: u64 = 50 * 1024;

/// Writes a report of synthetic discrepancies, page by page.
fn write(path: &Path, format: Format, items: i64, language: Language) -> Totals {
    let standing = Standing::of(items);
    let mut about = standing.about(language);
    about.sign_offs = vec![signed()];
    let folder = private_folder(path.parent()).unwrap();
    let form = report_form(format, File::create(path).unwrap(), &about, folder).unwrap();
    let mut report = Report::begin(about, form);
    let mut page: Vec<WorkItem> = Vec::new();
    for item in standing.all() {
        page.push(item);
        if page.len() == gather::PAGE as usize {
            report.add(&page).unwrap();
            page.clear();
        }
    }
    report.add(&page).unwrap();
    report.finish().unwrap()
}

fn signed() -> raccordo::flow::report::model::SignOffFacts {
    raccordo::flow::report::model::SignOffFacts {
        period: "2026-10".into(),
        who: "Maria Rossi".into(),
        note: "con riserva".into(),
        at: at("2026-11-05T08:00:00Z"),
        open: 212,
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_table_of_text_is_read_back_and_holds_no_formula() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rapporto.csv");
    write(&path, Format::Csv { with_mark: true }, ITEMS, Language::Italian);
    let text = read(&path);
    let text = text.strip_prefix('\u{feff}').expect("the mark of UTF-8");
    assert!(text.lines().next().unwrap().starts_with("N.;Confronto;Unità;"));
    let rows: Vec<csv::StringRecord> = csv::ReaderBuilder::new()
        .delimiter(b';')
        .from_reader(text.as_bytes())
        .records()
        .map(|row| row.expect("every row has as many fields as the headings"))
        .collect();
    assert_eq!(rows.len(), 330);
    for row in &rows {
        assert_eq!(row.len(), COUNT + 2);
        for cell in row {
            assert!(!cell.starts_with(['=', '+', '-', '@', '|', '\t', '\r', '\n']), "{cell:?}");
        }
        assert!(row[COUNT].contains("hub 121"), "the runs stand in every row");
        assert!(row[COUNT + 1].starts_with("4711:"), "the head of the chain too");
    }
    let amount = rows.iter().find(|row| &row[0] == "6").expect("number 6");
    assert_eq!(&amount[9], "1002,22", "an amount has a comma and no separator of thousands");
    assert!(rows.iter().any(|row| row[9].starts_with("'=CMD")), "a formula has its apostrophe");
    assert!(text.ends_with("\r\n"), "RFC 4180");
}

#[test]
fn the_report_for_programs_is_what_its_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rapporto.json");
    let totals = write(&path, Format::Json, ITEMS, Language::Italian);
    let report: Value = serde_json::from_str(&read(&path)).unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/json/v1/report.schema.json");
    let schema: Value = serde_json::from_str(&read(&schema)).unwrap();
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    let validator = options.build(&schema).unwrap();
    let problems: Vec<_> = validator.iter_errors(&report).map(|error| error.to_string()).take(3).collect();
    assert!(problems.is_empty(), "{problems:?}");
    let mut other = report.clone();
    other["items"][0]["shape"] = "round".into();
    assert!(!validator.is_valid(&other), "the schema says which shapes there are");
    assert_eq!(report["items"].as_array().unwrap().len(), 330);
    assert_eq!(report["totals"]["all"]["count"], totals.all.count);
    let again: canonical::report::Report = serde_json::from_value(report).unwrap();
    assert!(!again.about.complete, "the sources were not read completely");
}

#[test]
fn the_codes_of_the_schema_are_those_of_the_program() {
    let schema: Value = serde_json::from_str(&read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/json/v1/report.schema.json"),
    ))
    .unwrap();
    let shapes = &schema["$defs"]["ReportItem"]["properties"]["shape"]["enum"];
    let known = [Shape::MissingThere, Shape::MissingHere, Shape::Differs, Shape::Breaks].map(Shape::name);
    assert_eq!(shapes, &serde_json::json!(known));
}

#[test]
fn the_page_is_self_contained_and_shows_hostile_text_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rapporto.html");
    write(&path, Format::Html, ITEMS, Language::Italian);
    let page = read(&path);
    assert!(page.ends_with("</html>\n") || page.ends_with("</html>"));
    assert!(!page.contains("<script>alert"), "received text is no element");
    assert!(page.contains("⟨U+202E⟩"), "what turns the writing is seen");
    for reference in ["src=", "http://", "https://", "url(", "@import", "<link", "onclick"] {
        let own = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!own.contains(reference), "{reference}: nothing is fetched, nothing is run");
    }
    assert!(page.contains("<desc id=\"grafico-testo\">il 09/11/2026 "), "the chart says in words what it shows");
    for fact in ["Maria Rossi", "05/11/2026 09:00", "Nome, data e firma", "la pagina 7 di 12", "4711:"] {
        assert!(page.contains(fact), "{fact}");
    }
    let (first, second) = (page.find("id=\"completezza\"").unwrap(), page.find("id=\"numeri\"").unwrap());
    assert!(first < second, "completeness stands first");
}

/// Rows of a sheet without its headings.
fn rows(workbook: &mut Xlsx<std::io::BufReader<File>>, sheet: &str) -> Vec<Vec<Data>> {
    let range = workbook.worksheet_range(sheet).unwrap();
    range.rows().skip(1).map(<[Data]>::to_vec).collect()
}

/// The day of a cell that is a date; a text that looks like one is none.
fn day(cell: &Data) -> String {
    let Data::DateTime(date) = cell else { panic!("{cell:?} is no date") };
    let (year, month, day, ..) = date.to_ymd_hms_milli();
    format!("{year:04}-{month:02}-{day:02}")
}

/// The number of every discrepancy, and what is said of it, must come back from the sheets.
fn assert_sheets(path: &Path) {
    let mut workbook: Xlsx<_> = open_workbook(path).unwrap();
    let names = workbook.sheet_names();
    assert_eq!(names[..2], ["Riepilogo", "Andamento"]);
    assert!(names.contains(&"hub R02 IVA al 22 %".to_owned()), "{names:?}");
    let mut numbers = BTreeSet::new();
    for name in &names[2..] {
        for row in rows(&mut workbook, name) {
            let number = row[0].as_i64().expect("the number is a number");
            assert!(numbers.insert(number), "{number} stands twice");
            let expected = contract_tests::discrepancies::item(number);
            let found = &expected.discrepancy;
            assert_eq!(row[3].to_string(), found.row);
            let values = [(9, &found.sides[0].value), (11, &found.sides[1].value)];
            for (column, value) in values {
                match (found.rule.code(), value, &row[column]) {
                    (_, None, cell) => assert_eq!(cell, &Data::Empty),
                    ("R02" | "R17", Some(value), cell) => {
                        assert_eq!(format!("{:.2}", cell.as_f64().expect("an amount is a number")), *value);
                    }
                    ("R03", Some(value), cell) => {
                        assert_eq!(day(cell), *value);
                    }
                    (_, Some(value), cell) => {
                        assert!(cell.is_string(), "{cell:?} of {number} is no text");
                        let seen = value.replace('\u{202e}', "⟨U+202E⟩");
                        assert_eq!(cell.to_string(), seen);
                    }
                }
            }
            assert_eq!(day(&row[24]), italian_day(expected.first_seen).to_string());
        }
    }
    assert_eq!(numbers, (1..=ITEMS).collect());
    let summary: Vec<String> = workbook
        .worksheet_range("Riepilogo")
        .unwrap()
        .rows()
        .map(|row| row.iter().map(ToString::to_string).collect::<Vec<_>>().join("|"))
        .collect();
    for fact in
        ["Testa della catena di controllo|4711:", "IVA al 22 %|R02 importo diverso|hub|", "Maria Rossi", "Totale|"]
    {
        assert!(summary.iter().any(|row| row.contains(fact)), "{fact} is missing in {summary:#?}");
    }
}

#[test]
fn the_spreadsheet_has_real_numbers_and_dates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rapporto.xlsx");
    write(&path, Format::Xlsx, ITEMS, Language::Italian);
    assert_sheets(&path);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files are gone");
}

#[test]
fn another_spreadsheet_program_reads_and_writes_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rapporto.xlsx");
    write(&path, Format::Xlsx, ITEMS, Language::Italian);
    let theirs = folder.path().join("loro");
    let converted = office::converted(&path, "xlsx", &theirs);
    assert_sheets(&converted);
    assert_chart(&path);
    assert_chart(&converted);
}

/// What a chart draws: for each series the cells of the days, those of the counts, and the counts.
fn series(file: &Path) -> Vec<(String, String, Vec<String>)> {
    let parts = office::parts(file);
    let charts: Vec<_> = parts.iter().filter(|part| part.starts_with("xl/charts/chart")).collect();
    let [chart] = charts[..] else { panic!("one chart: {parts:?}") };
    let text = office::part(file, chart);
    let within = |text: &str, name: &str| -> Option<String> {
        let from = text.find(&format!("<c:{name}>"))? + name.len() + 4;
        Some(text[from..].split(&format!("</c:{name}>")).next()?.to_owned())
    };
    let all = text.split("<c:ser>").skip(1).map(|series| {
        let (days, counts) = (within(series, "cat").expect("days"), within(series, "val").expect("counts"));
        let cells = |text: &str| within(text, "f").expect("cells").replace(['$', '\''], "");
        let drawn = counts.split("<c:v>").skip(1).filter_map(|rest| Some(rest.split('<').next()?.to_owned()));
        (cells(&days), cells(&counts), drawn.collect())
    });
    all.collect()
}

/// The chart draws the counts of each day as they stand in the sheet.
fn assert_chart(file: &Path) {
    let trend = Standing::of(ITEMS).about(Language::Italian).trend();
    let last = trend.len() + 1;
    let all = series(file);
    assert_eq!(all.len(), 3, "{all:?}");
    let mut workbook: Xlsx<_> = open_workbook(file).unwrap();
    let rows = rows(&mut workbook, "Andamento");
    for ((days, counts, drawn), (column, letter)) in all.iter().zip([(1, 'B'), (2, 'C'), (3, 'D')]) {
        assert_eq!(*days, format!("Andamento!A2:A{last}"));
        assert_eq!(*counts, format!("Andamento!{letter}2:{letter}{last}"));
        let stands: Vec<_> = rows.iter().take(trend.len()).map(|row| row[column].to_string()).collect();
        assert!(drawn.is_empty() || *drawn == stands, "{drawn:?} is drawn, {stands:?} stands there");
    }
    for (row, point) in rows.iter().zip(&trend) {
        assert_eq!(day(&row[0]), point.day.to_string());
        assert_eq!(row[1].as_i64(), i64::try_from(point.open).ok());
    }
}

#[test]
fn a_day_that_became_a_text_is_found() {
    let texts = [Data::String("2026-11-20".into()), Data::DateTimeIso("2026-11-20".into()), Data::Float(46_346.0)];
    for text in texts {
        assert!(std::panic::catch_unwind(|| day(&text)).is_err(), "{text:?} is no day");
    }
}

#[test]
fn no_personal_code_stands_in_any_form() {
    const CODE: &str = "RSSMRA85T10A562S";
    let folder = tempfile::tempdir().unwrap();
    let standing = Standing::of(2);
    let mut items: Vec<WorkItem> = standing.all().collect();
    items[0].discrepancy.unit = format!("operatore/{CODE}");
    CODE.clone_into(&mut items[0].discrepancy.row);
    items[1].discrepancy.sides[1].value = Some(format!("di {CODE}"));
    for format in [Format::Html, Format::Xlsx, Format::Csv { with_mark: false }, Format::Json] {
        let path = folder.path().join("rapporto.xlsx");
        let about = standing.about(Language::Italian);
        let private = private_folder(Some(folder.path())).unwrap();
        let form = report_form(format, File::create(&path).unwrap(), &about, private).unwrap();
        let mut report = Report::begin(about, form);
        report.add(&items).unwrap();
        report.finish().unwrap();
        let text = match format {
            Format::Xlsx => {
                let parts = office::parts(&path).into_iter().filter(|part| part.contains(".xml"));
                parts.map(|part| office::part(&path, &part)).collect::<String>()
            }
            _ => read(&path),
        };
        assert!(text.contains("[omesso]") && !text.contains(CODE), "{format:?}");
    }
}

#[test]
fn a_full_sheet_goes_on_in_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rapporto.xlsx");
    let standing = Standing::of(100);
    let about = standing.about(Language::English);
    let private = private_folder(Some(folder.path())).unwrap();
    let form = xlsx::Xlsx::with_rows(File::create(&path).unwrap(), &about, private, 4).unwrap();
    let mut report = Report::begin(about, Box::new(form));
    report.add(&standing.all().collect::<Vec<_>>()).unwrap();
    report.finish().unwrap();
    let mut workbook: Xlsx<_> = open_workbook(&path).unwrap();
    let names = workbook.sheet_names();
    assert!(names.contains(&"hub R02 VAT at 22 % 2".to_owned()), "{names:?}");
    let sizes: Vec<usize> = names[2..].iter().map(|name| rows(&mut workbook, name).len()).collect();
    assert!(sizes.iter().all(|size| *size <= 4) && sizes.iter().sum::<usize>() == 100, "{sizes:?}");
}

#[test]
fn every_form_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let all = [Format::Html, Format::Xlsx, Format::Csv { with_mark: false }, Format::Json];
    let totals = all.map(|format| write(&folder.path().join("rapporto"), format, 60, Language::English));
    for other in &totals[1..] {
        assert_eq!(other.all, totals[0].all);
        assert_eq!(other.groups(), totals[0].groups());
    }
    assert_eq!(columns(Language::English).map(|column| column.heading)[0], headings(Language::English).number);
    let vat = totals[0].groups().into_iter().find(|group| group.cause == Some(Cause::Vat22)).unwrap().clone();
    assert_eq!((vat.count, vat.at_stake.to_string().as_str()), (10, "2226.81"));
}

#[tokio::test]
async fn a_report_tells_the_last_run_of_each_comparison_and_only_what_the_filter_admits() {
    let standing = Standing::of(200);
    let filter = ItemFilter::from_query("rule=R02&cause=unexplained", &[]).unwrap();
    let about = gather::about((&standing, &standing), &filter, None, Language::Italian, at(NOW)).await.unwrap();
    assert_eq!(about.runs.iter().map(|run| run.id).collect::<Vec<_>>(), [123, 121, 122], "fonti, hub, pico");
    assert_eq!(about.filter, "rule=R02&cause=unexplained");
    assert_eq!(about.trend().len(), 12);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rapporto.json");
    let private = private_folder(Some(folder.path())).unwrap();
    let form = report_form(Format::Json, File::create(&path).unwrap(), &about, private).unwrap();
    let mut report = Report::begin(about, form);
    gather::feed(&mut report, &standing, &filter, None).await.unwrap();
    assert_eq!(report.finish().unwrap().all.count, 33);
    let report: Value = serde_json::from_str(&read(&path)).unwrap();
    assert!(report["items"].as_array().unwrap().iter().all(|item| item["rule"] == "R02" && item["cause"].is_null()));
}

/// Says to the test in a process of its own that it is there.
const ALONE: &str = "REPORT_IN_A_PROCESS_OF_ITS_OWN";

#[test]
fn a_hundred_thousand_discrepancies_need_little_memory_in_every_form() {
    if let Some(form) = std::env::var_os(ALONE) {
        return println!("peak {} kB", peak_of_a_hundred_thousand(form.to_str().unwrap()));
    }
    for form in ["xlsx", "csv", "json", "html"] {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_hundred_thousand_discrepancies_need_little_memory_in_every_form"])
            .args(["--nocapture", "--test-threads=1"])
            .env(ALONE, form)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{said}\n{}", String::from_utf8_lossy(&child.stderr));
        let peak = said.lines().find_map(|line| line.split_once("peak ")?.1.strip_suffix(" kB"));
        let peak: u64 = peak.expect("the peak of the child").parse().unwrap();
        println!("{form}: {peak} KiB");
        assert!(peak <= KIBIBYTES, "{form}: {peak} KiB");
    }
}

/// The most memory of this process, in kB, after it has written a hundred thousand.
fn peak_of_a_hundred_thousand(form: &str) -> String {
    let format = match form {
        "xlsx" => Format::Xlsx,
        "csv" => Format::Csv { with_mark: true },
        "json" => Format::Json,
        _ => Format::Html,
    };
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("rapporto"), format, 100_000, Language::Italian);
    let status = read(Path::new("/proc/self/status"));
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak of memory");
    peak.trim().trim_end_matches(" kB").to_owned()
}
