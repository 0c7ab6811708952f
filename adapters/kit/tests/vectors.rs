//! Every sample of the national platform and of ModI gets the verdict that its manifest says.
//!
//! One file for each family. A manifest that loses its vectors fails: each family counts them.

#[path = "vectors/samples.rs"]
mod samples;
#[path = "vectors/assertions.rs"]
mod assertions;
#[path = "vectors/vouchers.rs"]
mod vouchers;
#[path = "vectors/signatures.rs"]
mod signatures;
#[path = "vectors/traces.rs"]
mod traces;
#[path = "vectors/signals.rs"]
mod signals;
#[path = "vectors/envelopes.rs"]
mod envelopes;
