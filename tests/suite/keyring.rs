//! Our own keys are replaced while everybody goes on: people, displays, sign-ins under way. Nobody is signed out, whether
//! the gateway runs on, is restarted, or is killed in the middle.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use world::{
    World,
    caller::{Caller, Form, Heard},
    device::Device,
    process::{self, Process},
};

use crate::{
    devices::{activate, display, signed_in, with_fleet},
    in_a_runtime, report,
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("keyring::rotations_sign_nobody_out", rotations),
        in_a_runtime("keyring::a_kill_in_the_middle_of_a_rotation_signs_nobody_out", killed_in_the_middle),
        in_a_runtime("keyring::what_does_not_fit_is_exit_20_and_says_the_way_out", way_out),
        in_a_runtime("keyring::a_key_is_retired_once_all_it_made_is_over", retired_in_time),
    ]
}

const ROTATIONS: usize = 6;
const HOUR: Duration = Duration::from_secs(3600);

/// Between two rotations. Sessions that are not renewed live for twelve hours, and all rotations take longer: so the first
/// people are known at the end only if their refresh tokens could be read, whatever key sealed them.
const BETWEEN: Duration = Duration::from_secs(3 * 3600);

/// Whoever is not known any more.
#[derive(Default)]
struct SignedOut {
    asked: usize,
    told: Vec<String>,
}

impl SignedOut {
    async fn person(&mut self, world: &World, person: &mut Caller, when: &str) {
        let heard = world.ask(person, "/calendar").await;
        self.heard(&heard, "ada", when);
    }

    fn heard(&mut self, heard: &Heard, who: &str, when: &str) {
        self.asked += 1;
        if heard.identities() != [who] {
            self.told.push(format!("{who}, {when}: {}", heard.line()));
        }
    }

    async fn display(&mut self, wall: &Device, when: &str) {
        self.asked += 1;
        let heard = wall.ask("/wall/calendar").await;
        if heard.status != 200 {
            self.told.push(format!("a display, {when}: {heard:?}"));
        }
    }
}

async fn rotations() {
    let mut world = with_fleet(World::new().standing_clock()).await;
    let offline = "scopes = [\"openid\", \"profile\", \"offline_access\"]";
    world.settings.replace("scopes = [\"openid\", \"profile\"]", offline);
    world.start_gateway().await;
    let mut ada = signed_in(&world, "ada").await;
    let mut wall = display(&world, "SN-1");
    activate(&world, &mut ada, &mut wall, "acme").await;
    let pinned = wall.granted.as_ref().expect("granted")["statement_keys"]["keys"][0]["kid"].clone();
    let (mut people, mut signed_out) = (vec![ada], SignedOut::default());
    for round in 1..=ROTATIONS {
        let when = format!("after rotation {round}");
        let mut arriving = Caller::new(Form::Browser);
        let callback = world.until_callback(&mut arriving, "ada", "/calendar").await;
        world.rotate_keys();
        if round % 2 == 0 {
            world.restart_gateway().await;
        }
        let heard = arriving.get(&callback, &world.monolith).await;
        assert_eq!(heard.status(), Some(303), "a sign-in under way goes on, {when}: {}", heard.line());
        people.push(arriving);
        assert!(world.poll_revocations().await, "the store is there");
        for person in &mut people {
            signed_out.person(&world, person, &when).await;
        }
        signed_out.display(&wall, &when).await;
        let renewed = wall.renew().await;
        assert_eq!(renewed.status, 200, "a display renews, {when}: {renewed:?}");
        signed_out.display(&wall, &when).await;
        let nonce = json!({ "nonce": "AAAAAAAAAAAAAAAAAAAAAA" });
        let stated = wall.post("statements", &nonce).await;
        assert_eq!(signer(&stated.content), pinned, "the key that displays pinned goes on signing");
        people.push(signed_in(&world, "ada").await);
        world.advance(BETWEEN);
    }
    a_pin_begins_anew(&world).await;
    assert!(signed_out.told.is_empty(), "{}", signed_out.told.join("\n"));
    assert!(signed_out.asked > ROTATIONS * 4);
    report::say(format!("keyring: {ROTATIONS} rotations, {} signed out", signed_out.told.len()));
}

/// Who signed a statement.
fn signer(content: &Value) -> Value {
    let statement = content["statement"].as_str().expect("a statement");
    let head = BASE64.decode(statement.split('.').next().expect("a head")).expect("base64url");
    serde_json::from_slice::<Value>(&head).expect("JSON")["kid"].clone()
}

/// What a rotation costs: a display that shows a PIN fetches another.
async fn a_pin_begins_anew(world: &World) {
    let mut wall = display(world, "SN-2");
    let begun = wall.begin().await;
    assert_eq!(begun.told(), (201, "own", None), "{begun:?}");
    world.rotate_keys();
    assert_eq!(wall.poll(&begun.content).await.told(), (410, "device-answer", Some("activation-expired")));
    let again = wall.begin().await;
    assert_eq!(again.told(), (201, "own", None), "{again:?}");
    assert_ne!(again.content["activation_id"], begun.content["activation_id"]);
}

