//! The instrument: load for any gateway, a comparison with other gateways, the incident of January 2021 replayed.
//!
//! It measures from outside: real processes, real sockets on loopback, what `/proc` says of them. Deliberately absent:
//! traffic to a host that its user did not call their own ([`target`]), and a figure without its spread.
//!
//! # Layout
//! The number is the floor; a module imports from lower floors only (`tidy` reads these lines). From the bottom:
//!
//! - 0 [`cost`]: what one request costs in things that can be counted, and how much of each it may cost.
//! - 0 [`latency`]: how long things took, as a distribution.
//! - 0 [`machine`]: what machine this is, and the limits that a process has on it.
//! - 0 [`micro`]: what the micro benches found.
//! - 0 [`process`]: a program that we started: where it runs, what it costs, how it ends.
//! - 0 [`target`]: where traffic goes, and where it may not go.
//! - 0 [`terminal`]: how it goes while it runs.
//! - 1 [`fault`]: why a command could not do what it was asked to do.
//! - 1 [`report`]: what was measured, for people: pages, Markdown, drawings.
//! - 1 [`exchange`]: one connection as a client sees it, as cheap as it can be.
//! - 1 [`origin`]: the service behind a gateway, as cheap as it can be.
//! - 2 [`outcome`]: what an answer means for whoever asked.
//! - 2 [`peer`]: the gateways that are compared: installed, configured, started.
//! - 3 [`drive`]: many connections at once, and what came back.
//! - 4 [`compare`]: the same work through each of them, by turns.
//! - 4 [`profile`]: where the gateway's time goes.
//! - 4 [`load`]: browsers, programs and displays on any gateway.
//! - 4 [`incident`]: the outage of January 2021, replayed through each of them at the same time.
//! - 5 [`slow`]: thousands of connections that say nothing, and what the others notice.
//! - 5 [`storm`]: all displays come back at once.
//! - 6 [`performance`]: one page for who chooses a gateway.
//! - 7 [`cli`]: the commands.

pub mod cli;
pub mod compare;
pub mod cost;
pub mod drive;
pub mod exchange;
pub mod fault;
pub mod incident;
pub mod latency;
pub mod load;
pub mod machine;
pub mod micro;
pub mod origin;
pub mod outcome;
pub mod peer;
pub mod performance;
pub mod process;
pub mod profile;
pub mod report;
pub mod slow;
pub mod storm;
pub mod target;
pub mod terminal;
