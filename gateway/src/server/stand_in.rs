//! Until `handle` and `own` are there.
use crate::{
    arrived::Arrived,
    reply::Reply,
    running::{Gateway, Serving},
};

pub(super) async fn handle(_: &Serving, _: Arrived) -> Reply {
    todo!()
}

pub(super) async fn answer(_: &Gateway, _: Arrived) -> Reply {
    todo!()
}
