//! `login` and `callback/{provider}`.
//!
//! Nothing here turns in circles: whatever fails ends on a page, and signing in again is a link on it.

mod pages;
#[cfg(test)]
mod tests;

use std::time::Duration;

use auth_core::{
    refusal_guard::Harm,
    sign_in::{Begin, BeginFault, Begun, Callback, CallbackParams, Finished, SignInFault},
};
use http::{Method, header, request};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    anybody_known,
    content::{self, ContentFault},
    single,
};
use crate::{
    body::Received,
    config::site::LoginLink,
    context::RequestContext,
    fault::{BadRequest, Fault},
    limits::Allowance,
    request::RequestHead,
    response::{
        answer::Answer,
        cookies::{NotACookie, SetCookie},
        own_answer::{Destination, OwnAnswer},
    },
    route::ReturnTo,
};

/// How long ago whoever is to sign in freshly may have done so at the provider.
const FRESH: Duration = Duration::from_secs(60);
/// The most that a provider's form may hold.
const FORM: usize = 64 * 1024;

/// The parameters of `login`. One that comes twice is refused.
#[derive(Default, Deserialize)]
struct LoginQuery {
    return_to: Option<String>,
    provider: Option<String>,
    again: Option<String>,
    select_account: Option<String>,
    fresh: Option<String>,
    unless_signed_in: Option<String>,
}

/// Sends a person to their provider, or asks which it is.
pub(super) async fn login(context: &RequestContext, head: &RequestHead, parts: &request::Parts) -> Answer {
    let Ok(query) = serde_html_form::from_str::<LoginQuery>(parts.uri.query().unwrap_or_default()) else {
        return bad_parameters();
    };
    let return_to = safe(context, query.return_to.as_deref());
    let (again, select_account, fresh) = (query.again.is_some(), query.select_account.is_some(), query.fresh.is_some());
    if query.unless_signed_in.is_some() && may_be_signed_in(context, head).await {
        return Answer::Own(OwnAnswer::redirect(Destination::page(&return_to)));
    }
    let provider = match (query.provider, context.running.sign_in.providers()) {
        (_, []) => return Answer::Fault(Fault::NoSuchRoute),
        (Some(name), _) => name,
        (None, [only]) => only.name().to_string(),
        (None, several) => {
            let names = several.iter().map(|provider| provider.name().to_string());
            let choice = |name: String| {
                let (provider, return_to) = (Some(name.as_str()), Some(return_to.as_str()));
                let link = LoginLink { provider, return_to, again, select_account, fresh, unless_signed_in: false };
                let address = context.running.site.login_by(&link);
                (name, address)
            };
            return Answer::Own(pages::choose(names.map(choice)));
        }
    };
    if let Err(limited) = context.gateway.limits.begin_sign_in(head.forwarded.client, limit(context), context.now) {
        return Answer::Fault(limited);
    }
    let pending = pending(head);
    let (replaces, request) = (replaces(head), context.id.to_string());
    let begin = Begin {
        return_to: return_to.as_str(),
        again,
        pending: &pending,
        replaces,
        request: &request,
        select_account,
        max_age: fresh.then_some(FRESH),
        ..Begin::default()
    };
    match context.running.sign_in.begin(&provider, begin, context.now).await {
        Ok(begun) => to_provider(context, &begun).unwrap_or_else(cannot_set),
        Err(BeginFault::NoSuchProvider) => bad_parameters(),
        Err(BeginFault::InvalidResponse(response)) => {
            let begin = begin_address(context, Some(return_to.as_str()), again);
            Answer::Own(pages::invalid_response(&response, begin))
        }
        Err(BeginFault::Unavailable(unavailable)) => {
            let several = context.running.sign_in.providers().len() > 1;
            let begin = several.then(|| begin_address(context, Some(return_to.as_str()), again));
            Answer::Own(pages::unavailable(&unavailable, begin, Vec::new()))
        }
    }
}

/// What the configuration allows one address.
fn limit(context: &RequestContext) -> Allowance {
    context.running.config.sessions.sign_in_limit
}

