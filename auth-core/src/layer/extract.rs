//! [`Principal`] and [`VerifiedClaims`] as axum's extractors.

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use super::{answer::AnswerWriter, http_answers::HttpAnswers};
use crate::{
    principal::Principal,
    resource_server::{NotAdmitted, VerifiedClaims},
    verdict::Unavailable,
};

/// There is nobody to extract.
#[derive(Debug)]
#[non_exhaustive]
pub enum NobodyKnown {
    /// Anybody may pass here, and who came could not be told: 503. They may be known.
    Undecided(Unavailable),
    /// No [`AuthLayer`](super::AuthLayer) stands before this route, or one that lets anybody pass: 500, since it is this
    /// service's mistake and says nothing about whoever is asking. Where nobody need be known, extract an `Option`.
    NotAsked,
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = NobodyKnown;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NobodyKnown> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| NobodyKnown::of(parts))
    }
}

/// `None` is somebody who showed nothing good, and never somebody who could not be told: that is 503.
impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = NobodyKnown;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, NobodyKnown> {
        match parts.extensions.get::<Unavailable>() {
            Some(undecided) => Err(NobodyKnown::Undecided(undecided.clone())),
            None => Ok(parts.extensions.get::<Self>().cloned()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for VerifiedClaims {
    type Rejection = NobodyKnown;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NobodyKnown> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| NobodyKnown::of(parts))
    }
}

impl NobodyKnown {
    fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Unavailable>().map_or(Self::NotAsked, |undecided| Self::Undecided(undecided.clone()))
    }
}

impl IntoResponse for NobodyKnown {
    fn into_response(self) -> Response {
        match self {
            Self::Undecided(unavailable) => HttpAnswers::default().answer(&NotAdmitted::Stop(unavailable.into()), &[]),
            Self::NotAsked => {
                tracing::error!(
                    "a handler asks who is asking, and nobody is known: no layer stands before its route (see \
                     `Bearer::http`), or one that lets anybody pass, where it should extract an `Option`"
                );
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
