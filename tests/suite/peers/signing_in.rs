//! Signing in while all is well.

use http::{HeaderName, HeaderValue, header};
use url::Url;
use world::caller::{Caller, Form};

use super::{Person, Stage, first_link, goes_on, is_the_calendar, login_page, signed_in, stage::Place};

pub(super) async fn a_person_signs_in() {
    let stage = Stage::start().await;
    let mut ada = signed_in(&stage, "ada").await;
    let heard = stage.ask(&mut ada, "/calendar?day=today").await;
    goes_on(&heard, "ada");
    let reached = &heard.reached[0];
    assert_eq!(reached.header("x-auth-request-email"), Some("ada@example.test"));
    assert_eq!(reached.header("x-auth-request-groups"), Some("staff"), "of those that a route asks about");
    assert!(!reached.header("cookie").unwrap_or_default().contains("candor"), "the ticket is not the monolith's");
    let claims = stage.verified(reached.header("x-gateway-identity").expect("a signed identity")).await;
    let said = ["sub", "idp", "kind", "name", "email"].map(|name| claims[name].as_str().expect("text").to_owned());
    assert_eq!(said, ["ada", &stage.proxy.base(), "user", "ada of the peers", "ada@example.test"]);
    assert_eq!(claims["groups"], serde_json::json!(["staff"]));

    goes_on(&stage.ask(&mut ada, "/staff/rota").await, "ada");
    let heard = stage.ask(&mut ada, "/board/minutes").await;
    assert_eq!((heard.status(), heard.reached.len()), (Some(403), 0), "{}", heard.line());

    // The provider knows this browser, so signing in again asks nothing and ends in a new session.
    let old = ada.browser().cookie(&stage.home, "candor").expect("a ticket").to_owned();
    let seen = ada.browser().visit(&stage.url("/.candor/login?return_to=%2Fcalendar")).await.expect("an answer");
    is_the_calendar(&seen, "ada");
    assert_ne!(ada.browser().cookie(&stage.home, "candor"), Some(&*old));
    let mut copied = Caller::new(Form::Browser);
    copied.browser().set_cookie(&stage.home, "candor", &old);
    let heard = stage.ask(&mut copied, "/calendar").await;
    assert_eq!((heard.status(), heard.reached.len()), (Some(303), 0), "the old session has ended: {}", heard.line());
}

pub(super) async fn two_tabs_and_the_back_button() {
    let stage = Stage::start().await;
    let mut ada = Caller::new(Form::Browser);
    let one = login_page(&stage, &mut ada, "/one").await;
    let two = login_page(&stage, &mut ada, "/two").await;
    let two = Person { caller: &mut ada, name: "ada" }.until_callback(two).await;
    let one = Person { caller: &mut ada, name: "ada" }.until_callback(one).await;
    for (callback, path) in [(&one, "/one"), (&two, "/two")] {
        let seen = ada.browser().visit(callback).await.expect("an answer");
        is_the_calendar(&seen, "ada");
        assert_eq!(seen.url.path(), path, "each tab comes to its own address");
    }

    let back = ada.browser().get(&one).await.expect("an answer");
    assert_eq!(back.status, 400, "{}", back.text());
    let text = back.text();
    assert!(text.contains("You are signed in") && text.contains("Sign in again"), "who is in is told so: {text}");
    assert!(back.deleted_cookies().is_empty(), "{text}");
    goes_on(&stage.ask(&mut ada, "/calendar").await, "ada");
    let seen = ada.browser().visit(&first_link(&back)).await.expect("an answer");
    is_the_calendar(&seen, "ada");
    assert_eq!(seen.url.path(), "/one", "the address is not forgotten");
}

