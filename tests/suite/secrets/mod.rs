//! No secret reaches a log line or a figure: recognisable ones are planted in every flow of a gateway that logs at
//! trace level, and everything that it says is searched.

mod canaries;
mod flows;
mod outages;

use base64::{Engine, prelude::BASE64_STANDARD};
use libtest_mimic::Trial;
use world::{World, caller::Caller, caller::Form, process::Process, scripted::Scripted};

use self::canaries::Canaries;
use crate::{in_a_runtime, plain, report};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        plain("secrets::what_is_said_would_be_found", what_is_said_would_be_found),
        in_a_runtime("secrets::no_secret_is_logged", no_secret_is_logged),
    ]
}

/// A gateway in a process of its own, between a provider and an upstream that say what they are told to.
struct Stage {
    world: World,
    provider: Scripted,
    upstream: Scripted,
    gateway: Process,
    host: String,
    canaries: Canaries,
}

/// What a gateway has said, and what was planted in it.
struct Heard {
    planted: usize,
    leaks: Vec<String>,
}

async fn no_secret_is_logged() {
    let (mut planted, mut leaks) = (0, Vec::new());
    for format in ["human", "json"] {
        let mut stage = Stage::set(format, |_| {}).await;
        flows::people(&mut stage).await;
        flows::programs(&mut stage).await;
        flows::upstreams(&mut stage).await;
        outages::exchanges(&mut stage).await;
        flows::bad_heads(&mut stage).await;
        outages::dead_store(&mut stage).await;
        let warm = stage.strike().await;
        let mut canaries = Canaries::default();
        let mut stage = Stage::set(format, |provider| outages::nonsense(provider, &mut canaries)).await;
        stage.canaries = canaries;
        outages::strangers(&mut stage).await;
        let cold = stage.strike().await;
        for heard in [warm, cold] {
            planted += heard.planted;
            leaks.extend(heard.leaks.into_iter().map(|leak| format!("{format}: {leak}")));
        }
    }
    report::say(format!("secrets in logs: {} of {planted} planted", leaks.len()));
    assert!(leaks.is_empty(), "{} leaks: {leaks:#?}", leaks.len());
}

impl Stage {
    /// Sets everything up. `before` prepares the provider before the gateway first asks it.
    async fn set(format: &str, before: impl FnOnce(&Scripted)) -> Self {
        let further = format!(
            "[[routes]]\npath = \"/through/\"\nupstream = \"monolith\"\nallow = [\"anyone\"]\n\
             forward_authorization = true\n\n[log]\nlevel = \"trace\"\nformat = \"{format}\"\n"
        );
        let mut world = World::new().configured(&further).prepare().await;
        let provider = Scripted::before(world.idp.address()).await;
        let upstream = Scripted::before(world.monolith.address()).await;
        before(&provider);
        world.settings.replace(&world.idp.issuer(), &provider.base());
        world.settings.replace(&world.proxies.monolith.base(), &upstream.base());
        world.settings.replace("\"profile\"]", "\"profile\", \"offline_access\"]");
        world.settings.trust_loopback();
        for part in [gateway::demo::Part::Discovery, gateway::demo::Part::Keys, gateway::demo::Part::Token] {
            world.idp.stands_at(part, &provider.base());
        }
        let mut gateway = Process::start(&world.write_config());
        gateway.serving().await;
        let host = world.url("/").authority().to_owned();
        Self { world, provider, upstream, gateway, host, canaries: Canaries::default() }
    }

    /// Reads the metrics, stops the gateway, and searches everything that it said, and what it keeps on disk.
    async fn strike(self) -> Heard {
        let Self { world, mut gateway, canaries, .. } = self;
        let admin = gateway.serving().await;
        let url = format!("http://{admin}/metrics").parse().expect("an address");
        let metrics = Caller::new(Form::Script).browser().get(&url).await.expect("metrics").text();
        assert!(metrics.contains("candor_requests_total"), "there are metrics: {metrics}");
        let (status, said) = gateway.stop().await;
        assert!(status.success(), "it stops in order: {status}");
        let text = String::from_utf8_lossy(&said);
        assert!(text.contains("/here-and-in-the-log"), "requests are logged: {text}");
        assert!(!text.contains("a panic"), "nothing panicked: {text}");
        let mut leaks = canaries.heard_in(&said);
        leaks.extend(canaries.heard_in(metrics.as_bytes()).into_iter().map(|leak| format!("metrics: {leak}")));
        // A provider's document is public, and the last good one is kept as it was said.
        let is_public = |file: &str| file.ends_with(".discovery.json");
        for (file, bytes) in kept(&world.folder().join("data")).into_iter().filter(|(file, _)| !is_public(file)) {
            leaks.extend(canaries.heard_in(&bytes).into_iter().map(|leak| format!("{file}: {}", first(&leak))));
        }
        Heard { planted: canaries.len(), leaks }
    }
}

/// Every file below `folder`, with its bytes.
fn kept(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the gateway made it").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(kept(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path.display().to_string(), bytes));
        }
    }
    found
}

/// The name of what leaked, without the binary line that it stood in.
fn first(leak: &str) -> &str {
    leak.split(':').next().unwrap_or(leak)
}

fn what_is_said_would_be_found() {
    let mut canaries = Canaries::default();
    let secret = canaries.make("planted");
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let basic = |before: &str| BASE64_STANDARD.encode(format!("{before}{secret}:after"));
    let forms = [secret.clone(), encoded, basic(""), basic("c:"), basic("candor:"), basic("candor7:")];
    for form in forms {
        assert_eq!(canaries.heard_in(format!("a line with {form} in it").as_bytes()).len(), 1, "{form}");
    }
    assert!(canaries.heard_in(b"kestrel-000").is_empty(), "a part that says nothing is nothing");
}
