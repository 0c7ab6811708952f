//! How a table fits the screen: sentences are wrapped between words, values that can be spared are
//! shortened, names and numbers stay whole. Where even that is too wide, each row has lines of its own.
//! Where nobody says how wide the screen is, in a pipe or a file, nothing is shortened.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use console::{measure_text_width, truncate_str};

/// To what a value that can be spared is shortened at most.
const SHORTEST: usize = 12;
/// To what a column of sentences is narrowed at most.
const NARROWEST: usize = 18;
/// A longer word of a sentence goes on in the next line.
const LONGEST_WORD: usize = 32;
/// Blanks between two columns: fewer where there is no room.
const BETWEEN: [usize; 3] = [3, 2, 1];
/// The borders and their blanks.
const ENDS: usize = 4;
/// A longer name has a line of its own above what is said of it.
const LONGEST_NAME: usize = 24;

/// What a column gives up where there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Whole,
    Shortened,
    Wrapped,
}

/// A column: its heading, and what it gives up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column<'a> {
    head: &'a str,
    fit: Fit,
    is_number: bool,
}

/// Names, keys, codes: never shortened.
pub(super) fn name(head: &str) -> Column<'_> {
    Column { head, fit: Fit::Whole, is_number: false }
}

/// Numbers, to the right.
pub(super) fn number(head: &str) -> Column<'_> {
    Column { head, fit: Fit::Whole, is_number: true }
}

/// Values that may end in an ellipsis.
pub(super) fn value(head: &str) -> Column<'_> {
    Column { head, fit: Fit::Shortened, is_number: false }
}

/// Sentences.
pub(super) fn sentence(head: &str) -> Column<'_> {
    Column { head, fit: Fit::Wrapped, is_number: false }
}

/// A table as text, and the headings of columns that were left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Drawn<'a> {
    pub(super) text: String,
    pub(super) left_out: Vec<&'a str>,
}

/// The table, no wider than that.
pub(super) fn drawn<'a>(columns: &[Column<'a>], rows: &[Vec<String>], wide: Option<usize>) -> Drawn<'a> {
    let wide = wide.unwrap_or(usize::MAX);
    if let Some(text) = bordered(columns, rows, wide) {
        return Drawn { text, left_out: Vec::new() };
    }
    // Before the form of a table is given up, columns that say nothing are.
    let says_nothing = |n: usize| columns[n].is_number && rows.iter().all(|row| ["0", "–"].contains(&row[n].as_str()));
    let (kept, empty): (Vec<_>, Vec<_>) = (0..columns.len()).partition(|n| !says_nothing(*n));
    let kept_columns: Vec<_> = kept.iter().map(|n| columns[*n]).collect();
    let kept_rows: Vec<Vec<_>> = rows.iter().map(|row| kept.iter().map(|n| row[*n].clone()).collect()).collect();
    let left_out = empty.iter().map(|n| columns[*n].head).collect();
    let text = bordered(&kept_columns, &kept_rows, wide).unwrap_or_else(|| told(&kept_columns, &kept_rows, wide));
    Drawn { text, left_out }
}

fn bordered(columns: &[Column<'_>], rows: &[Vec<String>], wide: usize) -> Option<String> {
    let (between, widths) = BETWEEN.iter().find_map(|between| {
        let least = widths(columns, rows, wide, *between)?;
        Some((*between, least))
    })?;
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().zip(&widths).map(|(column, wide)| wrapped(column.head, *wide).join("\n")));
    for row in rows {
        table.add_row(columns.iter().zip(row).zip(&widths).map(|((column, text), wide)| column.fitted(text, *wide)));
    }
    let last = columns.len() - 1;
    for (n, (column, drawn)) in columns.iter().zip(table.column_iter_mut()).enumerate() {
        if column.is_number {
            drawn.set_cell_alignment(CellAlignment::Right);
        }
        // One blank between two columns is a separator, the others are padding.
        let (left, right) = (u16::from(between > 1 || n == 0), u16::from(between > 2 || n == last));
        drawn.set_padding((left, right));
    }
    Some(table.to_string())
}

