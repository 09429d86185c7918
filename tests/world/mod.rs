//! One world for tests.

pub mod authority;
pub mod wire;
