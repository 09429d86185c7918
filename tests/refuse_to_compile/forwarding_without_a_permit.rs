//! Expected: E0308.
//!
//! Knowing who somebody is does not forward anything: that takes a permit, as an argument.

use std::rc::Rc;

use auth_core::{Permit, Principal};
use gateway::{body::Received, fault::Fault, route::Route, upstream::{VettedResponse, Pools, Upstreams, Whence}};
use http::Request;

#[cfg(misuse)]
type Right = Principal;
#[cfg(not(misuse))]
type Right = Permit;

pub async fn forward(
    upstreams: &Upstreams,
    pools: &Rc<Pools>,
    route: &Route,
    right: &Right,
    whence: Whence<'_>,
    request: Request<Received>,
) -> Result<VettedResponse, Fault> {
    let _: Option<(Permit, Principal)> = None;
    upstreams.send(pools, route, right, whence, request).await
}
