//! Signing out at the provider too, and signing out here because somebody signs out there.

use std::time::Duration;

use auth_core::database::Disturbance;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use gateway::demo::browser::SeenPage;
use serde_json::{Value, json};
use url::Url;
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break,
};

use super::{is_in, signed_in};

const LOGOUT: &str = "/.candor/logout";
const COOKIE: &str = "candor-signin-logout";

async fn sign_out(world: &World, person: &mut Caller) -> SeenPage {
    person.post(&world.url(LOGOUT), &[], &world.monolith).await.answer.expect("a page")
}

pub(super) async fn at_the_provider() {
    let mut world = World::new().standing_clock().prepare().await;
    world.idp.offer_logout();
    world.start_gateway().await;
    world.idp.states_of("ada", json!({ "login_hint": "O.hint" }));
    let mut ada = Caller::new(Form::Browser);
    world.sign_in(&mut ada, "ada", "/calendar").await;

    let page = sign_out(&world, &mut ada).await;
    assert!(page.status == 200 && page.text().contains("signed out here"), "{}", page.text());
    assert_eq!(page.deleted_cookies(), ["candor"]);
    let there = page.onward().expect("a way on");
    let asked = |name: &str| there.query_pairs().find(|(is, _)| is == name).map(|(_, value)| value.into_owned());
    assert_eq!((there.path(), asked("client_id").as_deref()), ("/end_session", Some("candor")));
    assert_eq!(asked("post_logout_redirect_uri").as_deref(), Some(world.url(LOGOUT).as_str()));
    assert_eq!(asked("logout_hint").as_deref(), Some("O.hint"));
    let token = asked("id_token_hint").expect("the ID token of the sign-in");
    let claims = token.split('.').nth(1).and_then(|claims| BASE64.decode(claims).ok()).expect("a JWT");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!((&claims["sub"], &claims["aud"], claims["nonce"].is_string()), (&json!("ada"), &json!("candor"), true));
    let state = asked("state").expect("a state");
    assert!(!is_in(&world, &mut ada).await, "here it is over, whatever happens there");

    for wrong in hostile(&state) {
        let seen = come_back(&world, &mut ada, &wrong).await;
        let text = seen.text();
        assert!(
            seen.status == 200 && !text.contains("there too") && text.contains("not known here"),
            "{wrong}: {text}"
        );
        assert!(seen.set_cookies().is_empty() && seen.onward().is_none() && seen.location().is_none(), "{wrong}");
    }
    let seen = come_back(&world, &mut ada, "").await;
    assert!(seen.status == 200 && seen.text().contains("Sign out?") && seen.set_cookies().is_empty());
    let mut stranger = Caller::new(Form::Browser);
    let seen = come_back(&world, &mut stranger, &format!("state={state}")).await;
    assert!(seen.text().contains("not known here"), "{}", seen.text());
    let seen = ada.browser().visit(&there).await.expect("the provider sends them back");
    assert!(seen.url.path() == LOGOUT && seen.text().contains("signed out there too"), "{}", seen.text());
    assert_eq!(seen.deleted_cookies(), [COOKIE]);
    let seen = ada.browser().get(&seen.url).await.expect("a page");
    assert!(seen.text().contains("not known here") && seen.set_cookies().is_empty(), "once: {}", seen.text());
}

/// What somebody may come back with who was not sent with it, where `state` is another's.
fn hostile(state: &str) -> Vec<String> {
    let own = format!("state={state}");
    let mut wrong = ["state=", "state=x", "state=%00", "state=%2F%2Fevil.example", "state=https://evil.example/"]
        .map(str::to_owned)
        .to_vec();
    wrong.extend([
        format!("{own}&{own}"),
        format!("{own}x"),
        format!("state={}", &state[1..]),
        format!("state={}", state.to_uppercase()),
        format!("state={}", "x".repeat(4000)),
        "state=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
        "state=x&return_to=//evil.example&post_logout_redirect_uri=https://evil.example".to_owned(),
    ]);
    wrong
}

async fn come_back(world: &World, person: &mut Caller, query: &str) -> SeenPage {
    let mut back = world.url(LOGOUT);
    back.set_query(Some(query).filter(|query| !query.is_empty()));
    person.browser().get(&back).await.expect("a page")
}

