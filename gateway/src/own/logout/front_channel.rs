//! `logout/frontchannel`: the provider's page, in the browser of somebody who signs out there, loads this in a frame (OpenID
//! Connect Front-Channel Logout 1.0 §3).
//!
//! A frame of another site brings no `SameSite=Lax` cookie, so whose browser it is nobody can see. What counts is `iss` with
//! `sid`: they name one session at the provider, and its sessions here end, nobody else's. It is no signed word, so whoever
//! knows a `sid` can send it; why that is taken all the same stands in docs/decisions/front-channel-logout.md. No outage makes
//! the two up, and what is wrong with them is 400 and ends nothing.

use auth_core::{idp::Provider, session::ending::EndingOrder};
use http::request;
use serde::Deserialize;

use crate::{
    config::ProviderKind,
    context::RequestContext,
    fault::{BadRequest, ClientKind, Fault},
    request::RequestHead,
    response::{answer::Answer, own_answer::OwnAnswer},
};

/// The shortest `sid` that counts, in characters: 96 bits as base64url. A shorter one could be guessed.
const SHORTEST: usize = 16;

/// The parameters (§3). Others are not looked at; one that comes twice is refused.
#[derive(Deserialize)]
struct FrontChannelQuery {
    iss: Option<String>,
    sid: String,
}

/// Ends the sessions of that session at the provider. What there was to end is told nobody.
pub(in crate::own) async fn answer(context: &RequestContext, head: &RequestHead, parts: &request::Parts) -> Answer {
    context.answer_as(ClientKind::Script);
    let query = serde_html_form::from_str::<FrontChannelQuery>(parts.uri.query().unwrap_or_default());
    let named = query.ok().filter(|query| is_unguessable(&query.sid));
    let named = named.and_then(|query| Some((provider(context, query.iss.as_deref())?, query.sid)));
    let Some((provider, sid)) = named else { return Answer::Fault(Fault::BadRequest(BadRequest::OwnParameters)) };
    let allowance = context.running.config.sessions.sign_in_limit;
    if let Err(limited) = context.gateway.limits.finish_sign_in(head.forwarded.client, allowance, context.now) {
        return Answer::Fault(limited);
    }
    let who = format!("provider {}", provider.name());
    let order = EndingOrder { who: &who, why: "signed out at the provider, in their browser" };
    let standing = context.gateway.standing_sessions();
    match standing.end_of_provider_session(provider.issuer(), &sid, None, order, context.now).await {
        Ok(_) => Answer::Own(OwnAnswer::text("signed out\n").framed_by(&provider.page_origins())),
        Err(down) => Answer::Unavailable(down),
    }
}

/// Whose pages say that somebody has left. Entra ID leaves `iss` out; where there is one provider of that kind, it is meant.
fn provider<'c>(context: &'c RequestContext, issuer: Option<&str>) -> Option<&'c Provider> {
    let of = |issuer: &str| context.running.sign_in.providers().iter().find(|provider| **provider.issuer() == *issuer);
    let Some(issuer) = issuer else {
        let mut entra = context.running.config.identity.iter().filter(|identity| identity.kind == ProviderKind::Entra);
        return entra.next().filter(|_| entra.next().is_none()).and_then(|only| of(&only.issuer));
    };
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("frames-name-any-issuer") {
        return context.running.sign_in.providers().first();
    }
    of(issuer)
}

fn is_unguessable(sid: &str) -> bool {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("short-sessions-are-named") {
        return true;
    }
    sid.len() >= SHORTEST
}
