//! `reconcile --expected`: the list of what a target should hold, as lines or as a table.
//!
//! It is written beside its name, and given its name when it is whole. A table has a column for each
//! field, and which fields there are is known at the end: the lines wait in a private file until then.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, Write};
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::Exit;
use crate::cli::output::Output;
use crate::flow::reconcile::listing::Expected;
use crate::flow::report::file::Unfinished;
use crate::node::Node;

/// A row of the list.
#[derive(Debug, Deserialize)]
struct Row {
    unita: String,
    riga: String,
    campi: BTreeMap<String, Value>,
}

/// What the list says of itself, in its last line. A table has no place for it.
#[derive(Debug, Deserialize)]
struct End {
    inventario: About,
}

#[derive(Debug, Clone, Deserialize)]
struct About {
    al: String,
    righe: u64,
}

/// Writes what a target should hold. What it holds may be personal: nobody else may read the file.
pub(super) async fn write(node: &Node, name: &str, file: &Path, output: &Output) -> anyhow::Result<Exit> {
    let is_table = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let mut expected = Expected::of(&node.flow, name)?;
    anyhow::ensure!(
        file.symlink_metadata().is_err(),
        "cannot write {}: a file that is there is not replaced",
        file.display()
    );
    let unfinished = Unfinished::begin(file, false)?;
    let mut lines = if is_table { tempfile::tempfile_in(unfinished.folder()?.path())? } else { unfinished.handle()? };
    while let Some(more) = expected.next().await? {
        lines.write_all(more.as_bytes())?;
    }
    let about = if is_table {
        lines.rewind()?;
        Some(table(&lines, unfinished.handle()?).context("making a table of the list")?)
    } else {
        None
    };
    unfinished.finish()?;
    let (rows, left_out) = expected.counts();
    let words = output.words;
    if output.is_json() {
        let mut told = serde_json::json!({ "system": name, "rows": rows, "left_out": left_out });
        if let Some(about) = &about {
            told["as_of"] = about.al.as_str().into();
            told["announced_rows"] = about.righe.into();
        }
        output.json(&told);
    } else {
        output.note(&format!("{rows} {}", words.rows_written));
        if let Some(About { al, righe }) = &about {
            output.note(&format!("{}: --as-of {al} --rows {righe}", words.fields_on_stderr));
        }
    }
    if left_out > 0 {
        output.note(&format!("{left_out} {}", words.units_left_out));
    }
    Ok(if left_out > 0 { Exit::Unavailable } else { Exit::Done })
}

/// Makes a table of lines that stand in a file, and gives back what they say of themselves.
fn table(lines: &File, out: File) -> anyhow::Result<About> {
    let mut fields = BTreeSet::new();
    each(lines, |row| {
        fields.extend(row.campi.into_keys());
        Ok(())
    })?;
    let mut table = csv::WriterBuilder::new().delimiter(b';').from_writer(BufWriter::new(out));
    table.write_record(["unita", "riga"].into_iter().chain(fields.iter().map(String::as_str)))?;
    let about = each(lines, |row| {
        let values = fields.iter().map(|name| row.campi.get(name).map(text).unwrap_or_default());
        Ok(table.write_record([row.unita.clone(), row.riga.clone()].into_iter().chain(values))?)
    })?;
    table.flush()?;
    about.context("the list has no end")
}

/// Does something with each row; what the list says of itself stands at its end.
fn each(mut lines: &File, mut take: impl FnMut(Row) -> anyhow::Result<()>) -> anyhow::Result<Option<About>> {
    lines.rewind()?;
    let mut about = None;
    for line in BufReader::new(lines).lines() {
        let line = line?;
        match serde_json::from_str::<Row>(&line) {
            Ok(row) => take(row)?,
            Err(_) => about = Some(serde_json::from_str::<End>(&line)?.inventario),
        }
    }
    Ok(about)
}

/// A value as a cell: several codes are one text, as lists are read.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn every_field_of_any_row_has_its_column_and_an_absent_value_is_an_empty_cell() {
        let mut lines = tempfile::tempfile().expect("a file");
        let rows = [
            r#"{"unita":"a/2025","riga":"lotto/1","campi":{"importo":"683000.00","cup":["F41","G52"]}}"#,
            r#"{"unita":"a/2025","riga":"lotto/2","campi":{"oggetto":"strade; \"ponti\"\ne gallerie"}}"#,
            r#"{"inventario":{"al":"2026-11-20T08:00:00Z","righe":2}}"#,
        ];
        lines.write_all((rows.join("\n") + "\n").as_bytes()).expect("written");
        let mut out = tempfile::tempfile().expect("a file");
        let about = table(&lines, out.try_clone().expect("a handle")).expect("a table");
        assert_eq!((about.al.as_str(), about.righe), ("2026-11-20T08:00:00Z", 2));
        out.rewind().expect("rewound");
        let mut text = String::new();
        out.read_to_string(&mut text).expect("read");
        assert_eq!(
            text,
            "unita;riga;cup;importo;oggetto\na/2025;lotto/1;F41,G52;683000.00;\n\
             a/2025;lotto/2;;;\"strade; \"\"ponti\"\"\ne gallerie\"\n"
        );
    }
}
