//! Reloads while clients ask: nobody notices.

use gateway::server::control::{self, Command, CommandAnswer};
use libtest_mimic::Trial;
use world::process::Process;

use super::traffic::Crowd;
use crate::{in_a_runtime, report};

/// So many reloads.
const RELOADS: usize = 200;

pub(super) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("changing::reloads_under_load_cost_no_request", reloads_under_load)]
}

async fn reloads_under_load() {
    let crowd = Crowd::gather().await;
    let (config, data) = (crowd.world.write_config(), crowd.world.data());
    let mut gateway = Process::start(&config);
    gateway.serving().await;
    let traffic = crowd.ask().await;
    let text = crowd.world.settings.text();
    let other =
        text.replace("\"/public/\"", "\"/open/\"").replace("connect_timeout = \"20s\"", "connect_timeout = \"19s\"");
    for number in 0..RELOADS {
        std::fs::write(&config, if number % 2 == 0 { &other } else { &text }).expect("a file can be written");
        let data = data.clone();
        let told = tokio::task::spawn_blocking(move || control::ask(&data, &Command::Reload)).await.expect("it ends");
        assert!(matches!(&told, Ok(CommandAnswer::Done(done)) if done.contains("is in force")), "{told:?}");
    }
    traffic.more(100).await;
    let tally = traffic.end().await;
    report::say(format!("reload under load: {RELOADS} reloads, {} failed requests", tally.failed.len()));
    report::say(format!(
        "reload under load: {} requests on {} connections were answered meanwhile",
        tally.answered, tally.connections
    ));
    assert!(tally.failed.is_empty(), "{:#?}", tally.failed);
    let (status, _) = gateway.stop().await;
    assert!(status.success());
}
