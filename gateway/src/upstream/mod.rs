//! Sending a request on, and judging what comes back.
//!
//! Forwarding takes a [`Permit`], as an argument; what comes back is [`Passed`] or a [`Fault`]. This module does not
//! know how either is shown.

mod endpoint;
mod judge;
mod pool;

use auth_core::policy::{Permit, Requirement};
use http::Request;
use hyper::body::Incoming;

pub use judge::Passed;
pub use pool::Pools;

use crate::{config::Config, fault::Fault};

/// Every upstream of one configuration, and how far each route believes its own.
pub struct Upstreams {}

impl Upstreams {
    /// The upstreams and routes of `config`.
    pub fn new(config: &Config) -> Self {
        let _ = config;
        todo!()
    }

    /// Sends `request` on, by the route that `requirement` names, and judges the answer. Dropping the future takes the
    /// request back.
    ///
    /// # Errors
    /// A fault; nothing of the upstream's answer leaves with it.
    pub async fn send(
        &self,
        pools: &Pools,
        requirement: &Requirement,
        permit: &Permit,
        request: Request<Incoming>,
    ) -> Result<Passed, Fault> {
        let _ = (pools, requirement, permit, request);
        todo!()
    }
}
