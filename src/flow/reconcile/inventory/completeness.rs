//! Whether all of a side was seen. Only of a side that was seen completely can it be said that a
//! record is missing there, and the types say it: a missing record carries a [`Complete`], which
//! nothing but a complete side gives.

use std::fmt;

/// Whether all of a side was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// Everything that it holds.
    Complete,
    /// Not everything, or nobody knows.
    Partial(Shortfall),
}

/// Why a side was not seen completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortfall {
    /// Fewer or more pages than it announced.
    Pages {
        /// Announced.
        expected: u64,
        /// Read.
        read: u64,
    },
    /// Fewer or more records than it announced.
    Total {
        /// Announced.
        expected: u64,
        /// Read.
        read: u64,
    },
    /// Its data do not reach as far as they should.
    Watermark {
        /// As far as this.
        expected: String,
        /// They reach this, if anything.
        reached: Option<String>,
    },
    /// Some records could not be read: nobody knows which ones they are.
    Unreadable {
        /// How many.
        records: u64,
    },
    /// Reading ended early.
    Interrupted {
        /// Why.
        problem: String,
    },
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pages { expected, read } => write!(f, "{read} pages of {expected}"),
            Self::Total { expected, read } => write!(f, "{read} records of {expected}"),
            Self::Watermark { expected, reached } => {
                write!(f, "it reaches {}, not {expected}", reached.as_deref().unwrap_or("nothing"))
            }
            Self::Unreadable { records } => write!(f, "{records} records could not be read"),
            Self::Interrupted { problem } => write!(f, "reading ended early: {problem}"),
        }
    }
}

/// The proof that a side was seen completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complete(());

impl Completeness {
    /// The proof, if there is one.
    pub fn proof(&self) -> Option<Complete> {
        matches!(self, Self::Complete).then_some(Complete(()))
    }

    /// What must hold before a side counts as complete.
    pub fn of(expected: &Expected, read: &Read) -> Self {
        let shortfall =
            if let Some(problem) = &read.problem {
                Some(Shortfall::Interrupted { problem: problem.clone() })
            } else if read.unreadable > 0 {
                Some(Shortfall::Unreadable { records: read.unreadable })
            } else if let Some(expected) = expected.pages.filter(|pages| *pages != read.pages) {
                Some(Shortfall::Pages { expected, read: read.pages })
            } else if let Some(expected) = expected.records.filter(|records| *records != read.records) {
                Some(Shortfall::Total { expected, read: read.records })
            } else {
                expected.watermark.as_ref().filter(|expected| read.watermark.as_ref() < Some(*expected)).map(
                    |expected| Shortfall::Watermark { expected: expected.clone(), reached: read.watermark.clone() },
                )
            };
        shortfall.map_or(Self::Complete, Self::Partial)
    }
}

/// What a side announced, as far as it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Pages.
    pub pages: Option<u64>,
    /// Records.
    pub records: Option<u64>,
    /// As far as its data must reach; the greatest text of its kind is the furthest.
    pub watermark: Option<String>,
}

/// What was read of a side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Pages.
    pub pages: u64,
    /// Records, without those that could not be read.
    pub records: u64,
    /// Records that could not be read.
    pub unreadable: u64,
    /// How far its data reach.
    pub watermark: Option<String>,
    /// Why reading ended early, if it did.
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Expected {
        Expected { pages: Some(3), records: Some(250), watermark: Some("2024-06-30".to_owned()) }
    }

    fn read() -> Read {
        Read { pages: 3, records: 250, watermark: Some("2024-06-30".to_owned()), ..Read::default() }
    }

    #[test]
    fn a_side_is_complete_when_all_that_it_announced_was_read() {
        assert!(Completeness::of(&expected(), &read()).proof().is_some());
        assert!(Completeness::of(&Expected::default(), &read()).proof().is_some());
    }

    #[test]
    fn whatever_is_lacking_makes_a_side_partial_and_gives_no_proof() {
        let lacking = [
            Read { pages: 2, ..read() },
            Read { records: 249, ..read() },
            Read { records: 251, ..read() },
            Read { unreadable: 1, ..read() },
            Read { watermark: None, ..read() },
            Read { watermark: Some("2024-06-29".to_owned()), ..read() },
            Read { problem: Some("timeout".to_owned()), ..read() },
        ];
        for read in lacking {
            let completeness = Completeness::of(&expected(), &read);
            assert!(completeness.proof().is_none(), "{read:?}");
        }
    }
}
