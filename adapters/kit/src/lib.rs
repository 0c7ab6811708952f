#![doc = include_str!("../README.md")]

pub mod answer;
pub mod http;
pub mod secret;
pub mod simulator;

pub use secret::{Secret, SecretError};
