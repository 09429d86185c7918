//! What a provider says when it is asked once more of somebody: by introspection of an opaque token, by userinfo of who
//! signs in. Whatever comes instead of an answer lets nobody in and calls no good token bad.

use serde_json::{Value, json};
use world::{
    World,
    caller::{Caller, Form},
    scripted::{Scripted, answer, json as json_answer},
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "introspection_that_says_nothing",
        fault: "introspection-500-is-inactive",
        run: || Box::pin(no_word_of_a_token()),
    },
    Attack {
        name: "userinfo_about_somebody_else",
        fault: "userinfo-foreign-sub-passes",
        run: || Box::pin(userinfo_of_another()),
    },
];

/// A world in which opaque tokens are asked about at the answer's address.
async fn introspecting() -> (World, Scripted) {
    let mut world = World::new().standing_clock().prepare().await;
    let issuer = Scripted::before(world.idp.address()).await;
    let asked = format!(
        "audience = [\"api://monolith\"]\nintrospection = {{ client_id = \"gate\", client_secret = {{ file = \"client_secret\" }}, \
         endpoint = \"{}/introspect\", cache = \"1m\" }}",
        issuer.base()
    );
    world.settings.replace("audience = [\"api://monolith\"]", &asked);
    world.start_gateway().await;
    (world, issuer)
}

/// Answers that are none, to somebody whose token nobody has called bad, and to strangers.
async fn no_word_of_a_token() -> Probes {
    let (world, issuer) = introspecting().await;
    let mut probes = Probes::default();
    let now = world.clock().now().wall().as_secs();
    let active = json!({ "active": true, "sub": "robot", "iat": now - 60, "exp": now + 86_400 }).to_string();
    issuer.say("/introspect", json_answer("200 OK", &active));
    let mut known = Caller::bearing(Form::Script, "a-known-opaque-token");
    let heard = world.ask(&mut known, "/api/x").await;
    assert_eq!((heard.status(), heard.identities().len()), (Some(200), 1), "{}", heard.line());
    for (name, bytes) in no_answers(&active) {
        issuer.say("/introspect", bytes);
        world.advance(std::time::Duration::from_secs(61));
        let heard = world.ask(&mut known, "/api/x").await;
        let stands = heard.status() == Some(200) && heard.identities().len() == 1;
        probes.made(!stands, || format!("{name}: a token that was good is told {}", heard.line()));
        let mut stranger = Caller::bearing(Form::Script, &format!("a-strangers-token-{}", name.len()));
        let heard = world.ask(&mut stranger, "/api/x").await;
        let undecided = heard.status() == Some(503) && heard.identities().is_empty();
        probes.made(!undecided, || format!("{name}: a token of nobody's is told {}", heard.line()));
    }
    issuer.say("/introspect", json_answer("200 OK", r#"{"active":false}"#));
    world.advance(std::time::Duration::from_secs(61));
    let heard = world.ask(&mut known, "/api/x").await;
    assert_eq!((heard.status(), heard.identities().len()), (Some(401), 0), "that is an answer: {}", heard.line());
    probes
}

fn no_answers(active: &str) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = [
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
    ]
    .into_iter()
    .flat_map(|status| {
        [r#"{"active":false}"#, active].map(|body| (format!("{status} {body}"), json_answer(status, body).into_bytes()))
    })
    .collect();
    let bodies = [
        "",
        "null",
        "[]",
        "{}",
        "{",
        "<html>",
        r#"{"active":"false"}"#,
        r#"{"active":0}"#,
        r#"{"active":null}"#,
        r#"{"active":true,"active":false}"#,
        r#"{"active":false,"error":"server_error"}"#,
        r#"{"active":true}"#,
        r#"{"active":true,"sub":7,"iat":1}"#,
        r#"{"active":true,"sub":"robot","iat":"soon"}"#,
        r#"{"active":true,"sub":"robot","iat":1,"exp":-1}"#,
        r#"{"active":true,"sub":"robot","iat":1,"exp":2}"#,
    ];
    all.extend(bodies.map(|body| (body.to_owned(), json_answer("200 OK", body).into_bytes())));
    let page = answer("200 OK", "Content-Type: text/html\r\n", r#"{"active":false}"#);
    all.push(("a page".to_owned(), page.into_bytes()));
    let elsewhere = answer("302 Found", "Location: http://127.0.0.1:1/introspect\r\n", r#"{"active":false}"#);
    all.push(("a redirect".to_owned(), elsewhere.into_bytes()));
    all.push(("nothing at all".to_owned(), Vec::new()));
    all.push((
        "half".to_owned(),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"active\":false}".to_vec(),
    ));
    all
}

/// Sign-ins after which userinfo speaks of another, or of nobody.
async fn userinfo_of_another() -> Probes {
    let mut probes = Probes::default();
    for word in ["verify-sub", "merge"] {
        let mut world = World::new().prepare().await;
        let userinfo = Scripted::before(world.idp.address()).await;
        world.idp.stands_at(gateway::demo::Part::Userinfo, &userinfo.base());
        world.settings.replace("kind = \"oidc\"", &format!("kind = \"oidc\"\nuserinfo = \"{word}\""));
        world.start_gateway().await;
        world.sign_in(&mut Caller::new(Form::Browser), "ada", "/calendar").await;
        assert_eq!(userinfo.heard("/userinfo").len(), 1, "it is asked");
        let said: [Value; 9] = [
            json!({ "sub": "root" }),
            json!({ "sub": "Ada" }),
            json!({ "sub": "ada " }),
            json!({ "sub": ["ada"] }),
            json!({ "sub": null }),
            json!({ "sub": "" }),
            json!({ "name": "Ada Lovelace", "email": "ada@example.com" }),
            json!([{ "sub": "ada" }]),
            json!("ada"),
        ];
        let mut answers: Vec<(String, String)> =
            said.iter().map(|said| (said.to_string(), json_answer("200 OK", &said.to_string()))).collect();
        for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "500 Internal Server Error", "302 Found"] {
            answers.push((status.to_owned(), json_answer(status, r#"{"sub":"ada"}"#)));
        }
        for kind in ["application/jwt", "text/html"] {
            let fields = format!("Content-Type: {kind}\r\n");
            answers.push((kind.to_owned(), answer("200 OK", &fields, r#"{"sub":"ada"}"#)));
        }
        answers.push(("twice".to_owned(), json_answer("200 OK", r#"{"sub":"root","sub":"ada"}"#)));
        for (name, bytes) in answers {
            userinfo.say("/userinfo", bytes);
            let mut person = Caller::new(Form::Browser);
            let callback = world.until_callback(&mut person, "ada", "/calendar").await;
            let told = person.get(&callback, &world.monolith).await;
            let after = world.ask(&mut person, "/calendar").await;
            let is_in = !after.identities().is_empty();
            let honest = matches!(told.status(), Some(502 | 503));
            probes.made(is_in || !honest, || format!("{word}, {name}: {}, then {}", told.line(), after.line()));
        }
    }
    probes
}
