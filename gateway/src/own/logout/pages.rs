//! What people read when they sign out. Each page says what has ended and what has not.

use auth_core::{session::LogoutReach, sign_in::LoggedOutThere};
use url::Url;

use crate::{config::site::Site, response::page::Page};

/// What to do on a computer that others use, where a provider cannot be asked to forget this browser.
const SHARED: &str = "On a computer that others use too, close all windows of this browser, or sign out at the provider \
                      yourself once it answers.";

/// The button that signs out.
pub(super) fn button(site: &Site) -> Page {
    Page::new("Sign out?", "You can sign in again at any time.")
        .press("Sign out", site.own("logout"))
        .link("Stay signed in", "/")
}

/// Signed out here, and sent on.
pub(super) fn on_to_provider(reach: LogoutReach, provider: &str, location: &Url) -> Page {
    Page::new("You are signed out here", here(reach))
        .say(format!(
            "Your browser now goes on to your provider ({provider}), to sign out there too. Until that is done, you are \
             still signed in there. If it does not go on by itself, use the link."
        ))
        .say(format!("It may be that the provider does not answer. {SHARED}"))
        .onward("Sign out at the provider", location)
        .link("Back to the service", "/")
}

/// Signed out here, and nowhere to be sent to.
pub(super) fn signed_out_here(reach: LogoutReach) -> Page {
    Page::new("You are signed out here", here(reach))
        .say("You may still be signed in with your provider. On a computer that others use too, sign out there as well, or close all windows of this browser.")
        .link("Back to the service", "/")
}

/// Signed out here, while the provider is away.
pub(super) fn provider_down(reach: LogoutReach) -> Page {
    Page::new("You are signed out here", here(reach))
        .say(format!("Your provider does not answer at the moment, so it could not be asked to sign you out too: you may be still \
             signed in there. {SHARED}"))
        .link("Back to the service", "/")
}

/// Back from the provider, where they were sent.
pub(super) fn signed_out_there(there: &LoggedOutThere) -> Page {
    Page::new("You are signed out", here(there.reach))
        .say(format!(
            "Your provider ({}) has sent you back. Unless you chose to stay signed in when it asked, you are signed out \
             there too.",
            there.provider
        ))
        .link("Back to the service", "/")
}

/// Back from somewhere, and not as anybody who was sent there from this browser; or by the same address once more.
pub(super) fn unknown_return(site: &Site) -> Page {
    Page::new(
        "Whether you are signed out at your provider is not known here",
        "Providers send people back to this page who have signed out there. This browser was not sent to one within the \
         last ten minutes, or is back already.",
    )
    .say("Nothing has changed here by it. If you were still signed in here, you still are.")
    .press("Sign out here", site.own("logout"))
    .link("Back to the service", "/")
}

/// Nobody was signed in to begin with.
pub(super) fn nobody() -> Page {
    Page::new("You are signed out", "Nobody was signed in here.").link("Back to the service", "/")
}

fn here(reach: LogoutReach) -> &'static str {
    match reach {
        LogoutReach::Everywhere => "Here and everywhere else where this sign-in was used.",
        LogoutReach::ThisGateway => {
            "Other servers of this service follow as soon as the store is back, the database that they share. There is \
             nothing more for you to do."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::site::tests::site,
        fault::ClientKind,
        response::{
            answer::Answer,
            own_answer::OwnAnswer,
            reply::tests::{field, http, text},
        },
    };

    #[tokio::test]
    async fn a_form_of_ours_says_where_it_comes_from() {
        let response = http(Answer::Own(OwnAnswer::page(button(&site()))), ClientKind::Browser, true);
        assert_eq!(field(&response, "referrer-policy"), "same-origin", "else browsers post it with `Origin: null`");
        assert!(text(response).await.contains("method=\"post\""));
    }

    #[tokio::test]
    async fn the_way_on_is_a_link_too_and_nobody_is_told_where_from() {
        let to = Url::parse("https://login.example/out?state=a&logout_hint=%22%3E%3Cscript%3E").expect("an address");
        let page = on_to_provider(LogoutReach::Everywhere, "main", &to);
        let response = http(Answer::Own(OwnAnswer::page(page)), ClientKind::Browser, true);
        assert_eq!(field(&response, "referrer-policy"), "no-referrer");
        let text = text(response).await;
        for part in ["content=\"0; url=https://login.example/out?state=a", "href=\"https://login.example/out?state=a"] {
            assert!(text.contains(part), "{part} not in {text}");
        }
        assert!(!text.contains("<script"), "{text}");
    }
}
