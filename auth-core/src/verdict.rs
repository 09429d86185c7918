//! The three verdicts about a credential, and the proofs that a refusal takes.
//!
//! A [`Rejected`] can only be made from a `Proof`: a small struct that *is* the fact. Nothing converts an error
//! into one, so an outage has nowhere to go but [`Unavailable`]. What is deliberately absent: a boolean view of a
//! [`Verdict`], a public constructor of [`Rejected`], `Clone` and `From` for it, and `std::error::Error` on
//! [`Rejected`] and [`Stop`], since [`OrUnavailable`] would then swallow a refusal.
//!
//! `grep -rn "impl Proof for" auth-core` is the complete list of ways to be refused; `docs/refusals.md` explains
//! each.

#![warn(clippy::wildcard_enum_match_arm)]

use std::{borrow::Cow, error::Error, fmt, sync::Arc, time::Duration};

use crate::{
    clock::{Now, Past, Timestamp},
    dependency::Dependency,
    principal::{Principal, Silence, Subject},
};

/// What we can say about a credential.
#[derive(Debug)]
#[must_use]
pub enum Verdict {
    /// We know who this is: a signature or a seal held.
    Authenticated(Principal),
    /// We can prove that the credential is no good, or that none was given.
    Rejected(Rejected),
    /// We cannot tell. Everything that is not proven, known and unknown, is this.
    Unavailable(Unavailable),
}

/// A refusal that was proven. Made inside this crate only.
#[derive(Debug)]
#[must_use]
pub struct Rejected {
    reason: Reason,
    about: Option<Subject>,
    display_name: Option<Arc<str>>,
    ordered: bool,
    detail: Detail,
}

/// We could not tell, because of `dependency`.
#[derive(Clone, Debug)]
#[must_use]
pub struct Unavailable {
    /// What was missing.
    pub dependency: Dependency,
    /// When it is worth asking again.
    pub retry_after: Duration,
    uncertainty: Uncertainty,
    cause: Arc<dyn Error + Send + Sync>,
}

/// Why a verdict could not be reached. It decides how that is counted, rung and said, and never what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncertainty {
    /// Something that should answer did not.
    Outage,
    /// A stranger can cause it at will, without any outage.
    Unsettled,
    /// Everything answers, and the issuer did not state what a rule asks for. Waiting alone changes nothing.
    NotStated(Silence),
    /// A device's token is good, and so old that it must be renewed first: its holder can do that by itself.
    RenewalRequired,
    /// Somebody on record has suspended a device that cannot prove its key. Nothing of it has ended.
    Suspended,
}

/// What ends a request early: a proven refusal, or not being able to tell. This is what `?` carries.
#[derive(Debug)]
#[must_use]
pub enum Stop {
    /// Proven.
    Rejected(Rejected),
    /// Not known.
    Unavailable(Unavailable),
}

/// Why a credential was refused. The proof decides it, so reason and evidence cannot disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A seal under a key of ours, or one that we retired, does not hold.
    BadSeal,
    /// The signature does not verify under the key it names.
    BadSignature,
    /// The session has a row that says it ended.
    Ended,
    /// Its hard expiry has passed.
    Expired,
    /// Its issuer says that it is not, or no longer, good (RFC 7662 §2.2).
    Inactive,
    /// A verified token lacks a claim that its kind must carry, or breaks a rule of its kind.
    Malformed,
    /// No credential was given.
    Missing,
    /// We know who this is, and they may not.
    NotPermitted,
    /// The provider refuses to renew the sign-in.
    RefreshRefused,
    /// A revocation row names it.
    Revoked,
    /// It names a key that its issuer provably does not have.
    UnknownKey,
    /// It was made for somebody else.
    WrongAudience,
    /// The issuer's key signed it in another issuer's name.
    WrongIssuer,
}

/// What a refusal tells whoever asked: which of these it was, and no more. Which [`Reason`], only the log knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Nothing was shown.
    Missing,
    /// What was shown is no good.
    Invalid,
    /// It is known who it is, and they may not.
    NotPermitted,
}

