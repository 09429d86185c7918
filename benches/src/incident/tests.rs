//! The replay against Candor in this process, by rounds instead of seconds: whoever asks, asks once a round.

use std::{env, fs, time::Duration};

use auth_core::{Clock, Timestamp};
use gateway::{
    config,
    demo::january::{Turn, WrongAnswer},
    server::{self, ServeOptions},
    state::Tuning,
    telemetry::{AccessLog, Format, Telemetry},
};
use tokio::task::JoinSet;

use super::{
    clients::Client,
    display::Display,
    ledger::Lost,
    monolith::{Monolith, number_of},
    result::Cost,
    said::Speaker,
    scene::Scene,
    stand::{Cast, Stand},
};
use crate::peer::{Peer, Program, all};

const CAST: Cast = Cast { displays: 10, people: 3, intruders: 3 };

/// So much time passes from one round to the next, by the clock of the gateway and the provider.
const ROUND: Duration = Duration::from_secs(2);

/// Candor's own configuration for the comparison, but a service that hangs is not waited for as long.
async fn start(file: &str, clock: &Clock) -> server::Started {
    let folder = std::path::Path::new(file).parent().expect("its folder");
    let text = fs::read_to_string(file).expect("a configuration");
    let text = text.replace("upstream = \"origin\"", "upstream = \"origin\"\nresponse_timeout = \"300ms\"");
    let config = config::parse(&text, folder, config::Secrets::Read(&|_| None)).expect("it can be read");
    let mut telemetry = Telemetry::start(Format::Human, tracing::Level::ERROR);
    telemetry.access = AccessLog::to(Box::new(std::io::sink()), Format::Human);
    let tuning = Tuning { drain: Some(Duration::ZERO), ..Tuning::default() };
    let options = ServeOptions { clock: clock.clone(), tuning, ..ServeOptions::new(telemetry) };
    server::start(config, options).await.expect("it starts")
}

async fn rounds(count: usize, clients: &mut Vec<Client>, stand: &Stand, clock: &Clock) {
    for _ in 0..count {
        clock.advance(ROUND);
        let mut asking = JoinSet::new();
        for mut client in clients.drain(..) {
            let scene = stand.scene.clone();
            asking.spawn(async move { client.act(&scene).await.then_some(client) });
        }
        clients.extend(asking.join_all().await.into_iter().flatten());
    }
}

/// Keys are asked for again at once or after a pause, and a busy machine may be late: it takes a few rounds.
async fn until_all_are_served(clients: &mut Vec<Client>, stand: &Stand, clock: &Clock) {
    for _ in 0..50 {
        rounds(1, clients, stand, clock).await;
        if stand.scene.ledger().left_behind().is_empty() {
            return;
        }
    }
    panic!("left behind: {:?}", stand.scene.ledger().left_behind());
}

#[tokio::test]
async fn with_no_gateway_between_every_loss_is_seen() {
    for believes_anybody in [true, false] {
        let monolith = Monolith::start(believes_anybody).await.expect("a monolith");
        let tokens = (0..100).map(|index| format!("token-{index}")).collect();
        let scene = Scene::new(monolith.address(), monolith, tokens);
        let asks_on = Client::intruder(0, "forged".to_owned()).act(&scene).await;
        assert_eq!(asks_on, !believes_anybody, "an intruder goes on until they are let in");
        assert_eq!(scene.ledger().count_of(|loss| loss.what == Lost::Calendar), usize::from(believes_anybody));

        assert!(Client::display(0).act(&scene).await && scene.ledger().displays[0].is_served);
        scene.monolith.set_half_dead(true);
        let denied = Turn::Wrong(WrongAnswer::Unauthorized);
        let meets_401 = |index: &usize| Turn::of(number_of(&format!("display-{index}-0"))) == denied;
        let unlucky = (0..100).find(meets_401).expect("one in seventeen is denied at once");
        assert!(Client::display(unlucky).act(&scene).await, "it asks for a PIN");
        let ledger = scene.ledger();
        let loss = ledger.losses.last().expect("a loss");
        assert_eq!((loss.what, loss.status, loss.by), (Lost::Erased, Some(401), Speaker::Monolith));
        assert_eq!(ledger.displays[unlucky].state, Display::Authenticating);
    }
}

#[tokio::test]
async fn behind_candor_nobody_loses_anything() {
    let clock = Clock::standing_at(Timestamp::from_millis(1_610_000_000_000));
    let candor: Box<dyn Peer> = all().into_iter().find(|peer| peer.name() == "Candor").expect("Candor");
    let folder = env::temp_dir().join(format!("candor-incident-{}", std::process::id()));
    let mut stand = Stand::around(&*candor, folder.clone(), CAST, &clock).await.expect("its surroundings");
    let program = Program { path: "gateway".into(), behind: None, version: String::new() };
    let file = stand.configure(&*candor, &program).expect("a configuration")[0].words[3].clone();

    let gateway = start(&file, &clock).await;
    let mut clients = stand.admit(CAST, true).await.expect("it serves");
    assert_eq!(stand.not_signed_in, None);
    until_all_are_served(&mut clients, &stand, &clock).await;

    stand.break_down();
    rounds(6, &mut clients, &stand, &clock).await;
    stand.rotate(Duration::ZERO).await;
    rounds(6, &mut clients, &stand, &clock).await;
    gateway.shutdown().await;
    stand.scene.change(|now| now.is_gone = true);
    rounds(1, &mut clients, &stand, &clock).await;
    let gateway = start(&file, &clock).await;
    stand.scene.change(|now| (now.is_gone, now.is_back) = (false, true));
    rounds(6, &mut clients, &stand, &clock).await;
    {
        let ledger = stand.scene.ledger();
        let requests = ledger.requests;
        assert!(requests.denials_held_back > 0, "the monolith denied nobody: {requests:?}");
        assert!(requests.unanswered_while_gone > 0, "nobody met the crash: {requests:?}");
        assert!(requests.served_without_keys > 0, "it serves nobody by the keys that it kept: {requests:?}");
        let new = |standing: &super::ledger::Standing<_>| standing.has_new_key;
        assert!(ledger.displays.iter().any(new), "nobody renewed a token");
    }

    stand.heal();
    until_all_are_served(&mut clients, &stand, &clock).await;
    gateway.shutdown().await;
    let ledger = stand.scene.ledger();
    assert_eq!(ledger.losses, [], "{:?}", ledger.requests);
    assert!(Cost::of(&ledger, true).is_nothing(), "{:?}", Cost::of(&ledger, true));
    let _ = fs::remove_dir_all(&folder);
}
