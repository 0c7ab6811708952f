//! Instants of the platform: local time of Italy, without a zone.

use canonical::values::UtcInstant;
use jiff::civil::DateTime;
use jiff::tz::TimeZoneDatabase;

/// The instant of `yyyy-MM-dd HH:mm[:ss]` in Italy. An hour that came twice is the first of the
/// two, one that never came is moved forward. None for a day alone: it names no instant.
pub(super) fn instant_of(text: &str) -> Option<UtcInstant> {
    let text = text.trim();
    let (day, hour) = (text.get(..10)?, text.get(11..)?);
    let seconds = if hour.len() == 5 { ":00" } else { "" };
    let civil: DateTime = format!("{day}T{hour}{seconds}").parse().ok()?;
    // The zones compiled in, whatever those of the machine.
    let zone = TimeZoneDatabase::bundled().get("Europe/Rome").ok()?;
    let instant = zone.to_ambiguous_zoned(civil).compatible().ok()?;
    UtcInstant::from_unix_micros(instant.timestamp().as_microsecond()).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::winter("2026-01-13 14:00:00", "2026-01-13T13:00:00Z")]
    #[case::summer("2026-07-13 14:00", "2026-07-13T12:00:00Z")]
    #[case::twice("2026-10-25 02:30:00", "2026-10-25T00:30:00Z")]
    #[case::never("2026-03-29 02:30:00", "2026-03-29T01:30:00Z")]
    fn local_time_is_that_of_italy(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(instant_of(text).unwrap(), UtcInstant::parse(expected).unwrap());
    }

    #[rstest]
    #[case("")]
    #[case("2026-01-13")]
    #[case("13/01/2026 14:00")]
    #[case("2026-01-13 entro le 12:00")]
    fn what_names_no_instant_gives_none(#[case] text: &str) {
        assert_eq!(instant_of(text), None);
    }
}
