//! A stand-in for the portals: the real tables at the usual paths, and faults on request.

use contract::{RunningSimulator, SimulatorOptions};

macro_rules! documents {
    ($( $path:literal = $sample:literal; )+) => {
        &[ $( ($path, include_bytes!(concat!("../../../schemas/samples/", $sample))), )+ ]
    };
}

/// What the simulator serves.
pub(crate) const DOCUMENTS: &[(&str, &[u8])] = documents! {
    "province.csv" = "registry/province.csv";
    "comuni.csv" = "registry/comuni_istat_2026-08.csv";
    "ricodifica.csv" = "registry/comuni_sardegna_ricodifica.csv";
    "enti-ipa.csv" = "registry/enti_ipa_2020.csv";
};

/// Starts the simulator.
#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
pub(crate) fn simulate(options: SimulatorOptions) -> std::io::Result<RunningSimulator> {
    kit::published::simulate(DOCUMENTS, &options)
}
