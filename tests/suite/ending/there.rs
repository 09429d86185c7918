//! Signing out at the provider too, and signing out here because somebody signs out there.

use std::time::Duration;

use gateway::demo::browser::SeenPage;
use serde_json::json;
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

/// Where a page leads to by itself.
fn onward(page: &SeenPage) -> Option<Url> {
    let text = page.text();
    let to = text.split("content=\"0; url=").nth(1)?.split('"').next()?.replace("&#38;", "&").replace("&amp;", "&");
    Url::parse(&to).ok()
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
    let there = onward(&page).expect("a way on");
    let asked = |name: &str| there.query_pairs().find(|(is, _)| is == name).map(|(_, value)| value.into_owned());
    assert_eq!((there.path(), asked("client_id").as_deref()), ("/end_session", Some("candor")));
    assert_eq!(asked("post_logout_redirect_uri").as_deref(), Some(world.url(LOGOUT).as_str()));
    assert_eq!(asked("logout_hint").as_deref(), Some("O.hint"));
    let state = asked("state").expect("a state");
    assert!(!is_in(&world, &mut ada).await, "here it is over, whatever happens there");

    for wrong in ["", "?state=", "?state=x", &format!("?state={state}&state={state}")] {
        let back = world.url("/").join(&format!("{LOGOUT}{wrong}")).expect("an address");
        let seen = ada.browser().get(&back).await.expect("a page");
        assert!(seen.status == 200 && !seen.text().contains("there too"), "{wrong}: {}", seen.text());
        assert!(seen.set_cookies().is_empty(), "{wrong}");
    }
    let mut stranger = Caller::new(Form::Browser);
    let back = world.url("/").join(&format!("{LOGOUT}?state={state}")).expect("an address");
    assert!(!stranger.browser().get(&back).await.expect("a page").text().contains("there too"));
    let seen = ada.browser().visit(&there).await.expect("the provider sends them back");
    assert!(seen.url.path() == LOGOUT && seen.text().contains("signed out there too"), "{}", seen.text());
    assert_eq!(seen.deleted_cookies(), [COOKIE]);

    // The provider is down: here it is over all the same, and the page says what is not.
    world.sign_in(&mut ada, "ada", "/calendar").await;
    world.advance(Duration::from_secs(11));
    world.proxies.discovery.break_with(Break::Refused).await;
    let page = sign_out(&world, &mut ada).await;
    assert!(page.status == 200 && page.text().contains("still signed in there"), "{}", page.text());
    assert_eq!((page.deleted_cookies(), onward(&page)), (vec!["candor".to_owned()], None));
}

pub(super) async fn without_such_an_address() {
    let world = World::new().start().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let page = sign_out(&world, &mut ada).await;
    assert!(page.status == 200 && page.text().contains("may still be signed in"), "{}", page.text());
    assert_eq!(onward(&page), None);
    assert!(!is_in(&world, &mut ada).await);
}

pub(super) async fn in_a_frame() {
    const SID: &str = "a-session-at-the-provider";
    let world = World::new().start().await;
    let (mut ada, mut phone) = (signed_in(&world, "ada", SID).await, signed_in(&world, "ada", "short").await);
    let issuer = world.idp.issuer();
    let frame = async |parameters: &[(&str, &str)]| {
        let mut url = world.url("/.candor/logout/frontchannel");
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        Caller::new(Form::Browser).browser().get(&url).await.expect("it is answered")
    };
    for nothing in [
        &[][..],
        &[("sid", SID)],
        &[("iss", &*issuer)],
        &[("iss", "https://elsewhere.example"), ("sid", SID)],
        &[("iss", &*issuer), ("sid", "short")],
        &[("iss", &*issuer), ("sid", "another-session-there")],
    ] {
        assert_eq!(frame(nothing).await.status, 200, "{nothing:?}");
    }
    assert_eq!(frame(&[("iss", &issuer), ("sid", SID), ("sid", SID)]).await.status, 400);
    assert!(is_in(&world, &mut ada).await && is_in(&world, &mut phone).await);
    let seen = frame(&[("iss", &issuer), ("sid", SID)]).await;
    let origin = Url::parse(&issuer).expect("an address").origin().ascii_serialization();
    let policy = seen.header("content-security-policy").expect("it says who may frame it");
    assert!(seen.status == 200 && policy.ends_with(&format!("frame-ancestors {origin}")), "{policy}");
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    assert!(!is_in(&world, &mut ada).await && is_in(&world, &mut phone).await);
    let page = world.ask(&mut phone, LOGOUT).await.answer.expect("a page");
    assert!(page.header("content-security-policy").is_some_and(|policy| policy.contains("frame-ancestors 'none'")));
}
