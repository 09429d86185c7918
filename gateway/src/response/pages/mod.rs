//! What each page says: plain words, what is lost (almost always nothing), what to do next.

use std::time::Duration;

use auth_core::{
    principal::{Principal, Silence},
    session::LogoutReach,
    sign_in::{InvalidResponse, Objection},
};

use crate::{
    config::site::Site,
    fault::{AnswerWord, Fault, FaultStatus},
    response::page::Page,
};

/// What a fault's page says. `here`: the address to load again, if it can be.
pub(crate) fn fault(fault: &Fault, status: FaultStatus, here: Option<&str>, retry: Option<u64>) -> Page {
    let title = match status {
        FaultStatus::BadRequest => "This request makes no sense to us",
        FaultStatus::NotFound => "There is nothing here",
        FaultStatus::MethodNotAllowed => "That cannot be done here",
        FaultStatus::ContentTooLarge => "That is too large",
        FaultStatus::UriTooLong => "This address is too long",
        FaultStatus::ExpectationFailed => "This request expects too much",
        FaultStatus::TooManyRequests => "Too many requests",
        FaultStatus::RequestHeaderFieldsTooLarge => "This request says too much about itself",
        FaultStatus::InternalServerError => "An error of ours",
        FaultStatus::BadGateway => "The service gave no answer",
        FaultStatus::ServiceUnavailable => "The service is not available just now",
        FaultStatus::GatewayTimeout => "The service takes too long",
    };
    again(Page::new(title, fault.explain()), here, retry)
}

/// We cannot tell whether somebody is signed in: nothing is lost, and signing in again is their choice.
pub(crate) fn unavailable(here: Option<&str>, sign_in: Option<String>, retry: u64) -> Page {
    let page = Page::new(
        "We cannot check your sign-in just now",
        "Something that we need for it does not answer. You have not been signed out, and nothing is lost.",
    );
    let page = again(page, here, Some(retry));
    match sign_in {
        Some(sign_in) => page.link("Sign in again", sign_in),
        None => page,
    }
}

/// Somebody is known, and their provider did not state what would decide whether they may. Loading the page again changes
/// nothing, so it does not do so by itself.
pub(crate) fn groups_not_stated(silence: Silence, sign_in: Option<String>) -> Page {
    let page = Page::new(
        "We were not told your groups",
        "This address is for people in certain groups or roles, and your provider has not told us which are yours. You \
         have not been signed out, and nothing is lost.",
    );
    let page = match silence {
        Silence::Absent | Silence::Unlisted => page
            .say(
                "Loading this page again changes nothing. If signing in again does not help either, a setting has to be \
                 changed: tell whoever looks after the service, with the number below.",
            )
            .say("If that is you: the gateway's log names this number, the provider, and the setting."),
        Silence::NotAsked => page.say("You signed in before we had a reason to ask. Signing in again settles it."),
        Silence::StatedBefore => page.say(
            "It told us some the last time, and none now, which may be a mistake of a moment. Sign in again in ten \
             minutes, and we take its word.",
        ),
    };
    match sign_in {
        Some(sign_in) => page.link("Sign in again", sign_in),
        None => page,
    }
}

/// Somebody sent something and is not signed in. It was not processed, and their page still holds it.
pub(crate) fn not_signed_in(sign_in: Option<String>) -> Page {
    let page = Page::new("You are not signed in", "What you sent was not processed.");
    match sign_in {
        Some(sign_in) => page
            .say("Sign in in a new tab, then come back to this one, load it again, and let it send the same once more.")
            .new_tab("Sign in", sign_in),
        None => page.say("This address is for programs; people cannot sign in to it."),
    }
}

/// Somebody is known, and may not.
pub(crate) fn not_permitted(sign_in: Option<String>) -> Page {
    let page = Page::new(
        "You may not open this",
        "You are signed in, but your account has no access to this address. Signing in again with it changes nothing; \
         whoever looks after the service can give you access.",
    );
    match sign_in {
        Some(sign_in) => page.link("Sign in with another account", sign_in),
        None => page,
    }
}

/// Nobody can be signed in at the moment. `here`: the address to load again, if that may yet work. `begin`: where another
/// sign-in begins, if that is another address: another provider may be well.
pub(crate) fn sign_in_unavailable(here: Option<&str>, begin: Option<String>, retry: u64) -> Page {
    let page = Page::new(
        "Signing in is unavailable just now",
        "Something that we need for it does not answer. Whoever is signed in already stays so. You will come to the \
         address that you wanted once it is back.",
    );
    let page = again(page, here, here.map(|_| retry));
    match begin {
        Some(begin) => page.link("Begin again", begin),
        None => page,
    }
}

/// Which provider to sign in with, by name and address.
pub(crate) fn choose(providers: impl IntoIterator<Item = (String, String)>) -> Page {
    let page = Page::new("Sign in", "Choose the account that you want to use.");
    providers.into_iter().fold(page, |page, (name, to)| page.link(format!("Continue with {name}"), to))
}

/// A callback that belongs to no sign-in that this browser has begun.
pub(crate) fn begin_again(begin: String) -> Page {
    Page::new(
        "Please begin once more",
        "This sign-in took too long, was finished already, or was begun in another browser.",
    )
    .link("Sign in", begin)
}

/// A browser that keeps no cookies.
pub(crate) fn cookies_blocked(begin: String) -> Page {
    Page::new("Your browser keeps no cookies", "Signing in needs one cookie, which is for this site alone.")
        .say("Allow cookies for this site, then try again.")
        .link("Try again", begin)
}

