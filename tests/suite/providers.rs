//! Providers on the running program: what the configuration names of them, and how often people come back from them.

use gateway::demo::{AccessTokenSpec, Lie, Part, Twin};
use libtest_mimic::Trial;
use serde_json::json;
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break,
};

use crate::in_a_runtime;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("providers::keys_on_this_machine_serve_an_issuer_elsewhere", keys_on_this_machine),
        in_a_runtime("providers::callbacks_are_limited_for_each_address", callbacks_are_limited),
        in_a_runtime("providers::a_client_without_its_secret_is_told_so", a_client_without_its_secret),
        in_a_runtime("providers::another_account_is_asked_for", another_account_is_asked_for),
        in_a_runtime("providers::a_wrong_answer_is_said_and_beginning_again_helps", a_wrong_answer_is_said),
        in_a_runtime("providers::another_address_leads_to_the_public_one", another_address_leads_to_the_public_one),
    ]
}

/// An issuer that no name leads to, whose key set the operator wrote down: on loopback.
async fn keys_on_this_machine() {
    let mut world = World::new().prepare().await;
    let keys = world.idp.url(Part::Keys);
    let bearer = format!(
        "[[bearer]]\nissuer = \"https://idp.invalid\"\naudience = [\"api://monolith\"]\njwks_uri = \"{keys}\"\n\n\
         [upstreams.monolith]"
    );
    world.settings.replace("[upstreams.monolith]", &bearer);
    world.start_gateway().await;
    let token = world.idp.mint(&AccessTokenSpec::of("display-7").with(json!({ "iss": "https://idp.invalid" })));
    world.warm_up(&mut Caller::bearing(Form::Script, &token), "/api/calendar").await;
}

async fn callbacks_are_limited() {
    let world = World::new().standing_clock().start().await;
    let mut caller = Caller::new(Form::Browser);
    let mut told = Vec::new();
    for _ in 0..100 {
        let heard = world.ask(&mut caller, "/.candor/callback/pretend?state=x&code=y").await;
        told.push(heard.status().expect("an answer"));
    }
    assert_eq!(told.iter().filter(|status| **status == 400).count(), 60, "{told:?}");
    assert_eq!(told[60..], [429; 40], "{told:?}");
    let callback = world.url("/.candor/login?return_to=%2Fcalendar");
    let heard = caller.get(&callback, &world.monolith).await;
    assert_eq!(heard.status(), Some(303), "who comes back too often may begin: {}", heard.line());
}

/// The page leads to a new sign-in at the address that was wanted, and nobody's ticket is touched.
async fn a_wrong_answer_is_said() {
    let world = World::new().start().await;
    let mut ada = Caller::new(Form::Browser);
    world.sign_in(&mut ada, "ada", "/calendar").await;
    let mut grace = Caller::new(Form::Browser);
    let callback = world.until_callback(&mut grace, "grace", "/calendar?week=47").await;
    // Makes the forger's key, which can take longer than the provider has for its answer.
    world.idp.twin(&AccessTokenSpec::of("grace"), Twin::Forged);
    world.idp.lie(Some(Lie::Forged));
    let told = grace.browser().get(&callback).await.expect("an answer");
    world.idp.lie(None);
    let page = told.text();
    assert_eq!((told.status.as_u16(), told.header("x-gateway-answer")), (502, Some("sign-in-failed")), "{page}");
    assert!(page.contains("The signature of its ID token does not hold"), "{page}");
    assert!(page.contains(told.header("x-request-id").expect("a number to quote")), "{page}");
    assert!(told.header("retry-after").is_none() && !page.contains("http-equiv"), "{page}");
    assert!(page.contains("return_to=%2Fcalendar%3Fweek%3D47"), "{page}");
    world.sign_in(&mut grace, "grace", "/calendar?week=47").await;
    let heard = world.ask(&mut ada, "/calendar").await;
    assert_eq!(heard.status(), Some(200), "who is signed in stays so: {}", heard.line());
}

/// A gateway that the provider does not know: everybody reads what is wrong and whom to tell, and nothing is taken back.
async fn a_client_without_its_secret() {
    let mut world = World::new().prepare().await;
    world.settings.replace("client_secret = { file = \"client_secret\" }\n", "");
    world.start_gateway().await;
    let mut grace = Caller::new(Form::Browser);
    let callback = world.until_callback(&mut grace, "grace", "/calendar?week=47").await;
    let told = grace.browser().get(&callback).await.expect("an answer");
    let page = told.text();
    assert_eq!((told.status.as_u16(), told.header("x-gateway-answer")), (503, Some("verdict-unavailable")), "{page}");
    assert!(page.contains("set up wrongly") && page.contains("whoever looks after this service"), "{page}");
    assert!(page.contains(told.header("x-request-id").expect("a number to quote")), "{page}");
    assert!(!page.contains("http-equiv") && !page.contains("does not answer"), "{page}");
    assert!(page.contains("return_to=%2Fcalendar%3Fweek%3D47"), "{page}");
    assert!(told.set_cookies().is_empty(), "nothing is taken back");
}

/// Without asking the provider for it, signing in again comes back at once, as the same person.
async fn another_account_is_asked_for() {
    let world = World::new().start().await;
    let mut grace = Caller::new(Form::Browser);
    world.sign_in(&mut grace, "grace", "/calendar").await;
    let refused = world.ask(&mut grace, "/engineers/").await;
    assert_eq!(refused.status(), Some(403), "{}", refused.line());
    let link = "/.candor/login?return_to=%2Fengineers%2F&select_account=1";
    for (path, prompt) in [("/.candor/login?return_to=%2Fengineers%2F", None), (link, Some("select_account"))] {
        let told = grace.browser().get(&world.url(path)).await.expect("an answer");
        let to = told.header("location").and_then(|to| url::Url::parse(to).ok()).expect("the provider's address");
        let asked = to.query_pairs().find(|(name, _)| name == "prompt").map(|(_, value)| value.into_owned());
        assert_eq!((told.status.as_u16(), asked.as_deref()), (303, prompt), "{path}");
    }
}

/// Under a name that is not `public_url`'s no cookie of a sign-in would be found when the provider sends people back.
async fn another_address_leads_to_the_public_one() {
    let mut world = World::new().prepare().await;
    world.start_gateway().await;
    let mut elsewhere = world.url("/calendar?week=47");
    elsewhere.set_host(Some("localhost")).expect("a host");
    let wanted = world.url("/calendar?week=47");
    let mut ada = Caller::new(Form::Browser);
    let callback = world.try_until_callback_from(&mut ada, "ada", &elsewhere).await.expect("the provider is up");
    let seen = ada.browser().get(&callback).await.expect("an answer");
    let seen = ada.browser().follow(seen).await.expect("and it leads somewhere");
    assert_eq!((seen.status.as_u16(), &seen.url), (200, &wanted), "{}", seen.text());

    // Whoever is signed in at the public address already needs no provider.
    for proxy in [&world.proxies.discovery, &world.proxies.keys, &world.proxies.token, &world.proxies.front] {
        proxy.break_with(Break::Refused).await;
    }
    let seen = ada.browser().visit(&elsewhere).await.expect("an answer");
    assert_eq!((seen.status.as_u16(), &seen.url), (200, &wanted), "{}", seen.text());
}
