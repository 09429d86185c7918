//! Documents that are good, broken and hijacked.

use serde_json::json;

use super::*;
use crate::{
    clock::Timestamp,
    outbound::OutboundPolicy,
    testing::{Folder, RawServer},
};

const NOON: Timestamp = Timestamp::from_secs(1_800_000_000);

struct Setting {
    server: RawServer,
    data: Folder,
    clock: Clock,
}

impl Setting {
    async fn new() -> Self {
        Self { server: RawServer::start().await, data: Folder::new(), clock: Clock::standing_at(NOON) }
    }

    fn discovery(&self, endpoint_hosts: &[&str]) -> Discovery {
        let provider = DiscoveryConfig {
            issuer: self.server.base().into(),
            discovery_url: None,
            endpoint_hosts: endpoint_hosts.iter().map(|host| (*host).to_owned()).collect(),
        };
        let url = Url::parse(self.server.base()).expect("an issuer");
        let policy = OutboundPolicy { total: Duration::from_millis(500), ..OutboundPolicy::default() };
        let outbound = Outbound::new(&url, policy, self.clock.clone()).expect("no extra certificates");
        Discovery::new(provider, outbound, Background::current(), self.clock.clone(), &self.data.taken())
    }

    fn document(&self, keys_at: &str) -> String {
        let issuer = self.server.base();
        let token = format!("{issuer}/token");
        json!({"issuer": issuer, "jwks_uri": keys_at, "token_endpoint": token}).to_string()
    }
}

#[tokio::test]
async fn a_good_document_outlives_nonsense_and_a_restart() {
    let setting = Setting::new().await;
    let discovery = setting.discovery(&[]);
    setting.server.says(500, "", "");
    let down = discovery.document().await.expect_err("there never was one");
    assert_eq!(down.dependency, Dependency::Discovery);
    let _ = discovery.document().await.expect_err("it failed just now");
    assert_eq!(setting.server.asked(), 1, "a dead provider is not stormed");
    setting.clock.advance(Duration::from_secs(1));
    let keys_at = format!("{}/keys", setting.server.base());
    setting.server.says(200, "", &setting.document(&keys_at));
    assert_eq!(discovery.document().await.expect("it is healthy").jwks_uri.as_str(), keys_at);
    for (status, body) in [
        (500, String::new()),
        (200, "<html>".to_owned()),
        (200, "{}".to_owned()),
        (200, setting.document("http://[half")),
        (200, setting.document(&keys_at).replace("\"issuer\":\"http", "\"issuer\":\"http ")),
        (200, format!("{}{}", setting.document(&keys_at), " ".repeat(LONGEST))),
        (302, setting.document(&keys_at)),
    ] {
        setting.server.says(status, "location: /login\r\n", &body);
        setting.clock.advance(Duration::from_secs(11));
        let _ = discovery.ask(setting.clock.now()).await.expect_err("the provider does not answer as it should");
        assert_eq!(discovery.document().await.expect("the good one stays").jwks_uri.as_str(), keys_at);
    }
    let after_restart = setting.discovery(&[]);
    assert_eq!(after_restart.document().await.expect("it is on disk").jwks_uri.as_str(), keys_at);
}

#[tokio::test]
async fn a_sign_in_asks_only_when_the_last_contact_is_old() {
    let setting = Setting::new().await;
    let discovery = setting.discovery(&[]);
    setting.server.says(200, "", &setting.document(&format!("{}/keys", setting.server.base())));
    let check = async |after: u64, asked: usize| {
        setting.clock.advance(Duration::from_secs(after));
        discovery.ask(setting.clock.now()).await.expect("it is healthy");
        assert_eq!(setting.server.asked(), asked, "{after} s later");
    };
    check(0, 1).await;
    check(10, 1).await;
    check(1, 2).await;
    check(10, 2).await;
    let after_restart = setting.discovery(&[]);
    after_restart.ask(setting.clock.now()).await.expect("it is healthy");
    assert_eq!(setting.server.asked(), 3, "what lies on disk is no contact");
}

#[tokio::test]
async fn hosts_are_pinned_by_the_first_good_document() {
    let setting = Setting::new().await;
    let discovery = setting.discovery(&["127.0.0.9"]);
    let home = format!("{}/keys", setting.server.base());
    let check = async |keys_at: &str, expected: &str| {
        setting.server.says(200, "", &setting.document(keys_at));
        setting.clock.advance(Duration::from_secs(11));
        let document = discovery.ask(setting.clock.now()).await.expect("the provider answers");
        assert_eq!(document.jwks_uri.as_str(), expected);
    };
    check(&home, &home).await;
    check("https://evil.example/keys", &home).await;
    check("https://127.0.0.9/keys", "https://127.0.0.9/keys").await;
    let after_restart = setting.discovery(&[]);
    setting.server.says(200, "", &setting.document("https://evil.example/keys"));
    let document = after_restart.ask(setting.clock.now()).await.expect("the provider answers");
    assert_eq!(document.jwks_uri.as_str(), "https://127.0.0.9/keys", "pins outlive a restart");
}

#[test]
fn endpoints_are_https_or_stay_on_loopback() {
    let check = |issuer: &str, keys_at: &str, expected: bool| {
        let document = json!({"issuer": issuer, "jwks_uri": keys_at}).to_string();
        let read = Document::read(document.as_bytes(), &issuer.into());
        assert_eq!(read.is_ok(), expected, "{issuer} {keys_at}");
    };
    check("https://i.example", "https://other.example/keys", true);
    check("https://i.example", "http://i.example/keys", false);
    check("https://i.example", "/keys", false);
    check("https://i.example", "file:///etc/passwd", false);
    check("https://i.example", "https://user:secret@i.example/keys", false);
    check("http://127.0.0.1", "http://127.0.0.1/keys", true);
}

#[test]
fn a_document_is_found_under_its_issuer() {
    let check = |issuer: &str, expected: &str| {
        let provider = DiscoveryConfig { issuer: issuer.into(), discovery_url: None, endpoint_hosts: Vec::new() };
        assert_eq!(provider.address().expect("an address").as_str(), expected);
    };
    check("https://i.example", "https://i.example/.well-known/openid-configuration");
    check("https://i.example/", "https://i.example/.well-known/openid-configuration");
    check("https://i.example/t/v2.0", "https://i.example/t/v2.0/.well-known/openid-configuration");
}

#[tokio::test]
async fn once_started_it_is_fetched_by_itself() {
    let setting = Setting::new().await;
    let discovery = setting.discovery(&[]);
    setting.server.says(200, "", &setting.document(&format!("{}/keys", setting.server.base())));
    discovery.start();
    setting.server.until_asked(1).await;
}
