//! How long a system asks to be left alone, in whatever words it says so. Pure.
//!
//! A pause is never cut short by a reading of ours: of several the longest counts, fractions are
//! rounded up. It is never believed beyond a day either: no system may stop a delivery for longer.

use std::time::{Duration, SystemTime};

use reqwest::header::{self, HeaderMap, HeaderName};

/// What is asked beyond this is not believed.
pub(crate) const LONGEST: Duration = Duration::from_hours(24);

/// Numbers from here on are instants in seconds since 1970, not pauses: as a pause, thirty years.
const INSTANTS: u64 = 1_000_000_000;
/// Numbers from here on are instants in milliseconds.
const INSTANTS_IN_MILLIS: u64 = 100_000_000_000;

/// The names of `Remaining` and `Reset`, before they had a common one and since.
const QUOTAS: [(&str, &str); 3] = [
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
];

/// The pause that an answer with this status asks for; none when it asks for none, or in words that
/// nobody understands. `now` is when it came: dates and instants are counted from the date of the
/// answer itself, where it has one, since both are then the system's clock.
///
/// | headers | pause |
/// |---|---|
/// | `Retry-After` in seconds, or as a date in one of the three forms | that, whatever else is said |
/// | a quota with nothing remaining, and its reset | until the reset |
/// | a reset alone, on a 429 | until the reset |
/// | an interval in milliseconds, on a 429 or with nothing remaining, and no reset | one interval |
/// | a quota with something remaining, or a reset alone elsewhere | none |
pub(crate) fn asked_pause(status: u16, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = texts(headers, &header::DATE).find_map(|text| httpdate::parse_http_date(text.trim()).ok());
    let now = date.unwrap_or(now);
    let asked = texts(headers, &header::RETRY_AFTER).filter_map(|text| until(text, now, false)).max();
    let asked = asked.or_else(|| quota(status, headers, now)).or_else(|| interval(status, headers));
    asked.map(|pause| pause.min(LONGEST))
}

/// How long a quota that refills continuously takes to be full again: what PDND tells.
fn interval(status: u16, headers: &HeaderMap) -> Option<Duration> {
    let remaining = HeaderName::from_static("x-rate-limit-remaining");
    let is_spent = status == 429 || texts(headers, &remaining).any(is_zero);
    let told = texts(headers, &HeaderName::from_static("x-rate-limit-interval")).filter_map(number).max()?;
    is_spent.then(|| Duration::from_millis(told))
}

/// Until when a spent quota is spent.
fn quota(status: u16, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let is_refused = status == 429;
    let told = QUOTAS.iter().filter_map(|(remaining, reset)| {
        let of = |name: &'static str| texts(headers, &HeaderName::from_static(name)).collect::<Vec<_>>();
        let (remaining, reset) = (of(remaining), of(reset));
        let is_spent = is_refused || remaining.iter().flat_map(|text| text.split(',')).any(is_zero);
        is_spent.then(|| reset.into_iter().filter_map(|text| until(text, now, true)).max())?
    });
    let policies = texts(headers, &HeaderName::from_static("ratelimit")).flat_map(policies);
    let of_policies = policies.filter_map(|policy| {
        let told = |names: [&str; 2]| {
            let named = policy.iter().find(|(name, _)| names.contains(name));
            named.map(|(_, value)| *value)
        };
        let is_spent = is_refused || told(["remaining", "r"]).is_some_and(is_zero);
        is_spent.then(|| until(told(["reset", "t"])?, now, true))?
    });
    told.chain(of_policies).max()
}

/// The policies of a `RateLimit` header: one, with commas between its parts, or several, with
/// semicolons inside and commas between.
fn policies(text: &str) -> Vec<Vec<(&str, &str)>> {
    if text.contains(';') {
        text.split(',').map(|policy| policy.split(';').filter_map(pair).collect()).collect()
    } else {
        vec![text.split(',').filter_map(pair).collect()]
    }
}

fn pair(part: &str) -> Option<(&str, &str)> {
    let (name, value) = part.split_once('=')?;
    Some((name.trim(), value.trim()))
}

