//! What a sign-in that did not end well leaves behind: a counter and a log line, with the number that the person's page
//! shows. Sign-ins are few, so names may be made on the way.

use super::{
    fault::{BeginsAgain, Objection},
    wrong_answer::WrongAnswer,
};
use crate::verdict::Unavailable;

/// Who asks, for the log.
#[derive(Clone, Copy)]
pub(super) struct SignInRecord<'a> {
    /// At which provider.
    pub(super) provider: &'a str,
    /// By which request.
    pub(super) request: &'a str,
}

impl SignInRecord<'_> {
    /// Something that a sign-in needs does not answer. What a stranger can cause at will is counted apart, and is no
    /// warning.
    pub(super) fn unavailable(self, unavailable: Unavailable) -> Unavailable {
        let Self { provider, request } = self;
        let dependency = unavailable.dependency.as_str();
        if unavailable.is_unsettled() {
            metrics::counter!(format!("unavailable.{dependency}.unsettled")).increment(1);
            tracing::info!(provider, id = request, dependency, cause = %unavailable, "a sign-in cannot be had");
        } else {
            metrics::counter!(format!("unavailable.{dependency}")).increment(1);
            tracing::warn!(provider, id = request, dependency, cause = %unavailable, "a sign-in cannot be had");
        }
        unavailable
    }

    /// The provider's answer was wrong. That is no outage.
    pub(super) fn wrong(self, wrong: WrongAnswer) -> WrongAnswer {
        let Self { provider, request } = self;
        let reason = wrong.as_str();
        metrics::counter!("sign_in.failed", "reason" => reason).increment(1);
        tracing::warn!(provider, id = request, reason, detail = %wrong, "a sign-in failed: the provider's answer was wrong");
        wrong
    }

    /// The provider said no.
    pub(super) fn refused(self, objection: Objection, word: &str, description: &str) {
        let Self { provider, request } = self;
        metrics::counter!("sign_in.refused", "of" => objection.as_str()).increment(1);
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
