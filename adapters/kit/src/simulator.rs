//! Parts of simulators: stateful stand-ins for systems that publish no test environment.
//!
//! A simulator keeps a [`Journal`] of the effects it had, asks [`Faults`] before it answers,
//! admits the bearer of its [`Key`], and runs under [`serve`]. It is as strict as the contract.

mod faults;
mod journal;
mod private;
mod server;

pub use faults::{Fault, FaultAnswer, Faults};
pub use journal::Journal;
pub use server::{Key, problem, serve};
