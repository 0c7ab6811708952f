//! The fault programme: the real program as a child process, made to fail in every way that the
//! list of faults knows, and an oracle outside it that compares what the client was promised, what
//! the target saw and what the database holds.
//!
//! Read in this order: [`programme`] (what a run is, its figures and its table), [`place`] (a folder,
//! a client and a target), [`program`] (child processes), [`target`], [`client`], [`store`] (the
//! database read behind the product's back), [`oracle`] (the invariants), then the faults by group.
//! Everything that is drawn comes from one seed, which is printed.

pub mod programme;
pub mod place;
pub mod program;
pub mod target;
pub mod client;
pub mod store;
pub mod oracle;
mod answers;
mod clocks;
mod input;
mod keyless;
mod kills;
mod lanes;
mod machine;
mod million;
mod points;
mod replicas;
mod stalled;
mod prove;

pub use programme::{Database, Level, Plan, run};
pub use prove::prove;
