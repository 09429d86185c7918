//! A gateway hands over to a newer process: nobody is refused, nothing is lost, and one that does not come up changes nothing.

use std::{fs, path::Path};

use gateway::server::control::{self, Command, CommandAnswer};
use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form},
    process::{self, LastHolder, Process},
};

use super::traffic::Crowd;
use crate::{in_a_runtime, report};

/// So many times.
const UPGRADES: usize = 20;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("changing::upgrades_under_load_cost_no_connection", upgrades_under_load),
        in_a_runtime("changing::an_upgrade_that_fails_changes_nothing", an_upgrade_that_fails),
    ]
}

/// Has the gateway that holds `data` hand over.
async fn upgrade(data: &Path) -> CommandAnswer {
    let data = data.to_owned();
    let told = tokio::task::spawn_blocking(move || control::ask(&data, &Command::Upgrade)).await.expect("it ends");
    told.expect("it answers")
}

async fn upgrades_under_load() {
    let crowd = Crowd::gather().await;
    let (config, data) = (crowd.world.write_config(), crowd.world.data());
    let (mut first, last) = (Process::start(&config), LastHolder::of(&data));
    first.serving().await;
    let (traffic, mut ids) = (crowd.ask().await, vec![first.id()]);
    for _ in 0..UPGRADES {
        let told = upgrade(&data).await;
        assert!(matches!(&told, CommandAnswer::Done(done) if done.contains("serves")), "{told:?}");
        ids.extend(last.id());
        traffic.more(20).await;
    }
    let tally = traffic.end().await;
    let refused = tally.failed.iter().filter(|what| what.starts_with("not connected")).count();
    report::say(format!(
        "upgrade under load: {UPGRADES} upgrades, {refused} refused, {} reset",
        tally.failed.len() - refused
    ));
    report::say(format!(
        "upgrade under load: {} requests on {} connections were answered meanwhile",
        tally.answered, tally.connections
    ));
    assert!(tally.failed.is_empty(), "{:#?}", tally.failed);
    ids.dedup();
    assert_eq!(ids.len(), UPGRADES + 1, "each is a process of its own: {ids:?}");
    last.signal("TERM");
    // The outputs are all of theirs: they end with the last of them.
    let (status, said) = first.ended().await;
    let said = String::from_utf8_lossy(&said);
    assert!(status.success(), "{said}");
    assert_eq!(said.matches(" stopped").count(), UPGRADES + 1, "each has come to its end");
    assert!(!said.contains("alarm="), "{said}");
}

async fn an_upgrade_that_fails() {
    let mut world = World::new().prepare().await;
    world.settings.replace("\"400ms\"", "\"20s\"");
    let (config, data) = (world.write_config(), world.data());
    let (mut first, last) = (Process::start(&config), LastHolder::of(&data));
    first.serving().await;
    let order = || process::run(&["upgrade"], &config);
    let asked = async |url: url::Url| Caller::new(Form::Script).get(&url, &world.monolith).await.status();
    // Only the new process needs the secret, and does not find it.
    let secret = world.folder().join("client_secret");
    let content = fs::read(&secret).expect("it is there");
    fs::remove_file(&secret).expect("it is there");
    let (status, said) = order();
    assert_eq!(status.code(), Some(20), "{said}");
    assert!(said.contains("ended before it served") && said.contains("serves on"), "{said}");
    assert_eq!((last.id(), asked(world.url("/public/a")).await), (Some(first.id()), Some(200)));
    let (status, said) = process::run(&["keys", "rotate", "--reason", "the folder is its own again"], &config);
    assert!(status.success(), "{said}");
    // What a reload cannot change, this does.
    fs::write(&secret, content).expect("it can be written");
    let (here, beside) = (world.url("/").port().expect("it has one"), world::settings::free_port());
    let listen = |ports: &[u16]| {
        let addresses: Vec<_> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        format!("listen = [{}]", addresses.join(", "))
    };
    let text = world.settings.text().replace(&listen(&[here]), &listen(&[here, beside]));
    fs::write(&config, text).expect("it can be written");
    let (status, said) = order();
    assert!(status.success(), "{said}");
    assert_ne!(last.id(), Some(first.id()));
    let mut other = world.url("/public/a");
    other.set_port(Some(beside)).expect("a port");
    assert_eq!((asked(world.url("/public/a")).await, asked(other).await), (Some(200), Some(200)));
    last.signal("TERM");
    let (status, said) = first.ended().await;
    assert!(status.success(), "{}", String::from_utf8_lossy(&said));
}