/// Whoever comes back with anything is as signed in as before, also where they were sent too long ago.
pub(super) async fn coming_back_ends_nothing() {
    let mut world = World::new().standing_clock().prepare().await;
    world.idp.offer_logout();
    world.start_gateway().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let there = sign_out(&world, &mut ada).await.onward().expect("a way on");
    let state = there.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
    let kept = ada.browser().cookie(&world.url("/"), COOKIE).expect("a cookie").to_owned();
    world.sign_in(&mut ada, "ada", "/calendar").await;
    // A sign-in takes the cookie back; somebody puts it there again.
    assert_eq!(ada.browser().cookie(&world.url("/"), COOKIE), None);
    ada.browser().set_cookie(&world.url("/"), COOKIE, &kept);
    for query in hostile(&state).into_iter().chain([String::new(), format!("state={state}")]) {
        let seen = come_back(&world, &mut ada, &query).await;
        assert!(seen.status == 200 && !seen.deleted_cookies().contains(&"candor".to_owned()), "{query}");
        assert!(is_in(&world, &mut ada).await, "{query}");
    }
    ada.browser().set_cookie(&world.url("/"), COOKIE, &kept);
    world.advance(Duration::from_secs(601));
    let seen = come_back(&world, &mut ada, &format!("state={state}")).await;
    assert!(seen.text().contains("not known here"), "too long ago: {}", seen.text());
    for forged in ["", "x", "AQ", &format!("{kept}A"), &kept[1..]] {
        ada.browser().set_cookie(&world.url("/"), COOKIE, forged);
        assert!(come_back(&world, &mut ada, &format!("state={state}")).await.text().contains("not known here"));
    }
    assert!(is_in(&world, &mut ada).await);
}

/// The provider, or what its part is asked of here, is away: here it is over all the same, and the page says what is not.
pub(super) async fn while_the_provider_is_down() {
    let mut world = World::new().standing_clock().prepare().await;
    world.idp.offer_logout();
    world.start_gateway().await;
    for how in [Break::Refused, Break::Reset, Break::Status(500), Break::Hang] {
        let mut ada = signed_in(&world, "ada", "s-1").await;
        world.advance(Duration::from_secs(11));
        world.proxies.discovery.break_with(how).await;
        let page = sign_out(&world, &mut ada).await;
        assert!(page.status == 200 && page.text().contains("still signed in there"), "{how:?}: {}", page.text());
        assert_eq!((page.deleted_cookies(), page.onward()), (vec!["candor".to_owned()], None), "{how:?}");
        assert!(!is_in(&world, &mut ada).await, "{how:?}");
        world.proxies.discovery.heal().await;
        world.advance(Duration::from_secs(60));
    }
    // A store that is down says where it is over, and the way on is there: the provider is another matter.
    let mut ada = signed_in(&world, "ada", "s-1").await;
    world.disturb_store(Disturbance::Closed).await;
    let page = sign_out(&world, &mut ada).await;
    assert!(page.status == 200 && page.text().contains("as soon as the store is back"), "{}", page.text());
    assert!(page.onward().is_some_and(|there| there.path() == "/end_session"), "{}", page.text());
    assert_eq!(page.deleted_cookies(), ["candor"]);
}

pub(super) async fn without_such_an_address() {
    let world = World::new().start().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let page = sign_out(&world, &mut ada).await;
    assert!(page.status == 200 && page.text().contains("may still be signed in"), "{}", page.text());
    assert_eq!(page.onward(), None);
    assert!(!is_in(&world, &mut ada).await);

    // One that has, where the operator does not want it.
    let mut world = World::new().prepare().await;
    world.idp.offer_logout();
    world.settings.replace("kind = \"oidc\"", "kind = \"oidc\"\nlogout_at_provider = false");
    world.start_gateway().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let page = sign_out(&world, &mut ada).await;
    assert!(page.status == 200 && page.text().contains("may still be signed in"), "{}", page.text());
    assert_eq!(page.onward(), None);
    assert!(!is_in(&world, &mut ada).await);
}

const SID: &str = "a-session-at-the-provider";

async fn frame(world: &World, parameters: &[(&str, &str)]) -> SeenPage {
    let mut url = world.url("/.candor/logout/frontchannel");
    if !parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(parameters);
    }
    Caller::new(Form::Browser).browser().get(&url).await.expect("it is answered")
}

