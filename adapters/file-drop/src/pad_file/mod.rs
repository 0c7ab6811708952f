//! Tables that procurement platforms export, read by a mapping file of each platform.

pub(crate) mod adapter;
pub(crate) mod choose;
pub(crate) mod config;
pub(crate) mod gather;
pub(crate) mod intake;
pub(crate) mod package;
pub(crate) mod parts;
pub(crate) mod read;
pub(crate) mod rows;
pub(crate) mod values;
pub(crate) mod workbook;
