//! What a device is told that did not get what it asked for on its own paths. Deliberately absent: anything that looks
//! like a failed sign-in. Whether a device is revoked is said by a word and, for good, by a signed statement.

use super::{AnswerWord, FaultStatus};

/// Why a device did not get what it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceProblem {
    /// The activation is over, or there is none of this name for this key.
    ActivationExpired,
    /// The content is not what this path takes.
    BadContent,
    /// The proof of the key is missing, or does not hold.
    BadProof,
    /// The content is larger than this path takes.
    ContentTooLarge,
    /// An administrator has revoked it.
    DeviceRevoked,
    /// An administrator has suspended it.
    DeviceSuspended,
    /// Its key has no place here.
    DeviceUnknown,
    /// The other key is another device's, or the old one was replaced already.
    KeyTaken,
    /// More at once than is taken of this kind.
    RateLimited,
    /// It belongs to more than one tenant, and nobody can tell to which it is coming back.
    TenantAmbiguous,
    /// The proof holds no nonce that is good any more: the answer brings one.
    UseDpopNonce,
    /// The content has another media type than JSON.
    WrongMediaType,
}

impl DeviceProblem {
    /// Every problem.
    pub const ALL: [Self; 12] = [
        Self::ActivationExpired,
        Self::BadContent,
        Self::BadProof,
        Self::ContentTooLarge,
        Self::DeviceRevoked,
        Self::DeviceSuspended,
        Self::DeviceUnknown,
        Self::KeyTaken,
        Self::RateLimited,
        Self::TenantAmbiguous,
        Self::UseDpopNonce,
        Self::WrongMediaType,
    ];

    /// Its word in the problem's `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ActivationExpired => "activation-expired",
            Self::BadContent | Self::ContentTooLarge | Self::WrongMediaType => AnswerWord::BadRequest.as_str(),
            Self::BadProof => "bad-proof",
            Self::DeviceRevoked => "device-revoked",
            Self::DeviceSuspended => "device-suspended",
            Self::DeviceUnknown => "device-unknown",
            Self::KeyTaken => "key-taken",
            Self::RateLimited => "rate-limited",
            Self::TenantAmbiguous => "tenant-ambiguous",
            Self::UseDpopNonce => "use-dpop-nonce",
        }
    }

    /// The problem of a word that no answer has.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|problem| problem.as_str() == text).filter(|_| AnswerWord::parse(text).is_none())
    }

    /// Its status.
    pub const fn status(self) -> FaultStatus {
        match self {
            Self::ActivationExpired | Self::DeviceRevoked => FaultStatus::Gone,
            Self::BadContent | Self::BadProof | Self::UseDpopNonce => FaultStatus::BadRequest,
            Self::ContentTooLarge => FaultStatus::ContentTooLarge,
            Self::DeviceSuspended | Self::KeyTaken | Self::TenantAmbiguous => FaultStatus::Conflict,
            Self::DeviceUnknown => FaultStatus::NotFound,
            Self::RateLimited => FaultStatus::TooManyRequests,
            Self::WrongMediaType => FaultStatus::UnsupportedMediaType,
        }
    }

    /// Its word in `x-gateway-answer`.
    pub const fn answer(self) -> AnswerWord {
        match self {
            Self::BadContent | Self::BadProof | Self::ContentTooLarge | Self::UseDpopNonce | Self::WrongMediaType => {
                AnswerWord::BadRequest
            }
            Self::ActivationExpired
            | Self::DeviceRevoked
            | Self::DeviceSuspended
            | Self::DeviceUnknown
            | Self::KeyTaken
            | Self::RateLimited
            | Self::TenantAmbiguous => AnswerWord::DeviceAnswer,
        }
    }

    /// A few words for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ActivationExpired => "The PIN is over",
            Self::BadContent => "The content is not what this address takes",
            Self::BadProof => "The proof of the key does not hold",
            Self::ContentTooLarge => "The content is too large",
            Self::DeviceRevoked => "The device is revoked",
            Self::DeviceSuspended => "The device is suspended",
            Self::DeviceUnknown => "The device is not known",
            Self::KeyTaken => "The other key cannot take its place",
            Self::RateLimited => "Too many at once",
            Self::TenantAmbiguous => "The device belongs to more than one tenant",
            Self::UseDpopNonce => "The proof needs a fresh nonce",
            Self::WrongMediaType => "The content is not JSON",
        }
    }

    /// What it means, and what the device does about it.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::ActivationExpired => {
                "The PIN has run out, was used, or was never shown to this key. Begin another activation, and keep all data."
            }
            Self::BadContent => "The content must be one JSON object with exactly the members that this address takes.",
            Self::BadProof => {
                "The field `DPoP` must hold one proof of the device's key, for this method and this address (RFC 9449)."
            }
            Self::ContentTooLarge => "The content may have at most 16 KiB.",
            Self::DeviceRevoked => {
                "An administrator has revoked the device. This answer alone is no reason to erase anything: ask for a \
                 statement."
            }
            Self::DeviceSuspended => {
                "An administrator has suspended the device for now. Keep everything, show nothing, and ask again later."
            }
            Self::DeviceUnknown => {
                "No tenant has a device with this key. Keep all data, begin an activation, and show its PIN."
            }
            Self::KeyTaken => {
                "The other key is another device's, or this one was replaced already. Keep the key that is in use."
            }
            Self::RateLimited => {
                "More of this kind are asking than are taken at once. Keep everything, and ask again later."
            }
            Self::TenantAmbiguous => {
                "More than one tenant has a device with this key. Keep all data, begin an activation, and show its PIN: an \
                 administrator's answer to that settles it."
            }
            Self::UseDpopNonce => {
                "The proof holds no nonce of this gateway's that is good any more. Make another proof with the nonce in \
                 `DPoP-Nonce`, and send it again."
            }
            Self::WrongMediaType => "The content must be `application/json`.",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn no_word_has_two_meanings_and_none_is_a_failed_sign_in() {
        for problem in DeviceProblem::ALL {
            let status = StatusCode::from(problem.status());
            assert!(status.is_client_error() && !matches!(status.as_u16(), 401 | 403 | 407), "{status}");
            match AnswerWord::parse(problem.as_str()) {
                Some(word) => assert_eq!((word, DeviceProblem::parse(problem.as_str())), (problem.answer(), None)),
                None => assert_eq!(DeviceProblem::parse(problem.as_str()), Some(problem)),
            }
        }
    }
}
