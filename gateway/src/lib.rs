//! The Candor gateway: an authentication gateway whose 401 is always true.
//!
//! It stands in front of a service, asks [`auth_core`] who is there, and forwards what may pass. One rule shapes it: only
//! a proven refusal leaves as 401, 403 or a way to sign-in, and one module, [`response`], puts statuses on the wire.
//!
//! # Layout
//! The number is the floor; a module imports from lower floors only (`tidy` reads these lines). From the bottom:
//!
//! - 0 [`fault`]: what went wrong that is no verdict; it cannot name a 401.
//! - 0 [`body`]: the one body, both ways.
//! - 0 [`registry`]: what lives in the process for as long as a configuration names it.
//! - 1 [`headers`]: lists, cookies, the fields of one hop, and the names that are ours, in every spelling.
//! - 1 [`telemetry`]: access lines, diagnostics, metrics.
//! - 1 [`limits`]: how often one address may do what costs us something.
//! - 2 [`certificates`]: what clients are shown over TLS, read again when it changes.
//! - 2 [`request`]: a request as its client sent it, understood: path, host, which way it came, what it shows.
//! - 3 [`route`]: who may pass where; our own paths; where it is safe to come back to.
//! - 4 [`config`]: the file, read whole, all its problems at once.
//! - 5 [`upstream`]: sending on, with whose request it is, and vetting what comes back.
//! - 6 [`response`]: what leaves, in the form of whoever asked; the one place that puts a status on the wire.
//! - 7 [`state`]: what one configuration runs on, and what outlives it.
//! - 8 [`context`]: one request with what every step of its life needs.
//! - 9 [`own`]: the gateway's own paths.
//! - 10 [`handle`]: the life of a request, on one screen.
//! - 11 [`server`]: sockets, workers, connections, and the end of them; what commands say to a running gateway.
//! - 12 [`mod@check`], `demo` (feature `demo`): trying a configuration; showing the difference.
//! - 13 [`cli`]: the commands.

pub mod body;
pub mod certificates;
pub mod check;
pub mod cli;
pub mod config;
pub mod context;
#[cfg(feature = "demo")]
pub mod demo;
pub mod fault;
pub mod handle;
pub mod headers;
pub mod limits;
pub mod own;
pub mod registry;
pub mod request;
pub mod response;
pub mod route;
pub mod server;
pub mod state;
pub mod telemetry;
pub mod upstream;
