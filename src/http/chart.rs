//! The chart of a trend: where each bar stands. The template only draws what this says.
//!
//! Pure, in whole numbers; beside every chart stands the table of the same numbers.

use crate::flow::report::forms;
use crate::flow::report::model::TrendPoint;
use crate::flow::report::words::{Language, headings};

/// The size of the drawing, in its own units.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 260;
/// Around the bars: scale, days.
const LEFT: u64 = 64;
const BOTTOM: u64 = 40;
const TOP: u64 = 14;
/// Days that are drawn; the table has all of them.
const DAYS: usize = 30;
/// The widest a bar becomes where there are few.
const WIDEST: u64 = 48;
/// Open, explained, accepted: as in the styles. They differ in lightness too.
const FILLS: [&str; 3] = ["#b3131b", "#0058b3", "#9fb3c8"];

/// A trend, drawn.
#[derive(Debug)]
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) description: String,
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) bars: Vec<Bar>,
    pub(super) days: Vec<Label>,
    pub(super) scale: Vec<Label>,
    pub(super) legend: [(&'static str, &'static str); 3],
    pub(super) rows: Vec<[String; 4]>,
    pub(super) left: u64,
    pub(super) right: u64,
    pub(super) day: &'static str,
}

/// A part of a bar.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) fill: &'static str,
}

/// A text.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) text: String,
}

/// Draws a trend; none without points.
pub(super) fn chart(points: &[TrendPoint], language: Language) -> Option<Chart> {
    let words = headings(language);
    let legend = [
        (FILLS[0], words.open),
        (FILLS[1], language.of("Spiegate", "Explained")),
        (FILLS[2], language.of("Accettate", "Accepted")),
    ];
    let drawn = &points[points.len().saturating_sub(DAYS)..];
    let (first, last) = (drawn.first()?, drawn.last()?);
    let parts = |point: &TrendPoint| [point.open, point.explained, point.accepted];
    let sum = |point: &TrendPoint| parts(point).iter().sum::<u64>();
    let top = round_up(drawn.iter().map(sum).max().unwrap_or_default());
    let (space, step) = (HEIGHT - TOP - BOTTOM, (WIDTH - LEFT) / drawn.len() as u64);
    let width = (step * 3 / 4).clamp(4, WIDEST);
    let mut bars = Vec::new();
    let mut days = Vec::new();
    // As many days as have room for their text.
    let every = drawn.len().div_ceil(8);
    for (place, point) in drawn.iter().enumerate() {
        let middle = LEFT + place as u64 * step + step / 2;
        let mut below = 0;
        for (count, fill) in parts(point).into_iter().zip(FILLS) {
            // From the sums, so that the parts of a bar leave no gap and end where the scale says.
            let (from, to) = (below * space / top, (below + count) * space / top);
            below += count;
            bars.push(Bar { x: middle - width / 2, y: TOP + space - to, width, height: to - from, fill });
        }
        if place % every == 0 {
            days.push(Label { x: middle, y: HEIGHT - BOTTOM + 20, text: forms::day(point.day, language) });
        }
    }
    bars.retain(|bar| bar.height > 0);
    let scale = [0, top / 2, top];
    let scale = scale.map(|count| Label {
        x: LEFT - 8,
        y: TOP + space - count * space / top,
        text: forms::whole(count, language),
    });
    let say = |point: &TrendPoint| {
        let [open, explained, accepted] = parts(point).map(|count| forms::whole(count, language));
        let day = forms::day(point.day, language);
        match language {
            Language::Italian => format!("il {day} {open} aperte, {explained} spiegate, {accepted} accettate"),
            Language::English => format!("on {day} {open} open, {explained} explained, {accepted} accepted"),
        }
    };
    let rows = points.iter().map(|point| {
        let [open, explained, accepted] = parts(point).map(|count| forms::whole(count, language));
        [forms::day(point.day, language), open, explained, accepted]
    });
    Some(Chart {
        title: words.chart,
        description: format!("{}; {}.", say(first), say(last)),
        width: WIDTH,
        height: HEIGHT,
        bars,
        days,
        scale: scale.into(),
        legend,
        rows: rows.collect(),
        left: LEFT,
        right: WIDTH,
        day: language.of("Giorno", "Day"),
    })
}

/// The end of the scale: even, and with at most two digits before its zeros.
fn round_up(count: u64) -> u64 {
    let mut unit = 1;
    while count / unit > 20 {
        unit *= 10;
    }
    (count.div_ceil(unit * 2) * unit * 2).max(2)
}

#[cfg(test)]
mod tests {
    use canonical::values::CalendarDate;

    use super::*;

    fn point(day: u8, open: u64, explained: u64, accepted: u64) -> TrendPoint {
        TrendPoint { day: CalendarDate::from_numbers(2026, 11, day).unwrap(), open, explained, accepted }
    }

    #[test]
    fn bars_stand_on_the_ground_and_stay_inside() {
        let points: Vec<_> = (1..=30).map(|day| point(day, u64::from(day) * 37, 500, 3)).collect();
        let chart = chart(&points, Language::Italian).unwrap();
        assert_eq!(chart.rows.len(), 30);
        for bar in &chart.bars {
            assert!(
                bar.y >= TOP && bar.y + bar.height <= HEIGHT - BOTTOM && bar.x >= LEFT && bar.x + bar.width <= WIDTH
            );
        }
        assert_eq!(chart.bars[0].y + chart.bars[0].height, HEIGHT - BOTTOM);
        assert!(chart.description.contains("il 30/11/2026 1.110 aperte"), "{}", chart.description);
    }

    #[test]
    fn nothing_is_drawn_of_nothing_and_zero_is_a_number() {
        assert!(chart(&[], Language::Italian).is_none());
        let chart = chart(&[point(1, 0, 0, 0)], Language::English).unwrap();
        assert!(chart.bars.is_empty());
        assert_eq!(chart.rows, [["2026-11-01", "0", "0", "0"].map(str::to_owned)]);
    }

    #[test]
    fn the_scale_ends_just_above() {
        for (count, end) in [(0, 2), (1, 2), (19, 20), (21, 40), (333, 400), (100_000, 100_000)] {
            assert_eq!(round_up(count), end, "{count}");
        }
    }
}
