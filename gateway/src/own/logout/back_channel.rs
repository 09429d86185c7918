//! `logout/backchannel`: a provider says that somebody has left there (OpenID Connect Back-Channel Logout 1.0 §2.5).
//!
//! Whoever asks is nobody: what counts is the token. A wrong one is 400 with JSON, whatever is wrong with it, and ends
//! nothing; where we cannot tell, or cannot write it down, it is 503, and the provider may send it again.

use auth_core::{idp::LogoutTokenFault, session::ending::BackChannelLogout};
use http::request;
use serde::Deserialize;
use serde_json::json;

use crate::{
    body::Received,
    context::RequestContext,
    fault::{ClientKind, FaultStatus},
    own::content,
    response::{
        answer::{Answer, Why},
        own_answer::OwnAnswer,
    },
};

/// The most that the form may hold: a token of the longest kind, escaped, and a little.
const FORM: usize = 32 * 1024;

/// What is posted (§2.5). A parameter that comes twice is refused, an unknown one is not looked at.
#[derive(Deserialize)]
struct LogoutForm {
    logout_token: String,
}

/// Ends what the token says has ended.
pub(in crate::own) async fn answer(context: &RequestContext, parts: &request::Parts, body: Received) -> Answer {
    context.answer_as(ClientKind::Script);
    let Ok(form) = content::read(parts, body, "application/x-www-form-urlencoded", FORM).await else {
        return wrong("the request is no form that holds a logout token".to_owned());
    };
    let Ok(LogoutForm { logout_token }) = serde_html_form::from_bytes(&form) else {
        return wrong("`logout_token` is not there once".to_owned());
    };
    let gateway = &context.gateway;
    let (standing, providers) = (gateway.standing_sessions(), context.running.sign_in.providers());
    match standing.end_by_logout_token(providers, &logout_token, &gateway.logout_tokens, context.now).await {
        Ok(BackChannelLogout::Sessions(_) | BackChannelLogout::Person) => Answer::Own(OwnAnswer::json(json!({}))),
        Err(LogoutTokenFault::Wrong(how)) => wrong(how.to_string()),
        Err(LogoutTokenFault::Unavailable(unavailable)) => Answer::Unavailable(unavailable),
    }
}

/// §2.8.
fn wrong(how: String) -> Answer {
    let said = json!({ "error": "invalid_request", "error_description": how });
    let why = Why { reason: Some("logout-token"), detail: Some(how), ..Why::default() };
    Answer::Own(OwnAnswer::json(said).status(FaultStatus::BadRequest).log(why))
}
