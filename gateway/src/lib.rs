//! The Candor gateway: an authentication gateway whose 401 is always true.
//!
//! It stands in front of a service, asks [`auth_core`] who is there, and forwards what may pass. One rule shapes it: only
//! a proven refusal leaves as 401, 403 or a way to sign-in, and one module, [`reply`], puts statuses on the wire.
//!
//! # Layout
//! The number is the floor; a module imports from lower floors only.
//!
//! - 0 [`fault`]: what went wrong that is no verdict; it cannot name a 401.
//! - 0 [`request_id`], [`reserved`]: the name of a request; the names that are ours, in every spelling.
//! - 0 [`host`]: one host, one spelling.
//! - 0 [`body`], [`io`]: the one body, the one connection.
//! - 0 [`page`], [`telemetry`]: the frame of pages; access lines, diagnostics, figures.
//! - 1 [`path`]: one path, one reading.
//! - 1 [`headers`], [`identity`]: hygiene both ways; who is asking, signed for upstreams.
//! - 1 [`limits`]: how often one address may do what costs us something.
//! - 2 [`ingress`], [`route`]: strict heads; who may pass where, and where it is safe to come back to.
//! - 3 [`config`]: the file, read whole, all its problems at once.
//! - 4 [`intake`], [`site`]: a head, understood; what our addresses and cookies are called.
//! - 5 [`upstream`]: sending on, and judging what comes back.
//! - 5 [`cookies`], `notices`: keeping a ticket, and forgetting only one that has ended; what people are told.
//! - 6 [`answer`], `problem`: what happened, before it takes a form; what programs are told.
//! - 7 [`reply`]: what leaves, in the form of whoever asked.
//! - 8 [`running`]: one configuration's live parts, and what outlives it.
//! - 9 [`arrived`], `asked`: a request with its snapshot; the same while it is being answered.
//! - 9 [`control`]: what commands say to the gateway that holds the data folder.
//! - 10 [`own`]: the gateway's own paths.
//! - 11 [`handle`]: the life of a request, on one screen.
//! - 12 [`server`]: sockets, workers, connections, and the end of them.
//! - 13 [`mod@check`], `demo`: trying a configuration; showing the difference.
//! - 14 [`cli`]: the commands.

mod notices;
mod problem;

pub mod answer;
pub mod arrived;
mod asked;
pub mod body;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod cookies;
#[cfg(feature = "demo")]
pub mod demo;
pub mod fault;
pub mod handle;
pub mod headers;
pub mod host;
pub mod identity;
pub mod ingress;
pub mod intake;
pub mod io;
pub mod limits;
pub mod own;
pub mod page;
pub mod path;
pub mod reply;
pub mod request_id;
pub mod reserved;
pub mod route;
pub mod running;
pub mod server;
pub mod site;
pub mod telemetry;
pub mod upstream;