async fn killed_in_the_middle() {
    let world = with_fleet(World::new()).await;
    let config = world.write_config();
    let mut gateway = Process::start(&config);
    gateway.serving().await;
    let mut ada = signed_in(&world, "ada").await;
    let mut wall = display(&world, "SN-1");
    activate(&world, &mut ada, &mut wall, "acme").await;
    let mut signed_out = SignedOut::default();
    for round in 1..=ROTATIONS {
        let when = format!("killed in rotation {round}");
        // Once by the gateway that is killed while it does it, once by the command alone.
        let asked = {
            let config = config.clone();
            move || process::run(&ROTATE, &config)
        };
        let rotating = tokio::task::spawn_blocking(asked);
        if round % 2 == 0 {
            gateway.until("Keys(Rotate").await;
        }
        gateway.kill();
        let (status, said) = rotating.await.expect("it does not panic");
        assert!(status.code().is_some(), "{said}");
        let (status, said) = process::run(&ROTATE, &config);
        assert!(status.success() && said.contains("current"), "{said}");
        gateway = Process::start(&config);
        gateway.serving().await;
        let (status, said) = process::run(&ROTATE, &config);
        assert!(status.success() && said.contains("old, until"), "{said}");
        signed_out.person(&world, &mut ada, &when).await;
        signed_out.display(&wall, &when).await;
    }
    assert!(signed_out.told.is_empty(), "{}", signed_out.told.join("\n"));
    let (status, said) = process::run(&["keys", "list"], &config);
    let current = said.lines().filter(|line| line.ends_with("current")).count();
    assert!(status.success() && current == 3, "{said}");
    let said = String::from_utf8_lossy(&gateway.said()).into_owned();
    assert!(said.contains("keys-rotated"), "it is an audit line: {said}");
    gateway.kill();
}

const ROTATE: [&str; 5] = ["keys", "rotate", "--now", "--reason", "a test"];

/// The ticket of a key that had its time is refused, and the one of a key that we never had is not.
async fn retired_in_time() {
    let world = World::new().standing_clock().start().await;
    let mut ada = signed_in(&world, "ada").await;
    let ticket = ada.browser().cookie(&world.url("/"), "candor").expect("signed in").to_owned();
    world.rotate_keys();
    world.advance(32 * 24 * HOUR);
    world.advance_keys();
    assert!(world.keyring().list().iter().any(|key| key.state == auth_core::keyring::KeyState::Retired));
    let mut caller = Caller::new(Form::Browser);
    caller.browser().set_cookie(&world.url("/"), "candor", &ticket);
    let heard = world.ask(&mut caller, "/calendar").await;
    assert_eq!((heard.status(), heard.word()), (Some(303), Some("credential-invalid")), "{}", heard.line());
    let mut caller = Caller::new(Form::Script);
    caller.browser().set_cookie(&world.url("/"), "candor", &ticket);
    let heard = world.ask(&mut caller, "/calendar").await;
    assert_eq!((heard.status(), heard.word()), (Some(401), Some("credential-invalid")), "{}", heard.line());

    let theirs = World::new().start().await;
    let mut person = signed_in(&theirs, "ada").await;
    let foreign = person.browser().cookie(&theirs.url("/"), "candor").expect("signed in").to_owned();
    let mut caller = Caller::new(Form::Script);
    caller.browser().set_cookie(&world.url("/"), "candor", &foreign);
    let heard = world.ask(&mut caller, "/calendar").await;
    assert_eq!((heard.status(), heard.word()), (Some(503), Some("verdict-unavailable")), "{}", heard.line());
}

/// What is wrong with keyring and store, by a program that starts, ends and says why. Put right, it serves.
async fn way_out() {
    let world = World::new().prepare().await;
    let (config, data) = (world.write_config(), world.data());
    let mut gateway = Process::start(&config);
    gateway.serving().await;
    gateway.stop().await;
    let keyring = data.join("keyring");
    let whole = fs::read(&keyring).expect("it was made");
    let mode = |at: &Path, mode| fs::set_permissions(at, fs::Permissions::from_mode(mode)).expect("it is ours");
    let moved = |name: &str| fs::rename(data.join(name), world.folder().join(name)).expect("it is there");
    let back = |name: &str| fs::rename(world.folder().join(name), data.join(name)).expect("it is there");
    let ends = async |way_out: &str| {
        let (status, said) = Process::start(&config).ended().await;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(status.code(), Some(20), "{said}");
        assert!(said.contains("Way out: ") && said.contains(way_out), "{said}");
    };
    mode(&keyring, 0o644);
    ends("chmod 600").await;
    mode(&keyring, 0o600);
    mode(&data, 0o777);
    ends("chmod 700").await;
    mode(&data, 0o700);
    moved("keyring");
    ends("restore the keyring from a backup").await;
    back("keyring");
    moved("candor.sqlite");
    ends("restore the store from a backup").await;
    back("candor.sqlite");
    fs::write(&keyring, &whole[..whole.len() / 2]).expect("it is ours");
    ends("restore it from a backup").await;
    fs::write(&keyring, &whole).expect("it is ours");
    let mut gateway = Process::start(&config);
    gateway.serving().await;
    gateway.stop().await;
}
