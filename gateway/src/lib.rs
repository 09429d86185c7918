//! The Candor gateway: an authentication gateway whose 401 is always true.

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
