//! `logout/frontchannel`: the provider's page, in the browser of somebody who signs out there, loads this in a frame (OpenID
//! Connect Front-Channel Logout 1.0 §3).
//!
//! A frame of another site brings no `SameSite=Lax` cookie, so whose browser it is nobody can see; what names the session
//! is `sid`, which the provider alone gives out, to those whom its person signs in at. That ends a session here, and lets
//! nobody in: so it is taken, where it is long enough not to be guessed and comes with `iss`. Without the two (Entra ID sends
//! none unless the claim is configured) nothing is ended, since any page could load this.

use auth_core::{idp::Provider, session::ending::EndingOrder};
use http::request;
use serde::Deserialize;

use crate::{
    context::RequestContext,
    fault::{BadRequest, ClientKind, Fault},
    request::RequestHead,
    response::{answer::Answer, own_answer::OwnAnswer},
};

/// The shortest `sid` that counts, in characters: 96 bits as base64url.
const SHORTEST: usize = 16;

/// The parameters (§3). Others are not looked at; one that comes twice is refused.
#[derive(Default, Deserialize)]
struct FrontChannelQuery {
    iss: Option<String>,
    sid: Option<String>,
}

/// Ends the sessions of that session at the provider. What there was to end is told nobody.
pub(in crate::own) async fn answer(context: &RequestContext, head: &RequestHead, parts: &request::Parts) -> Answer {
    context.answer_as(ClientKind::Script);
    let query = serde_html_form::from_str::<FrontChannelQuery>(parts.uri.query().unwrap_or_default());
    let Ok(query) = query else { return Answer::Fault(Fault::BadRequest(BadRequest::OwnParameters)) };
    let allowance = context.running.config.sessions.sign_in_limit;
    if let Err(limited) = context.gateway.limits.finish_sign_in(head.forwarded.client, allowance, context.now) {
        return Answer::Fault(limited);
    }
    let named = query.iss.as_deref().and_then(|issuer| provider(context, issuer));
    if let (Some(provider), Some(sid)) = (named, query.sid.filter(|sid| sid.len() >= SHORTEST)) {
        let who = format!("provider {}", provider.name());
        let order = EndingOrder { who: &who, why: "signed out at the provider, in their browser" };
        let standing = context.gateway.standing_sessions();
        if let Err(down) = standing.end_of_provider_session(provider.issuer(), &sid, None, order, context.now).await {
            return Answer::Unavailable(down);
        }
    }
    let text = OwnAnswer::text("signed out\n");
    Answer::Own(match named.and_then(|provider| url::Url::parse(provider.issuer()).ok()) {
        Some(issuer) => text.framed_by(&issuer.origin()),
        None => text,
    })
}

fn provider<'c>(context: &'c RequestContext, issuer: &str) -> Option<&'c Provider> {
    context.running.sign_in.providers().iter().find(|provider| **provider.issuer() == *issuer)
}
