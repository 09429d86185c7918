//! Pretend servers: an OpenID provider and a legacy service, made to be broken.
//!
//! The demonstration, the test world and the benches share them, so that none of the three can rot alone. They listen
//! on loopback only and keep everything in memory. They are exempt from the rule of who may write a 401: that they
//! lie is what they are for. Packages leave them out (feature `demo`).

pub mod browser;
pub mod calendar;
mod cast;
mod deployment;
pub mod displays;
mod gates;
pub mod idp;
pub mod incident;
pub mod january;
pub mod monolith;
mod page;
mod portal;
mod server;
pub mod show;
pub mod simulate;
mod stage;
mod state;
pub mod wire;

pub use displays::LegacyDisplay;
pub use idp::{AccessTokenSpec, Health, Idp, Lie, Login, Part, Twin, User};
pub use monolith::{DenialMode, Mode, Monolith, SeenRequest};