pub(super) async fn in_a_frame() {
    let world = World::new().start().await;
    let (mut ada, mut phone) = (signed_in(&world, "ada", SID).await, signed_in(&world, "ada", "short").await);
    let mut grace = signed_in(&world, "grace", SID).await;
    let issuer = world.idp.issuer();
    for wrong in [
        &[][..],
        &[("sid", SID)],
        &[("iss", &*issuer)],
        &[("iss", ""), ("sid", SID)],
        &[("iss", "https://elsewhere.example"), ("sid", SID)],
        &[("iss", &format!("{issuer}/")), ("sid", SID)],
        &[("iss", &*issuer), ("sid", "")],
        &[("iss", &*issuer), ("sid", "short")],
        &[("iss", &*issuer), ("sid", SID), ("sid", SID)],
        &[("iss", &*issuer), ("iss", &*issuer), ("sid", SID)],
    ] {
        let seen = frame(&world, wrong).await;
        assert_eq!((seen.status.as_u16(), seen.header("cache-control")), (400, Some("no-store")), "{wrong:?}");
        assert!(seen.header("content-security-policy").is_none_or(|policy| !policy.contains(&issuer)), "{wrong:?}");
    }
    let of_nobody = frame(&world, &[("iss", &issuer), ("sid", "another-session-there")]).await;
    assert!(is_in(&world, &mut ada).await && is_in(&world, &mut phone).await && is_in(&world, &mut grace).await);
    let seen = frame(&world, &[("iss", &issuer), ("sid", SID)]).await;
    let origins = seen.header("content-security-policy").and_then(|policy| policy.split("frame-ancestors ").nth(1));
    let origins: Vec<_> = origins.expect("it says who may frame it").split(' ').collect();
    let of_issuer = Url::parse(&issuer).expect("an address").origin().ascii_serialization();
    assert!(seen.status == 200 && origins.contains(&&*of_issuer) && !origins.contains(&"*"), "{origins:?}");
    assert_eq!((seen.header("cache-control"), seen.header("x-frame-options")), (Some("no-store"), None));
    assert_eq!((of_nobody.status, of_nobody.text()), (seen.status, seen.text()), "nobody is told who was in");
    assert!(!is_in(&world, &mut ada).await && !is_in(&world, &mut grace).await, "whoever is of that session");
    assert!(is_in(&world, &mut phone).await, "and no other");
    let page = world.ask(&mut phone, LOGOUT).await.answer.expect("a page");
    assert!(page.header("content-security-policy").is_some_and(|policy| policy.contains("frame-ancestors 'none'")));
}

/// Without the store nothing is ended, and that is said; once it is back, the same counts.
pub(super) async fn in_a_frame_while_the_store_is_down() {
    let mut world = World::new().start().await;
    let mut ada = signed_in(&world, "ada", SID).await;
    let issuer = world.idp.issuer();
    world.disturb_store(Disturbance::Closed).await;
    let seen = frame(&world, &[("iss", &issuer), ("sid", SID)]).await;
    assert_eq!((seen.status.as_u16(), seen.header("x-gateway-answer")), (503, Some("verdict-unavailable")));
    assert!(seen.header("retry-after").is_some() && is_in(&world, &mut ada).await);
    world.heal_store().await;
    // The provider may be as dead as it likes: nothing is asked of it.
    world.proxies.discovery.break_with(Break::Refused).await;
    world.proxies.keys.break_with(Break::Refused).await;
    assert_eq!(frame(&world, &[("iss", &issuer), ("sid", SID)]).await.status, 200);
    assert!(!is_in(&world, &mut ada).await);
}

/// Entra ID sends `sid` alone. That names the one provider of its kind, and none where there are two.
pub(super) async fn in_a_frame_of_entra() {
    let mut world = World::new().prepare().await;
    world.settings.replace("kind = \"oidc\"", "kind = \"entra\"\nresponse_mode = \"query\"");
    world.start_gateway().await;
    let mut ada = signed_in(&world, "ada", SID).await;
    assert_eq!(frame(&world, &[("sid", "short")]).await.status, 400);
    assert_eq!(frame(&world, &[("sid", SID), ("sid", SID)]).await.status, 400);
    assert!(is_in(&world, &mut ada).await);
    assert_eq!(frame(&world, &[("sid", SID)]).await.status, 200);
    assert!(!is_in(&world, &mut ada).await);

    let second = "[[identity]]\nname = \"second\"\nkind = \"entra\"\nissuer = \"https://second.invalid\"\n\
                  client_id = \"candor\"\n\n[upstreams.monolith]";
    world.settings.replace("[upstreams.monolith]", second);
    let mut ada = signed_in(&world, "ada", SID).await;
    world.restart_gateway().await;
    assert_eq!(frame(&world, &[("sid", SID)]).await.status, 400, "whose it is cannot be told");
    assert!(is_in(&world, &mut ada).await);
}
