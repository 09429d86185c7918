//! A request as its client sent it, understood: one path, one host, which way it came, and what could be a credential.
//!
//! What could be read in two ways is refused here with 400. Nothing here knows a route: which credential counts, and in
//! whose form the answer is given, is decided where the route is known.

pub mod client_kind;
pub mod forwarded;
pub mod head;
pub mod head_rules;
pub mod host;
pub mod id;
pub mod original;
pub mod path;

pub use self::{
    client_kind::presumed_client_kind,
    forwarded::{Forwarded, ForwardedPolicy},
    head::{HeadPolicy, RequestHead, read},
    host::Host,
    id::RequestId,
    original::OriginalRequest,
};
