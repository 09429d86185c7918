//! `logout`: GET shows a button, so that no image on another site signs anybody out; POST signs out, here first, and then
//! people are sent on to sign out at their provider too. They come back to the same address, with a `state`.

pub(super) mod back_channel;
pub(super) mod front_channel;

use auth_core::{
    refusal_guard::Ended,
    session::LogoutReach,
    sign_in::{LoggedOutThere, LogoutThere},
    verdict::Stop,
};
use http::{Method, request};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use crate::{
    config::site::Site,
    context::RequestContext,
    fault::{BadRequest, ClientKind, Fault},
    request::RequestHead,
    response::{
        answer::Answer,
        cookies::{ClearCookie, SetCookie},
        own_answer::OwnAnswer,
        page::Page,
    },
};

/// What a provider sends people back with.
#[derive(Default, Deserialize)]
struct LogoutQuery {
    state: Option<String>,
}

/// Shows the button, or signs out; or says that somebody is, who comes back from their provider.
pub(super) async fn answer(context: &RequestContext, head: &RequestHead, parts: &request::Parts) -> Answer {
    if head.method != Method::POST {
        if let Some(there) = back_from_provider(context, head, parts) {
            let spent = SetCookie::forget_pending(&there.spent, &context.running.site);
            return Answer::Own(OwnAnswer::page(signed_out_there(&there)).cookies(spent));
        }
        return Answer::Own(OwnAnswer::page(button(&context.running.site)));
    }
    if !head.same_origin {
        return Answer::Fault(Fault::BadRequest(BadRequest::CrossSite));
    }
    let ticket = match head.ticket() {
        Ok(Some(ticket)) => ticket,
        Ok(None) => return Answer::Own(OwnAnswer::page(nobody())),
        Err(fault) => return Answer::Fault(fault),
    };
    let id = ticket.id();
    match context.running.sessions.logout(&ticket, context.now).await {
        Ok(out) => {
            context.is_of(&out.principal);
            let answer = match context.client_kind() {
                ClientKind::Browser => {
                    let there = context.running.sign_in.logout_there(&out.principal, out.reach, context.now).await;
                    signed_out(out.reach, &there, &context.running.site)
                }
                _ => OwnAnswer::json(json!({
                    "signed_out": true,
                    "elsewhere": out.reach == LogoutReach::Everywhere,
                })),
            };
            Answer::Own(answer.clear(ClearCookie::because(&Ended::LoggedOut(out.logout), id)))
        }
        Err(Stop::Unavailable(unavailable)) => Answer::Unavailable(unavailable),
        // A ticket that is no good any more is as signed out as can be.
        Err(Stop::Rejected(rejected)) => {
            let ended = context.gateway.guard.ended_by(&rejected, id, context.now).map(Ended::Refused);
            let clear = ended.and_then(|ended| ClearCookie::because(&ended, id));
            Answer::Own(OwnAnswer::page(nobody()).clear(clear))
        }
    }
}

/// The button that signs out.
fn button(site: &Site) -> Page {
    Page::new("Sign out?", "You can sign in again at any time.")
        .press("Sign out", site.own("logout"))
        .link("Stay signed in", "/")
}

/// Somebody who comes back from signing out at their provider, if they are those who were sent there. A `state` that is
/// anything else is not looked at: nothing depends on it but what the page says.
fn back_from_provider(context: &RequestContext, head: &RequestHead, parts: &request::Parts) -> Option<LoggedOutThere> {
    let query = serde_html_form::from_str::<LogoutQuery>(parts.uri.query()?).ok()?;
    let text = |(name, value): &(String, secrecy::SecretString)| (name.clone(), value.expose_secret().to_owned());
    let pending: Vec<_> = head.pending().iter().map(text).collect();
    context.running.sign_in.back_from_logout(&query.state?, &pending, context.now)
}

/// Signed out, here and as far as the other gateways know; and on to the provider, if that can be had.
fn signed_out(reach: LogoutReach, there: &LogoutThere, site: &Site) -> OwnAnswer {
    let page = Page::new("You are signed out here", here(reach));
    match there {
        LogoutThere::At { provider, location, cookie } => {
            let value = cookie.value.expose_secret();
            let Ok(keep) = SetCookie::pending(&cookie.name, value, cookie.lifetime, cookie.cross_site, site) else {
                return OwnAnswer::page(still_there(page));
            };
            let page = page
                .say(format!("You are now sent on to sign out at your provider ({provider}) too. Until that is done, you are still signed in there."))
                .onward("Sign out at the provider", location)
                .link("Back to the service", "/");
            OwnAnswer::page(page).cookies([keep])
        }
        LogoutThere::NotOffered => OwnAnswer::page(still_there(page)),
        LogoutThere::Unavailable(down) => {
            tracing::warn!("somebody signed out here, and their provider cannot be asked: {down}");
            OwnAnswer::page(
                page.say(
                    "Your provider does not answer at the moment, so you are still signed in there. On a computer that \
                     others use too, sign out there as well when it is back, or close all windows of this browser.",
                )
                .link("Back to the service", "/"),
            )
        }
    }
}

fn still_there(page: Page) -> Page {
    page.say("You may still be signed in with your provider.").link("Back to the service", "/")
}

/// Signed out at the provider too.
fn signed_out_there(there: &LoggedOutThere) -> Page {
    Page::new("You are signed out", here(there.reach))
        .say(format!("Your provider ({}) says that you are signed out there too.", there.provider))
        .link("Back to the service", "/")
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

/// Nobody was signed in to begin with.
fn nobody() -> Page {
    Page::new("You are signed out", "Nobody was signed in here.").link("Back to the service", "/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::site::tests::site,
        response::reply::tests::{field, http, text},
    };

    #[tokio::test]
    async fn a_form_of_ours_says_where_it_comes_from() {
        let response = http(Answer::Own(OwnAnswer::page(button(&site()))), ClientKind::Browser, true);
        assert_eq!(field(&response, "referrer-policy"), "same-origin", "else browsers post it with `Origin: null`");
        assert!(text(response).await.contains("method=\"post\""));
    }
}
