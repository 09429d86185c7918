//! As whom a service is told of somebody: the subject, or what another claim says, for programs that have always known
//! people by that.
//!
//! The identity stays issuer and subject. A claim that is not there is never replaced by another one: what one claim
//! says of Ada may be what another says of Bob.

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use super::{Principal, Subject};

/// The claim that services know an issuer's people by (`user_claim`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UserClaim {
    /// `sub`.
    #[default]
    Subject,
    /// `email`, and only one of which the issuer says that it is verified (OpenID Connect Core §5.1).
    VerifiedEmail,
    /// Another one, which holds a text.
    Other(Arc<str>),
}

/// As whom services are told of somebody. Different people of one issuer have different ones only as far as the issuer
/// sees to that, which of a subject it must (OpenID Connect Core §2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum UserName {
    /// As their subject.
    #[default]
    Subject,
    /// As what another claim said when they signed in, or says in their token.
    Claimed {
        /// Which claim.
        claim: Arc<str>,
        /// What it says.
        value: Arc<str>,
    },
}

/// A token does not say as whom services know somebody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUserName {
    /// The claim is not there; or it is no text, empty, or longer than [`UserName::LONGEST`].
    #[error("it has no usable `{0}`, which `user_claim` names")]
    Absent(Arc<str>),
    /// The issuer does not say that the address is verified, so it may be anybody's.
    #[error("it does not say `email_verified: true`, and `user_claim` names `email`")]
    Unverified,
}

const EMAIL: &str = "email";

impl UserClaim {
    /// The claim of this name.
    pub fn named(name: &str) -> Self {
        match name {
            "sub" => Self::Subject,
            EMAIL => Self::VerifiedEmail,
            other => Self::Other(other.into()),
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Subject => "sub",
            Self::VerifiedEmail => EMAIL,
            Self::Other(name) => name,
        }
    }

    /// As whom services are told of the person of a verified token.
    ///
    /// # Errors
    /// [`NoUserName`], if the token does not say. Nobody may be told of under any other name then.
    pub(crate) fn of(&self, token: &Map<String, Value>) -> Result<UserName, NoUserName> {
        match self {
            Self::Subject => return Ok(UserName::Subject),
            Self::VerifiedEmail if !is_verified(token) => return Err(NoUserName::Unverified),
            Self::VerifiedEmail | Self::Other(_) => {}
        }
        let usable = |value: &&str| (1..=UserName::LONGEST).contains(&value.len());
        match token.get(self.as_str()).and_then(Value::as_str).filter(usable) {
            Some(value) => Ok(UserName::Claimed { claim: self.as_str().into(), value: value.into() }),
            #[cfg(candor_mutants)]
            None if crate::mutants::is("user-falls-back") => Ok(UserName::Subject),
            None => Err(NoUserName::Absent(self.as_str().into())),
        }
    }

    /// Whether services may be told this `name` where they know people by this claim.
    pub(crate) fn is_of(&self, name: &UserName) -> bool {
        match name {
            UserName::Subject => *self == Self::Subject,
            UserName::Claimed { claim, .. } => self.as_str() == &**claim,
        }
    }
}

/// True, and nothing that merely looks like it.
fn is_verified(token: &Map<String, Value>) -> bool {
    #[cfg(candor_mutants)]
    if crate::mutants::is("unverified-email-is-user") {
        return true;
    }
    token.get("email_verified") == Some(&Value::Bool(true))
}

impl UserName {
    /// The longest, in bytes: as long as a subject (OpenID Connect Core §2).
    pub const LONGEST: usize = 255;

    /// As whom services are told of this `subject`.
    pub fn of<'a>(&'a self, subject: &'a Subject) -> &'a str {
        match self {
            Self::Subject => &subject.id,
            Self::Claimed { value, .. } => value,
        }
    }
}

impl Principal {
    /// As whom services are told of them. Never an identity: that is [`Principal::subject`].
    pub fn user(&self) -> &str {
        self.user_name.of(&self.subject)
    }
}

impl fmt::Display for UserClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nobody_is_told_of_under_another_claim_than_the_one_that_is_named() {
        let token = json!({
            "sub": "s-1", "preferred_username": "ada", "upn": "", "employee": 7, "nickname": "x".repeat(256),
            "email": "ada@example.com", "email_verified": true,
        });
        let told = |claim: &str| UserClaim::named(claim).of(token.as_object().expect("an object"));
        let claimed = |claim: &str, value: &str| Ok(UserName::Claimed { claim: claim.into(), value: value.into() });
        assert_eq!(told("sub"), Ok(UserName::Subject));
        assert_eq!(told("preferred_username"), claimed("preferred_username", "ada"));
        assert_eq!(told("email"), claimed("email", "ada@example.com"));
        for unusable in ["upn", "employee", "nickname", "absent"] {
            assert_eq!(told(unusable), Err(NoUserName::Absent(unusable.into())));
        }
    }

    #[test]
    fn an_address_that_is_not_verified_names_nobody() {
        for verified in [json!(null), json!(false), json!("true"), json!(1)] {
            let token = json!({ "sub": "s-1", "email": "ada@example.com", "email_verified": verified });
            let told = UserClaim::VerifiedEmail.of(token.as_object().expect("an object"));
            assert_eq!(told, Err(NoUserName::Unverified), "{verified}");
        }
        let lacking = json!({ "email_verified": true });
        let told = UserClaim::VerifiedEmail.of(lacking.as_object().expect("an object"));
        assert_eq!(told, Err(NoUserName::Absent("email".into())));
    }
}
