//! The rules of reconciliation: a planted set that must be found whole, a clean set that must give
//! nothing, and real extracts against the counts that were made of them elsewhere.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test, in its helpers too")]

#[path = "rules/planted.rs"]
mod planted;
#[path = "rules/real.rs"]
mod real;
#[path = "rules/round.rs"]
mod round;
