//! `[[routes]]`: who may pass where.

pub use crate::route::{Expect, OnDenial, Route, RouteAsker};
