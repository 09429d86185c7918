//! The Candor gateway: an authentication gateway whose 401 is always true.

pub mod config;
pub mod fault;

#[cfg(feature = "demo")]
pub mod demo;
