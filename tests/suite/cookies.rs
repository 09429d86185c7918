//! Whatever is wrong with a browser's cookies is said with a number to ask by, loses nothing, and lets nobody in.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use http::{HeaderValue, header::COOKIE};
use libtest_mimic::Trial;
use url::Url;
use world::{
    World,
    caller::{Caller, Form, Heard},
};

use crate::{devices::signed_in, in_a_runtime};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("cookies::more_than_a_head_holds_is_said_and_loses_nothing", too_large),
        in_a_runtime("cookies::a_thousand_small_ones_hide_no_ticket", a_thousand),
        in_a_runtime("cookies::two_tickets_are_a_bad_request_and_the_same_twice_is_one", two_tickets),
        in_a_runtime("cookies::a_ticket_of_another_release_is_no_refusal", another_release),
        in_a_runtime("cookies::a_browser_that_keeps_none_is_told_so", blocked),
        in_a_runtime("cookies::a_thousand_half_finished_sign_ins_leave_room_for_the_last", half_finished),
        in_a_runtime("cookies::a_sign_in_makes_another_session_and_ends_the_one_before", another_session),
    ]
}

/// The cookie that holds a ticket, where people reach the gateway by http.
const TICKET: &str = "candor";

fn ticket(world: &World, person: &mut Caller) -> String {
    person.browser().cookie(&world.url("/"), TICKET).expect("signed in").to_owned()
}

/// Somebody who sends this line of cookies and no other.
fn sending(form: Form, cookies: &str) -> Caller {
    let mut caller = Caller::new(form);
    caller.browser().always_send(COOKIE, HeaderValue::try_from(cookies).expect("visible ASCII"));
    caller
}

/// An answer of ours that says which request it was about, takes nothing back, and came from nobody behind.
fn says_so(heard: &Heard, status: u16, word: &str) {
    assert_eq!((heard.status(), heard.word()), (Some(status), Some(word)), "{}", heard.line());
    let seen = heard.answer.as_ref().expect("an answer");
    let id = seen.header("x-request-id").expect("every answer has a number");
    assert!(seen.text().contains(id), "it stands in the page or the problem: {}", seen.text());
    assert!(seen.set_cookies().is_empty() && seen.deleted_cookies().is_empty(), "{}", heard.line());
    assert!(heard.reached.is_empty(), "nobody behind has seen it");
}

async fn too_large() {
    let world = World::new().start().await;
    let mut ada = signed_in(&world, "ada").await;
    let ticket = ticket(&world, &mut ada);
    let one = format!("{TICKET}={ticket}; large={}", "x".repeat(40 * 1024));
    let many: String = (0..1000).map(|n| format!("c{n}={}; ", "x".repeat(40))).collect();
    let many = format!("{many}{TICKET}={ticket}");
    for cookies in [one, many] {
        for form in [Form::Browser, Form::Script] {
            says_so(&world.ask(&mut sending(form, &cookies), "/calendar").await, 431, "bad-request");
        }
    }
    let heard = world.ask(&mut ada, "/calendar").await;
    assert_eq!(heard.identities(), ["ada"], "{}", heard.line());
}

async fn a_thousand() {
    let world = World::new().start().await;
    let mut ada = signed_in(&world, "ada").await;
    let ticket = ticket(&world, &mut ada);
    let others: String = (0..1000).map(|n| format!("c{n}=x; ")).collect();
    for cookies in [format!("{others}{TICKET}={ticket}"), format!("{TICKET}={ticket}; {others}last=x")] {
        let heard = world.ask(&mut sending(Form::Browser, &cookies), "/calendar").await;
        assert_eq!(heard.identities(), ["ada"], "{}", heard.line());
    }
    let heard = world.ask(&mut sending(Form::Script, others.trim_end_matches("; ")), "/calendar").await;
    assert_eq!((heard.status(), heard.word()), (Some(401), Some("credential-missing")), "{}", heard.line());
}

async fn two_tickets() {
    let world = World::new().start().await;
    let (mut ada, mut grace) = (signed_in(&world, "ada").await, signed_in(&world, "grace").await);
    let (hers, other) = (ticket(&world, &mut ada), ticket(&world, &mut grace));
    for (first, second) in [(&hers, &other), (&other, &hers), (&hers, &"invented".to_owned())] {
        for form in [Form::Browser, Form::Script] {
            let mut caller = sending(form, &format!("{TICKET}={first}; {TICKET}={second}"));
            for path in ["/calendar", "/.candor/me"] {
                says_so(&world.ask(&mut caller, path).await, 400, "bad-request");
            }
        }
    }
    let heard = world.ask(&mut sending(Form::Browser, &format!("{TICKET}={hers}; {TICKET}={hers}")), "/calendar").await;
    assert_eq!(heard.identities(), ["ada"], "{}", heard.line());
    for person in [&mut ada, &mut grace] {
        world.warm_up(person, "/calendar").await;
    }
}

