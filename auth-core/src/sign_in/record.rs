//! What a sign-in that did not end well leaves behind: a counter and a log line, with the number that the person's page
//! shows.

use super::fault::{BeginsAgain, Objection};
use crate::{
    dependency::Dependency,
    idp::InvalidResponse,
    metric::{OUTAGE, SIGN_IN_FAILED, SIGN_IN_REFUSED, UNAVAILABLE, UNSETTLED},
    verdict::Unavailable,
};

/// Who asks, for the log.
#[derive(Clone, Copy)]
pub(super) struct SignInRecord<'a> {
    /// At which provider.
    pub(super) provider: &'a str,
    /// By which request.
    pub(super) request: &'a str,
}

/// Shows in the metrics what can become of a sign-in, so that the first time is a change.
pub(super) fn count_from_zero() {
    for dependency in Dependency::ALL {
        UNAVAILABLE.with([dependency.as_str(), OUTAGE]).increment(0);
        UNAVAILABLE.with([dependency.as_str(), UNSETTLED]).increment(0);
    }
    for reason in InvalidResponse::WORDS {
        SIGN_IN_FAILED.with([reason]).increment(0);
    }
    for objection in [Objection::ToPerson, Objection::ToRequest] {
        SIGN_IN_REFUSED.with([objection.as_str()]).increment(0);
    }
}

impl SignInRecord<'_> {
    /// Something that a sign-in needs does not answer. What a stranger can cause at will is counted apart, and is no
    /// warning.
    pub(super) fn unavailable(self, unavailable: Unavailable) -> Unavailable {
        let Self { provider, request } = self;
        let dependency = unavailable.dependency.as_str();
        if unavailable.is_unsettled() {
            UNAVAILABLE.with([dependency, UNSETTLED]).increment(1);
            tracing::info!(provider, id = request, dependency, cause = %unavailable, "a sign-in cannot be had");
        } else {
            UNAVAILABLE.with([dependency, OUTAGE]).increment(1);
            tracing::warn!(provider, id = request, dependency, cause = %unavailable, "a sign-in cannot be had");
        }
        unavailable
    }

    /// The provider's answer is invalid. That is no outage.
    pub(super) fn invalid(self, response: InvalidResponse) -> InvalidResponse {
        let Self { provider, request } = self;
        let reason = response.as_str();
        debug_assert!(InvalidResponse::WORDS.contains(&reason), "{reason}");
        SIGN_IN_FAILED.with([reason]).increment(1);
        let remedy = response.remedy();
        tracing::warn!(
            provider,
            id = request,
            reason,
            detail = %response,
            remedy,
            "a sign-in failed: the provider's answer is invalid"
        );
        response
    }

    /// The provider said no.
    pub(super) fn refused(self, objection: Objection, word: &str, description: &str) {
        let Self { provider, request } = self;
        SIGN_IN_REFUSED.with([objection.as_str()]).increment(1);
        match objection {
            Objection::ToPerson => {
                tracing::info!(
                    provider,
                    id = request,
                    error = word,
                    description,
                    "the provider did not sign somebody in"
                );
            }
            Objection::ToRequest => tracing::warn!(
                provider,
                id = request,
                error = word,
                description,
                "the provider does not grant what this gateway asks for: see its `scopes` in the configuration, and \
                 what the provider allows this client"
            ),
        }
    }

    /// The callback belongs to no sign-in of the browser's.
    pub(super) fn begins_again(self, why: BeginsAgain) {
        let Self { provider, request } = self;
        tracing::info!(provider, id = request, why = why.as_str(), "a sign-in begins again");
    }
}
