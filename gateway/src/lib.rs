//! The Candor gateway: an authentication gateway whose 401 is always true.
//!
//! It stands in front of a service, asks [`auth_core`] who is there, and forwards what may pass. One rule shapes it: only
//! a proven refusal leaves as 401, 403 or a way to sign-in, and one module, [`reply`], puts statuses on the wire.
//!
//! # Layout
//! A module imports from the rows above it only.
//!
//! - [`fault`]: what went wrong that is no verdict; it cannot name a 401. [`request_id`], [`reserved`]: the name of a
//!   request, the names that are ours. [`body`], [`io`]: the one body, the one connection. [`page`]: the frame of pages.
//!   [`telemetry`]: access lines, diagnostics, figures.
//! - [`arrived`]: a request and who sent it. [`path`]: one path, one reading. [`headers`]: hygiene. [`identity`]: who is
//!   asking, signed for upstreams. [`limits`]: how often one address may do what costs us something.
//! - [`ingress`]: strict heads. [`route`]: who may pass where, and where it is safe to come back to.
//! - [`config`]: the file, read whole, all its problems at once.
//! - [`intake`]: a head, understood. [`site`]: what our addresses and cookies are called.
//! - [`upstream`]: sending on, and judging what comes back. [`cookies`]: keeping a ticket, and forgetting only one that
//!   has ended. `notices`, `problem`: what people and programs are told.
//! - [`reply`]: what leaves, in the form of whoever asked.
//! - [`running`]: one configuration's live parts, and what outlives it.
//! - `asked`: one request while it is being answered. [`own`]: the gateway's own paths.
//! - [`handle`]: the life of a request, on one screen.
//! - [`server`]: sockets, workers, connections, and the end of them.
//! - [`mod@check`], `demo`: trying a configuration, showing the difference. [`cli`]: the commands.

mod notices;
mod problem;

pub mod arrived;
mod asked;
pub mod body;
pub mod check;
pub mod cli;
pub mod config;
pub mod cookies;
#[cfg(feature = "demo")]
pub mod demo;
pub mod fault;
pub mod handle;
pub mod headers;
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
