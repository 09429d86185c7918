//! Header hygiene: what goes upstream, and what comes back.
//!
//! The order matters. Fields that `Connection` names and hop-by-hop fields go first, then every spelling of our own
//! names; only then are ours added. So nothing that a client sends can remove what we say, or say it for us.

pub(crate) mod connection;
pub(crate) mod cookie_field;
pub(crate) mod grpc;
mod list;
mod naming;
pub mod reserved;

pub use cookie_field::CookieNames;
pub use list::elements;
pub use naming::{HostHeader, IdentityHeaders, NamedHeaders};