impl Column<'_> {
    fn fitted(&self, text: &str, wide: usize) -> String {
        let lines = text.split('\n').flat_map(|line| match self.fit {
            Fit::Whole => vec![line.to_owned()],
            Fit::Shortened => vec![truncate_str(line, wide, "…").into_owned()],
            Fit::Wrapped => wrapped(line, wide).into_iter().flat_map(|line| broken(line, wide)).collect(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// How wide each column is; none when they cannot all stand in one line.
fn widths(columns: &[Column<'_>], rows: &[Vec<String>], wide: usize, between: usize) -> Option<Vec<usize>> {
    let cells = |n: usize| rows.iter().filter_map(move |row| row.get(n)).flat_map(|cell| cell.split('\n'));
    let (mut widths, mut least, mut contents) = (Vec::new(), Vec::new(), Vec::new());
    for (n, column) in columns.iter().enumerate() {
        let content = cells(n).map(measure_text_width).max().unwrap_or_default();
        let head = column.head.split(' ').map(measure_text_width).max().unwrap_or_default();
        let narrowest = match column.fit {
            Fit::Whole => content,
            Fit::Shortened => content.min(SHORTEST),
            Fit::Wrapped => {
                let words = cells(n).flat_map(|line| line.split(' ')).map(measure_text_width);
                content.min(words.max().unwrap_or_default().clamp(NARROWEST, LONGEST_WORD))
            }
        };
        widths.push(content.max(measure_text_width(column.head)));
        least.push(narrowest.max(head));
        contents.push(content);
    }
    let room = wide.saturating_sub(ENDS + between * columns.len().saturating_sub(1));
    while widths.iter().sum::<usize>() > room {
        let can_yield = |n: &usize| widths[*n] > least[*n];
        // Headings are wrapped before anything else is lost.
        let by_its_head = (0..widths.len()).filter(can_yield).find(|n| widths[*n] > contents[*n]);
        let yields = by_its_head.or_else(|| (0..widths.len()).filter(can_yield).max_by_key(|n| widths[*n]))?;
        widths[yields] -= 1;
    }
    Some(widths)
}

/// Each row as lines: what it is called, then everything that is said of it.
fn told(columns: &[Column<'_>], rows: &[Vec<String>], wide: usize) -> String {
    let names = rows.iter().filter_map(|row| row.first()).map(|name| measure_text_width(name));
    let indent = names.filter(|name| *name <= LONGEST_NAME).max().unwrap_or_default() + 2;
    let mut lines = Vec::new();
    for row in rows {
        let mut cells = columns.iter().zip(row);
        let name = cells.next().map(|(_, name)| name.as_str()).unwrap_or_default();
        let facts = cells.filter(|(_, cell)| !cell.is_empty());
        let facts: Vec<_> =
            facts.map(|(column, cell)| format!("{} {}", column.head, cell.replace('\n', " "))).collect();
        let mut said = joined(&facts, wide.saturating_sub(indent)).into_iter();
        if measure_text_width(name) <= LONGEST_NAME {
            let blanks = " ".repeat(indent - measure_text_width(name));
            lines.push(format!("{name}{blanks}{}", said.next().unwrap_or_default()).trim_end().to_owned());
        } else {
            lines.push(name.to_owned());
        }
        lines.extend(said.map(|line| format!("{:indent$}{line}", "")));
    }
    lines.join("\n")
}

/// Facts one after the other; one is broken only when it is longer than a line.
fn joined(facts: &[String], wide: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for fact in facts {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 3 + measure_text_width(fact) <= wide => {
                line.push_str(" · ");
                line.push_str(fact);
            }
            _ => lines.extend(wrapped(fact, wide)),
        }
    }
    lines
}

/// The lines of a text that is broken between words; a word that is longer than a line stays whole.
pub(super) fn wrapped(text: &str, wide: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 1 + measure_text_width(word) <= wide => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A word that is longer than a column goes on below: nothing of a sentence is lost.
fn broken(line: String, wide: usize) -> Vec<String> {
    if measure_text_width(&line) <= wide || wide == 0 {
        return vec![line];
    }
    let letters: Vec<char> = line.chars().collect();
    letters.chunks(wide).map(|part| part.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(wide: Option<usize>) -> String {
        let columns = [name("Unità"), value("Campo"), number("In quarantena"), sentence("Motivo")];
        let row = [
            "rilevazioni/80098765433/personale/2025",
            "integrazioni.importo_aggiudicazione",
            "480",
            "il numero dei dipendenti è stato corretto a mano sull'HUB",
        ];
        drawn(&columns, &[row.map(str::to_owned).to_vec()], wide).text
    }

    fn widest(text: &str) -> usize {
        text.lines().map(measure_text_width).max().unwrap_or_default()
    }

    #[test]
    fn a_text_is_broken_between_words_and_nothing_of_it_is_lost() {
        let text = "il sistema non è disponibile: rinuncia dopo 9 tentativi";
        let lines = wrapped(text, 20);
        assert!(lines.len() > 2 && lines.iter().all(|line| measure_text_width(line) <= 20), "{lines:?}");
        assert_eq!(lines.join(" "), text);
        assert_eq!(wrapped("una-chiave-lunga si", 4), ["una-chiave-lunga", "si"]);
        assert_eq!(broken("una-chiave".to_owned(), 4), ["una-", "chia", "ve"]);
    }

    #[test]
    fn where_nobody_says_how_wide_the_screen_is_nothing_is_shortened() {
        let whole = table(None);
        assert!(whole.contains("integrazioni.importo_aggiudicazione") && whole.lines().count() == 5, "{whole}");
    }

    #[test]
    fn a_name_is_never_cut_and_no_line_is_wider_than_the_screen() {
        for wide in [60, 72, 80, 100, 120, 140] {
            let drawn = table(Some(wide));
            assert!(widest(&drawn) <= wide, "{wide}: {drawn}");
            assert!(drawn.contains("rilevazioni/80098765433/personale/2025") && drawn.contains("480"), "{drawn}");
        }
        let narrow = table(Some(100));
        assert!(narrow.contains('…') && narrow.contains("mano") && narrow.contains("dipendenti"), "{narrow}");
    }

    #[test]
    fn what_does_not_fit_in_one_line_is_told_row_by_row() {
        let told = table(Some(50));
        assert!(told.starts_with("rilevazioni/80098765433/personale/2025\n  Campo integrazioni"), "{told}");
        assert!(told.contains("In quarantena 480") && !told.contains('…') && widest(&told) <= 50, "{told}");
    }

    #[test]
    fn columns_of_zeros_are_left_out_and_named_before_a_table_is_given_up() {
        let columns = [name("Confronto"), number("Uguali"), number("Diverse"), number("Mancano là"), number("Ferme")];
        let row = ["scp-esecuzione", "19756", "0", "7", "0"].map(str::to_owned).to_vec();
        let rows = [row.clone(), row];
        assert!(drawn(&columns, &rows, Some(80)).left_out.is_empty());
        let narrow = drawn(&columns, &rows, Some(40));
        assert_eq!(narrow.left_out, ["Diverse", "Ferme"]);
        assert!(narrow.text.contains("19756") && narrow.text.starts_with('┌') && widest(&narrow.text) <= 40);
    }
}
