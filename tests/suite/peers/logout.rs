//! Signing out, begun here and begun at the provider: each ends what stands at the other.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use gateway::demo::browser::SeenPage;
use url::Url;
use world::caller::{Caller, Form};

use super::{Person, Stage, goes_on, is_the_calendar, login_page, signed_in, stage::Place};

const LOGOUT: &str = "/.candor/logout";
/// A session that is due for so long is renewed before its request is answered.
const WAITED_FOR: Duration = Duration::from_secs(20 * 60 + 1);

async fn sign_out(stage: &Stage, person: &mut Caller) -> SeenPage {
    let page = person.post(&stage.url(LOGOUT), &[], &stage.monolith).await.answer.expect("a page");
    assert!(page.status == 200 && page.deleted_cookies() == ["candor"], "{}", page.text());
    page
}

/// When the ID token was issued that a page sends along.
fn issued(page: &SeenPage) -> u64 {
    let there = page.onward().expect("a way on");
    let (_, token) = there.query_pairs().find(|(name, _)| name == "id_token_hint").expect("an ID token");
    let claims = token.split('.').nth(1).and_then(|claims| BASE64.decode(claims).ok()).expect("a JWT");
    serde_json::from_slice::<serde_json::Value>(&claims).expect("JSON")["iat"].as_u64().expect("a moment")
}

/// The provider's page, which asks whether they mean it.
async fn at_the_provider(stage: &Stage, person: &mut Caller, page: &SeenPage) -> SeenPage {
    let there = page.onward().expect("a way on");
    assert!(there.as_str().starts_with(&stage.proxy.base()), "to the provider: {there}");
    let asked = person.browser().get(&there).await.expect("the provider answers");
    assert!(asked.status == 200 && asked.form().is_some(), "it takes the token and the address: {}", asked.text());
    asked
}

/// Whether the provider still knows somebody: then signing in does not ask them who they are.
async fn is_known_there(stage: &Stage, person: &mut Caller) -> bool {
    let seen = person.browser().visit(&stage.url("/calendar")).await.expect("an answer");
    let asks = |(_, fields): (Url, Vec<(String, String)>)| fields.contains(&("prompt".to_owned(), "login".to_owned()));
    !seen.form().is_some_and(asks)
}

pub(super) async fn begun_here() {
    let mut stage = Stage::at(Place { renewed: true, ..Place::default() }).await;
    let mut grace = signed_in(&stage, "grace").await;
    let mut ada = signed_in(&stage, "ada").await;
    let signed_in_at = u64::try_from(stage.clock.now().wall().as_secs()).expect("after 1970");
    stage.advance(WAITED_FOR).await;
    assert_eq!(stage.ask(&mut ada, "/calendar").await.status(), Some(200));
    let page = sign_out(&stage, &mut ada).await;
    assert!(issued(&page) >= signed_in_at + WAITED_FOR.as_secs(), "the ID token of the renewal goes along");
    let asked = at_the_provider(&stage, &mut ada, &page).await;
    let back = ada.browser().submit(&asked, &[("logout", "yes")]).await.expect("the provider answers");
    assert!(back.url.path() == LOGOUT && back.text().contains("signed out there too"), "{}", back.text());
    assert_eq!(back.deleted_cookies(), ["candor-signin-logout"]);
    assert!(!is_known_there(&stage, &mut ada).await, "the provider asks her who she is");
    assert_eq!(stage.ask(&mut grace, "/calendar").await.status(), Some(200));
    // It tells every client of a logout, the one that began it too, where there is nothing left to end.
    assert_eq!(stage.peer.count("logout-token-taken", |token| token["account"] == "ada"), 1);
    assert_eq!(stage.peer.count("logout-token-refused", |_| true), 0);

    // Somebody who thinks better of it when the provider asks: here it is over all the same.
    let page = sign_out(&stage, &mut grace).await;
    let asked = at_the_provider(&stage, &mut grace, &page).await;
    let back = grace.browser().submit(&asked, &[]).await.expect("the provider answers");
    assert!(back.url.path() == LOGOUT && back.text().contains("Unless you chose to stay"), "{}", back.text());
    assert_eq!(stage.ask(&mut grace, "/calendar").await.status(), Some(303), "here it is over");
    assert!(is_known_there(&stage, &mut grace).await);

    // A provider that lost its memory knows neither the person nor the key, and says so on a page of its own.
    let mut hedy = signed_in(&stage, "hedy").await;
    stage.peer.restart().await;
    let page = sign_out(&stage, &mut hedy).await;
    let told = hedy.browser().get(&page.onward().expect("a way on")).await.expect("the provider answers");
    assert_eq!(told.status, 400, "it takes no token of its former self: {}", told.text());
    assert_eq!(stage.ask(&mut hedy, "/calendar").await.status(), Some(303), "here it is over");
    assert!(!is_known_there(&stage, &mut hedy).await);
}

pub(super) async fn begun_there() {
    let stage = Stage::start().await;
    let mut desk = signed_in(&stage, "ada").await;
    let mut phone = signed_in(&stage, "ada").await;
    let end = Url::parse(&stage.proxy.base()).and_then(|base| base.join("/session/end")).expect("an address");
    let page = desk.browser().visit(&end).await.expect("the provider answers");
    let over = desk.browser().submit(&page, &[("logout", "yes")]).await.expect("the provider answers");
    assert_eq!(over.status, 200, "{}", over.text());
    let heard = stage.ask(&mut desk, "/calendar").await;
    assert_eq!((heard.status(), heard.reached.len()), (Some(303), 0), "at the next request: {}", heard.line());
    goes_on(&stage.ask(&mut phone, "/calendar").await, "ada");
    assert_eq!(stage.peer.count("logout-token-taken", |token| token["account"] == "ada"), 1);
    // It was that session of hers alone: she signs in again.
    let mut again = Caller::new(Form::Browser);
    let page = login_page(&stage, &mut again, "/calendar").await;
    let seen = Person { caller: &mut again, name: "ada" }.through(page).await;
    is_the_calendar(&seen, "ada");
}
