//! `raccordo report sign-off`: somebody signs for a period, with his name and what he reserves.

use std::sync::Arc;

use super::super::Exit;
use super::super::output::Output;
use super::super::parked::who;
use crate::clock::{Clock as _, SystemClock};
use crate::storage::{Person, Store};

/// Sign a period off, with how many discrepancies stand open then; every report shows it.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SignOff {
    /// The period: a month, 2026-11, or a year, 2026
    #[arg(value_parser = period)]
    period: String,
    /// What is signed with it, for the audit chain and the reports
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who signs [default: the user that runs the command]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// A month or a year, as the store takes it.
fn period(text: &str) -> Result<String, String> {
    let (year, month) = text.split_once('-').map_or((text, None), |(year, month)| (year, Some(month)));
    let is_number = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_month = |text: &str| is_number(text, 2) && ("01"..="12").contains(&text);
    let is_period = is_number(year, 4) && month.is_none_or(is_month);
    if is_period { Ok(text.to_owned()) } else { Err("a period is a month, 2026-11, or a year, 2026".to_owned()) }
}

pub(super) async fn run(store: Arc<dyn Store>, arguments: &SignOff, output: &Output) -> anyhow::Result<Exit> {
    let by =
        Person { name: arguments.by.clone().unwrap_or_else(who::name), reason: arguments.reason.trim().to_owned() };
    let signed = store.sign_off(&arguments.period, &by, SystemClock.now()).await;
    store.close().await;
    let signed = signed?;
    if output.is_json() {
        output.json(&signed);
    } else {
        let words = output.words;
        let counts = [
            (signed.open, words.left_open),
            (signed.explained, words.left_explained),
            (signed.accepted, words.left_accepted),
        ];
        let counts: Vec<_> = counts.iter().map(|(count, what)| format!("{count} {what}")).collect();
        output.note(&format!("{} {}: {} ({})", signed.period, words.signed_off_by, signed.who, counts.join(", ")));
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_month_or_a_year() {
        assert!(period("2026-11").is_ok() && period("2026").is_ok());
        for text in ["2026-13", "2026-1", "26", "novembre", "2026-11-01", ""] {
            assert!(period(text).is_err(), "{text}");
        }
    }
}
