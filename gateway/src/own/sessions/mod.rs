//! `sessions`: your sessions. Where somebody is signed in everywhere, and a way to end one of them, or all but this one.
//!
//! It needs no script, and scripts get JSON. It works on the rows, so that without the store there is no list: that is
//! said, and nobody is signed out by it.

mod browser;

use auth_core::{
    policy::{Allow, MaxStale, Requirement, RequirementId},
    principal::{Kind, Principal, SessionId},
    session::ending::{EndingOrder, StandingSession, StandingSessions},
    verdict::Unavailable,
};
use http::request;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    form_page::{FormPage, bad_parameters},
    moment, shown,
};
use crate::{
    body::Received,
    config::site::Site,
    context::RequestContext,
    fault::ClientKind,
    request::RequestHead,
    response::{
        answer::{Answer, Why},
        own_answer::{OwnAnswer, OwnFailure},
        page::{Page, PageForm},
        reply::Reply,
    },
};

/// The most that the form may hold.
const FORM: usize = 1024;

/// What is posted: one of the two.
#[derive(Deserialize)]
struct EndForm {
    /// The session to end.
    end: Option<String>,
    /// Whether all others are to end.
    others: Option<String>,
}

/// What somebody wants to end.
#[derive(Deserialize)]
#[serde(try_from = "EndForm")]
enum Wanted {
    One(SessionId),
    AllOthers,
}

/// Shows them, or ends what was posted.
pub(super) async fn answer(
    context: &RequestContext,
    head: &RequestHead,
    parts: &request::Parts,
    body: Received,
) -> Reply {
    let requirement = people();
    let asking = FormPage { context, head, parts, requirement: &requirement, most: FORM };
    asking.reply(decide(asking, body).await)
}

async fn decide(asking: FormPage<'_>, body: Received) -> Result<Answer, Answer> {
    let context = asking.context;
    let (form, admitted) = asking.asked::<Wanted>(body).await?;
    let principal = admitted.principal().map_err(Answer::Fault)?;
    let standing = context.gateway.standing_sessions();
    let ended = match form {
        None => None,
        Some(wanted) => {
            let ended = end(&standing, principal, wanted, context).await;
            Some(ended.map_err(|down| unavailable(&down, true))??)
        }
    };
    let sessions = standing.of(&principal.subject, context.now).await;
    let sessions = sessions.map_err(|down| unavailable(&down, false))?;
    let this = principal.session.map(|id| id.to_string());
    Ok(Answer::Own(match context.client_kind() {
        ClientKind::Browser => OwnAnswer::page(page(&sessions, this.as_deref(), ended, &context.running.site)),
        _ => OwnAnswer::json(described(&sessions, this.as_deref(), ended)),
    }))
}

/// How many were ended.
async fn end(
    standing: &StandingSessions,
    principal: &Principal,
    wanted: Wanted,
    context: &RequestContext,
) -> Result<Result<usize, Answer>, Unavailable> {
    let (of, who) = (&principal.subject, principal.subject.to_string());
    let order = EndingOrder { who: &who, why: "ended among their sessions" };
    match (wanted, principal.session) {
        (Wanted::One(id), _) => Ok(Ok(usize::from(standing.end(id, Some(of), order, context.now).await?.is_some()))),
        (Wanted::AllOthers, Some(this)) => Ok(Ok(standing.end_others(this, of, order, context.now).await?)),
        // Somebody with a bearer token has none to keep: which are the others, nobody can say.
        (Wanted::AllOthers, None) => Ok(Err(bad_parameters())),
    }
}

/// People, and nobody else has any.
fn people() -> Requirement {
    // No route has this index, so this permit opens none.
    Requirement::new(RequirementId(u32::MAX - 2), vec![Allow::kind(Kind::User)], MaxStale::DEFAULT)
}

fn page(sessions: &[StandingSession], this: Option<&str>, ended: Option<usize>, site: &Site) -> Page {
    let mut page = Page::new("Your sessions", "Where you are signed in to this service at present.");
    page = match ended {
        None => page,
        Some(0) => page.done("There was nothing left to end."),
        Some(1) => page.done("One session was ended."),
        Some(count) => page.done(format!("{count} sessions were ended.")),
    };
    let is_this = |session: &&StandingSession| Some(&*session.id) == this;
    // The one in which this is read is looked for first.
    for session in sessions.iter().filter(is_this).chain(sessions.iter().filter(|session| !is_this(session))) {
        let is_this = is_this(&session);
        let facts = facts(session);
        let form = (!is_this)
            .then(|| PageForm::new(site.own("sessions"), "End this session").hidden("end", session.id.as_str()));
        page = page.entry(if is_this { "This session" } else { "Another session" }, facts, form);
    }
    if this.is_some() && sessions.iter().any(|session| Some(&*session.id) != this) {
        page = page.form(PageForm::new(site.own("sessions"), "End all other sessions").hidden("others", "1"));
    }
    page.link("To the service", "/").link("Sign out", site.own("logout"))
}

fn facts(session: &StandingSession) -> Vec<(&'static str, String)> {
    let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "not known".to_owned());
    vec![
        ("Signed in", shown(session.begun)),
        ("Last confirmed", shown(session.confirmed)),
        ("From", told(&session.address)),
        ("Browser", told(&session.browser.as_deref().map(browser::in_words))),
    ]
}

fn described(sessions: &[StandingSession], this: Option<&str>, ended: Option<usize>) -> Value {
    let one = |session: &StandingSession| {
        json!({
            "id": session.id,
            "this": Some(&*session.id) == this,
            "provider": session.provider,
            "address": session.address,
            "browser": session.browser,
            "begun": moment(session.begun),
            "confirmed": moment(session.confirmed),
            "until": moment(session.until),
        })
    };
    json!({ "sessions": sessions.iter().map(one).collect::<Vec<_>>(), "ended": ended })
}

/// The store does not answer.
fn unavailable(down: &Unavailable, ending: bool) -> Answer {
    let (title, said, detail) = if ending {
        (
            "Nothing can be ended at the moment",
            "The database that this service keeps its sessions in does not answer, so it is not certain that anything was \
             ended. You are still signed in here. Try again in a little while.",
            "Whether the session was ended is not certain. Ask again later.",
        )
    } else {
        (
            "Your sessions cannot be shown at the moment",
            "The database that this service keeps its sessions in does not answer. You are still signed in, and nothing \
             has changed.",
            "The sessions cannot be listed now. Keep the credential, and ask again later.",
        )
    };
    let failure = OwnFailure::Unavailable { retry_after: down.retry_after, detail };
    let page = Page::new(title, said);
    let page = if ending { page } else { page.again() };
    Answer::Own(OwnAnswer::failed(failure, page.link("To the service", "/")).log(Why::missing(down)))
}

impl TryFrom<EndForm> for Wanted {
    type Error = &'static str;

    fn try_from(form: EndForm) -> Result<Self, Self::Error> {
        match form {
            EndForm { end: Some(id), others: None } => id.parse().map(Self::One).map_err(|_| "no session's id"),
            EndForm { end: None, others: Some(_) } => Ok(Self::AllOthers),
            EndForm { .. } => Err("neither of the two, or both"),
        }
    }
}
