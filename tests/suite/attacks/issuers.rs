//! What one issuer says taken for another's word, and what an issuer leaves unsaid taken for an answer.

use std::{collections::BTreeMap, time::Duration};

use gateway::demo::{AccessTokenSpec, Idp, idp, monolith::SeenRequest};
use serde_json::{Value, json};
use world::{
    World,
    caller::{Caller, Form, Heard},
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "attributes_by_another_issuer",
        fault: "any-issuers-word",
        run: || Box::pin(attributes_by_another_issuer()),
    },
    Attack {
        name: "namesakes_of_another_issuer",
        fault: "issuer-not-said",
        run: || Box::pin(namesakes_of_another_issuer()),
    },
    Attack { name: "silence_taken_for_a_no", fault: "silence-is-none", run: || Box::pin(silence_taken_for_a_no()) },
    Attack {
        name: "silence_taken_for_an_outage",
        fault: "silence-is-an-outage",
        run: || Box::pin(silence_taken_for_an_outage()),
    },
];

/// A world with a second issuer, whose programs are trusted too, but not with everything.
async fn with_a_second_issuer() -> (World, Idp) {
    let other = Idp::start(idp::IdpOptions::default()).await.expect("the second issuer starts");
    let rule = |path: &str, rule: &str| {
        format!(
            "\n[[routes]]\npath = \"/{path}/\"\nupstream = \"monolith\"\nallow = [{{ {rule}, from = \"pretend\" }}]\n"
        )
    };
    let further = [
        format!("\n[[bearer]]\nname = \"robots\"\nissuer = \"{}\"\naudience = [\"api://monolith\"]\n", other.issuer()),
        rule("theirs/role", "role = \"admin\""),
        rule("theirs/tenant", "tenant = \"acme\""),
        rule("theirs/kind", "kind = \"service\""),
    ];
    let world = World::new().configured(&further.concat()).start().await;
    world.warm_up(&mut Caller::bearing(Form::Script, &world.token("ada")), "/api/x").await;
    world.warm_up(&mut Caller::bearing(Form::Script, &other.mint(&AccessTokenSpec::of("ada"))), "/api/x").await;
    (world, other)
}

/// Routes that take one issuer's word, asked with a good token in which another says the same.
async fn attributes_by_another_issuer() -> Probes {
    let (world, other) = with_a_second_issuer().await;
    let claims = json!({ "roles": ["admin"], "tid": "acme", "groups": ["engineers"] });
    let mut probes = Probes::default();
    for path in ["/theirs/role/x", "/theirs/tenant/x", "/theirs/kind/x"] {
        for subject in ["ada", "robot"] {
            let bearer = AccessTokenSpec::of(subject).with(claims.clone());
            let good = world.ask(&mut Caller::bearing(Form::Script, &world.idp.mint(&bearer)), path).await;
            assert_eq!(good.identities(), [subject], "the one whose word is taken: {}", good.line());
            let heard = world.ask(&mut Caller::bearing(Form::Script, &other.mint(&bearer)), path).await;
            probes.made(!heard.identities().is_empty(), || format!("{path} as {subject}: {}", heard.line()));
        }
    }
    probes
}

/// A program of another issuer with a person's subject: the monolith must be able to tell the two apart by the plain
/// headers, in every naming, whatever the client says beside.
async fn namesakes_of_another_issuer() -> Probes {
    let mut probes = Probes::default();
    for naming in [
        "\"x-auth-request\"",
        "\"x-forwarded\"",
        "\"remote-user\"",
        "{ user = \"x-who\", issuer = \"x-by\", kind = \"x-what\" }",
    ] {
        let other = Idp::start(idp::IdpOptions::default()).await.expect("the second issuer starts");
        let bearer = format!("\n[[bearer]]\nissuer = \"{}\"\naudience = [\"api://monolith\"]\n", other.issuer());
        let mut world = World::new().configured(&bearer).prepare().await;
        world.settings.replace("[upstreams.monolith]", &format!("[upstreams.monolith]\nidentity_headers = {naming}"));
        world.start_gateway().await;
        let mut ada = Caller::new(Form::Browser);
        world.sign_in(&mut ada, "ada", "/calendar").await;
        let person = told(&world.ask(&mut ada, "/api/x").await);
        let mut program = Caller::bearing(Form::Script, &other.mint(&AccessTokenSpec::of("ada")));
        world.warm_up(&mut program, "/api/x").await;
        let robot = told(&world.ask(&mut program, "/api/x").await);
        assert!(!person.is_empty() && !robot.is_empty(), "the monolith is told who it is");
        probes.made(person == robot, || format!("{naming}: both are {person:?}"));
        let issuers = [world.idp.issuer(), other.issuer()];
        for (who, issuer) in [&person, &robot].into_iter().zip(issuers) {
            probes.made(!who.values().any(|value| *value == issuer), || format!("{naming}: no {issuer} in {who:?}"));
        }
    }
    probes
}

