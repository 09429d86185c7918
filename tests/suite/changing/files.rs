//! What makes a gateway read its configuration once more, and what it says of it.

use std::{fs, os::unix::fs::symlink, path::Path};

use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form},
    process::{self, Process},
};

use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("changing::a_changed_file_is_taken_and_a_bad_one_is_said", a_changed_file),
        in_a_runtime("changing::whoever_orders_a_reload_is_told_what_came_of_it", whoever_orders_a_reload),
    ]
}

/// A gateway with one route for anybody, whose path names it.
struct Stage {
    world: World,
    process: Process,
    admin: std::net::SocketAddr,
}

impl Stage {
    /// The file that it is started with is a link, as secrets and configurations are in a container.
    async fn start() -> Self {
        let mut world = World::new().prepare().await;
        world.settings.replace("\"400ms\"", "\"20s\"");
        fs::rename(world.write_config(), world.folder().join("first.toml")).expect("it was written");
        let config = world.folder().join("gateway.toml");
        symlink("first.toml", &config).expect("a link can be made");
        let mut process = Process::start(&config);
        let admin = process.serving().await;
        Self { world, process, admin }
    }

    fn config(&self) -> std::path::PathBuf {
        self.world.folder().join("gateway.toml")
    }

    async fn status(&self, path: &str) -> Option<u16> {
        self.world.ask(&mut Caller::new(Form::Script), path).await.status()
    }

    async fn shown(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.admin).parse().expect("an address");
        Caller::new(Form::Script).browser().get(&url).await.expect("an answer").text()
    }

    /// Puts a link to `name`, which says `text`, in the configuration's place.
    fn lead_to(&self, name: &str, text: &str) {
        let folder = self.world.folder();
        fs::write(folder.join(name), text).expect("a file can be written");
        symlink(name, folder.join("next")).expect("a link can be made");
        fs::rename(folder.join("next"), self.config()).expect("it can be put there");
    }
}

async fn a_changed_file() {
    let mut stage = Stage::start().await;
    let (text, first) = (stage.world.settings.text(), stage.shown("/configz").await);
    assert_eq!(stage.status("/public/a").await, Some(200));
    stage.lead_to("second.toml", &text.replace("\"/public/\"", "\"/open/\""));
    stage.process.until("gateway.toml changed: ").await;
    assert_eq!((stage.status("/open/a").await, stage.status("/public/a").await), (Some(200), Some(401)));
    assert_ne!(stage.shown("/configz").await, first);
    // Written in place, and wrong in two places.
    let bad = text.replace("[admin]", "[admin]\nlisten_on = 7").replace("\"/passed/\"", "\"passed\"");
    fs::write(stage.config(), bad).expect("a file can be written");
    let said = stage.process.until("listen_on").await;
    assert!(!said.is_empty());
    stage.process.until("is not a canonical path").await;
    let said = String::from_utf8(stage.process.said()).expect("text");
    assert!(said.contains("the configuration before stays in force"), "{said}");
    assert_eq!(stage.status("/open/a").await, Some(200));
    let metrics = stage.shown("/metrics").await;
    for line in
        ["candor_config_reloads_total{result=\"in-force\"} 1", "candor_config_reloads_total{result=\"refused\"} 1"]
    {
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
    // A secret is part of the configuration.
    fs::write(stage.config(), text).expect("a file can be written");
    stage.process.until("in force, in place of").await;
    wait_for(&stage, "/public/a", 200).await;
    fs::write(stage.world.folder().join("client_secret"), "another").expect("a file can be written");
    stage.process.until("client_secret changed: ").await;
    assert!(!String::from_utf8_lossy(&stage.process.said()).contains("another\""), "no secret is said");
}

/// Waits until `path` is answered by `status`.
async fn wait_for(stage: &Stage, path: &str, status: u16) {
    let mut beat = tokio::time::interval(std::time::Duration::from_millis(20));
    for _ in 0..1000 {
        if stage.status(path).await == Some(status) {
            return;
        }
        beat.tick().await;
    }
    panic!("{path} is never answered by {status}");
}

async fn whoever_orders_a_reload() {
    let stage = Stage::start().await;
    let (config, text) = (stage.config(), stage.world.settings.text());
    let order = |config: &Path| process::run(&["reload"], config);
    let (status, said) = order(&config);
    assert!(status.success() && said.contains("is in force, in place of"), "{said}");
    // What a reload cannot change is said, and the rest is in force.
    let port = world::settings::free_port();
    let listen = stage.world.settings.public_url().port().expect("a port");
    let moved = text.replace("\"/public/\"", "\"/open/\"");
    let moved =
        moved.replace(&format!("listen = [\"127.0.0.1:{listen}\"]"), &format!("listen = [\"127.0.0.1:{port}\"]"));
    fs::write(&config, moved).expect("a file can be written");
    let (status, said) = order(&config);
    assert!(status.success() && said.contains("[server] listen stays as it was"), "{said}");
    assert_eq!(stage.status("/open/a").await, Some(200));
    // An issuer that is mistyped would turn its whole fleet away.
    let named = format!("[[bearer]]\nissuer = \"{}\"", stage.world.idp.issuer());
    let mistyped = text.replace(&named, "[[bearer]]\nissuer = \"https://mistyped.invalid\"");
    assert_ne!(mistyped, text);
    let before = fs::read(&config).expect("it is there");
    fs::write(&config, mistyped).expect("a file can be written");
    let (status, said) = order(&config);
    assert_eq!(status.code(), Some(20), "{said}");
    assert!(said.contains("does not name the issuer") && said.contains("of a [[bearer]]"), "{said}");
    fs::write(&config, before).expect("a file can be written");
    // What only the gateway finds wrong, since a command reads no secrets.
    fs::remove_file(stage.world.folder().join("client_secret")).expect("it is there");
    let (status, said) = order(&config);
    assert_eq!(status.code(), Some(20), "{said}");
    assert!(said.contains("the configuration before stays in force") && said.contains("client_secret"), "{said}");
    assert_eq!(stage.status("/open/a").await, Some(200));
    fs::write(stage.world.folder().join("client_secret"), "put back").expect("a file can be written");
    fs::write(&config, &text).expect("a file can be written");
    stage.process.signal("HUP");
    wait_for(&stage, "/public/a", 200).await;
    let (status, _) = stage.process.stop().await;
    assert!(status.success());
    let (status, said) = order(&config);
    assert_eq!(status.code(), Some(20), "{said}");
    assert!(said.contains("no gateway answers"), "{said}");
}
