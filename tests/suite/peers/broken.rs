//! The provider breaks: who is signed in goes on, newcomers are told the truth, and what heals works again by itself.

use gateway::demo::browser::SeenPage;
use world::{
    caller::{Caller, Form},
    fault_proxy::Break,
};

use super::{Person, Stage, first_link, goes_on, is_the_calendar, login_page, signed_in};
use crate::report;

pub(super) async fn the_wire_is_cut() {
    let mut stage = Stage::start().await;
    for how in [Break::Refused, Break::Reset, Break::Hang] {
        outlived(&mut stage, async |stage| stage.proxy.break_with(how).await, async |stage| stage.proxy.heal().await)
            .await;
    }
}

pub(super) async fn the_process_is_frozen() {
    let mut stage = Stage::start().await;
    outlived(&mut stage, async |stage| stage.peer.freeze(), async |stage| stage.peer.thaw()).await;
}

/// What is true of every outage of the provider.
async fn outlived(stage: &mut Stage, break_it: impl AsyncFn(&Stage), heal: impl AsyncFn(&Stage)) {
    let mut ada = signed_in(stage, "ada").await;
    let mut grace = Caller::new(Form::Browser);
    let page = login_page(stage, &mut grace, "/calendar").await;
    let callback = Person { caller: &mut grace, name: "grace" }.until_callback(page).await;

    break_it(stage).await;
    stage.let_contact_grow_old();
    goes_on(&stage.ask(&mut ada, "/calendar").await, "ada");

    let mut newcomer = Caller::new(Form::Browser);
    let told = newcomer.browser().visit(&stage.url("/calendar")).await.expect("an answer");
    is_told_the_truth(&told);
    let kept = grace.browser().get(&callback).await.expect("an answer");
    is_told_the_truth(&kept);
    assert!(kept.set_cookies().is_empty(), "what was begun is kept");
    assert!(kept.text().contains("Begin again") && !told.text().contains("Begin again"), "{}", kept.text());
    goes_on(&stage.ask(&mut ada, "/calendar").await, "ada");

    stage.restart_gateway().await;
    goes_on(&stage.ask(&mut ada, "/calendar").await, "ada");
    let told = newcomer.browser().get(&told.url).await.expect("an answer");
    is_told_the_truth(&told);

    heal(stage).await;
    // A provider that failed a moment ago is left alone for a second.
    stage.let_contact_grow_old();
    goes_on(&stage.ask(&mut ada, "/calendar").await, "ada");
    let page = newcomer.browser().visit(&told.url).await.expect("an answer");
    let seen = Person { caller: &mut newcomer, name: "newcomer" }.through(page).await;
    is_the_calendar(&seen, "newcomer");
    assert_eq!(seen.url.path(), "/calendar", "the address that they wanted");
    let mut seen = grace.browser().visit(&callback).await.expect("an answer");
    if seen.status == 400 {
        // The frozen provider had the code all the while, and answered it to nobody. To her that is one more link.
        assert!(seen.text().contains("Please begin once more"), "{}", seen.text());
        let page = grace.browser().visit(&first_link(&seen)).await.expect("an answer");
        seen = Person { caller: &mut grace, name: "grace" }.through(page).await;
    }
    is_the_calendar(&seen, "grace");
    goes_on(&stage.ask(&mut ada, "/calendar").await, "ada");
    report::count("outages of a certified provider outlived");
}

pub(super) async fn the_provider_loses_its_memory() {
    let mut stage = Stage::start().await;
    let mut ada = signed_in(&stage, "ada").await;
    let mut grace = Caller::new(Form::Browser);
    let page = login_page(&stage, &mut grace, "/calendar").await;
    let callback = Person { caller: &mut grace, name: "grace" }.until_callback(page).await;

    stage.peer.restart().await;
    stage.let_contact_grow_old();
    goes_on(&stage.ask(&mut ada, "/calendar").await, "ada");
    let lost = grace.browser().get(&callback).await.expect("an answer");
    assert_eq!(lost.status, 400, "a page, no redirect: {}", lost.text());
    assert!(lost.text().contains("Please begin once more"), "{}", lost.text());

    // Its key is another one too, which the gateway has never seen.
    let page = login_page(&stage, &mut grace, "/calendar").await;
    let seen = Person { caller: &mut grace, name: "grace" }.through(page).await;
    is_the_calendar(&seen, "grace");
    goes_on(&stage.ask(&mut ada, "/calendar").await, "ada");
    report::count("outages of a certified provider outlived");
}

/// A 503 page that blames nobody, forgets nothing and tries again by itself.
fn is_told_the_truth(told: &SeenPage) {
    let text = told.text();
    assert_eq!((told.status.as_u16(), told.header("x-gateway-answer")), (503, Some("verdict-unavailable")), "{text}");
    assert!(told.header("retry-after").is_some(), "it says when to come again");
    assert!(text.contains("Signing in is unavailable just now"), "{text}");
    assert!(text.contains("tries again by itself"), "{text}");
    assert!(told.deleted_cookies().is_empty() && told.header("www-authenticate").is_none());
}
