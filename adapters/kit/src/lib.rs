#![doc = include_str!("../README.md")]

pub mod answer;
pub mod problem;
mod pause;
pub mod http;
pub mod download;
pub mod documents;
pub mod table;
mod cells;
mod rows;
pub mod occurrences;
pub mod handover;
pub mod shown;
pub mod secret;
pub mod random;
pub mod jose;
mod flight;
pub mod pdnd;
pub mod modi;
pub mod oidc;
pub mod oauth;
pub mod webhook;
pub mod simulator;
pub mod published;

pub use cells::{Cells, CellsError};
pub use documents::{Document, Links, Looks, list_folder, refuse};
pub use download::Downloaded;
pub use handover::{Closed, Give, hand_over};
pub use occurrences::Occurrences;
pub use secret::{Secret, SecretError};
pub use shown::{note_finding, showable, showable_code, shown, with_received};
pub use table::{Delimiter, Dialect, Encoding, TableFormat, give_table};