/// Whether somebody is signed in here, or nobody can tell: what they wanted then says which.
async fn may_be_signed_in(context: &RequestContext, head: &RequestHead) -> bool {
    match context.admit(head, &anybody_known(), Harm::None).await {
        Ok(_) | Err(Answer::Unavailable(_)) => true,
        Err(Answer::Fault(_) | Answer::Own(_) | Answer::Refused(_) | Answer::Upstream(_)) => false,
    }
}

fn to_provider(context: &RequestContext, begun: &Begun) -> Result<Answer, NotACookie> {
    let site = &context.running.site;
    let keep = &begun.cookie;
    let value = keep.value.expose_secret();
    let mut cookies = vec![SetCookie::pending(&keep.name, value, keep.lifetime, keep.cross_site, site)?];
    // One that cannot be named stays: whoever planted it must not keep anybody from signing in.
    cookies.extend(begun.clear.iter().filter_map(|name| SetCookie::forget_pending(name, site).ok()));
    Ok(Answer::Own(OwnAnswer::redirect(Destination::provider(&begun.location)).cookies(cookies)))
}

/// Where a provider sends people back to: with the answer in the query, or in the body of a form.
pub(super) async fn callback(
    context: &RequestContext,
    head: &RequestHead,
    provider: &str,
    parts: &request::Parts,
    body: Received,
) -> Answer {
    if let Err(limited) = context.gateway.limits.finish_sign_in(head.forwarded.client, limit(context), context.now) {
        return Answer::Fault(limited);
    }
    let form = match parts.method {
        Method::POST => match read_form(parts, body).await {
            Ok(form) => form,
            Err(fault) => return Answer::Fault(fault),
        },
        _ => parts.uri.query().unwrap_or_default().as_bytes().to_vec(),
    };
    let Ok(params) = CallbackParams::parse(&form) else { return bad_parameters() };
    let callback = Callback {
        params,
        pending: pending(head),
        replaces: replaces(head),
        address: Some(head.forwarded.client),
        browser: single(&parts.headers, header::USER_AGENT.as_str()).map(str::to_owned),
        request: context.id.to_string(),
    };
    match context.running.sign_in.finish(provider, callback, context.now).await {
        Ok(finished) => signed_in(context, &finished).unwrap_or_else(cannot_set),
        Err(fault @ SignInFault::BeginAgain { .. }) if is_signed_in(context, head).await => {
            not_signed_in(context, fault, Standing::SignedIn)
        }
        Err(fault) => not_signed_in(context, fault, Standing::Unknown),
    }
}

fn signed_in(context: &RequestContext, finished: &Finished) -> Result<Answer, NotACookie> {
    let site = &context.running.site;
    // By the clock as it stands now: the sign-in may have ended a doubt about it.
    let ticket = SetCookie::ticket(&finished.ticket, context.gateway.now(), site)?;
    let cookies = vec![ticket, SetCookie::forget_pending(&finished.spent, site)?];
    let to = Destination::page(&safe(context, Some(&finished.return_to)));
    Ok(Answer::Own(OwnAnswer::redirect(to).cookies(cookies)))
}

/// Whether whoever comes back to an address that is spent was signed in by it, or by another one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    SignedIn,
    Unknown,
}

/// Whether somebody is known here for certain.
async fn is_signed_in(context: &RequestContext, head: &RequestHead) -> bool {
    head.ticket().is_ok_and(|ticket| ticket.is_some())
        && context.admit(head, &anybody_known(), Harm::None).await.is_ok()
}

