//! What was acknowledged is on disk: the gateway is killed right after, and started again.

use serde_json::json;
use world::{
    World,
    process::{self, Process},
};

use super::{activate, display, signed_in, with_fleet};

pub(super) async fn acknowledged() {
    let world = with_fleet(World::new()).await;
    let config = world.write_config();
    let mut gateway = Process::start(&config);
    gateway.serving().await;
    let mut ada = signed_in(&world, "ada").await;
    let mut wall = display(&world, "SN-1");
    activate(&world, &mut ada, &mut wall, "acme").await;
    gateway.kill();

    let mut gateway = Process::start(&config);
    gateway.serving().await;
    assert_eq!(wall.ask("/wall/calendar").await.status, 200, "its token is good");
    let first = wall.token();
    let renewed = wall.renew().await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    gateway.kill();

    let mut gateway = Process::start(&config);
    gateway.serving().await;
    assert_eq!(wall.ask("/wall/calendar").await.status, 200, "and so is the one that it got last");
    assert_eq!(wall.post("token", &json!({ "token": first })).await.status, 200);
    let id = wall.granted.as_ref().expect("granted")["device_id"].as_str().expect("text").to_owned();
    let (status, said) = process::run(&["device", "revoke", &id, "--reason", "stolen"], &config);
    assert!(status.success(), "{said}");
    gateway.kill();

    let mut gateway = Process::start(&config);
    gateway.serving().await;
    let refused = wall.ask("/wall/calendar").await;
    assert_eq!(refused.told(), (401, "credential-invalid", Some("credential-invalid")), "{refused:?}");
    assert_eq!(wall.reactivate().await.told(), (410, "device-answer", Some("device-revoked")));
    let (status, said) = process::run(&["audit", "verify"], &config);
    assert!(status.success() && said.contains("the audit trail is whole"), "{said}");
    gateway.kill();
}