impl Reason {
    /// What whoever asked is told of it.
    pub fn kind(self) -> RefusalKind {
        match self {
            Self::Missing => RefusalKind::Missing,
            Self::NotPermitted => RefusalKind::NotPermitted,
            Self::BadSeal
            | Self::BadSignature
            | Self::Ended
            | Self::Expired
            | Self::Inactive
            | Self::Malformed
            | Self::RefreshRefused
            | Self::Revoked
            | Self::UnknownKey
            | Self::WrongAudience
            | Self::WrongIssuer => RefusalKind::Invalid,
        }
    }
}

/// What the log says about a refusal. Never a part of the credential.
#[derive(Clone, Debug)]
pub struct Detail(Cow<'static, str>);

/// A fact that proves a credential no good, or absent.
///
/// Implemented by small private structs beside the code that establishes them.
pub(crate) trait Proof {
    /// What it proves.
    fn reason(&self) -> Reason;
    /// What the log should know.
    fn detail(&self) -> Detail;
    /// Whose credential it was; only a subject that a good signature or seal vouches for.
    fn about(&self) -> Option<Subject> {
        None
    }
    /// What they are called, if it is known who they are: for a page, and never an identity.
    fn display_name(&self) -> Option<Arc<str>> {
        None
    }
    /// Whether a person who is on record ordered it: then it is no mistake of a machine.
    fn ordered(&self) -> bool {
        false
    }
}

/// The short way out of an error is the safe one.
pub trait OrUnavailable<T> {
    /// Turns any error into Unavailable because of `dependency`.
    ///
    /// # Errors
    /// The error, as the cause of an [`Unavailable`].
    fn or_unavailable(self, dependency: Dependency) -> Result<T, Unavailable>;
}

impl Verdict {
    /// Carries on with the principal, or stops.
    ///
    /// # Errors
    /// The refusal, or what was missing.
    pub fn proceed(self) -> Result<Principal, Stop> {
        match self {
            Self::Authenticated(principal) => Ok(principal),
            Self::Rejected(rejected) => Err(Stop::Rejected(rejected)),
            Self::Unavailable(unavailable) => Err(Stop::Unavailable(unavailable)),
        }
    }
}

impl Rejected {
    #[expect(clippy::needless_pass_by_value, reason = "a proof is spent on the one refusal it proves")]
    pub(crate) fn proven_by(proof: impl Proof) -> Self {
        Self {
            reason: proof.reason(),
            about: proof.about(),
            display_name: proof.display_name(),
            ordered: proof.ordered(),
            detail: proof.detail(),
        }
    }

    /// What was proven.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Whose credential it was, if something that holds vouches for that.
    pub fn about(&self) -> Option<&Subject> {
        self.about.as_ref()
    }

    /// What whoever is known and may not is called: for a page, and never an identity.
    pub fn display_name(&self) -> Option<&str> {
        self.display_name.as_deref()
    }

    /// Whether a person on record ordered it.
    pub(crate) fn ordered(&self) -> bool {
        self.ordered
    }

    /// What the log should know.
    pub fn detail(&self) -> &Detail {
        &self.detail
    }

    /// Whether the credential is dead for good, so that it may be forgotten. [`crate::held`] asks; nobody else may.
    pub(crate) fn ends_credential(&self) -> bool {
        match self.reason {
            Reason::BadSeal | Reason::Ended | Reason::Expired | Reason::RefreshRefused | Reason::Revoked => true,
            Reason::BadSignature
            | Reason::Inactive
            | Reason::Malformed
            | Reason::Missing
            | Reason::NotPermitted
            | Reason::UnknownKey
            | Reason::WrongAudience
            | Reason::WrongIssuer => false,
        }
    }
}

impl Unavailable {
    /// How long to wait where the dependency did not say.
    pub const RETRY_AFTER: Duration = Duration::from_secs(5);

    /// The longest that anybody is told to wait until something begins.
    const LONGEST_GAP: Duration = Duration::from_secs(120);

    /// Unavailable because of `dependency`, for this cause.
    pub fn because(dependency: Dependency, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let (uncertainty, cause) = (Uncertainty::Outage, Arc::from(cause.into()));
        Self { dependency, retry_after: Self::RETRY_AFTER, uncertainty, cause }
    }

    /// The same, worth asking again after `delay`.
    pub fn retry_after(self, delay: Duration) -> Self {
        Self { retry_after: delay, ..self }
    }

    /// Unavailable, since what was shown begins only at `begins`. Where that is far off, or one reading says that it has
    /// begun, a clock is likelier wrong than the client early, and may be set right at any moment: so nobody is told to
    /// stay away for longer than [`Unavailable::LONGEST_GAP`].
    pub(crate) fn not_yet(begins: Timestamp, now: Now, cause: &'static str) -> Self {
        let this = Self::because(Dependency::Clock, cause);
        match now.past(begins) {
            Past::InDoubt => this,
            Past::No | Past::Yes => {
                let gap = begins.since(now.wall());
                this.retry_after(gap.clamp(Duration::from_secs(1), Self::LONGEST_GAP))
            }
        }
    }

    /// The same, counted apart: a stranger can cause it at will, so it must not ring the alarm of an outage.
    pub(crate) fn unsettled(self) -> Self {
        Self { uncertainty: Uncertainty::Unsettled, ..self }
    }

    /// An issuer's token did not state what a rule asks for.
    pub(crate) fn not_stated(silence: Silence, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let stated = Self::because(Dependency::Claims, cause);
        Self { uncertainty: Uncertainty::NotStated(silence), ..stated }
    }

    /// A device's token must be renewed before it is served again.
    pub(crate) fn renewal_required(cause: &'static str) -> Self {
        let this = Self::because(Dependency::OwnJudgement, cause);
        Self { uncertainty: Uncertainty::RenewalRequired, ..this }
    }

    /// A device that cannot prove its key is suspended, as `cause` says.
    pub(crate) fn suspended(cause: String) -> Self {
        let this = Self::because(Dependency::OwnJudgement, cause).retry_after(Self::LONGEST_GAP);
        Self { uncertainty: Uncertainty::Suspended, ..this }
    }

    /// Why it could not be told.
    pub fn uncertainty(&self) -> Uncertainty {
        self.uncertainty
    }

    /// Whether a ticket does not say what a rule asks about, since it is older than the rule.
    pub(crate) fn was_not_asked(&self) -> bool {
        self.uncertainty == Uncertainty::NotStated(Silence::NotAsked)
    }

    /// Whether a stranger could have caused this without any outage.
    pub fn is_unsettled(&self) -> bool {
        self.uncertainty == Uncertainty::Unsettled
    }

    /// Why, for the log.
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.cause
    }
}

