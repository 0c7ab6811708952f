//! When both sides are compared, who is told of what nobody takes care of, and who repairs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use crate::flow::reconcile::Policy;
use crate::flow::reconcile::sides::{SourcePolicy, Thresholds};

/// A time of the day in Italy, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DailyTime {
    /// Not by the schedule.
    Never,
    /// At this hour and minute.
    At {
        /// From 0 to 23.
        hour: u8,
        /// From 0 to 59.
        minute: u8,
    },
}

/// Reconciliation. Each comparison is made once a day.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReconciliationConfig {
    /// The time at which comparisons are made, on clocks in Italy: `"02:00"`, or `"never"`.
    pub at: DailyTime,
    /// Other times, by comparison: the name of a target, or `fonti`.
    pub pairs: BTreeMap<String, DailyTime>,
    /// Working days after which somebody above is told of what is still open; zero: nobody.
    pub escalate_after_working_days: u16,
    /// Whether a repair that one person asks for must be approved by another.
    pub four_eyes: bool,
    /// What is expected of sources, by their names: what they hold whole, how late they may be.
    pub sources: BTreeMap<String, SourcePolicy>,
    /// From which amounts which qualification is needed.
    pub qualification: Thresholds,
}

impl Default for ReconciliationConfig {
    fn default() -> Self {
        Self {
            at: DailyTime::At { hour: 2, minute: 0 },
            pairs: BTreeMap::new(),
            escalate_after_working_days: 10,
            four_eyes: false,
            sources: BTreeMap::new(),
            qualification: Thresholds::default(),
        }
    }
}

impl ReconciliationConfig {
    /// When a comparison is made.
    pub fn time_of(&self, comparison: &str) -> DailyTime {
        self.pairs.get(comparison).copied().unwrap_or(self.at)
    }

    /// What the flow must know.
    pub fn policy(&self) -> Policy {
        let days = self.escalate_after_working_days;
        Policy {
            escalate_after_working_days: (days > 0).then_some(days),
            four_eyes: self.four_eyes,
            sources: Arc::new(self.sources.clone()),
            thresholds: Arc::new(self.qualification.clone()),
        }
    }
}

impl fmt::Display for DailyTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::At { hour, minute } => write!(f, "{hour:02}:{minute:02}"),
        }
    }
}

impl<'de> Deserialize<'de> for DailyTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| serde::de::Error::custom("a time of the day is \"02:00\", or \"never\""))
    }
}

fn parse(text: &str) -> Option<DailyTime> {
    if text == "never" {
        return Some(DailyTime::Never);
    }
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, below: u8| {
        let is_two_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| is_two_digits && *number < below)
    };
    Some(DailyTime::At { hour: number(hour, 24)?, minute: number(minute, 60)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_two_digits_twice_or_never() {
        assert_eq!(parse("02:30"), Some(DailyTime::At { hour: 2, minute: 30 }));
        assert_eq!(parse("never"), Some(DailyTime::Never));
        for text in ["", "2:30", "24:00", "12:60", "+1:00", "02:30:00", "mai"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_pair_has_its_own_time_and_the_others_the_common_one() {
        let config: ReconciliationConfig =
            toml::from_str("at = \"03:15\"\n[pairs]\nhub = \"never\"\nfonti = \"04:00\"").expect("a configuration");
        assert_eq!(config.time_of("hub"), DailyTime::Never);
        assert_eq!(config.time_of("fonti").to_string(), "04:00");
        assert_eq!(config.time_of("pico").to_string(), "03:15");
        assert!(toml::from_str::<ReconciliationConfig>("four_eye = true").is_err());
    }

    #[test]
    fn what_is_expected_of_a_source_is_written_as_in_the_guide() {
        let guide = include_str!("../../docs/guida/rapporti.md");
        let lines = guide.lines().filter_map(|line| line.strip_prefix("    "));
        let text = lines.skip_while(|line| !line.starts_with("[reconciliation.sources"));
        let text: Vec<_> = text.take_while(|line| !line.starts_with("raccordo ")).collect();
        let text = text.join("\n").replace("[reconciliation.", "[");
        let config: ReconciliationConfig = toml::from_str(&text).expect("a configuration");
        assert_eq!(config.qualification, Thresholds::default(), "the guide shows what holds by itself");
        let policy = &config.policy().sources["anac-opendata"];
        assert_eq!((policy.grace_days, policy.carries.len()), (Some(45), 1));
        let unknown = "[sources.hub]\ncarries = [\"lotto.prezzo\"]";
        assert!(toml::from_str::<ReconciliationConfig>(unknown).is_err());
    }
}
