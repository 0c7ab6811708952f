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
#[path = "vectors/signed_envelopes.rs"]
mod signed_envelopes;
#[path = "vectors/exchanges.rs"]
mod exchanges;
#[path = "vectors/people.rs"]
mod people;
#[path = "vectors/problems.rs"]
mod problems;
#[path = "vectors/readers.rs"]
mod readers;
