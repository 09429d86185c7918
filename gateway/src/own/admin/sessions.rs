//! `/admin/v1/sessions`: which sessions stand, and an end of them, for programs.

use auth_core::{
    principal::SessionId,
    session::ending::{EndingOrder, StandingSession},
};
use http::request;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    order::{self, NamedUser},
    roles::Administrator,
};
use crate::{
    body::Received,
    context::RequestContext,
    own::{form_page::bad_parameters, moment},
    response::{answer::Answer, own_answer::OwnAnswer},
};

/// What stands in the address of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionsQuery {
    issuer: Option<String>,
    subject: Option<String>,
    after: Option<String>,
}

/// To end one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndOrder {
    session: String,
    reason: String,
}

/// To sign somebody out everywhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignOutOrder {
    issuer: String,
    subject: String,
    reason: String,
}

/// A page of them, or of those of one person.
pub(super) async fn list(context: &RequestContext, parts: &request::Parts) -> Result<Answer, Answer> {
    let SessionsQuery { issuer, subject, after } = order::read_query(parts).ok_or_else(bad_parameters)?;
    let of = match (issuer, subject) {
        (None, None) => None,
        (Some(issuer), Some(subject)) => Some(NamedUser { issuer, subject }.subject()),
        // Subjects of two issuers are two people.
        (Some(_), None) | (None, Some(_)) => return Err(bad_parameters()),
    };
    let after = after.map(|id| id.parse::<SessionId>()).transpose().map_err(|_| bad_parameters())?;
    let page = context.gateway.standing_sessions().page(of.as_ref(), after, context.now).await;
    let page = page.map_err(|down| order::unlisted(&down))?;
    let sessions: Vec<Value> = page.sessions.iter().map(described).collect();
    let next = page.next.map(|id| id.to_string());
    Ok(Answer::Own(OwnAnswer::json(json!({ "sessions": sessions, "next": next }))))
}

/// Ends one. If it does not stand, none has ended, and that is said: to order it twice does no harm.
pub(super) async fn end(
    context: &RequestContext,
    administrator: &Administrator,
    parts: &request::Parts,
    body: Received,
) -> Result<Answer, Answer> {
    let EndOrder { session, reason } = order::read(parts, body).await?;
    let (Ok(id), Some(why)) = (session.parse::<SessionId>(), order::reason(&reason)) else {
        return Err(bad_parameters());
    };
    let order = EndingOrder { who: &administrator.who, why };
    let ended = context.gateway.standing_sessions().end(id, None, order, context.now).await;
    let ended = ended.map_err(|down| order::uncertain(&down))?;
    let count = usize::from(ended.is_some());
    Ok(Answer::Own(OwnAnswer::json(json!({ "ended": count, "session": ended.as_ref().map(described) }))))
}

/// Signs somebody out everywhere.
pub(super) async fn sign_out(
    context: &RequestContext,
    administrator: &Administrator,
    parts: &request::Parts,
    body: Received,
) -> Result<Answer, Answer> {
    let SignOutOrder { issuer, subject, reason } = order::read(parts, body).await?;
    let (false, Some(why)) = (issuer.is_empty() || subject.is_empty(), order::reason(&reason)) else {
        return Err(bad_parameters());
    };
    let user = NamedUser { issuer, subject };
    let order = EndingOrder { who: &administrator.who, why };
    let done = context.gateway.standing_sessions().sign_out(&user.subject(), order, context.now).await;
    done.map_err(|down| order::uncertain(&down))?;
    Ok(Answer::Own(OwnAnswer::json(json!({ "signed_out": user }))))
}

fn described(session: &StandingSession) -> Value {
    json!({
        "id": session.id,
        "issuer": session.issuer,
        "subject": session.subject,
        "name": session.name,
        "provider": session.provider,
        "address": session.address,
        "browser": session.browser,
        "begun": moment(session.begun),
        "confirmed": moment(session.confirmed),
        "until": moment(session.until),
    })
}