impl Reason {
    /// Every reason, in the order of their names.
    pub const ALL: [Self; 13] = [
        Self::BadSeal,
        Self::BadSignature,
        Self::Ended,
        Self::Expired,
        Self::Inactive,
        Self::Malformed,
        Self::Missing,
        Self::NotPermitted,
        Self::RefreshRefused,
        Self::Revoked,
        Self::UnknownKey,
        Self::WrongAudience,
        Self::WrongIssuer,
    ];

    /// The word that logs and counters use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadSeal => "bad-seal",
            Self::BadSignature => "bad-signature",
            Self::Ended => "ended",
            Self::Expired => "expired",
            Self::Inactive => "inactive",
            Self::Malformed => "malformed",
            Self::Missing => "missing",
            Self::NotPermitted => "not-permitted",
            Self::RefreshRefused => "refresh-refused",
            Self::Revoked => "revoked",
            Self::UnknownKey => "unknown-key",
            Self::WrongAudience => "wrong-audience",
            Self::WrongIssuer => "wrong-issuer",
        }
    }
}

impl Detail {
    /// A detail from text. Never put a token, a cookie or a secret here.
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }
}

impl<T, E: Error + Send + Sync + 'static> OrUnavailable<T> for Result<T, E> {
    fn or_unavailable(self, dependency: Dependency) -> Result<T, Unavailable> {
        self.map_err(|error| Unavailable::because(dependency, error))
    }
}

impl From<Stop> for Verdict {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Rejected(rejected) => Self::Rejected(rejected),
            Stop::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

impl From<Rejected> for Stop {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<Unavailable> for Stop {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.dependency, self.cause)?;
        let mut source = self.cause.source();
        while let Some(deeper) = source {
            write!(f, ": {deeper}")?;
            source = deeper.source();
        }
        Ok(())
    }
}
