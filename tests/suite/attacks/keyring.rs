//! Our own keys replaced, retired and foreign: who is known by them stays known, who no longer is does not.

use secrecy::ExposeSecret;
use world::{
    World,
    caller::{Caller, Form},
};

use super::{Attack, Probes};
use crate::devices::fleet;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "a_token_by_a_key_that_was_thrown_away",
        fault: "retired-key-opens",
        run: || Box::pin(thrown_away()),
    },
    Attack {
        name: "a_rotation_that_signs_people_out",
        fault: "rotated-key-forgets-old",
        run: || Box::pin(signed_out()),
    },
    Attack {
        name: "a_ticket_of_another_gateway_is_called_false",
        fault: "unknown-key-id-is-no-credential",
        run: || Box::pin(called_false()),
    },
];

/// A display goes on with a token that was signed by a key which somebody stole, and which was thrown away for it. The
/// gateway has seen that token before.
async fn thrown_away() -> Probes {
    let world = fleet(World::new()).await;
    let devices = world.devices();
    let registered = world.register("acme").await;
    let lasting = devices.mint_lasting(&registered.binding, world.clock().now()).expect("it can be signed");
    let mut wall = Caller::bearing(Form::Device, lasting.text.expose_secret());
    world.warm_up(&mut wall, "/wall/calendar").await;
    world.rotate_keys();
    world.warm_up(&mut wall, "/wall/calendar").await;
    assert_eq!(world.retire_old_keys(), 2, "one that sealed, and one that signed");
    let mut probes = Probes::default();
    let heard = world.ask(&mut wall, "/wall/calendar").await;
    probes.made(!heard.identities().is_empty(), || heard.line());
    probes
}

/// Keys are replaced again and again. It has succeeded if anybody is not known any more.
async fn signed_out() -> Probes {
    let mut world = World::new().start().await;
    let mut people: Vec<Caller> = Vec::new();
    let mut probes = Probes::default();
    for _ in 0..3 {
        let mut person = Caller::new(Form::Browser);
        world.sign_in(&mut person, "ada", "/calendar").await;
        people.push(person);
        world.rotate_keys();
        for person in &mut people {
            let heard = world.ask(person, "/calendar").await;
            probes.made(heard.identities().is_empty(), || heard.line());
        }
    }
    world.restart_gateway().await;
    for person in &mut people {
        let heard = world.ask(person, "/calendar").await;
        probes.made(heard.identities().is_empty(), || format!("after a restart: {}", heard.line()));
    }
    probes
}

/// A ticket whose key we never had: of another gateway, whose key may only not have reached us. It has succeeded if its
/// holder is told that they are not signed in, or loses it.
async fn called_false() -> Probes {
    let (ours, theirs) = (World::new().start().await, World::new().start().await);
    let mut person = Caller::new(Form::Browser);
    theirs.sign_in(&mut person, "ada", "/calendar").await;
    let ticket = person.browser().cookie(&theirs.url("/"), "candor").expect("signed in").to_owned();
    let mut probes = Probes::default();
    for form in [Form::Browser, Form::Script] {
        for path in ["/calendar", "/api/calendar", "/.candor/me"] {
            let mut caller = Caller::new(form);
            caller.browser().set_cookie(&ours.url("/"), "candor", &ticket);
            let heard = ours.ask(&mut caller, path).await;
            let seen = heard.answer.as_ref().expect("an answer");
            let blamed = matches!(heard.status(), Some(300..=499)) || !seen.deleted_cookies().is_empty();
            probes.made(blamed || !heard.identities().is_empty(), || format!("{form:?} {path}: {}", heard.line()));
        }
    }
    probes
}
