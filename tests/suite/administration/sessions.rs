//! `/admin/v1/sessions`.

use std::{collections::BTreeSet, time::Duration};

use auth_core::database::Disturbance;
use serde_json::{Value, json};
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break,
    raw,
};

use super::{END, RELEASE, SESSIONS, SIGN_OUT, get, json_of, post, token, warm, with_role, world};
use crate::ending::{is_in, signed_in};

async fn listed(world: &World, caller: &mut Caller, query: &str) -> Value {
    let seen = get(world, caller, &format!("{SESSIONS}{query}")).await;
    assert_eq!((seen.status.as_u16(), seen.header("content-type")), (200, Some("application/json")), "{}", seen.text());
    json_of(&seen)
}

fn ids(page: &Value) -> Vec<String> {
    let sessions = page["sessions"].as_array().expect("a list");
    sessions.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

fn of(world: &World, subject: &str) -> String {
    let issuer: String = url::form_urlencoded::byte_serialize(world.idp.issuer().as_bytes()).collect();
    format!("?issuer={issuer}&subject={subject}")
}

pub(super) async fn seen_and_ended() {
    let world = world().await;
    let mut desk = signed_in(&world, "ada", "s-1").await;
    let mut phone = signed_in(&world, "ada", "s-2").await;
    let mut grace = signed_in(&world, "grace", "s-3").await;
    let (mut admin, mut viewer) = (with_role(&world, "security"), with_role(&world, "view"));
    warm(&world, &mut admin).await;

    // Who sees, and who does not.
    let page = listed(&world, &mut viewer, "").await;
    assert_eq!((ids(&page).len(), &page["next"]), (3, &Value::Null), "{page}");
    let page = listed(&world, &mut admin, &of(&world, "ada")).await;
    assert_eq!(ids(&page).len(), 2, "{page}");
    let one = &page["sessions"][0];
    assert_eq!((&one["subject"], &one["issuer"]), (&json!("ada"), &json!(world.idp.issuer())), "{one}");
    assert!(one["begun"].as_str().is_some_and(|at| at.ends_with('Z')) && one["address"] == "127.0.0.1", "{one}");
    let first = ids(&page)[0].clone();
    let rest = listed(&world, &mut admin, &format!("{}&after={first}", of(&world, "ada"))).await;
    assert_eq!(ids(&rest), ids(&page)[1..], "{rest}");
    let mut program = with_role(&world, "other");
    let silent = get(&world, &mut Caller::bearing(Form::Script, &world.token("robot")), SESSIONS).await;
    assert_eq!((silent.status.as_u16(), silent.header("x-gateway-answer")), (503, Some("groups-not-stated")));
    for path in [SESSIONS, "/admin/v1/held", "/held"] {
        assert_eq!(get(&world, &mut program, path).await.status, 403, "{path}");
        let nobody = get(&world, &mut Caller::new(Form::Script), path).await;
        assert_eq!(nobody.status, 401, "{path}");
        assert!(nobody.header("www-authenticate").is_some_and(|it| it.starts_with("Bearer")), "{path}");
        let mut person = Caller::new(Form::Browser);
        assert_eq!(get(&world, &mut person, path).await.status, 401, "there is no sign-in to be sent to: {path}");
    }

    // Whoever only sees gives no orders.
    let order = json!({ "session": first, "reason": "lost" });
    for (path, order) in [
        (END, order.clone()),
        (SIGN_OUT, json!({ "issuer": world.idp.issuer(), "subject": "ada", "reason": "left" })),
        (RELEASE, json!({ "which": "all", "reason": "left" })),
    ] {
        assert_eq!(post(&world, &mut viewer, path, order).await.status, 403, "{path}");
    }
    assert!(is_in(&world, &mut desk).await && is_in(&world, &mut phone).await);

    // One ends at once, and twice does no harm.
    let said = json_of(&post(&world, &mut admin, END, order.clone()).await);
    assert_eq!((&said["ended"], &said["session"]["id"]), (&json!(1), &json!(first)), "{said}");
    let said = json_of(&post(&world, &mut admin, END, order).await);
    assert_eq!(said, json!({ "ended": 0, "session": null }));
    let still: Vec<bool> = vec![is_in(&world, &mut desk).await, is_in(&world, &mut phone).await];
    assert_eq!(still.iter().filter(|is_in| **is_in).count(), 1, "one of the two");
    let who = world.store.read("SELECT ended_who || ': ' || ended_why FROM session WHERE ended IS NOT NULL").await;
    let actor = format!("{}#operations: lost", world.idp.issuer());
    assert_eq!(who.expect("the store is read"), [actor], "the row says who and why");

    // And everything of somebody's.
    let order = json!({ "issuer": world.idp.issuer(), "subject": "ada", "reason": " left " });
    let said = json_of(&post(&world, &mut admin, SIGN_OUT, order).await);
    assert_eq!(said["signed_out"]["subject"], "ada", "{said}");
    assert!(!is_in(&world, &mut desk).await && !is_in(&world, &mut phone).await && is_in(&world, &mut grace).await);
    assert_eq!(ids(&listed(&world, &mut admin, &of(&world, "ada")).await).len(), 0);

    // Without a role for anybody there is nothing there.
    let bare = World::new().start().await;
    assert_eq!(get(&bare, &mut with_role(&bare, "security"), SESSIONS).await.status, 404);
}

/// Whatever is none of ours: no session ends.
pub(super) async fn bad_input() {
    let world = world().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let mut admin = with_role(&world, "security");
    warm(&world, &mut admin).await;
    let id = ids(&listed(&world, &mut admin, "").await)[0].clone();

    for query in
        ["?issuer=x", "?subject=x", "?after=x", "?after=", "?user=ada", "?after=a&after=b", "?issuer=a&issuer=b"]
    {
        let seen = get(&world, &mut admin, &format!("{SESSIONS}{query}")).await;
        assert_eq!(
            (seen.status.as_u16(), seen.header("content-type")),
            (400, Some("application/problem+json")),
            "{query}"
        );
    }
    assert_eq!(get(&world, &mut admin, "/admin/v1/held?provider=a&session=b").await.status, 400);
    assert_eq!(get(&world, &mut admin, "/held?before=x").await.status, 400);
    assert_eq!(get(&world, &mut admin, END).await.status, 405);

    let host = world.admin_url("/").authority().to_owned();
    let bearer = format!("Authorization: Bearer {}\r\n", token(&world, "security"));
    let ask = async |path: &str, more: &str, body: &str| {
        let fields = format!("{bearer}{more}");
        raw::ask(&host, raw::request("POST", path, &host, &fields, body)).await.status()
    };
    let json = "Content-Type: application/json\r\n";
    let good = format!(r#"{{"session":"{id}","reason":"lost"}}"#);
    let mut bodies =
        BTreeSet::from([String::new(), "null".to_owned(), "[]".to_owned(), "{}".to_owned(), "\u{1}".to_owned()]);
    for wrong in [
        r#"{"session":"ID"}"#,
        r#"{"session":"ID","reason":""}"#,
        r#"{"session":"ID","reason":"  "}"#,
        r#"{"session":"ID","reason":"a\nb"}"#,
        r#"{"session":"ID","reason":null}"#,
        r#"{"session":"ID","reason":["lost"]}"#,
        r#"{"session":"ID","reason":"lost","yes":true}"#,
        r#"{"session":"ID","reason":"lost","reason":"lost"}"#,
        r#"{"session":"ID","reason":"lost"}{}"#,
        r#"{"session":"ID ","reason":"lost"}"#,
        r#"{"session":"","reason":"lost"}"#,
    ] {
        bodies.insert(wrong.replace("ID", &id));
    }
    for body in &bodies {
        assert_eq!(ask(END, json, body).await, Some(400), "{body}");
    }
    assert_eq!(ask(END, json, &format!(r#"{{"session":"{id}","reason":"{}"}}"#, "x".repeat(501))).await, Some(400));
    assert_eq!(ask(END, json, &format!(r#"{{"session":"{id}","reason":"{}"}}"#, "x".repeat(9000))).await, Some(413));
    for media in
        ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/problem+json"]
    {
        let media = if media.is_empty() { String::new() } else { format!("Content-Type: {media}\r\n") };
        assert_eq!(ask(END, &media, &good).await, Some(415), "{media}");
    }
    for elsewhere in ["Sec-Fetch-Site: cross-site\r\n", "Origin: http://evil.example\r\n", "Origin: null\r\n"] {
        assert_eq!(ask(END, &format!("{json}{elsewhere}"), &good).await, Some(400), "{elsewhere}");
    }
    for (which, status) in [
        (r#""some""#, 400),
        (r#"{"provider":"a","session":"b"}"#, 400),
        (r#"{"session":"nonsense"}"#, 400),
        ("null", 400),
        (r#"{"provider":"nobody's"}"#, 200),
    ] {
        let body = format!(r#"{{"which":{which},"reason":"left"}}"#);
        assert_eq!(ask(RELEASE, json, &body).await, Some(status), "{body}");
    }
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let ours = format!("{form}Sec-Fetch-Site: same-origin\r\n");
    assert_eq!(ask("/held", form, "provider=pretend&reason=left&meant=release").await, Some(400), "from nowhere");
    assert_eq!(ask("/held", &ours, "").await, Some(400));
    assert_eq!(ask("/held", &ours, "provider=a&session=b").await, Some(400));
    let empty = json!({ "issuer": world.idp.issuer(), "subject": "", "reason": "left" });
    assert_eq!(post(&world, &mut admin, SIGN_OUT, empty).await.status, 400);
    assert!(is_in(&world, &mut ada).await);
    assert_eq!(ask(END, json, &good).await, Some(200), "the twin that is right");
    assert!(!is_in(&world, &mut ada).await);
}

/// Nothing that is stale lets anybody order, and what the store does not take is not promised.
pub(super) async fn outages() {
    let mut world = world().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let mut admin = with_role(&world, "security");
    warm(&world, &mut admin).await;
    let id = ids(&listed(&world, &mut admin, "").await)[0].clone();
    let orders = [
        (END, json!({ "session": id, "reason": "lost" })),
        (SIGN_OUT, json!({ "issuer": world.idp.issuer(), "subject": "ada", "reason": "left" })),
        (RELEASE, json!({ "which": "all", "reason": "left" })),
    ];
    world.disturb_store(Disturbance::Closed).await;
    for path in [SESSIONS, "/admin/v1/held", "/held"] {
        let seen = get(&world, &mut admin, path).await;
        assert_eq!(
            (seen.status.as_u16(), seen.header("x-gateway-answer")),
            (503, Some("verdict-unavailable")),
            "{path}"
        );
        assert!(seen.header("retry-after").is_some(), "{path}");
    }
    for (path, order) in &orders {
        let seen = post(&world, &mut admin, path, order.clone()).await;
        assert_eq!(
            (seen.status.as_u16(), seen.header("x-gateway-answer")),
            (503, Some("verdict-unavailable")),
            "{path}"
        );
    }
    world.heal_store().await;
    warm(&world, &mut admin).await;
    assert!(is_in(&world, &mut ada).await, "nothing was ordered");

    // The keys that vouch for the token are not confirmed: it serves on elsewhere, and orders nothing.
    world.proxies.keys.break_with(Break::Reset).await;
    world.advance(Duration::from_secs(2 * 3600));
    world.poll_revocations().await;
    for _ in 0..3 {
        world.ask(&mut admin, "/api/calendar").await;
    }
    assert_eq!(world.ask(&mut admin, "/api/calendar").await.status(), Some(200));
    for (path, order) in &orders {
        let seen = post(&world, &mut admin, path, order.clone()).await;
        assert_eq!(
            (seen.status.as_u16(), seen.header("x-gateway-answer")),
            (503, Some("verdict-unavailable")),
            "{path}"
        );
    }
    assert_eq!(get(&world, &mut admin, SESSIONS).await.status, 503);
    assert!(is_in(&world, &mut ada).await);
    world.proxies.keys.heal().await;
    world.advance(Duration::from_secs(60));
    world.poll_revocations().await;
    let mut admin = with_role(&world, "security");
    warm(&world, &mut admin).await;
    assert_eq!(post(&world, &mut admin, END, orders[0].1.clone()).await.status, 200);
    assert!(!is_in(&world, &mut ada).await);
}
