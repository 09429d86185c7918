//! Until `handle` and `own` are there.
use crate::{
    reply::Reply,
    running::{Gateway, Serving},
    server::Arrived,
};

pub(super) async fn handle(_: &Serving, _: Arrived) -> Reply {
    todo!()
}

pub(super) async fn answer(_: &Gateway, _: Arrived) -> Reply {
    todo!()
}
