//! Cells, formats and sheets as Italian spreadsheets have them.

use canonical::values::CalendarDate;
use rust_xlsxwriter::{Color, ExcelDateTime, Format, FormatAlign, FormatBorder, Worksheet, XlsxError};

use super::super::columns::columns;
use super::super::forms::{Cell, on_the_italian_clock, visible};
use super::super::model::About;
use super::super::words::Language;

/// Characters of a cell, at most; the format allows 32,767.
const LONGEST: usize = 32_000;

/// The formats of cells.
#[derive(Debug)]
pub(super) struct Formats {
    pub(super) text: Format,
    pub(super) heading: Format,
    pub(super) title: Format,
    pub(super) strong: Format,
    pub(super) alarm: Format,
    whole: Format,
    amount: Format,
    day: Format,
    instant: Format,
}

impl Formats {
    pub(super) fn of(language: Language) -> Self {
        let plain = || Format::new().set_align(FormatAlign::Top);
        let blue = Color::RGB(0x00_58_B3);
        // 410 is Italian: its separators are shown even where the program is set to another country.
        Self {
            text: plain(),
            heading: Format::new()
                .set_bold()
                .set_font_color(Color::White)
                .set_background_color(blue)
                .set_text_wrap()
                .set_align(FormatAlign::VerticalCenter)
                .set_border_bottom(FormatBorder::Thin),
            title: Format::new().set_bold().set_font_size(16).set_font_color(blue),
            strong: plain().set_bold(),
            alarm: plain().set_bold().set_font_color(Color::RGB(0xB3_13_1B)),
            whole: plain().set_num_format(language.of("[$-410]#,##0", "#,##0")),
            amount: plain().set_num_format(language.of("[$-410]#,##0.00", "#,##0.00")),
            day: plain().set_num_format(language.of("dd/mm/yyyy", "yyyy-mm-dd")),
            instant: plain().set_num_format(language.of("dd/mm/yyyy hh:mm", "yyyy-mm-dd hh:mm")),
        }
    }
}

/// Writes a cell. Texts are written as texts, whatever they begin with.
pub(super) fn write(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    cell: &Cell,
    formats: &Formats,
) -> Result<(), XlsxError> {
    match cell {
        Cell::Empty => {}
        Cell::Text(text) => {
            sheet.write_string_with_format(row, column, cut(&visible(text)), &formats.text)?;
        }
        Cell::Whole(count) => {
            sheet.write_number_with_format(row, column, number(&count.to_string()), &formats.whole)?;
        }
        Cell::Amount(amount) => {
            sheet.write_number_with_format(row, column, number(&amount.to_string()), &formats.amount)?;
        }
        Cell::Day(day) => {
            sheet.write_datetime_with_format(row, column, excel_day(*day)?, &formats.day)?;
        }
        Cell::Instant(instant) => {
            let local = on_the_italian_clock(*instant);
            let day = ExcelDateTime::from_ymd(
                u16::try_from(local.year()).unwrap_or(1900),
                u8::try_from(local.month()).unwrap_or(1),
                u8::try_from(local.day()).unwrap_or(1),
            )?;
            let hour = u16::try_from(local.hour()).unwrap_or_default();
            let minute = u8::try_from(local.minute()).unwrap_or_default();
            sheet.write_datetime_with_format(row, column, day.and_hms(hour, minute, 0)?, &formats.instant)?;
        }
    }
    Ok(())
}

fn excel_day(day: CalendarDate) -> Result<ExcelDateTime, XlsxError> {
    let date = day.to_date();
    ExcelDateTime::from_ymd(u16::try_from(date.year()).unwrap_or(1900), u8::from(date.month()), date.day())
}

/// The number that a spreadsheet stores for exact decimal digits: the nearest there is. Nothing is
/// computed with it here.
fn number(digits: &str) -> f64 {
    digits.parse().unwrap_or_default()
}

fn cut(text: &str) -> String {
    if text.encode_utf16().count() <= LONGEST {
        return text.to_owned();
    }
    let mut units = 0;
    let whole = text.chars().take_while(|character| {
        units += character.len_utf16();
        units <= LONGEST
    });
    whole.chain(['…']).collect()
}

/// Prepares a sheet of discrepancies: headings that stay in sight, widths, and how it is printed.
pub(super) fn sheet_of_items(
    sheet: &mut Worksheet,
    name: &str,
    formats: &Formats,
    about: &About,
) -> Result<(), XlsxError> {
    sheet.set_name(name)?.set_freeze_panes(1, 0)?.set_landscape().set_paper_size(9).set_print_fit_to_pages(2, 0);
    sheet.set_repeat_rows(0, 0)?.set_footer("&L&A&R&P / &N");
    for (column, drawn) in (0..).zip(columns(about.language)) {
        sheet.set_column_width(column, drawn.width)?;
        sheet.write_string_with_format(0, column, drawn.heading, &formats.heading)?;
    }
    Ok(())
}
