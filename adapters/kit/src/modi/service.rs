//! `GET /status` of a service, as the national rules want it: whether it answers, without its insides.

use std::time::Duration;

use crate::answer::Answer;
use crate::problem::Problem;

/// How a service says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It works.
    Active,
    /// It does not work now, and says when to come back if it does say so.
    Degraded {
        /// Not before.
        after: Option<Duration>,
    },
    /// The answer is none that the rules have: a wrong address, a portal, a proxy.
    Unclear,
}

impl Standing {
    /// What an answer says. A body that contradicts its status makes it unclear.
    pub fn of(answer: &Answer) -> Self {
        let Some(problem) = Problem::read(answer) else { return Self::Unclear };
        match (answer.status, problem.status) {
            (200, Some(200)) => Self::Active,
            (503, None | Some(503)) => Self::Degraded { after: answer.retry_after },
            _ => Self::Unclear,
        }
    }
}
