//! What people see on their way through signing in, each as the answer that it is.

use auth_core::{
    sign_in::{InvalidResponse, Objection},
    verdict::Unavailable,
};

use crate::{
    fault::FaultStatus,
    response::{
        answer::Why,
        cookies::SetCookie,
        own_answer::{OwnAnswer, OwnFailure},
        page::Page,
    },
    route::ReturnTo,
};

/// Which provider to sign in with, by name and address.
pub(crate) fn choose(providers: impl IntoIterator<Item = (String, String)>) -> OwnAnswer {
    let page = Page::new("Sign in", "Choose the account that you want to use.");
    let link = |page: Page, (name, to)| page.link(format!("Continue with {name}"), to);
    OwnAnswer::page(providers.into_iter().fold(page, link))
}

/// A callback that belongs to no sign-in that this browser has begun.
pub(crate) fn begin_again(begin: String) -> OwnAnswer {
    let page = Page::new(
        "Please begin once more",
        "This sign-in took too long, was finished already, or was begun in another browser.",
    );
    OwnAnswer::page(page.link("Sign in", begin)).status(FaultStatus::BadRequest)
}

/// The same for somebody who is signed in: back by the browser's button, or by its history, to an address that is spent.
pub(crate) fn signed_in_already(to: &ReturnTo, begin: String) -> OwnAnswer {
    let page = Page::new(
        "You are signed in",
        "This address finishes a sign-in, and that was finished already, took too long, or was begun in another browser. You \
         are signed in all the same, and nothing has changed.",
    );
    OwnAnswer::page(page.link("To the service", to.as_str()).link("Sign in again", begin))
        .status(FaultStatus::BadRequest)
}

/// A browser that keeps no cookies.
pub(crate) fn cookies_blocked(begin: String) -> OwnAnswer {
    let page = Page::new("Your browser keeps no cookies", "Signing in needs one cookie, which is for this site alone.")
        .say("Allow cookies for this site, then try again.")
        .link("Try again", begin);
    OwnAnswer::page(page).status(FaultStatus::BadRequest)
}

/// The provider said no. The number below finds the log line.
pub(crate) fn refused(objection: Objection, word: &str, description: Option<String>, begin: String) -> OwnAnswer {
    let page = Page::new("Your provider did not sign you in", format!("It said: {word}"));
    let page = match description {
        Some(description) => page.say(description),
        None => page,
    };
    let page = match objection {
        Objection::ToPerson => page,
        Objection::ToRequest => page.say(
            "This is about what the service asks your provider for, not about you. Whoever looks after the service can \
             put it right.",
        ),
    };
    let page = page.say("If you ask for help, give the number of the request, below.").link("Try again", begin);
    let why = Why { detail: Some(format!("the provider said {word:?}")), ..Why::default() };
    OwnAnswer::page(page).status(FaultStatus::BadRequest).log(why)
}

/// The provider answered, and its answer was invalid. Nothing here tries again by itself: that would help nobody. The number
/// below finds the log line.
pub(crate) fn invalid_response(invalid: &InvalidResponse, begin: String) -> OwnAnswer {
    let page = match invalid {
        InvalidResponse::Document(_) => set_up_wrongly(invalid.explain()),
        _ => Page::new("Signing in failed", "Your provider answered, but its answer cannot be used.")
            .say(invalid.explain())
            .say(
                "Nobody was signed in, and whoever is signed in already stays so. You can begin again. If it happens \
                 once more, whoever looks after this service has to put it right: give them the number of the request, \
                 below.",
            ),
    }
    .link("Begin again", begin);
    let why = Why { reason: Some(invalid.as_str()), detail: Some(invalid.to_string()), fault: None };
    OwnAnswer::failed(OwnFailure::InvalidResponse(invalid.explain()), page).log(why)
}

/// The provider does not know this gateway, or not what it asks for. Nothing tries again by itself, though it may be put
/// right at any moment; and nothing is taken back, so that the same callback may yet succeed.
pub(crate) fn misconfigured(unavailable: &Unavailable, begin: String) -> OwnAnswer {
    let page = set_up_wrongly("Your provider does not know this service, or does not let it sign anybody in.")
        .link("Begin again", begin);
    let failure = OwnFailure::Unavailable {
        retry_after: unavailable.retry_after,
        detail: "Signing in is set up wrongly, for everybody: whoever looks after this service has to put it right. \
                 Whoever is signed in stays so.",
    };
    OwnAnswer::failed(failure, page).log(Why::missing(unavailable))
}

/// Here or at the provider a setting has to be changed: nobody who reads this can, and for nobody it works meanwhile.
fn set_up_wrongly(what: &'static str) -> Page {
    Page::new("Signing in is set up wrongly", what)
        .say("You have done nothing wrong, and waiting does not help. Whoever is signed in already stays so.")
        .say(
            "Tell whoever looks after this service, with the number of the request, below: the gateway's log says what \
             has to be changed.",
        )
}

/// Too many sign-ins are being finished at once, or this one twice. Nobody was asked, and nothing is lost.
pub(crate) fn busy(begin: String) -> OwnAnswer {
    let page = Page::new(
        "Signing in takes a moment longer",
        "This sign-in is being finished already, or too many others are at the same time. Nothing is lost.",
    );
    OwnAnswer::failed(OwnFailure::Busy, page.again().link("Begin again", begin))
}

/// Nobody can be signed in at the moment. `begin`: where another sign-in begins, if that is another address: another
/// provider may be well. `spent`: the spent try; none spent: the same callback may yet succeed.
pub(crate) fn unavailable(unavailable: &Unavailable, begin: Option<String>, spent: Vec<SetCookie>) -> OwnAnswer {
    let page = Page::new(
        "Signing in is unavailable just now",
        "Something that is needed for it does not answer. Whoever is signed in already stays so. Once it is back, you will \
         come to the address that you wanted.",
    );
    let page = if spent.is_empty() { page.again() } else { page };
    let page = match begin {
        Some(begin) => page.link("Begin again", begin),
        None => page,
    };
    let failure = OwnFailure::Unavailable {
        // Sooner only meets the limit on beginning sign-ins: an office shares an address.
        retry_after: unavailable.retry_after.max(Unavailable::RETRY_AFTER),
        detail: "Something that is needed for signing in does not answer. Whoever is signed in stays so.",
    };
    OwnAnswer::failed(failure, page).cookies(spent).log(Why::missing(unavailable))
}
