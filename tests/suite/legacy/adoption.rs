//! The first time that a token is seen, and from then on.

use gateway::demo::{
    LegacyDisplay, Mode,
    displays::{ME, TOKENS},
};
use libtest_mimic::Trial;
use world::{
    World,
    scripted::{Scripted, answer, json},
};

use super::{CALENDAR, Display, FLEET, MINUTE, erases, is_put_off, world, wrong_answers};
use crate::{in_a_runtime, report};

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("legacy::a_token_is_adopted_by_the_request_that_shows_it", adopted_by_its_request),
        in_a_runtime("legacy::no_wrong_answer_adopts_or_refuses", no_wrong_answer_decides),
        in_a_runtime("legacy::no_odd_answer_adopts_or_refuses", no_odd_answer_decides),
        in_a_runtime("legacy::after_adoption_the_monolith_has_no_say", no_say_afterwards),
        in_a_runtime("legacy::a_cold_start_without_the_store_refuses_nobody", cold_start),
        in_a_runtime("legacy::whom_this_process_knows_needs_no_store", without_the_store),
    ]
}

async fn adopted_by_its_request() {
    let world = world().await;
    let mut display = Display::first();
    let heard = display.asks(&world, CALENDAR).await;
    assert_eq!(heard.status(), Some(200), "{}", heard.line());
    assert_eq!(heard.identities().len(), 1, "and the service is told who it is");
    let known_as = heard.reached[0].header("x-auth-request-user");
    assert_eq!(known_as, Some("d-0"), "by the name that it knows");
    assert!(heard.reached[0].header("authorization").is_none(), "without the token");
    // What was asked is the configuration's, and the one field.
    let asked: Vec<_> = world.monolith.seen().into_iter().filter(|seen| seen.target == ME).collect();
    assert_eq!(asked.len(), 1);
    let mut names: Vec<&str> = asked[0].headers.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "cache-control", "host", "user-agent"]);
    assert_eq!(asked[0].header("authorization"), Some(&*format!("Bearer {}", TOKENS[0])));
    for _ in 0..3 {
        assert_eq!(display.asks(&world, CALENDAR).await.status(), Some(200));
    }
    let asked = world.monolith.seen().iter().filter(|seen| seen.target == ME).count();
    assert_eq!(asked, 1, "the gateway is the authority from then on");
    // An operator sees when the last old token was seen.
    let devices = world.devices();
    devices.write_last_seen().await.expect("healthy");
    let page = devices.registry().list(Some("acme".to_owned()), None, 10).await.expect("healthy");
    assert_eq!(page.devices.len(), 1);
    assert!(page.devices[0].last_seen.is_some());
}

