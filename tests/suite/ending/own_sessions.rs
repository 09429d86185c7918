//! `sessions`: what people see of their own sessions, and end.

use auth_core::database::Disturbance;
use gateway::demo::browser::SeenPage;
use serde_json::Value;
use world::{
    World,
    caller::{Caller, Form},
    raw,
};

use super::{is_in, signed_in};

const PATH: &str = "/.candor/sessions";

async fn post(world: &World, person: &mut Caller, name: &str, value: &str) -> SeenPage {
    let fields = [(name.to_owned(), value.to_owned())];
    person.post(&world.url(PATH), &fields, &world.monolith).await.answer.expect("it is answered")
}

/// The same person by a script, with their ticket.
fn script_of(world: &World, person: &mut Caller) -> Caller {
    let home = world.url("/");
    let ticket = person.browser().cookie(&home, "candor").expect("signed in").to_owned();
    let mut script = Caller::new(Form::Script);
    script.browser().set_cookie(&home, "candor", &ticket);
    script
}

async fn listed(world: &World, person: &mut Caller) -> Vec<Value> {
    let heard = world.ask(&mut script_of(world, person), PATH).await;
    let seen = heard.answer.expect("it is answered");
    assert_eq!(seen.status, 200, "{}", seen.text());
    let said: Value = serde_json::from_str(&seen.text()).expect("JSON");
    said["sessions"].as_array().expect("a list").clone()
}

pub(super) async fn listed_and_ended() {
    let world = World::new().start().await;
    let mut desk = signed_in(&world, "ada", "s-1").await;
    let mut phone = signed_in(&world, "ada", "s-2").await;
    let mut train = signed_in(&world, "ada", "s-3").await;
    let mut grace = signed_in(&world, "grace", "s-4").await;

    let me = world.ask(&mut desk, "/.candor/me").await.answer.expect("a page");
    assert!(me.text().contains(&format!("href=\"{PATH}\"")), "{}", me.text());
    let page = world.ask(&mut desk, PATH).await.answer.expect("a page").text();
    assert_eq!((page.matches("End this session").count(), page.matches("This session").count()), (2, 1), "{page}");
    assert!(page.contains("End all other sessions") && !page.contains("<script"), "{page}");

    let sessions = listed(&world, &mut desk).await;
    assert_eq!(sessions.len(), 3);
    assert_eq!(sessions.iter().filter(|one| one["this"] == true).count(), 1);
    let id_of = |sessions: &[Value]| {
        let this = sessions.iter().find(|one| one["this"] == true).expect("one's own");
        this["id"].as_str().expect("text").to_owned()
    };
    let (of_phone, of_grace) = (id_of(&listed(&world, &mut phone).await), id_of(&listed(&world, &mut grace).await));

    let seen = post(&world, &mut desk, "end", &of_grace).await;
    assert!(seen.status == 200 && seen.text().contains("nothing left to end"), "{}", seen.text());
    assert!(is_in(&world, &mut grace).await, "nobody ends another's");
    let seen = post(&world, &mut desk, "end", &of_phone).await;
    assert!(seen.status == 200 && seen.text().contains("One session was ended"), "{}", seen.text());
    assert!(!is_in(&world, &mut phone).await && is_in(&world, &mut train).await);

    let seen = post(&world, &mut script_of(&world, &mut desk), "others", "1").await;
    let said: Value = serde_json::from_str(&seen.text()).expect("JSON");
    assert_eq!((said["ended"].as_u64(), said["sessions"].as_array().map(Vec::len)), (Some(1), Some(1)), "{said}");
    assert!(is_in(&world, &mut desk).await && !is_in(&world, &mut train).await && is_in(&world, &mut grace).await);
    let page = world.ask(&mut desk, PATH).await.answer.expect("a page").text();
    assert!(!page.contains("End "), "there is no other: {page}");
}

/// Without the store there is no list: that is said, in each form, and nobody is out.
pub(super) async fn outages() {
    let mut world = World::new().start().await;
    let mut desk = signed_in(&world, "ada", "s-1").await;
    let mut phone = signed_in(&world, "ada", "s-2").await;
    world.disturb_store(Disturbance::Closed).await;
    let seen = world.ask(&mut desk, PATH).await.answer.expect("a page");
    assert_eq!((seen.status.as_u16(), seen.header("x-gateway-answer")), (503, Some("verdict-unavailable")));
    let page = seen.text();
    assert!(page.contains("You are still signed in") && page.contains("http-equiv=\"refresh\""), "{page}");
    assert!(seen.header("retry-after").is_some() && seen.set_cookies().is_empty());
    let seen = post(&world, &mut desk, "others", "1").await;
    assert_eq!(seen.status, 503);
    assert!(seen.text().contains("not certain") && !seen.text().contains("http-equiv"), "{}", seen.text());
    let mut script = script_of(&world, &mut desk);
    let seen = world.ask(&mut script, PATH).await.answer.expect("a problem");
    assert_eq!((seen.status.as_u16(), seen.header("content-type")), (503, Some("application/problem+json")));
    assert!(is_in(&world, &mut desk).await && is_in(&world, &mut phone).await);
    world.heal_store().await;
    assert_eq!(post(&world, &mut desk, "others", "1").await.status, 200);
    assert!(is_in(&world, &mut desk).await && !is_in(&world, &mut phone).await);
}

/// Whatever is posted that is none of ours, from wherever: nothing ends.
pub(super) async fn bad_input() {
    let world = World::new().start().await;
    let mut desk = signed_in(&world, "ada", "s-1").await;
    let mut phone = signed_in(&world, "ada", "s-2").await;
    let ticket = desk.browser().cookie(&world.url("/"), "candor").expect("signed in").to_owned();
    let host = world.url("/").authority().to_owned();
    let ask = async |origin: &str, media: &str, body: &str| {
        let fields = format!("Cookie: candor={ticket}\r\n{origin}Content-Type: {media}\r\n");
        raw::ask(&host, raw::request("POST", PATH, &host, &fields, body)).await.status()
    };
    let form = "application/x-www-form-urlencoded";
    let ours = format!("Origin: http://{host}\r\n");
    for origin in ["", "Origin: null\r\n", "Origin: http://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"] {
        assert_eq!(ask(origin, form, "others=1").await, Some(400), "{origin}");
    }
    for body in ["", "end=", "end=x", "end=%00", "others=1&others=1", "others=1&end=AAAAAAAAAAAAAAAAAAAAAA", "all=1"] {
        assert_eq!(ask(&ours, form, body).await, Some(400), "{body}");
    }
    assert_eq!(ask(&ours, "application/json", "{\"others\":1}").await, Some(400));
    assert_eq!(ask(&ours, form, &format!("end={}", "x".repeat(5000))).await, Some(413));
    assert_eq!(ask(&ours, form, "end=AAAAAAAAAAAAAAAAAAAAAA").await, Some(200), "there is no such session");
    assert!(is_in(&world, &mut desk).await && is_in(&world, &mut phone).await);
    let nobody = world.ask(&mut Caller::new(Form::Script), PATH).await;
    assert_eq!(nobody.status(), Some(401), "{}", nobody.line());
    let program = world.ask(&mut Caller::bearing(Form::Script, &world.token("robot")), PATH).await;
    assert_eq!(program.status(), Some(403), "a program has no sessions: {}", program.line());
}