fn not_signed_in(context: &RequestContext, fault: SignInFault, standing: Standing) -> Answer {
    #[cfg(candor_mutants)]
    if let Some(answer) = mutated(context, &fault) {
        return answer;
    }
    let failed = |page: OwnAnswer, spent| Answer::Own(page.cookies(forget(context, spent)));
    match fault {
        SignInFault::NoSuchProvider => Answer::Fault(Fault::NoSuchRoute),
        SignInFault::Malformed(_) => bad_parameters(),
        // The library has logged why.
        SignInFault::BeginAgain { why: _, return_to, again, spent } => {
            let begin = begin_address(context, return_to.as_deref(), again);
            let page = match standing {
                Standing::SignedIn => pages::signed_in_already(&safe(context, return_to.as_deref()), begin),
                Standing::Unknown => pages::begin_again(begin),
            };
            failed(page, spent)
        }
        SignInFault::CookiesBlocked => Answer::Own(pages::cookies_blocked(begin_address(context, None, true))),
        SignInFault::Refused { objection, word, description, return_to, spent } => {
            let begin = begin_address(context, Some(&return_to), false);
            failed(pages::refused(objection, &word, description, begin), spent)
        }
        SignInFault::InvalidResponse { response, return_to, spent } => {
            failed(pages::invalid_response(&response, begin_address(context, Some(&return_to), false)), spent)
        }
        SignInFault::Busy { return_to } => Answer::Own(pages::busy(begin_address(context, Some(&return_to), false))),
        SignInFault::Misconfigured { unavailable, return_to } => {
            Answer::Own(pages::misconfigured(&unavailable, begin_address(context, Some(&return_to), false)))
        }
        SignInFault::Unavailable { unavailable, return_to, spent } => {
            let begin = Some(begin_address(context, Some(&return_to), false));
            Answer::Own(pages::unavailable(&unavailable, begin, forget(context, spent)))
        }
    }
}

/// An outage at the callback, taken for "not signed in".
#[cfg(candor_mutants)]
fn mutated(context: &RequestContext, fault: &SignInFault) -> Option<Answer> {
    use auth_core::{dependency::Dependency, mutants};
    let SignInFault::Unavailable { unavailable, return_to, .. } = fault else { return None };
    let word = match unavailable.dependency {
        Dependency::TokenEndpoint => "token-500-is-not-signed-in",
        Dependency::Store => "store-error-loops",
        _ => return None,
    };
    let begin = context.running.config.server.public_url.join(&begin_address(context, Some(return_to), false)).ok()?;
    mutants::is(word).then(|| Answer::Own(OwnAnswer::redirect(Destination::provider(&begin))))
}

/// The ticket whose session a sign-in ends. Of two different ones nobody knows which is whose, so neither is ended.
fn replaces(head: &RequestHead) -> Option<SecretString> {
    head.ticket().ok().flatten().map(|ticket| ticket.text().clone())
}

/// The sign-ins that this browser has begun: name and value.
fn pending(head: &RequestHead) -> Vec<(String, String)> {
    let text = |(name, value): &(String, SecretString)| (name.clone(), value.expose_secret().to_owned());
    head.pending().iter().map(text).collect()
}

/// A safe address to come back to: the front page, unless `wanted` is one.
fn safe(context: &RequestContext, wanted: Option<&str>) -> ReturnTo {
    let config = &context.running.config;
    wanted
        .and_then(|wanted| ReturnTo::parse(wanted, &config.server.public_url, &config.own_prefix))
        .unwrap_or_else(ReturnTo::root)
}

/// Where signing in begins once more, at the provider that the person chooses then.
fn begin_address(context: &RequestContext, return_to: Option<&str>, again: bool) -> String {
    let return_to = safe(context, return_to);
    let link = LoginLink { return_to: Some(return_to.as_str()), again, ..LoginLink::default() };
    context.running.site.login_by(&link)
}

/// The cookie of the pending sign-in that was spent, taken back. One that cannot be named stays, and runs out by itself.
fn forget(context: &RequestContext, spent: Option<String>) -> Vec<SetCookie> {
    spent.and_then(|name| SetCookie::forget_pending(&name, &context.running.site).ok()).into_iter().collect()
}

async fn read_form(parts: &request::Parts, body: Received) -> Result<Vec<u8>, Fault> {
    let read = content::read(parts, body, "application/x-www-form-urlencoded", FORM).await;
    read.map_err(|fault| match fault {
        ContentFault::WrongMediaType => Fault::BadRequest(BadRequest::OwnParameters),
        ContentFault::TooLarge => Fault::BodyTooLarge,
        ContentFault::Broken => Fault::BadRequest(BadRequest::BodyBroken),
        ContentFault::Stalled => Fault::BadRequest(BadRequest::BodyStalled),
    })
}

fn bad_parameters() -> Answer {
    Answer::Fault(Fault::BadRequest(BadRequest::OwnParameters))
}

fn cannot_set(fault: NotACookie) -> Answer {
    Answer::Fault(Fault::Internal(fault.to_string().into()))
}
