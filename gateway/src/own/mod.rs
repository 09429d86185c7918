//! The gateway's own paths. Each answers with an [`Answer`]; none of them can make a status, a refusal or a redirect to
//! sign-in by itself.

mod activate;
pub mod admin;
mod content;
mod device;
mod form_page;
pub mod forward_auth;
mod legacy_pin;
mod logout;
mod me;
pub mod redirect;
mod sessions;
mod sign_in;

use auth_core::{
    clock::Timestamp,
    policy::{Allow, MaxStale, Requirement, RequirementId},
    principal::Kind,
};
use http::{HeaderMap, Request};

use crate::{
    body::Received,
    context::RequestContext,
    request::RequestHead,
    response::{answer::Answer, own_answer::OwnAnswer, pages, reply::Reply},
    route::{OwnPath, ProblemWord},
};

pub(crate) use self::legacy_pin::LegacyPinAsked;

/// Answers one of our own paths.
pub(crate) async fn answer(
    path: &OwnPath,
    context: &RequestContext,
    head: &RequestHead,
    request: Request<Received>,
) -> Reply {
    let (parts, body) = request.into_parts();
    let answer = match path {
        OwnPath::Login => sign_in::login(context, head, &parts).await,
        OwnPath::Callback(provider) => sign_in::callback(context, head, provider, &parts, body).await,
        OwnPath::Logout => logout::answer(context, head, &parts).await,
        OwnPath::FrontChannelLogout => logout::front_channel::answer(context, head, &parts).await,
        OwnPath::BackChannelLogout => logout::back_channel::answer(context, &parts, body).await,
        OwnPath::Sessions => return sessions::answer(context, head, &parts, body).await,
        OwnPath::Me => {
            let recourse = context.recourse_of(head, &anybody_known());
            return Reply { recourse, ..context.reply(me::answer(context, head).await) };
        }
        OwnPath::Keys => Answer::Own(OwnAnswer::json(context.gateway.keyring.public_keys())),
        OwnPath::Problem(ProblemWord::Answer(word)) => Answer::Own(OwnAnswer::page(pages::explain(*word))),
        OwnPath::Problem(ProblemWord::Device(problem)) => {
            Answer::Own(OwnAnswer::page(pages::explain_problem(*problem)))
        }
        OwnPath::Activate => return activate::answer(context, head, &parts, body).await,
        OwnPath::Device(path) => device::answer(*path, context, head, &parts, body).await,
    };
    context.reply(answer)
}

/// What our own paths ask of whoever must be known: to be anybody at all.
fn anybody_known() -> Requirement {
    let allow = [Kind::User, Kind::Service, Kind::Device].map(Allow::kind).to_vec();
    // No route has this index, so this permit opens none.
    Requirement::new(RequirementId(u32::MAX), allow, MaxStale::DEFAULT)
}

/// A moment as RFC 3339 has it.
fn moment(at: Timestamp) -> Option<String> {
    jiff::Timestamp::from_second(at.as_secs()).ok().map(|at| at.to_string())
}

/// A moment for people who may be anywhere.
fn shown(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(at.as_secs()).ok();
    at.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
}

/// The value of a field that came exactly once.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}
