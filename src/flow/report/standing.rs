//! How many discrepancies there are, and how they add up: one sum in one form for tables, pages and reports.

use super::forms::whole;
use super::words::Language;
use crate::storage::{ItemFilter, StandingCounts, StateFilter, StorageError, WorkItems};

/// Discrepancies by state: together they are all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Somebody must act.
    pub open: u64,
    /// A known cause accounts for it.
    pub explained: u64,
    /// A person lives with it.
    pub accepted: u64,
    /// The sides agree again; counted only where somebody asks for them.
    pub closed: u64,
}

impl From<StandingCounts> for Standing {
    fn from(counts: StandingCounts) -> Self {
        let StandingCounts { open, explained, accepted } = counts;
        Self { open, explained, accepted, closed: 0 }
    }
}

impl std::iter::Sum for Standing {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, counts| Self {
            open: sum.open + counts.open,
            explained: sum.explained + counts.explained,
            accepted: sum.accepted + counts.accepted,
            closed: sum.closed + counts.closed,
        })
    }
}

impl Standing {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.open + self.explained + self.accepted + self.closed
    }

    /// The sum as people read it: `731 = 563 aperte + 168 spiegate + 0 accettate`.
    pub fn sentence(&self, language: Language) -> String {
        let parts = [
            (self.open, language.of("aperte", "open")),
            (self.explained, language.of("spiegate", "explained")),
            (self.accepted, language.of("accettate", "accepted")),
        ];
        let closed = [(self.closed, language.of("chiuse", "closed"))];
        let parts = parts.iter().chain(closed.iter().filter(|(count, _)| *count > 0));
        let parts: Vec<_> = parts.map(|(count, name)| format!("{} {name}", whole(*count, language))).collect();
        format!("{} = {}", whole(self.all(), language), parts.join(" + "))
    }
}

/// Counts the discrepancies of a filter.
pub async fn standing(items: &dyn WorkItems, filter: &ItemFilter) -> Result<Standing, StorageError> {
    let wanted = filter.state;
    let count = async |state: StateFilter| {
        let is_wanted = wanted == state
            || wanted == StateFilter::Any
            || (wanted == StateFilter::Standing && state != StateFilter::Closed);
        if !is_wanted {
            return Ok(0);
        }
        items.count_items(&ItemFilter { state, ..filter.clone() }).await
    };
    // Each is a look of its own: whoever waits for a page waits for the longest, not for all.
    let (open, explained, accepted, closed) = tokio::try_join!(
        count(StateFilter::Open),
        count(StateFilter::Explained),
        count(StateFilter::Accepted),
        count(StateFilter::Closed),
    )?;
    Ok(Standing { open, explained, accepted, closed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_written_so_that_anyone_can_add_it_up() {
        let counts = Standing { open: 1563, explained: 168, accepted: 2, closed: 0 };
        assert_eq!(counts.sentence(Language::Italian), "1.733 = 1.563 aperte + 168 spiegate + 2 accettate");
        let twice: Standing = [counts, Standing { closed: 1, ..counts }].into_iter().sum();
        assert_eq!(twice.sentence(Language::English), "3,467 = 3,126 open + 336 explained + 4 accepted + 1 closed");
    }
}
