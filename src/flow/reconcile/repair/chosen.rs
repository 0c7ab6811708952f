//! The work items that a repair is about, page by page.

use super::PAGE;
use crate::discrepancy::WorkItem;
use crate::flow::{Flow, FlowError};
use crate::storage::{Chosen, ItemFilter, StateFilter};

/// The chosen work items, page by page.
pub(super) enum Pages {
    Ids(std::vec::IntoIter<i64>),
    Filter(Box<ItemFilter>, Option<i64>),
}

impl Pages {
    pub(super) fn of(about: &Chosen) -> Self {
        match about {
            Chosen::Ids(ids) => Self::Ids(ids.clone().into_iter()),
            Chosen::Filter(filter) => {
                let mut filter = filter.clone();
                // What is closed needs no repair.
                if matches!(filter.state, StateFilter::Closed | StateFilter::Any) {
                    filter.state = StateFilter::Standing;
                }
                Self::Filter(filter, None)
            }
        }
    }

    pub(super) async fn next(&mut self, flow: &Flow) -> Result<Option<Vec<WorkItem>>, FlowError> {
        match self {
            Self::Ids(ids) => {
                let mut items = Vec::new();
                for id in ids.by_ref().take(PAGE as usize) {
                    items.extend(flow.store.item(id).await?);
                }
                Ok((!items.is_empty()).then_some(items))
            }
            Self::Filter(filter, after) => {
                let items = flow.store.items(filter, *after, PAGE).await?;
                *after = items.last().map(|item| item.id).or(*after);
                Ok((!items.is_empty()).then_some(items))
            }
        }
    }
}
