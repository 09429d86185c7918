//! Until `handle` and `own` are there.
use http::Request;
use hyper::body::Incoming;

use crate::{
    reply::Reply,
    running::{Gateway, Serving},
};

pub(super) async fn handle(_: &Serving, _: Request<Incoming>) -> Reply {
    todo!()
}

pub(super) async fn answer(_: &Gateway, _: Request<Incoming>) -> Reply {
    todo!()
}
