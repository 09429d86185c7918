//! The gateway's own paths. Each answers with an [`Answer`](crate::reply::Answer); none of them can make a status, a
//! refusal or a redirect to sign-in by itself.

pub mod admin;
