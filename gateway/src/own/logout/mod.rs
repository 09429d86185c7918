//! `logout`: GET shows a button, so that no image on another site signs anybody out; POST signs out.

pub(super) mod back_channel;

use auth_core::{refusal_guard::Ended, session::LogoutReach, verdict::Stop};
use http::Method;
use serde_json::json;

use crate::{
    config::site::Site,
    context::RequestContext,
    fault::{BadRequest, ClientKind, Fault},
    request::RequestHead,
    response::{answer::Answer, cookies::ClearCookie, own_answer::OwnAnswer, page::Page},
};

/// Shows the button, or signs out.
pub(super) async fn answer(context: &RequestContext, head: &RequestHead) -> Answer {
    if head.method != Method::POST {
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
            let answer = signed_out(context.client_kind(), out.reach);
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

/// Signed out, here and as far as the other gateways know.
fn signed_out(client_kind: ClientKind, reach: LogoutReach) -> OwnAnswer {
    if client_kind != ClientKind::Browser {
        return OwnAnswer::json(json!({ "signed_out": true, "elsewhere": reach == LogoutReach::Everywhere }));
    }
    let page = match reach {
        LogoutReach::Everywhere => {
            Page::new("You are signed out", "Here and everywhere else where this sign-in was used.")
        }
        LogoutReach::ThisGateway => Page::new(
            "You are signed out here",
            "Other servers of this service follow as soon as the store is back, the database that they share. There is \
             nothing more for you to do.",
        ),
    };
    OwnAnswer::page(page.say("You may still be signed in with your provider.").link("Back to the service", "/"))
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
