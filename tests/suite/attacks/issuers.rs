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
    Attack {
        name: "an_address_of_ones_own_choosing",
        fault: "unverified-email-is-user",
        run: || Box::pin(an_address_of_ones_own_choosing()),
    },
    Attack {
        name: "a_subject_in_place_of_a_name",
        fault: "user-falls-back",
        run: || Box::pin(a_subject_in_place_of_a_name()),
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

/// A world whose service knows people by this claim.
async fn knowing_people_by(claim: &str) -> World {
    let mut world = World::new().prepare().await;
    world.settings.replace("client_id = \"candor\"", &format!("client_id = \"candor\"\nuser_claim = \"{claim}\""));
    world.start_gateway().await;
    world
}

/// Whom the service is told of, when this person signs in and then asks.
async fn told_after_signing_in(world: &World, subject: &str) -> Heard {
    let mut caller = Caller::new(Form::Browser);
    let callback = world.until_callback(&mut caller, subject, "/calendar").await;
    let _ = caller.get(&callback, &world.monolith).await;
    world.ask(&mut caller, "/calendar").await
}

/// People may state any address at some providers: the service hears of one only where the provider has verified it.
async fn an_address_of_ones_own_choosing() -> Probes {
    let world = knowing_people_by("email").await;
    let states = |verified: Value| json!({ "email": "ada@example.com", "email_verified": verified });
    world.idp.states_of("ada", states(json!(true)));
    world.sign_in(&mut Caller::new(Form::Browser), "ada", "/calendar").await;
    let heard = told_after_signing_in(&world, "ada").await;
    assert_eq!(heard.identities(), ["ada@example.com"], "hers is verified: {}", heard.line());
    let mut probes = Probes::default();
    for verified in [json!(null), json!(false), json!("true"), json!(1), json!([true])] {
        world.idp.states_of("grace", states(verified.clone()));
        let heard = told_after_signing_in(&world, "grace").await;
        probes.made(!heard.identities().is_empty(), || format!("verified is {verified}: {}", heard.line()));
    }
    probes
}

/// Whoever has no name of the kind that a service knows is not told of under their subject, which may be somebody's name:
/// neither at a sign-in, nor by a ticket from before the service was told names.
async fn a_subject_in_place_of_a_name() -> Probes {
    let mut world = World::new().prepare().await;
    world.start_gateway().await;
    let mut before = Caller::new(Form::Browser);
    world.sign_in(&mut before, "grace", "/calendar").await;
    world.settings.replace("client_id = \"candor\"", "client_id = \"candor\"\nuser_claim = \"preferred_username\"");
    world.restart_gateway().await;
    world.idp.states_of("ada", json!({ "preferred_username": "grace" }));
    world.sign_in(&mut Caller::new(Form::Browser), "ada", "/calendar").await;
    assert_eq!(told_after_signing_in(&world, "ada").await.identities(), ["grace"], "Ada is called so");
    let mut probes = Probes::default();
    let heard = world.ask(&mut before, "/calendar").await;
    probes.made(!heard.identities().is_empty(), || format!("by a ticket from before: {}", heard.line()));
    assert!(!heard.line().contains("forgot="), "whose it is has not changed: {}", heard.line());
    for name in [json!(null), json!(""), json!(7), json!(["grace"]), json!("x".repeat(256))] {
        world.idp.states_of("grace", json!({ "preferred_username": name }));
        let heard = told_after_signing_in(&world, "grace").await;
        probes.made(!heard.identities().is_empty(), || format!("as {name}: {}", heard.line()));
    }
    probes
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
