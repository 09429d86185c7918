//! The replay against Candor in this process, by rounds instead of seconds: whoever asks, asks once a round.

use std::{env, fs, time::Duration};

use auth_core::{Clock, Timestamp};
use gateway::{
    config,
    server::{self, ServeOptions},
    telemetry::{AccessLog, Format, Telemetry},
};
use tokio::task::JoinSet;

use super::{
    clients::Client,
    result::Cost,
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
    let options = ServeOptions { clock: clock.clone(), drain: Duration::ZERO, ..ServeOptions::new(telemetry) };
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
    rounds(1, &mut clients, &stand, &clock).await;
    let gateway = start(&file, &clock).await;
    rounds(6, &mut clients, &stand, &clock).await;
    {
        let ledger = stand.scene.ledger();
        assert!(ledger.requests.denials_held_back > 0, "the monolith denied nobody: {:?}", ledger.requests);
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