async fn no_wrong_answer_decides() {
    let world = world().await;
    let (mut asked, mut wrong) = (0, Vec::new());
    for (number, how) in (0..).zip(wrong_answers()) {
        let token = world.monolith.add_display(LegacyDisplay::numbered(number, "acme"));
        let mut display = Display::with(&token);
        world.monolith.set_mode(Mode::Answering(how));
        for path in [CALENDAR, "/mixed/x", "/open/x", "/get/x"] {
            let heard = display.asks(&world, path).await;
            asked += 1;
            // On an open route what the service says of no names passes where it denies nobody.
            let passed = path == "/open/x" && !erases(&heard);
            if !is_put_off(&heard) && !passed {
                wrong.push(format!("{how:?} at {path}: {}", heard.line()));
            }
            if !heard.identities().is_empty() {
                wrong.push(format!("{how:?} at {path} was believed: {}", heard.line()));
            }
        }
        world.monolith.set_mode(Mode::Healthy);
        world.advance(MINUTE);
        let heard = display.asks(&world, CALENDAR).await;
        if heard.status() != Some(200) {
            wrong.push(format!("{how:?}, healed: {}", heard.line()));
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}: {wrong:#?}", wrong.len());
    report::say(format!("legacy: {asked} requests before adoption, by every wrong answer, nobody refused or let in"));
}

/// Whole answers that look almost like a yes, or almost like a denial.
async fn no_odd_answer_decides() {
    let whole = r#"{"id":"d-9","name":"x","tenant":"acme","room":"1.01"}"#;
    let typed = |kind: &str, body: &str| answer("200 OK", &format!("Content-Type: {kind}\r\n"), body);
    let odd = [
        typed("text/html", "<h1>Welcome</h1>"),
        typed("text/html", whole),
        typed("application/json", "<h1>Welcome</h1>"),
        typed("application/json", &whole[..20]),
        typed("application/json", "{}"),
        typed("application/json", r#"{"id":null,"name":"x","tenant":"acme","room":"1.01"}"#),
        typed("application/json", r#"{"id":"d-9","name":"x","room":"1.01"}"#),
        typed("application/json", &format!("[{whole}]")),
        answer("200 OK", "", whole),
        json("201 Created", whole),
        json("206 Partial Content", whole),
        json("302 Found", whole),
        answer("302 Found", "Location: /accounts/login\r\n", ""),
        json("404 Not Found", "{}"),
        json("407 Proxy Authentication Required", "{}"),
        json("410 Gone", "{}"),
        json("429 Too Many Requests", "{}"),
        json("500 Internal Server Error", "{}"),
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{\"id\"".to_owned(),
        "HTTP/1.1 401".to_owned(),
        String::new(),
    ];
    let mut world = World::new().standing_clock().configured(FLEET).prepare().await;
    let service = Scripted::before(world.monolith.address()).await;
    world.settings.replace(&world.proxies.monolith.base(), &service.base());
    world.start_gateway().await;
    let mut display = Display::first();
    for said in &odd {
        service.say(ME, said.clone());
        let heard = display.asks(&world, CALENDAR).await;
        assert!(is_put_off(&heard), "{said:?}: {}", heard.line());
        assert!(heard.reached.is_empty(), "{said:?}");
        world.advance(MINUTE);
    }
    service.relay();
    display.is_adopted(&world).await;
    report::say(format!("legacy: {} odd answers about a token, none believed", odd.len()));
}

async fn no_say_afterwards() {
    let world = world().await;
    let mut displays = TOKENS.map(Display::with);
    for display in &mut displays {
        display.is_adopted(&world).await;
    }
    let modes = wrong_answers().map(Mode::Answering).chain([
        Mode::Down,
        Mode::Failing,
        Mode::DenyAll,
        Mode::DeadShard("acme"),
        Mode::Hanging,
        Mode::Html,
        Mode::January2021,
    ]);
    let (mut asked, mut wrong) = (0, Vec::new());
    for mode in modes {
        world.monolith.set_mode(mode);
        for display in &mut displays {
            for path in [CALENDAR, "/mixed/x", "/open/x", "/get/x", "/"] {
                let heard = display.asks(&world, path).await;
                asked += 1;
                if erases(&heard) || heard.answer.is_err() {
                    wrong.push(format!("{mode:?}, {} at {path}: {}", display.token, heard.line()));
                }
            }
        }
    }
    world.monolith.set_mode(Mode::Healthy);
    for display in &mut displays {
        assert_eq!(display.asks(&world, CALENDAR).await.status(), Some(200));
    }
    assert!(wrong.is_empty(), "{} of {asked}: {wrong:#?}", wrong.len());
    report::say(format!("legacy: {asked} requests after adoption, by every wrong answer, nobody erased"));
}

async fn cold_start() {
    let mut world = world().await;
    let mut display = Display::first();
    display.is_adopted(&world).await;
    world.stop_gateway().await;
    world.store.break_with(world::store::StoreBreak::Garbage).await.expect("the store can be broken");
    world.monolith.set_mode(Mode::DenyAll);
    world.start_gateway().await;
    let mut stranger = Display::with("nobody-knows-this-one");
    for display in [&mut display, &mut stranger] {
        for path in [CALENDAR, "/mixed/x", "/get/x"] {
            let heard = display.asks(&world, path).await;
            assert!(is_put_off(&heard), "{path}: {}", heard.line());
        }
        world.advance(MINUTE);
    }
    world.heal_store().await;
    // The service still denies everybody: it is not asked about whom the store knows.
    for _ in 0..50 {
        world.advance(MINUTE);
        let heard = display.asks(&world, CALENDAR).await;
        assert!(!erases(&heard), "{}", heard.line());
        if !heard.reached.is_empty() {
            assert_eq!(heard.identities().len(), 1, "it is known again");
            return;
        }
    }
    panic!("it was never known again");
}

async fn without_the_store() {
    let mut world = world().await;
    let mut display = Display::first();
    display.is_adopted(&world).await;
    for how in auth_core::database::Disturbance::ALL {
        world.disturb_store(how).await;
        let heard = display.asks(&world, CALENDAR).await;
        assert_eq!(heard.status(), Some(200), "{how:?}: {}", heard.line());
        world.heal_store().await;
    }
}
