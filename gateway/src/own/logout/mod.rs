//! `logout`: GET shows a button, so that no image on another site signs anybody out; POST signs out, here first, and then
//! people are sent on to sign out at their provider too. They come back to the same address, with a `state`.
//!
//! Whatever the provider does, or does not, the session here has ended by then. What people come back with ends nothing and
//! leads nowhere: it only decides what the page says.

pub(super) mod back_channel;
pub(super) mod front_channel;
mod pages;

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
    },
};

/// What a provider sends people back with.
#[derive(Deserialize)]
struct LogoutQuery {
    state: Option<String>,
}

/// Who asks for the page.
enum Visitor {
    /// Somebody who may want to sign out.
    Leaving,
    /// Somebody who comes back from their provider, where we had sent them.
    Back(LoggedOutThere),
    /// Somebody who comes back from anywhere, or once more.
    Unknown,
}

/// Shows the button, or signs out; or says that somebody is, who comes back from their provider.
pub(super) async fn answer(context: &RequestContext, head: &RequestHead, parts: &request::Parts) -> Answer {
    let site = &context.running.site;
    if head.method != Method::POST {
        return Answer::Own(match visitor(context, head, parts) {
            Visitor::Leaving => OwnAnswer::page(pages::button(site)),
            Visitor::Back(there) => {
                OwnAnswer::page(pages::signed_out_there(&there)).cookies(SetCookie::forget_pending(&there.spent, site))
            }
            Visitor::Unknown => OwnAnswer::page(pages::unknown_return(site)),
        });
    }
    if !head.same_origin {
        return Answer::Fault(Fault::BadRequest(BadRequest::CrossSite));
    }
    let ticket = match head.ticket() {
        Ok(Some(ticket)) => ticket,
        Ok(None) => return Answer::Own(OwnAnswer::page(pages::nobody())),
        Err(fault) => return Answer::Fault(fault),
    };
    let id = ticket.id();
    match context.running.sessions.logout(&ticket, context.now).await {
        Ok(out) => {
            context.is_of(&out.principal);
            let answer = match context.client_kind() {
                ClientKind::Browser => {
                    let there = context.running.sign_in.logout_there(&out.principal, out.reach, context.now).await;
                    #[cfg(candor_mutants)]
                    if auth_core::mutants::is("provider-down-keeps-ticket")
                        && let LogoutThere::Unavailable(down) = there
                    {
                        return Answer::Unavailable(down);
                    }
                    signed_out(out.reach, &there, site)
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
            Answer::Own(OwnAnswer::page(pages::nobody()).clear(clear))
        }
    }
}

/// Who comes with which `state`. One that is missing twice over, foreign, spent or too old is nobody's in particular.
fn visitor(context: &RequestContext, head: &RequestHead, parts: &request::Parts) -> Visitor {
    let state = match serde_html_form::from_str(parts.uri.query().unwrap_or_default()) {
        Ok(LogoutQuery { state: None }) => return Visitor::Leaving,
        Ok(LogoutQuery { state: Some(state) }) => state,
        Err(_) => return Visitor::Unknown,
    };
    let text = |(name, value): &(String, secrecy::SecretString)| (name.clone(), value.expose_secret().to_owned());
    let pending: Vec<_> = head.pending().iter().map(text).collect();
    let back = context.running.sign_in.back_from_logout(&state, &pending, context.now);
    back.map_or(Visitor::Unknown, Visitor::Back)
}

/// Signed out, here and as far as the other gateways know; and on to the provider, if that can be had.
fn signed_out(reach: LogoutReach, there: &LogoutThere, site: &Site) -> OwnAnswer {
    match there {
        LogoutThere::At { provider, location, cookie } => {
            let value = cookie.value.expose_secret();
            match SetCookie::pending(&cookie.name, value, cookie.lifetime, cookie.cross_site, site) {
                Ok(keep) => OwnAnswer::page(pages::on_to_provider(reach, provider, location)).cookies([keep]),
                Err(_) => OwnAnswer::page(pages::signed_out_here(reach)),
            }
        }
        LogoutThere::NotOffered => OwnAnswer::page(pages::signed_out_here(reach)),
        LogoutThere::Unavailable(down) => {
            tracing::warn!("somebody signed out here, and their provider cannot be asked: {down}");
            OwnAnswer::page(pages::provider_down(reach))
        }
    }
}
