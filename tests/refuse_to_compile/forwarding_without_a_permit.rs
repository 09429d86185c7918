//! Expected: E0308.
//!
//! Knowing who somebody is does not forward anything: that takes a permit, as an argument.

use std::rc::Rc;

use auth_core::{Now, Permit, Principal};
use gateway::{
    body::Received,
    fault::Fault,
    request::RequestHead,
    route::Route,
    upstream::{Forwarding, Pools, Upstreams, VettedResponse},
};
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
    head: &RequestHead,
    now: Now,
    request: Request<Received>,
) -> Result<VettedResponse, Fault> {
    let _: Option<(Permit, Principal)> = None;
    let forwarding = Forwarding { route, permit: right, access_token: None, watch: None };
    upstreams.send(pools, forwarding, head, now, request).await
}