/// What an envelope says of its version is its first byte. Neither an older nor a newer one can be judged here.
async fn another_release() {
    let world = World::new().start().await;
    let mut ada = signed_in(&world, "ada").await;
    let ours = BASE64.decode(ticket(&world, &mut ada)).expect("base64url");
    for version in [0, ours[0] + 1, u8::MAX] {
        let mut theirs = ours.clone();
        theirs[0] = version;
        for form in [Form::Browser, Form::Script] {
            let mut caller = sending(form, &format!("{TICKET}={}", BASE64.encode(&theirs)));
            says_so(&world.ask(&mut caller, "/calendar").await, 503, "verdict-unavailable");
        }
    }
}

async fn blocked() {
    let world = World::new().start().await;
    let arrive = async |begin: &Url| {
        let mut browser = Caller::new(Form::Browser);
        let callback = world.try_until_callback_from(&mut browser, "ada", begin).await;
        let callback = callback.map_err(|seen| seen.map(|seen| seen.status)).expect("the provider sends them back");
        // The cookie of the sign-in was never kept.
        Caller::new(Form::Browser).get(&callback, &world.monolith).await
    };
    let first = arrive(&world.url("/calendar")).await;
    says_so(&first, 400, "own");
    let seen = first.answer.as_ref().expect("an answer");
    let page = seen.text().replace("&#38;", "&");
    let link = page.split('"').find(|part| part.contains("/.candor/login?")).expect("a way on").to_owned();
    let second = arrive(&seen.url.join(&link).expect("an address")).await;
    says_so(&second, 400, "own");
    let text = second.answer.as_ref().expect("an answer").text();
    assert!(text.contains("keeps no cookies"), "{text}");
}

async fn half_finished() {
    let mut world = World::new().prepare().await;
    world.settings.replace("[admin]", "[sessions]\nsign_ins_at_once = 10000\nsign_ins_per_minute = 60000\n\n[admin]");
    world.start_gateway().await;
    let mut person = signed_in(&world, "ada").await;
    let mut last = None;
    for n in 0..1000 {
        let begin = world.url(&format!("/.candor/login?provider=pretend&return_to=/page/{n}"));
        let heard = person.get(&begin, &world.monolith).await;
        // A busy machine may miss a deadline: what did not begin leaves nothing.
        if heard.status() == Some(303) {
            last = heard.answer.ok().and_then(|seen| seen.location());
        }
        let pending = person.browser().cookie_names(&world.url("/"));
        let pending = pending.iter().filter(|name| name.starts_with("candor-signin-")).count();
        assert!(pending <= 8, "{pending} after {n}");
        assert!(person.browser().cookies_for(&world.url("/")).len() < 12 * 1024, "there is room for those of others");
    }
    world.warm_up(&mut person, "/calendar").await;
    let last = last.expect("they began");
    let provider = Url::parse(&format!("http://{}", world.idp.address())).expect("an address");
    let at = provider.join(&last[url::Position::BeforePath..]).expect("a path");
    let back = person.browser().get(&at).await.expect("an answer").location().expect("back from the provider");
    let heard = person.get(&back, &world.monolith).await;
    let to = heard.answer.as_ref().ok().and_then(gateway::demo::browser::SeenPage::location);
    assert!(to.as_ref().is_some_and(|to| to.path().starts_with("/page/")), "{}", heard.line());
}

async fn another_session() {
    let world = World::new().start().await;
    let mut person = signed_in(&world, "ada").await;
    let before = ticket(&world, &mut person);
    let begin = world.url("/.candor/login?provider=pretend&return_to=/calendar");
    let callback = world.try_until_callback_from(&mut person, "ada", &begin).await;
    let callback = callback.map_err(|seen| seen.map(|seen| seen.status)).expect("the provider sends them back");
    let heard = person.get(&callback, &world.monolith).await;
    let cookies = heard.answer.as_ref().expect("an answer").set_cookies();
    let set = cookies.iter().find(|cookie| cookie.name() == TICKET).expect("a ticket");
    assert_eq!(
        (
            set.http_only(),
            set.secure().unwrap_or_default(),
            set.same_site().map(|it| it.to_string()),
            set.path(),
            set.domain()
        ),
        (Some(true), false, Some("Lax".to_owned()), Some("/"), None),
        "by http; what `__Host-` asks for is tested where there is https"
    );
    let after = ticket(&world, &mut person);
    assert_ne!(before, after);
    let heard = world.ask(&mut person, "/calendar").await;
    assert_eq!(heard.identities(), ["ada"], "{}", heard.line());
    let heard = world.ask(&mut sending(Form::Script, &format!("{TICKET}={before}")), "/calendar").await;
    assert_eq!((heard.status(), heard.word()), (Some(401), Some("credential-invalid")), "{}", heard.line());
}
