//! What a word of `x-gateway-answer` means, for whoever follows a problem's `type`.

use crate::{
    fault::{AnswerWord, DeviceProblem},
    response::page::Page,
};

/// The page that explains `word`.
pub(crate) fn explain(word: AnswerWord) -> Page {
    let (title, text) = words(word);
    Page::new(title, text)
}

/// The page that explains `problem`.
pub(crate) fn explain_problem(problem: DeviceProblem) -> Page {
    Page::new(problem.title(), problem.explain())
}

/// The problem's title, in the words of its page.
pub(crate) fn title(word: AnswerWord) -> &'static str {
    words(word).0
}

fn words(word: AnswerWord) -> (&'static str, &'static str) {
    match word {
        AnswerWord::BadRequest => (
            "Bad request",
            "The request can be read in more than one way, breaks a rule of HTTP, or asks for something that is not \
             supported here.",
        ),
        AnswerWord::CredentialInvalid => (
            "The credential is not valid",
            "It is provably forged, expired, ended, revoked or meant for somebody else. An outage never causes this \
             answer.",
        ),
        AnswerWord::CredentialMissing => {
            ("No credential was given", "The request carries no sign-in and no token that this gateway knows.")
        }
        AnswerWord::DeviceAnswer => (
            "An answer to a device",
            "A device asked on one of its own addresses, and did not get what it asked for. The problem's own word says why. \
             It is no verdict on a credential, and no reason to erase anything.",
        ),
        AnswerWord::GroupsNotStated => (
            "The groups were not stated",
            "It is known who asks. Whether they may is a question of their groups or roles, and the issuer of their \
             sign-in or token did not state these. This is no outage, and waiting alone changes nothing: keep the \
             credential, and tell whoever looks after the service.",
        ),
        AnswerWord::InternalError => {
            ("An error of the gateway", "The gateway made a mistake. This says nothing about the credential.")
        }
        AnswerWord::NoEndpoint => ("The service is down", "No endpoint of the service is reachable. Ask again later."),
        AnswerWord::NoSuchRoute => ("Not found", "No route of this gateway matches the address."),
        AnswerWord::NotPermitted => (
            "Not permitted",
            "It is known who asks, and they have no access to this address. Signing in again with the same account \
             changes nothing.",
        ),
        AnswerWord::Overloaded => {
            ("Too many requests", "The gateway is at its limit, or this client has used up its share. Ask again later.")
        }
        AnswerWord::Own => ("An answer of the gateway", "One of the gateway's own addresses answered."),
        AnswerWord::RenewalRequired => {
            ("The token has run out", "The device keeps its key and its data, and gets a new token with its key.")
        }
        AnswerWord::SignInFailed => (
            "Signing in failed",
            "The provider answered, and its answer was wrong. Nobody was signed in, and nobody was signed out. Beginning \
             again may help; waiting does not.",
        ),
        AnswerWord::Upstream => ("An answer of the service", "The service behind the gateway answered."),
        AnswerWord::UpstreamDisputed => (
            "The service refused somebody whose sign-in is good",
            "The credential is good, and the service refused it nevertheless. That is a fault of the service: keep the \
             credential and ask again later.",
        ),
        AnswerWord::UpstreamFailed => (
            "The service failed",
            "It could not be reached, or its answer could not be understood. This says nothing about the credential.",
        ),
        AnswerWord::UpstreamTimeout => ("The service takes too long", "It did not answer in time. Ask again later."),
        AnswerWord::VerdictUnavailable => (
            "The credential cannot be checked just now",
            "Something that is needed to check it does not answer. The credential may well be good: keep it, and ask \
             again later.",
        ),
    }
}
