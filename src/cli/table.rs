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
/// What stands between two columns, and at both ends.
const BETWEEN: usize = 3;
const ENDS: usize = 4;

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

/// The table, no wider than that.
pub(super) fn drawn(columns: &[Column<'_>], rows: &[Vec<String>], wide: Option<usize>) -> String {
    match widths(columns, rows, wide.unwrap_or(usize::MAX)) {
        Some(widths) => bordered(columns, rows, &widths),
        None => told(columns, rows, wide.unwrap_or(usize::MAX)),
    }
}

fn bordered(columns: &[Column<'_>], rows: &[Vec<String>], widths: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().zip(widths).map(|(column, wide)| wrapped(column.head, *wide).join("\n")));
    for row in rows {
        table.add_row(columns.iter().zip(row).zip(widths).map(|((column, text), wide)| column.fitted(text, *wide)));
    }
    for (column, drawn) in columns.iter().zip(table.column_iter_mut()) {
        if column.is_number {
            drawn.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
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
fn widths(columns: &[Column<'_>], rows: &[Vec<String>], wide: usize) -> Option<Vec<usize>> {
    let cells = |n: usize| rows.iter().filter_map(move |row| row.get(n)).flat_map(|cell| cell.split('\n'));
    let (mut widths, mut least, mut contents) = (Vec::new(), Vec::new(), Vec::new());
    for (n, column) in columns.iter().enumerate() {
        let content = cells(n).map(measure_text_width).max().unwrap_or_default();
        let head = column.head.split(' ').map(measure_text_width).max().unwrap_or_default();
        let narrowest = match column.fit {
            Fit::Whole => content,
            Fit::Shortened => content.min(SHORTEST),
            Fit::Wrapped => content.min(NARROWEST),
        };
        widths.push(content.max(measure_text_width(column.head)));
        least.push(narrowest.max(head));
        contents.push(content);
    }
    let room = wide.saturating_sub(ENDS + BETWEEN * columns.len().saturating_sub(1));
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
    let mut lines = Vec::new();
    for row in rows {
        let mut cells = columns.iter().zip(row);
        lines.extend(cells.next().map(|(_, cell)| cell.clone()));
        let facts = cells.filter(|(_, cell)| !cell.is_empty());
        let facts: Vec<_> = facts.map(|(column, cell)| format!("{} {}", column.head, cell.replace('\n', " "))).collect();
        let said = wrapped(&facts.join(" · "), wide.saturating_sub(2));
        lines.extend(said.iter().map(|line| format!("  {line}")));
    }
    lines.join("\n")
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

    const COLUMNS: [(&str, fn(&str) -> Column<'_>); 4] =
        [("Unità", name), ("Campo", value), ("In quarantena", number), ("Motivo", sentence)];

    fn table(wide: Option<usize>) -> String {
        let columns: Vec<_> = COLUMNS.iter().map(|(head, of)| of(head)).collect();
        let row = [
            "rilevazioni/80098765433/personale/2025",
            "integrazioni.importo_aggiudicazione",
            "480",
            "il numero dei dipendenti è stato corretto a mano sull'HUB",
        ];
        drawn(&columns, &[row.map(str::to_owned).to_vec()], wide)
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
}
