//! `/admin/v1/held`: which sessions are held, and their release, for programs.

use auth_core::{
    principal::SessionId,
    session::renewal::{HeldSession, HeldSessions},
};
use http::request;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    order::{self, HeldChoice},
    roles::Administrator,
};
use crate::{
    body::Received,
    context::RequestContext,
    own::{form_page::bad_parameters, moment},
    response::{answer::Answer, own_answer::OwnAnswer},
};

/// How many are shown at once.
const PAGE: u32 = 100;

/// What stands in the address of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldQuery {
    provider: Option<String>,
    session: Option<String>,
    after: Option<String>,
}

/// To end some of them: the provider was right.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseOrder {
    which: HeldChoice,
    reason: String,
}

/// Some of them, how many there are, and after which the next page begins.
pub(super) struct HeldPage {
    pub(super) count: usize,
    pub(super) held: Vec<HeldSession>,
    pub(super) next: Option<SessionId>,
}

/// A page of those that `which` names.
///
/// # Errors
/// The answer to give instead.
pub(super) async fn page(
    context: &RequestContext,
    which: &HeldSessions,
    after: Option<&str>,
) -> Result<HeldPage, Answer> {
    let after = after.map(str::parse::<SessionId>).transpose().map_err(|_| bad_parameters())?;
    let (sessions, now) = (context.gateway.sessions(), context.now);
    let count = sessions.count_held(which, now).await.map_err(|down| order::unlisted(&down))?;
    // One more than is shown, to know whether there are more.
    let held = sessions.held(which, after, PAGE + 1, now).await;
    let mut held = held.map_err(|down| order::unlisted(&down))?;
    let is_last = held.len() <= PAGE as usize;
    held.truncate(PAGE as usize);
    let next = held.last().filter(|_| !is_last).map(|last| last.id);
    Ok(HeldPage { count, held, next })
}

/// A page of them.
pub(super) async fn list(context: &RequestContext, parts: &request::Parts) -> Result<Answer, Answer> {
    let HeldQuery { provider, session, after } = order::read_query(parts).ok_or_else(bad_parameters)?;
    let which = match (provider, session) {
        (None, None) => HeldChoice::All,
        (Some(provider), None) => HeldChoice::Provider(provider),
        (None, Some(session)) => HeldChoice::Session(session),
        (Some(_), Some(_)) => return Err(bad_parameters()),
    };
    let which = which.parsed().ok_or_else(bad_parameters)?;
    let HeldPage { count, held, next } = page(context, &which, after.as_deref()).await?;
    let held: Vec<Value> = held.iter().map(described).collect();
    let next = next.map(|id| id.to_string());
    Ok(Answer::Own(OwnAnswer::json(json!({ "count": count, "held": held, "next": next }))))
}

/// Releases them. How many have ended.
pub(super) async fn release(
    context: &RequestContext,
    administrator: &Administrator,
    parts: &request::Parts,
    body: Received,
) -> Result<Answer, Answer> {
    let ReleaseOrder { which, reason } = order::read(parts, body).await?;
    let (Some(which), Some(why)) = (which.parsed(), order::reason(&reason)) else { return Err(bad_parameters()) };
    let released = context.gateway.sessions().release(&which, &administrator.who, why, context.now).await;
    let released = released.map_err(|down| order::uncertain(&down))?;
    Ok(Answer::Own(OwnAnswer::json(json!({ "released": released }))))
}

fn described(held: &HeldSession) -> Value {
    json!({
        "id": held.id.to_string(),
        "issuer": held.subject.issuer,
        "subject": held.subject.id,
        "provider": held.provider,
        "since": moment(held.since),
        "why": held.why,
        "begun": moment(held.begun),
        "confirmed": moment(held.confirmed),
        "until": moment(held.until),
    })
}
