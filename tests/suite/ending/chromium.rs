//! Signing out in a real browser: it goes on to the provider and back by itself, without script, from a form whose policy
//! lets it lead to no other site; and a frame on the provider's page signs somebody out.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use gateway::demo::Login;
use libtest_mimic::Trial;
use serde_json::json;
use url::Url;
use world::{
    World,
    caller::{Caller, Form},
    chromium::Chromium,
    fault_proxy::Break,
};

use crate::{in_a_runtime, report};

const SID: &str = "a-session-at-the-provider";

pub(super) fn tests() -> Vec<Trial> {
    const OUT: &str = "ending::people_sign_out_at_the_provider_in_chromium";
    const FRAME: &str = "ending::a_frame_signs_out_in_chromium";
    if Chromium::is_installed() {
        return vec![in_a_runtime(OUT, through_the_provider), in_a_runtime(FRAME, in_a_frame)];
    }
    for name in [OUT, FRAME] {
        report::left_out(format!("{name}: the driver of Chromium is not installed (tests/peers/install)"));
    }
    Vec::new()
}

async fn world() -> World {
    let mut world = World::new().standing_clock().prepare().await;
    world.idp.offer_logout();
    world.start_gateway().await;
    world.idp.set_login(Login::Immediately("ada".to_owned()));
    world.idp.states_of("ada", json!({ "sid": SID }));
    world
}

async fn sign_in(world: &World, browser: &Chromium) {
    browser.go(&world.url("/calendar")).await;
    browser.until("return location.pathname === '/calendar'").await;
}

/// Presses the button that signs out.
async fn sign_out(world: &World, browser: &Chromium) {
    browser.go(&world.url("/.candor/logout")).await;
    browser.click("main form button").await;
}

async fn until_heading(browser: &Chromium, heading: &str) {
    browser.until(&format!("return document.querySelector('h1')?.textContent === '{heading}'")).await;
}

async fn through_the_provider() {
    let world = world().await;
    let mut browser = Chromium::open().await;
    sign_in(&world, &browser).await;
    sign_out(&world, &browser).await;
    until_heading(&browser, "You are signed out").await;
    assert_eq!(browser.run("return location.pathname + location.search.slice(0, 7)").await, "/.candor/logout?state=");
    assert!(browser.run("return document.body.textContent").await.to_string().contains("signed out there too"));
    browser.look("signed-out-there").await;
    browser.go(&world.url("/.candor/logout?state=x")).await;
    until_heading(&browser, "Whether you are signed out at your provider is not known here").await;
    browser.look("signed-out-unknown").await;

    // What is seen for a moment only, stopped.
    let mut person = Caller::new(Form::Browser);
    world.sign_in(&mut person, "ada", "/calendar").await;
    let page = person.post(&world.url("/.candor/logout"), &[], &world.monolith).await.answer.expect("a page");
    assert!(page.onward().is_some() && page.text().contains("signed out here"), "{}", page.text());
    let stopped = STANDARD.encode(page.text().replace("http-equiv=\"refresh\"", ""));
    browser.go(&Url::parse(&format!("data:text/html;base64,{stopped}")).expect("an address")).await;
    until_heading(&browser, "You are signed out here").await;
    browser.look("signed-out-onward").await;

    // The provider does not answer at all: here it is over all the same, on a page that leads nowhere.
    sign_in(&world, &browser).await;
    world.advance(Duration::from_secs(11));
    world.proxies.discovery.break_with(Break::Refused).await;
    sign_out(&world, &browser).await;
    until_heading(&browser, "You are signed out here").await;
    browser.look("signed-out-here").await;
    world.proxies.discovery.heal().await;
    world.idp.set_login(Login::Form);
    browser.go(&world.url("/calendar")).await;
    assert_ne!(browser.run("return document.querySelector('h1')?.textContent").await, "You are signed in");
    assert!(!is_in(&world, &browser).await);
    let errors = browser.console_errors().await.into_iter();
    let errors: Vec<_> = errors.filter(|error| !error.contains("503 (Service Unavailable)")).collect();
    report::pages(&browser, &errors);
    assert!(browser.overflows().is_empty() && errors.is_empty(), "{:?}, {errors:?}", browser.overflows());
    browser.close().await;
}

async fn is_in(world: &World, browser: &Chromium) -> bool {
    browser.go(&world.url("/.candor/me")).await;
    browser.run("return document.querySelector('h1')?.textContent").await == "You are signed in"
}

/// On the provider's own page, and on somebody else's: where that is shown to be none of its own, the browser shows nothing.
async fn in_a_frame() {
    let world = world().await;
    let browser = Chromium::open().await;
    sign_in(&world, &browser).await;
    world.idp.set_login(Login::Form);
    let mut address = world.url("/.candor/logout/frontchannel");
    address.query_pairs_mut().append_pair("iss", &world.idp.issuer()).append_pair("sid", "another-session-there");
    let refused_at = async |page: &str, address: &Url| {
        browser.go(&Url::parse(page).expect("an address")).await;
        browser.console_errors().await;
        let frame =
            "const frame = document.createElement('iframe'); frame.onload = () => { document.title = 'framed' };";
        browser.run(&format!("{frame} frame.src = '{address}'; document.body.append(frame)")).await;
        browser.until("return document.title === 'framed'").await;
        browser.console_errors().await.iter().any(|error| error.contains("frame-ancestors"))
    };
    assert!(refused_at(&world.proxies.keys.base(), &address).await, "elsewhere it is not shown");
    assert!(!refused_at(&world.idp.issuer(), &address).await, "at the provider it is");
    assert!(is_in(&world, &browser).await, "neither was about her");
    let of_her = address.as_str().replace("another-session-there", SID);
    assert!(!refused_at(&world.idp.issuer(), &Url::parse(&of_her).expect("an address")).await);
    assert!(!is_in(&world, &browser).await);
    browser.close().await;
}