pub(super) async fn who_cancels_gets_a_page() {
    let stage = Stage::start().await;
    let mut ada = Caller::new(Form::Browser);
    let page = login_page(&stage, &mut ada, "/calendar").await;
    let cancel = page.url.join(&format!("{}/abort", page.url.path())).expect("an address");
    assert!(page.text().contains(cancel.path()), "the page offers it: {}", page.text());
    let refused = ada.browser().visit(&cancel).await.expect("an answer");
    assert!(refused.url.path().starts_with("/.candor/callback/"), "it ends there, on a page: {}", refused.url);
    assert_eq!(refused.status, 400);
    let text = refused.text();
    assert!(text.contains("access_denied") && text.contains("give the number of the request"), "{text}");
    let again = ada.browser().visit(&first_link(&refused)).await.expect("an answer");
    let seen = Person { caller: &mut ada, name: "ada" }.through(again).await;
    is_the_calendar(&seen, "ada");
}

/// Over https, since browsers take a cookie that crosses sites from secure ones only. TLS ends before the gateway.
pub(super) async fn an_answer_by_form_post() {
    const PUBLIC: &str = "https://app.example.test";
    let place = Place { public_url: Some(PUBLIC), further: "response_mode = \"form_post\"", ..Place::default() };
    let stage = Stage::at(place).await;
    let mut at_gateway = Caller::new(Form::Browser);
    let mut at_provider = Caller::new(Form::Browser);
    let host = HeaderValue::from_static("app.example.test");
    at_gateway.browser().always_send(header::HOST, host);

    let login = stage.behind_tls(&stage.url("/.candor/login?return_to=%2Fcalendar"));
    let begun = at_gateway.browser().get(&login).await.expect("an answer");
    let lines: Vec<_> =
        begun.headers.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok()).collect();
    let [line] = lines[..] else { panic!("one cookie, the pending sign-in's: {}", begun.status) };
    assert!(line.starts_with("__Host-candor-signin-"), "{line}");
    for attribute in ["; SameSite=None", "; Secure", "; HttpOnly", "; Path=/"] {
        assert!(line.contains(attribute), "{attribute}");
    }
    let to_provider = begun.location().expect("to the provider");
    assert!(to_provider.query_pairs().any(|(name, value)| name == "response_mode" && value == "form_post"));

    let page = at_provider.browser().visit(&to_provider).await.expect("the provider answers");
    let login = page.form().expect("its login form");
    let (action, fields) = answered_by_form(&mut at_provider, page, login).await;
    assert_eq!(action.as_str(), format!("{PUBLIC}/.candor/callback/peer"));

    // What browsers say of a form that another site's page sends.
    let browser = at_gateway.browser();
    let origin = HeaderValue::from_str(&stage.proxy.base()).expect("an origin");
    browser.always_send(header::ORIGIN, origin);
    browser.always_send(HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static("cross-site"));
    let answered = browser.post(&stage.behind_tls(&action), &fields).await.expect("an answer");
    assert_eq!(
        (answered.status.as_u16(), answered.header("location")),
        (303, Some("/calendar")),
        "{}",
        answered.text()
    );
    let ticket = answered.set_cookies().into_iter().find(|cookie| cookie.name() == "__Host-candor").expect("a ticket");
    assert!(
        ticket.same_site().is_some_and(|same_site| same_site.is_lax()),
        "the pending sign-in's alone crosses sites"
    );
    let home = stage.behind_tls(&stage.url("/calendar"));
    let heard = at_gateway.get(&home, &stage.monolith).await;
    goes_on(&heard, "ada");

    let again = at_gateway.browser().post(&stage.behind_tls(&action), &fields).await.expect("an answer");
    assert_eq!(again.status, 400, "the same answer twice: {}", again.text());
    assert!(again.text().contains("You are signed in"), "{}", again.text());
}

/// Through the provider's pages to the form that it makes the browser send to us.
async fn answered_by_form(
    caller: &mut Caller,
    mut page: gateway::demo::browser::SeenPage,
    mut form: (Url, Vec<(String, String)>),
) -> (Url, Vec<(String, String)>) {
    for _ in 0..4 {
        if form.0.path().starts_with("/.candor/callback/") {
            return form;
        }
        page = caller.browser().submit(&page, &[("login", "ada"), ("password", "x")]).await.expect("an answer");
        form = page.form().unwrap_or_else(|| panic!("a form: {}", page.text()));
    }
    panic!("no form for us: {}", page.text())
}