fn is_zero(text: &str) -> bool {
    number(text) == Some(0)
}

/// How long until what a text names: a number of seconds, a date, or, where `or_instant`, an
/// instant since 1970. What is past is now.
fn until(text: &str, now: SystemTime, or_instant: bool) -> Option<Duration> {
    let text = text.trim();
    if let Ok(date) = httpdate::parse_http_date(text) {
        return Some(date.duration_since(now).unwrap_or_default());
    }
    // Somebody on the way may have put two headers into one.
    let seconds = text.split(',').map(number).collect::<Option<Vec<_>>>()?.into_iter().max()?;
    let since_1970 = match seconds {
        _ if !or_instant => return Some(Duration::from_secs(seconds)),
        INSTANTS_IN_MILLIS.. => Duration::from_millis(seconds),
        INSTANTS.. => Duration::from_secs(seconds),
        _ => return Some(Duration::from_secs(seconds)),
    };
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Some(since_1970.saturating_sub(now))
}

/// A number that is not negative, rounded up; one too long for us is the greatest.
fn number(text: &str) -> Option<u64> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let more = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    Some(whole.parse::<u64>().unwrap_or(u64::MAX).saturating_add(more))
}

fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use rstest::rstest;

    use super::*;

    /// Sunday, 6 November 1994, 08:49:37.
    const NOW: u64 = 784_111_777;

    /// The pause in whole seconds. Headers stand one a line.
    fn asked(status: u16, lines: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for line in lines.lines() {
            let (name, value) = line.split_once(':').expect("a header");
            let name = HeaderName::from_bytes(name.trim().as_bytes()).expect("a name");
            headers.append(name, HeaderValue::from_str(value.trim()).expect("a value"));
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        asked_pause(status, &headers, now).map(|pause| pause.as_secs())
    }

    #[rstest]
    #[case::seconds("retry-after: 5", Some(5))]
    #[case::none_at_all("retry-after: 0", Some(0))]
    #[case::spaces("retry-after:  7 ", Some(7))]
    #[case::a_fraction("retry-after: 1.2", Some(2))]
    #[case::a_day_at_most("retry-after: 86401", Some(86_400))]
    #[case::huge("retry-after: 99999999999999999999999", Some(86_400))]
    #[case::an_instant_is_a_huge_pause("retry-after: 1900000000", Some(86_400))]
    #[case::the_form_of_today("retry-after: Sun, 06 Nov 1994 08:49:47 GMT", Some(10))]
    #[case::the_form_with_two_digits("retry-after: Sunday, 06-Nov-94 08:49:47 GMT", Some(10))]
    #[case::the_form_of_c("retry-after: Sun Nov  6 08:49:47 1994", Some(10))]
    #[case::past("retry-after: Sun, 06 Nov 1994 08:00:00 GMT", Some(0))]
    #[case::far("retry-after: Sun, 06 Nov 2044 08:49:37 GMT", Some(86_400))]
    #[case::by_the_clock_of_the_system(
        "date: Tue, 15 Nov 1994 08:12:31 GMT\nretry-after: Tue, 15 Nov 1994 08:12:41 GMT",
        Some(10)
    )]
    #[case::a_date_that_is_none("date: today\nretry-after: Sun, 06 Nov 1994 08:49:47 GMT", Some(10))]
    #[case::negative("retry-after: -3", None)]
    #[case::garbage("retry-after: soon", None)]
    #[case::nothing("retry-after:", None)]
    #[case::another_zone("retry-after: Sun, 06 Nov 1994 08:49:47 CET", None)]
    #[case::twice_the_longest("retry-after: 3\nretry-after: 9\nretry-after: 5", Some(9))]
    #[case::twice_in_one("retry-after: 3, 9", Some(9))]
    #[case::twice_and_one_garbage("retry-after: soon\nretry-after: 4", Some(4))]
    #[case::over_a_quota("retry-after: 3\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 60", Some(3))]
    fn a_pause_is_seconds_or_a_date(#[case] headers: &str, #[case] seconds: Option<u64>) {
        for status in [200, 429, 503] {
            assert_eq!(asked(status, headers), seconds, "{status}");
        }
    }

    #[rstest]
    #[case::spent("x-ratelimit-limit: 10\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 60", Some(60), Some(60))]
    #[case::spent_by_the_draft("ratelimit-remaining: 0\nratelimit-reset: 30", Some(30), Some(30))]
    #[case::spent_with_dashes("x-rate-limit-remaining: 0\nx-rate-limit-reset: 30", Some(30), Some(30))]
    #[case::until_an_instant("x-ratelimit-remaining: 0\nx-ratelimit-reset: 1900000000", Some(86_400), Some(86_400))]
    #[case::until_a_date(
        "x-ratelimit-remaining: 0\nx-ratelimit-reset: Sun, 06 Nov 1994 08:49:47 GMT",
        Some(10),
        Some(10)
    )]
    #[case::not_spent("x-ratelimit-remaining: 3\nx-ratelimit-reset: 60", None, Some(60))]
    #[case::only_the_reset("x-ratelimit-reset: 60", None, Some(60))]
    #[case::without_a_reset("x-ratelimit-remaining: 0", None, None)]
    #[case::one_of_two_windows("ratelimit-remaining: 5, 0\nratelimit-reset: 1, 60", Some(60), Some(60))]
    #[case::two_quotas(
        "ratelimit-remaining: 0\nratelimit-reset: 5\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 9",
        Some(9),
        Some(9)
    )]
    #[case::one_header("ratelimit: limit=100, remaining=0, reset=50", Some(50), Some(50))]
    #[case::policies("ratelimit: \"burst\";r=0;t=5, \"day\";r=50;t=3600", Some(5), Some(3600))]
    #[case::policies_not_spent("ratelimit: \"day\";r=50;t=3600", None, Some(3600))]
    #[case::negative("x-ratelimit-remaining: -1\nx-ratelimit-reset: -60", None, None)]
    #[case::garbage("x-ratelimit-remaining: none\nx-ratelimit-reset: later", None, None)]
    #[case::the_rest_of_the_quota_on_a_garbled_pause(
        "retry-after: soon\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 6",
        Some(6),
        Some(6)
    )]
    fn a_quota_asks_for_a_pause_once_it_is_spent(
        #[case] headers: &str,
        #[case] taken: Option<u64>,
        #[case] refused: Option<u64>,
    ) {
        assert_eq!((asked(200, headers), asked(429, headers)), (taken, refused));
    }

    #[test]
    fn every_dialect_of_the_national_samples_is_understood() {
        let samples: serde_json::Value =
            serde_json::from_str(include_str!("../tests/pdnd/errors/rate-limit-headers.json")).expect("the samples");
        let now = httpdate::parse_http_date("Tue, 01 Dec 2026 09:00:00 GMT").expect("a date");
        let vectors = samples["vectors"].as_array().expect("vectors");
        assert!(vectors.len() >= 8);
        for vector in vectors {
            let mut headers = HeaderMap::new();
            for (name, value) in vector["headers"].as_object().expect("headers") {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                headers.append(name, HeaderValue::from_str(value.as_str().expect("a text")).expect("a value"));
            }
            let status = u16::try_from(vector["status"].as_u64().expect("a status")).expect("a status");
            let expected = vector["expected"]["retry_after_ms"].as_u64().map(Duration::from_millis);
            // What is asked beyond a day is not believed.
            let expected = expected.map(|pause| pause.min(LONGEST));
            assert_eq!(asked_pause(status, &headers, now), expected, "{}", vector["id"]);
        }
    }

    #[test]
    fn an_instant_is_counted_from_now_in_seconds_and_in_milliseconds() {
        let base = "date: Sat, 03 Jan 2026 10:00:00 GMT\nx-ratelimit-remaining: 0\nx-ratelimit-reset: ";
        let now = 1_767_434_400_u64;
        assert_eq!(asked(200, &format!("{base}{}", now + 90)), Some(90));
        assert_eq!(asked(200, &format!("{base}{}", (now + 90) * 1000)), Some(90));
        assert_eq!(asked(200, &format!("{base}{}", now - 90)), Some(0));
    }
}
