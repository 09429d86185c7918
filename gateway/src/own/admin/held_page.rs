//! `/held`: the held sessions as a page, with a way to release them in two steps: which, and then why and that it is meant.
//!
//! Browsers show no bearer token by themselves: whoever opens this page comes through something that adds theirs.

use auth_core::session::renewal::{HeldSession, HeldSessions};
use http::request;
use serde::Deserialize;

use super::{
    held::{self, HeldPage},
    order::{self, HeldChoice, LONGEST_REASON},
    roles::Administrator,
};
use crate::{
    body::Received,
    context::RequestContext,
    fault::FaultStatus,
    own::{form_page::bad_parameters, shown},
    response::{
        answer::Answer,
        own_answer::OwnAnswer,
        page::{Page, PageForm},
    },
};

/// Where it is.
const PATH: &str = "/held";
/// What is typed by whoever means it.
const MEANT: &str = "release";

/// What stands in the address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    after: Option<String>,
}

/// What is posted: which, and at the second step why and that it is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseForm {
    provider: Option<String>,
    session: Option<String>,
    reason: Option<String>,
    meant: Option<String>,
}

/// Shows them, a hundred at a time.
pub(super) async fn show(
    context: &RequestContext,
    administrator: &Administrator,
    parts: &request::Parts,
) -> Result<Answer, Answer> {
    let PageQuery { after } = order::read_query(parts).ok_or_else(bad_parameters)?;
    let list = held::page(context, &HeldSessions::All, after.as_deref()).await?;
    let providers = context.running.config.identity.iter().map(|identity| identity.name.to_string()).collect();
    Ok(Answer::Own(OwnAnswer::page(listed(&list, providers, administrator.may_order))))
}

/// Asks whether it is meant, or does it.
pub(super) async fn order(
    context: &RequestContext,
    administrator: &Administrator,
    parts: &request::Parts,
    body: Received,
) -> Result<Answer, Answer> {
    let form: ReleaseForm = order::read_form(parts, body).await?;
    let choice = match (&form.provider, &form.session) {
        (Some(provider), None) => HeldChoice::Provider(provider.clone()),
        (None, Some(session)) => HeldChoice::Session(session.clone()),
        _ => return Err(bad_parameters()),
    };
    let which = choice.parsed().ok_or_else(bad_parameters)?;
    let reason = form.reason.as_deref().and_then(order::reason);
    let meant = form.meant.as_deref().is_some_and(|typed| typed.trim() == MEANT);
    let sessions = context.gateway.sessions();
    if let Some(why) = reason.filter(|_| meant) {
        let released = sessions.release(&which, &administrator.who, why, context.now).await;
        let released = released.map_err(|down| order::uncertain(&down))?;
        return Ok(Answer::Own(OwnAnswer::page(done(released))));
    }
    let count = sessions.count_held(&which, context.now).await.map_err(|down| order::unlisted(&down))?;
    if count == 0 {
        return Ok(Answer::Own(OwnAnswer::page(done(0))));
    }
    let page = confirm(&choice, count, form.reason.clone());
    Ok(Answer::Own(match (form.reason, form.meant) {
        (None, None) => OwnAnswer::page(page),
        _ => OwnAnswer::page(page.notice(format!("Nothing was released: say why, and type {MEANT} if you mean it.")))
            .status(FaultStatus::BadRequest),
    }))
}

fn listed(list: &HeldPage, providers: Vec<String>, may_order: bool) -> Page {
    if list.count == 0 {
        let nothing = "Every session is renewed as usual, or ends as its provider says.";
        return Page::new("No session is held", nothing).link("Look again", PATH);
    }
    let mut page = Page::new(counted(list.count), "Their provider refuses to renew them, and so many at once look like a mistake of its own.")
        .say("If it is one, leave them: they go on by themselves once the provider renews them. If the provider is right, release them: they end.");
    for held in &list.held {
        let one = PageForm::new(PATH, "Release this one \u{2026}").hidden("session", held.id.to_string());
        page = page.entry("A held session", facts(held), may_order.then_some(one));
    }
    if let Some(next) = list.next {
        page = page.link("Show more", format!("{PATH}?after={next}"));
    }
    if !may_order {
        return page.say("Whoever is security-admin by `[admin] allow` can release them here.");
    }
    let chosen = list.held.first().map(|first| first.provider.clone());
    let providers = with_those_shown(providers, &list.held);
    page.form(
        PageForm::new(PATH, "Release all of this provider \u{2026}").choice("provider", "Provider", providers, chosen),
    )
}

/// Held sessions may outlive the configuration of their provider.
fn with_those_shown(mut providers: Vec<String>, held: &[HeldSession]) -> Vec<String> {
    providers.extend(held.iter().map(|held| held.provider.clone()));
    providers.sort();
    providers.dedup();
    providers
}

fn facts(held: &HeldSession) -> Vec<(&'static str, String)> {
    vec![
        ("Whose", held.subject.id.to_string()),
        ("Issuer", held.subject.issuer.to_string()),
        ("Held since", shown(held.since)),
        ("Provider", held.provider.clone()),
        ("It says", held.why.clone()),
        ("Signed in", shown(held.begun)),
        ("Last confirmed", shown(held.confirmed)),
        ("Session", held.id.to_string()),
    ]
}

fn confirm(choice: &HeldChoice, count: usize, reason: Option<String>) -> Page {
    let (name, value, of) = match choice {
        HeldChoice::Session(id) => ("session", id.clone(), format!("session {id}")),
        HeldChoice::Provider(provider) => ("provider", provider.clone(), format!("all of the provider {provider}")),
        HeldChoice::All => ("provider", String::new(), "all".to_owned()),
    };
    let form = PageForm::new(PATH, "End them now")
        .hidden(name, value)
        .words("reason", "Why, for the record", LONGEST_REASON, reason.unwrap_or_default())
        .words("meant", "Type \u{201c}release\u{201d} if you mean it", MEANT.len() * 2, "");
    let ends = match count {
        1 => "1 session ends at once, and whoever is in it must sign in again.".to_owned(),
        many => format!("{many} sessions end at once, and everybody in them must sign in again."),
    };
    Page::new("Release what is held?", ends)
        .say("If the provider may be wrong, leave this page: they go on by themselves once it renews them.")
        .fact("Which", of)
        .form(form)
        .link("Back to the list", PATH)
}

fn done(released: usize) -> Page {
    let page = match released {
        0 => Page::new("Nothing was held any more", "No session has ended: none of these is held."),
        1 => Page::new("1 session has ended", "Whoever was in it must sign in again."),
        many => Page::new(format!("{many} sessions have ended"), "Everybody in them must sign in again."),
    };
    page.link("Held sessions", PATH)
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 session is held".to_owned(),
        many => format!("{many} sessions are held"),
    }
}
