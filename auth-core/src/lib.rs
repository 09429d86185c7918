//! Who is asking, and may they?
//!
//! The library of the Candor gateway. It knows credentials, sessions and issuers; it knows no HTTP server. Its answer
//! about a credential is one of three verdicts, and the compiler keeps them apart: see [`verdict`].
//!
//! # Layout
//! The number is the floor; a module imports from lower floors only.
//!
//! - 0 [`clock`]: time as a parameter, and the only reader of the wall clock.
//! - 0 [`dependency`]: what a verdict depends on, by name.
//! - 0 [`principal`]: who somebody is, once we know.
//! - 0 [`verdict`]: the three verdicts, and the proofs that a refusal takes.
//! - 0 [`keeper`]: the handle on which store and provider calls run to their end.
//! - 0 [`lock`], [`alarm`], [`disk`]: taking a mutex; telling an operator; writing a file whole.
//! - 1 [`policy`]: what a route asks for, and the permit it gives.
//! - 1 [`held`]: the mass-refusal guard, and the only right to forget a credential.
//! - 1 `seal`: sealed envelopes for tickets and sign-in tries.
//! - 1 [`jws`]: strict JOSE, and the only module that names jsonwebtoken.
//! - 1 [`stated`]: what a token states of groups and roles, and what its silence means.
//! - 1 `flight`, `schedule`, `last_good`: one fetch at a time; when it is due; its last good answer on disk.
//! - 1 [`data_folder`]: the data folder, and the one process that may write in it.
//! - 1 [`database`]: the store.
//! - 2 `attempts`: getting what only others can give, with one back-off for all who need it.
//! - 2 [`keyring`]: our private keys.
//! - 2 [`outbound`]: the one HTTP client towards identity providers.
//! - 3 [`discovery`]: providers' documents, last known good, hosts pinned.
//! - 3 [`revocations`]: who is revoked, and how old that knowledge is.
//! - 4 [`keys`]: issuers' keys, last known good, and the proof that they are fresh.
//! - 5 [`idp`]: OpenID Connect providers, and the only module that names oauth2.
//! - 5 [`bearer`]: JWT bearer tokens of trusted issuers.
//! - 6 [`session`]: the sessions of people: a ticket with them, a row in the store.
//! - 7 [`sign_in`]: browser sign-in: begin, and finish at the callback.
//! - 8 [`authenticator`]: a credential in, a verdict out.
//! - 9 `layer` (feature `tower`): the three verdicts for services of your own.

pub mod alarm;
mod attempts;
pub mod authenticator;
pub mod bearer;
pub mod clock;
pub mod data_folder;
pub mod database;
pub mod dependency;
pub mod discovery;
pub mod disk;
mod flight;
pub mod held;
pub mod idp;
pub mod jws;
pub mod keeper;
pub mod keyring;
pub mod keys;
mod last_good;
#[cfg(feature = "tower")]
pub mod layer;
pub mod lock;
pub mod outbound;
#[cfg(test)]
mod parrot;
#[cfg(candor_planted)]
pub mod planted;
pub mod policy;
#[cfg(test)]
mod pretend;
pub mod principal;
pub mod revocations;
mod schedule;
#[cfg(test)]
mod scratch;
mod seal;
pub mod session;
pub mod sign_in;
pub mod stated;
pub mod verdict;

pub use authenticator::{Admission, Authenticator, Credential, Outcome};
pub use clock::{Clock, Now, Past, Timestamp};
pub use dependency::Dependency;
pub use keeper::Keeper;
pub use policy::{Permit, Requirement, permit};
pub use principal::{Principal, Subject};
pub use verdict::{OrUnavailable, Rejected, Stop, Unavailable, Verdict};