/// The provider said no. The number below finds the log line.
pub(crate) fn provider_refused(objection: Objection, word: &str, description: Option<&str>, begin: String) -> Page {
    let page = Page::new("Your provider did not sign you in", format!("It said: {word}"));
    let page = match description {
        Some(description) => page.say(description.to_owned()),
        None => page,
    };
    let page = match objection {
        Objection::ToPerson => page,
        Objection::ToRequest => page.say(
            "This is about what the service asks your provider for, not about you. Whoever looks after the service can \
             put it right.",
        ),
    };
    page.say("If you ask for help, give the number of the request, below.").link("Try again", begin)
}

/// The provider answered, and its answer is invalid. Nothing here tries again by itself: that would help nobody. The number
/// below finds the log line.
pub(crate) fn invalid_response(invalid: &InvalidResponse, begin: String) -> Page {
    Page::new("Signing in failed", "Your provider answered, but its answer cannot be used.")
        .say(invalid.explain())
        .say(
            "Nobody was signed in, and whoever is signed in already stays so. You can begin again. If it happens once \
             more, whoever looks after this service has to put it right: give them the number of the request, below.",
        )
        .link("Begin again", begin)
}

/// Too many sign-ins are being finished at once, or this one twice.
pub(crate) fn sign_in_busy(here: Option<&str>, begin: String, retry: u64) -> Page {
    let page = Page::new(
        "Signing in takes a moment longer",
        "This sign-in is being finished already, or too many are at once. Nothing is lost.",
    );
    again(page, here, here.map(|_| retry)).link("Begin again", begin)
}

/// The button that signs out.
pub(crate) fn confirm_logout(site: &Site) -> Page {
    Page::new("Sign out?", "You can sign in again at any time.")
        .press("Sign out", site.own("logout"))
        .link("Stay signed in", "/")
}

/// Signed out, here and as far as the other gateways know.
pub(crate) fn signed_out(reach: LogoutReach) -> Page {
    match reach {
        LogoutReach::Everywhere => {
            Page::new("You are signed out", "Here and everywhere else where this sign-in was used.")
        }
        LogoutReach::ThisGateway => Page::new(
            "You are signed out here",
            "Elsewhere as soon as the store is back; nothing more is for you to do.",
        ),
    }
    .say("You may still be signed in with your provider.")
    .link("Back to the service", "/")
}

/// Nobody was signed in to begin with.
pub(crate) fn was_not_signed_in() -> Page {
    Page::new("You are signed out", "Nobody was signed in here.").link("Back to the service", "/")
}

/// Who is signed in.
pub(crate) fn signed_in(principal: &Principal, site: &Site) -> Page {
    let who = principal.name.as_ref().or(principal.email.as_ref()).unwrap_or(&principal.subject.id);
    Page::new("You are signed in", format!("As {who}."))
        .say("If you came here to send something once more, go back to the tab that holds it.")
        .link("To the service", "/")
        .link("Sign out", site.own("logout"))
}

/// What a word of `x-gateway-answer` means, for whoever follows a problem's `type`.
pub(crate) fn explain(word: AnswerWord) -> Page {
    let (title, text) = match word {
        AnswerWord::BadRequest => (
            "Bad request",
            "The request can be read in more than one way, or asks for something that HTTP does not allow.",
        ),
        AnswerWord::CredentialInvalid => (
            "The credential is no good",
            "It is provably forged, expired, ended, revoked or meant for somebody else. An outage never causes this \
             answer.",
        ),
        AnswerWord::CredentialMissing => {
            ("No credential was given", "The request carries no sign-in and no token that this gateway knows.")
        }
        AnswerWord::GroupsNotStated => (
            "The groups were not stated",
            "We know who asks. Whether they may is a question of their groups or roles, and the issuer of their sign-in or \
             token did not state these. It is no outage, and waiting alone changes nothing: keep the credential, and tell \
             whoever looks after the service.",
        ),
        AnswerWord::InternalError => {
            ("An error of ours", "The gateway made a mistake. It says nothing about the credential.")
        }
        AnswerWord::NoEndpoint => ("The service is down", "No endpoint of the service is reachable. Ask again later."),
        AnswerWord::NoSuchRoute => ("There is nothing here", "No route of this gateway matches the address."),
        AnswerWord::NotPermitted => (
            "Not permitted",
            "We know who asks, and they have no access to this address. Signing in again changes nothing.",
        ),
        AnswerWord::Overloaded => {
            ("Too much to do", "The gateway, or one client's share of it, is used up. Ask again later.")
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
            "The service did not recognise somebody whom we know",
            "The credential is good, and the service refused it nevertheless. That is a fault of the service; keep the \
             credential and ask again later.",
        ),
        AnswerWord::UpstreamFailed => (
            "The service failed",
            "It could not be reached, or its answer made no sense. It says nothing about the credential.",
        ),
        AnswerWord::UpstreamTimeout => ("The service takes too long", "It did not answer in time. Ask again later."),
        AnswerWord::VerdictUnavailable => (
            "We cannot tell",
            "Something that is needed to check the credential does not answer. The credential may well be good: keep it, \
             and ask again later.",
        ),
    };
    Page::new(title, text)
}

/// The problem's title, in the words of its page.
pub(crate) fn title(word: AnswerWord) -> String {
    explain(word).title().to_owned()
}

/// Seconds in a sentence for people.
pub(crate) fn in_words(wait: Duration) -> String {
    match wait.as_secs() {
        0 | 1 => "a second".to_owned(),
        seconds @ 2..=90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

fn again(page: Page, here: Option<&str>, retry: Option<u64>) -> Page {
    match (here, retry) {
        (Some(here), Some(seconds)) => page
            .say(format!("This page tries again by itself in {}.", in_words(Duration::from_secs(seconds))))
            .retry(seconds)
            .link("Try again now", here),
        _ => page,
    }
}
