//! Who is asked whether a request may pass.

use std::{fmt, sync::Arc};

use http::HeaderMap;

use crate::resource_server::{Admitted, Bearer, NotAdmitted};
#[cfg(feature = "sign-in")]
use crate::{
    authenticator::Authenticator, clock::Clock, credential::CredentialCandidates, policy::Requirement,
    refusal_guard::Harm,
};

/// Who is asked.
#[derive(Clone)]
pub(super) enum Gate {
    /// Access tokens alone.
    Bearer(Bearer),
    /// Every credential that the gateway knows.
    #[cfg(feature = "sign-in")]
    Authenticator { authenticator: Authenticator, requirement: Requirement, clock: Clock, cookie: String, harm: Harm },
}

impl Gate {
    #[cfg(feature = "sign-in")]
    pub(super) fn authenticator(
        authenticator: Authenticator,
        requirement: Requirement,
        clock: Clock,
        cookie: String,
    ) -> Self {
        Self::Authenticator { authenticator, requirement, clock, cookie, harm: Harm::Destroys }
    }

    #[cfg(feature = "sign-in")]
    pub(super) fn harm(mut self, harm: Harm) -> Self {
        if let Self::Authenticator { harm: of, .. } = &mut self {
            *of = harm;
        }
        self
    }

    pub(super) async fn admit(&self, headers: &HeaderMap) -> Result<Admitted, NotAdmitted> {
        match self {
            Self::Bearer(bearer) => bearer.admit(headers).await,
            #[cfg(feature = "sign-in")]
            Self::Authenticator { authenticator, requirement, clock, cookie, harm } => {
                let candidates = CredentialCandidates::read(headers, cookie, authenticator.legacy_header())?;
                let credential = authenticator.credential(&candidates, requirement)?;
                let admission = authenticator.admit(credential, requirement, *harm, clock.now()).await;
                Ok(Admitted { permit: admission.permit?, claims: None })
            }
        }
    }

    /// The scopes that are asked for.
    pub(super) fn scopes(&self) -> &[Arc<str>] {
        match self {
            Self::Bearer(bearer) => bearer.scopes(),
            #[cfg(feature = "sign-in")]
            Self::Authenticator { .. } => &[],
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(bearer) => bearer.fmt(f),
            #[cfg(feature = "sign-in")]
            Self::Authenticator { requirement, .. } => requirement.fmt(f),
        }
    }
}
