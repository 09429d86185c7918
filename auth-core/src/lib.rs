//! Who is asking, and may they?
//!
//! The library of the Candor gateway. It knows credentials, sessions and issuers; it knows no HTTP server. Its answer
//! about a credential is one of three verdicts, and the compiler keeps them apart: see [`verdict`].
//!
//! # Layout
//! The number is the floor; a module imports from lower floors only (`tidy` reads these lines).
//!
//! - 0 [`metric`], [`lock`], [`disk`]: what is counted; taking a mutex; writing a file whole.
//! - 0 `mutants` (under a test's `cfg` only): named bugs, for tests of the tests.
//! - 0 `client` (feature `client`): the device's own side. It knows nothing of all the rest, so that a display need not.
//! - 1 [`alarm`]: what somebody must look at.
//! - 2 [`clock`]: time as a parameter, and the only reader of the wall clock.
//! - 2 [`dependency`]: what a verdict depends on, by name.
//! - 3 [`principal`]: who somebody is, once we know; what a token states of groups and roles, and what its silence means.
//! - 4 [`verdict`]: the three verdicts, and the proofs that a refusal takes.
//! - 5 `random`: random bytes, or unavailable.
//! - 5 [`background`]: the runtime on which store and provider calls run to their end.
//! - 6 [`policy`]: what a route asks for, and the permit it gives.
//! - 6 [`jws`]: strict JOSE, and the only module that names jsonwebtoken.
//! - 6 [`data_folder`]: the data folder, and the one process that may write in it.
//! - 6 [`database`]: the store.
//! - 7 [`credential`]: the credentials of a request, which of them counts, and the one hash by which it is known.
//! - 7 [`keyring`]: our private keys, and the sealed envelopes for tickets and pending sign-ins.
//! - 7 [`outbound`]: the one HTTP client towards identity providers.
//! - 7 [`audit`]: the audit trail of the device fleet, each row hashed over the one before.
//! - 7 `last_known_good`: what others gave us last: a snapshot without a lock, one fetch at a time, a copy on disk.
//! - 8 [`refusal_guard`]: the mass-refusal guard, and the only right to forget a credential.
//! - 8 [`discovery`]: providers' documents, last known good, hosts pinned.
//! - 8 [`revocations`]: who is revoked, and how old that knowledge is.
//! - 9 [`keys`]: issuers' keys, last known good, and the proof that they are fresh.
//! - 10 [`idp`]: OpenID Connect providers, and the only module that names openidconnect.
//! - 10 [`bearer`]: JWT bearer tokens of trusted issuers.
//! - 11 [`session`]: the sessions of people: a ticket with them, a row in the store.
//! - 11 [`device`]: the device fleet: registry, tokens, and what devices ask of us.
//! - 12 [`sign_in`]: browser sign-in: begin, and finish at the callback.
//! - 13 [`authenticator`]: a credential in, a verdict out.
//! - 14 `layer` (feature `tower`): the three verdicts for services of your own.

pub mod alarm;
pub mod audit;
pub mod authenticator;
pub mod background;
pub mod bearer;
#[cfg(feature = "client")]
pub mod client;
pub mod clock;
pub mod credential;
pub mod data_folder;
pub mod database;
pub mod dependency;
pub mod device;
pub mod discovery;
pub mod disk;
pub mod idp;
pub mod jws;
pub mod keyring;
pub mod keys;
mod last_known_good;
#[cfg(feature = "tower")]
pub mod layer;
pub mod lock;
pub mod metric;
#[cfg(candor_mutants)]
pub mod mutants;
pub mod outbound;
pub mod policy;
pub mod principal;
mod random;
pub mod refusal_guard;
pub mod revocations;
pub mod session;
pub mod sign_in;
#[cfg(test)]
mod testing;
pub mod verdict;

pub use authenticator::{Admission, Authenticator, Outcome};
pub use background::Background;
pub use clock::{Clock, Now, Past, Timestamp};
pub use credential::Credential;
pub use dependency::Dependency;
pub use policy::{Permit, Requirement, permit};
pub use principal::{Principal, Subject};
pub use verdict::{OrUnavailable, Rejected, Stop, Unavailable, Verdict};
