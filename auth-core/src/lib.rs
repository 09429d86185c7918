//! Who is asking, and may they? For services that take access tokens, and the library of the Candor gateway.
//!
//! It knows credentials and issuers; it knows no HTTP server. Its answer about a credential is one of three verdicts, and
//! the compiler keeps them apart (see [`verdict`]): who it is; that it is no good, with a proof; or that nobody can tell
//! now. Only a proof becomes 401 or 403. An outage is 503, whatever is out.
//!
//! ```no_run
//! # #[cfg(feature = "axum")] mod service {
//! use auth_core::{Bearer, Principal};
//! use axum::{Router, routing::get};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let auth = Bearer::issuer("https://idp.example")?.audience("api").scope("orders:read").start()?;
//! let app: Router = Router::new()
//!     .route("/me", get(|who: Principal| async move { who.subject.id.to_string() }))
//!     .layer(auth.http())
//!     .route("/open", get(|| async { "open" }));
//! # Ok(()) } }
//! ```
//!
//! [`resource_server`] has the whole of it: [`Bearer`], what it takes, and each default. `docs/linking.md` in the
//! repository shows services of axum, tonic and hyper, and one that stands behind the gateway.
//!
//! # Features
//! | | |
//! |---|---|
//! | `bearer` (default) | [`Bearer`]: access tokens, and identities that a gateway signed. No store, no file unless asked for |
//! | `tower` | [`Bearer::http`] and [`Bearer::grpc`], layers |
//! | `axum` | [`Principal`] and [`VerifiedClaims`] as extractors |
//! | `tonic` | a layered service keeps the name that tonic routes by |
//! | `client` | the device's own side |
//! | `unstable` | the parts that the gateway is built of; they change with any release. `store` and `sign-in` have more of them |
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
//! - 9 `verdict_log`: what each verdict leaves behind: a counter, a line, a note for the guard.
//! - 9 [`keys`]: issuers' keys, last known good, and the proof that they are fresh.
//! - 10 [`idp`]: OpenID Connect providers, and the only module that names openidconnect.
//! - 10 [`bearer`]: JWT bearer tokens of trusted issuers.
//! - 11 [`session`]: the sessions of people: a ticket with them, a row in the store.
//! - 11 [`device`]: the device fleet: registry, tokens, and what devices ask of us.
//! - 11 [`resource_server`]: access tokens for a service of one's own, in a few lines.
//! - 12 [`sign_in`]: browser sign-in: begin, and finish at the callback.
//! - 13 [`authenticator`]: a credential in, a verdict out.
//! - 14 `layer` (feature `tower`): the three verdicts for services of your own.

#![cfg_attr(
    not(feature = "sign-in"),
    allow(dead_code, unreachable_pub, unused_imports, reason = "these are parts that the gateway alone uses")
)]

#[cfg(all(test, not(feature = "sign-in")))]
compile_error!("the tests need all features: cargo test --all-features");

#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod alarm;
#[cfg(feature = "unstable")]
pub mod alarm;
#[cfg(feature = "store")]
pub mod audit;
#[cfg(feature = "sign-in")]
pub mod authenticator;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod background;
#[cfg(feature = "unstable")]
pub mod background;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod bearer;
#[cfg(feature = "unstable")]
pub mod bearer;
#[cfg(feature = "client")]
pub mod client;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod clock;
#[cfg(feature = "unstable")]
pub mod clock;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod credential;
#[cfg(feature = "unstable")]
pub mod credential;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod data_folder;
#[cfg(feature = "unstable")]
pub mod data_folder;
#[cfg(feature = "store")]
pub mod database;
#[cfg(feature = "bearer")]
pub mod dependency;
#[cfg(feature = "store")]
pub mod device;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod discovery;
#[cfg(feature = "unstable")]
pub mod discovery;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod disk;
#[cfg(feature = "unstable")]
pub mod disk;
#[cfg(feature = "sign-in")]
pub mod idp;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod jws;
#[cfg(feature = "unstable")]
pub mod jws;
#[cfg(feature = "store")]
pub mod keyring;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod keys;
#[cfg(feature = "unstable")]
pub mod keys;
#[cfg(feature = "bearer")]
mod last_known_good;
#[cfg(feature = "tower")]
pub mod layer;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod lock;
#[cfg(feature = "unstable")]
pub mod lock;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod metric;
#[cfg(feature = "unstable")]
pub mod metric;
#[cfg(candor_mutants)]
pub mod mutants;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod outbound;
#[cfg(feature = "unstable")]
pub mod outbound;
#[cfg(feature = "bearer")]
pub mod policy;
#[cfg(feature = "bearer")]
pub mod principal;
#[cfg(feature = "store")]
mod random;
#[cfg(all(feature = "bearer", not(feature = "unstable")))]
mod refusal_guard;
#[cfg(feature = "unstable")]
pub mod refusal_guard;
#[cfg(feature = "bearer")]
pub mod resource_server;
#[cfg(feature = "store")]
pub mod revocations;
#[cfg(feature = "sign-in")]
pub mod session;
#[cfg(feature = "sign-in")]
pub mod sign_in;
#[cfg(test)]
mod testing;
#[cfg(feature = "bearer")]
pub mod verdict;
#[cfg(feature = "bearer")]
mod verdict_log;

#[cfg(feature = "sign-in")]
pub use authenticator::{Admission, Authenticator, Outcome};
#[cfg(feature = "unstable")]
pub use background::Background;
#[cfg(feature = "bearer")]
pub use clock::{Clock, Now, Past, Timestamp};
#[cfg(feature = "unstable")]
pub use credential::Credential;
#[cfg(feature = "bearer")]
pub use dependency::Dependency;
#[cfg(feature = "bearer")]
pub use policy::{Allow, Permit, Requirement, permit};
#[cfg(feature = "bearer")]
pub use principal::{
    Kind, Principal, Subject,
    stated::{Absence, WhenAbsent},
};
#[cfg(feature = "bearer")]
pub use resource_server::{Bearer, BearerBuilder, StartError, VerifiedClaims};
#[cfg(feature = "bearer")]
pub use verdict::{OrUnavailable, Rejected, Stop, Unavailable, Verdict};
