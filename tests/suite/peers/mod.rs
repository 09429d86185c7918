//! Against npm `oidc-provider`, which is OpenID-certified and which nobody here wrote: sign-in through its own login
//! page, what becomes of people when it breaks, and of sessions that it renews or ends.

mod broken;
mod chromium;
mod logout;
mod opaque;
mod processes;
mod provider;
mod renewal;
mod signing_in;
mod stage;

use gateway::demo::browser::SeenPage;
use libtest_mimic::Trial;
use url::Url;
use world::caller::{Caller, Form, Heard};

use self::stage::{Person, Stage};
use crate::{in_a_runtime, plain, report};

pub(crate) fn tests() -> Vec<Trial> {
    if !provider::installed() {
        let missing = || report::left_out("oidc-provider is not installed: run tests/peers/install");
        return vec![plain("peers::the_certified_provider_is_missing", missing)];
    }
    let mut tests = vec![
        in_a_runtime("peers::a_person_signs_in_and_is_proxied", signing_in::a_person_signs_in),
        in_a_runtime("peers::two_tabs_and_the_back_button", signing_in::two_tabs_and_the_back_button),
        in_a_runtime("peers::who_cancels_gets_a_page", signing_in::who_cancels_gets_a_page),
        in_a_runtime("peers::an_answer_by_form_post", signing_in::an_answer_by_form_post),
        in_a_runtime("peers::the_wire_is_cut", broken::the_wire_is_cut),
        in_a_runtime("peers::the_process_is_frozen", broken::the_process_is_frozen),
        in_a_runtime("peers::the_provider_loses_its_memory", broken::the_provider_loses_its_memory),
        in_a_runtime("peers::ten_requests_at_once_cost_one_refresh", renewal::ten_at_once),
        in_a_runtime("peers::who_goes_away_during_a_renewal_loses_nothing", renewal::gone_away),
        in_a_runtime("peers::who_is_disabled_is_out_within_one_renewal_period", renewal::disabled),
        in_a_runtime("peers::who_signs_out_here_is_signed_out_there", logout::begun_here),
        in_a_runtime("peers::who_signs_out_there_is_signed_out_here", logout::begun_there),
        in_a_runtime("peers::userinfo_says_who_it_is", opaque::userinfo),
        in_a_runtime("peers::an_opaque_token_is_asked_about", opaque::introspection),
        in_a_runtime("peers::sessions_end_with_real_processes", processes::sessions_end),
    ];
    tests.extend(chromium::tests());
    tests
}

/// A browser in which `name` has signed in.
async fn signed_in(stage: &Stage, name: &str) -> Caller {
    let mut caller = Caller::new(Form::Browser);
    let page = login_page(stage, &mut caller, "/calendar").await;
    let seen = Person { caller: &mut caller, name }.through(page).await;
    is_the_calendar(&seen, name);
    caller
}

/// The provider's login page, to which a newcomer is sent from `path`.
async fn login_page(stage: &Stage, caller: &mut Caller, path: &str) -> SeenPage {
    let page = caller.browser().visit(&stage.url(path)).await.expect("an answer");
    assert!(page.url.as_str().starts_with(&stage.proxy.base()), "at the provider: {} {}", page.url, page.text());
    page
}

fn is_the_calendar(seen: &SeenPage, name: &str) {
    assert_eq!(seen.status, 200, "{}", seen.text());
    assert!(seen.text().contains(&format!("For {name}.")), "{}", seen.text());
    report::count("sign-ins at a certified provider");
}

/// The answer of the monolith to `name`, who notices nothing.
fn goes_on(heard: &Heard, name: &str) {
    assert_eq!(heard.status(), Some(200), "{}", heard.line());
    let [reached] = &heard.reached[..] else { panic!("one request reached the monolith: {}", heard.line()) };
    assert_eq!(reached.header("x-auth-request-user"), Some(name));
    let answer = heard.answer.as_ref().expect("an answer");
    assert!(answer.set_cookies().is_empty(), "no cookie is touched: {}", heard.line());
}

/// Where the first link of a page of ours leads.
fn first_link(page: &SeenPage) -> Url {
    let text = page.text();
    let link = text.split("<a ").nth(1).and_then(|rest| rest.split("href=\"").nth(1)?.split('"').next());
    let link = link.unwrap_or_else(|| panic!("a link: {text}")).replace("&amp;", "&").replace("&#38;", "&");
    page.url.join(&link).expect("an address")
}
