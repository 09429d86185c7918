//! Simulated displays against the gateway in a process of its own, with the service broken in every way and the gateway
//! killed in the middle of it: nobody is refused, erased or asked for a PIN, and all come back.

use std::time::Duration;

use gateway::demo::{
    Mode,
    simulate::{
        self, Fleet, SimulateOptions,
        tally::{Seen, Shows},
    },
};
use tokio::task::JoinSet;
use world::{
    World,
    process::{self, Process},
};

use super::with_fleet;
use crate::report;

/// More than a network may show PINs: they come by keys that were imported.
const DEVICES: usize = 100;
/// How much faster their time goes than the gateway's.
const SPEED: u32 = 20;
/// Nothing waits for this; it ends a test that has failed.
const GIVE_UP: Duration = Duration::from_secs(120);

pub(super) async fn nobody_is_refused() {
    let world = with_fleet(World::new()).await;
    let config = world.write_config();
    let folder = config.parent().expect("it is in a folder").join("enrolled");
    let enrolled = simulate::enrol(&folder, DEVICES, "acme").expect("keys can be made");
    for list in &enrolled.lists {
        let list = list.to_str().expect("text");
        let (status, said) = process::run(&["device", "import", list, "--reason", "a test"], &config);
        assert!(status.success() && said.contains("imported 100 devices"), "{said}");
        let (status, said) = process::run(&["device", "import", list, "--reason", "a test"], &config);
        assert!(!status.success() && said.contains("or its key is"), "{said}");
    }
    let mut gateway = Process::start(&config);
    gateway.serving().await;
    let options = SimulateOptions {
        gateway: world.settings.public_url(),
        own_prefix: "/.candor".to_owned(),
        devices: DEVICES,
        rate: u32::MAX,
        path: "/wall/calendar".to_owned(),
        every: Duration::from_secs(60),
        speed: SPEED,
        lasting: Duration::ZERO,
        connections: DEVICES,
        tokens: None,
        keep: None,
    };
    let (fleet, mut running) = (Fleet::new(&options, DEVICES).expect("there is TLS"), JoinSet::new());
    for (number, stored) in enrolled.stored.into_iter().enumerate() {
        fleet.switch_on(number, stored, &mut running).expect("there is randomness");
    }
    assert!(fleet.until(GIVE_UP, is_live).await, "by their keys alone: {:?}", fleet.tally);
    for broken in [Mode::DenyAll, Mode::Failing, Mode::Html, Mode::Down] {
        world.monolith.set_mode(broken);
        assert!(fleet.until(GIVE_UP, |seen| seen.shows == Shows::Kept).await, "{broken:?}: {:?}", fleet.tally);
        if broken == Mode::Failing {
            gateway.kill();
            gateway = Process::start(&config);
            gateway.serving().await;
        }
        world.monolith.set_mode(Mode::Healthy);
        fleet.tally.forget_served();
        assert!(fleet.until(GIVE_UP, |seen| is_live(seen) && seen.served).await, "after {broken:?}: {:?}", fleet.tally);
    }
    let screens = fleet.tally.screens();
    let is_harmed = |seen: &&Seen| seen.wiped || seen.asked_for_a_pin;
    assert_eq!((screens.iter().filter(is_harmed).count(), fleet.tally.answers.refused()), (0, 0), "{:?}", fleet.tally);
    report::say(format!("simulated: {DEVICES} devices against the program; {}", fleet.tally.answers));
    running.shutdown().await;
    gateway.kill();
}

fn is_live(seen: &Seen) -> bool {
    seen.shows == Shows::Live
}