/// The plain headers by which the monolith was told who it is, by name.
fn told(heard: &Heard) -> BTreeMap<String, String> {
    let ours = |name: &str| {
        ["x-auth-request-", "x-forwarded-", "remote-", "x-who", "x-by", "x-what"].iter().any(|at| name.starts_with(at))
            && ["user", "issuer", "kind", "x-who", "x-by", "x-what"].iter().any(|fact| name.ends_with(fact))
    };
    let fields = |seen: &SeenRequest| seen.headers.clone();
    heard.reached.iter().flat_map(fields).filter(|(name, _)| ours(name)).collect()
}

/// What an ID token may leave unsaid about Ada, who is an engineer.
fn silences() -> [(&'static str, Value); 5] {
    [
        ("nothing", json!({ "groups": null })),
        ("an empty text", json!({ "groups": "" })),
        ("a marker that they are elsewhere", json!({ "groups": null, "_claim_names": { "groups": "src1" } })),
        ("Entra's short marker", json!({ "groups": null, "hasgroups": true })),
        ("a number", json!({ "groups": 7 })),
    ]
}

/// Somebody of whom nobody said whether they may is told neither yes nor no: with the default, and where silence means
/// none but the provider named groups of theirs a minute ago.
async fn silence_taken_for_a_no() -> Probes {
    let mut probes = Probes::default();
    for none in [false, true] {
        let mut world = World::new().standing_clock().prepare().await;
        if none {
            world.settings.replace("client_id = \"candor\"", "client_id = \"candor\"\ngroups_when_absent = \"none\"");
        }
        world.start_gateway().await;
        let mut ada = Caller::new(Form::Browser);
        world.sign_in(&mut ada, "ada", "/calendar").await;
        assert_eq!(world.ask(&mut ada, "/engineers/x").await.identities(), ["ada"], "she is an engineer");
        for (what, claims) in silences() {
            world.advance(Duration::from_secs(60));
            world.idp.states_of("ada", claims);
            let mut ada = Caller::new(Form::Browser);
            world.sign_in(&mut ada, "ada", "/calendar").await;
            let heard = world.ask(&mut ada, "/engineers/x").await;
            let decided = heard.status() != Some(503) || !heard.identities().is_empty();
            probes.made(decided, || format!("{what}, none: {none}: {}", heard.line()));
        }
    }
    probes
}

/// The same is not called an outage either: its word is its own, its page does not load itself again, and signing in
/// again is offered.
async fn silence_taken_for_an_outage() -> Probes {
    let world = World::new().standing_clock().start().await;
    let mut probes = Probes::default();
    for (what, claims) in silences() {
        world.idp.states_of("ada", claims);
        let mut ada = Caller::new(Form::Browser);
        world.sign_in(&mut ada, "ada", "/calendar").await;
        let heard = world.ask(&mut ada, "/engineers/x").await;
        let page = heard.answer.as_ref().map(|seen| seen.text()).unwrap_or_default();
        probes.made(heard.word() != Some("groups-not-stated"), || format!("{what}: {}", heard.line()));
        probes.made(page.contains("http-equiv=\"refresh\""), || format!("{what}: the page loads itself again"));
        probes.made(!page.contains("/.candor/login"), || format!("{what}: the page offers no way on"));
    }
    probes
}
