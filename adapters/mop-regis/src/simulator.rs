//! A stand-in for the portals: real extracts at the usual paths, and faults on request.

use contract::{RunningSimulator, SimulatorOptions};

macro_rules! documents {
    ($( $path:literal = $sample:literal; )+) => {
        &[ $( ($path, include_bytes!(concat!("../../../schemas/samples/", $sample))), )+ ]
    };
}

/// What the simulator serves.
pub(crate) const DOCUMENTS: &[(&str, &[u8])] = documents! {
    "opencup.csv" = "mop/opencup-messina.parte1.csv";
    "openbdap-cup.csv" = "mop/openbdap-messina-cup.parte1.csv";
    "openbdap-cig.csv" = "mop/openbdap-messina-cig.parte1.csv";
    "pagamenti.csv" = "mop/pagamenti.csv";
    "enti.csv" = "mop/enti.csv";
    "pnc-progetti.csv" = "pnrr_pnc/pnc-progetti.csv";
    "pnc-gare.csv" = "pnrr_pnc/pnc-gare.csv";
    "pnc-localizzazione.csv" = "pnrr_pnc/pnc-localizzazione.csv";
    "regis-gare-validati.csv" = "pnrr_pnc/regis-gare-validati.csv";
    "regis-pagamenti.csv" = "pnrr_pnc/regis-pagamenti.csv";
};

/// Starts the simulator.
#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
pub(crate) fn simulate(options: SimulatorOptions) -> std::io::Result<RunningSimulator> {
    kit::published::simulate(DOCUMENTS, &options)
}
