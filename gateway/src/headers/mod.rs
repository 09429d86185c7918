//! Header hygiene: what goes upstream, and what comes back.
//!
//! The order matters. Fields that `Connection` names and hop-by-hop fields go first, then every spelling of our own
//! names; only then are ours added. So nothing that a client sends can remove what we say, or say it for us.

mod arrival;
mod connection;
mod cookie_field;
mod from_upstream;
mod introduction;
mod list;
mod naming;
mod shared_cache;
mod to_upstream;

pub use arrival::{Forwarded, ForwardedPolicy};
pub use cookie_field::{CookieNames, cookies};
pub use from_upstream::{ResponseFields, from_upstream, trailers_from_upstream};
pub use introduction::IdentityFields;
pub use list::elements;
pub use naming::{HostHeader, IdentityHeaders, NamedHeaders};
pub use to_upstream::{RequestFields, to_upstream};
