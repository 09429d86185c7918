//! What is malformed, replayed, foreign or too large is told what is wrong with it, and costs no state: the display that
//! sent it is served right after, by the same nonce where its proof never held.

use serde_json::{Value, json};
use world::{World, device::DeviceRequest};

use super::{activate, display, fleet, signed_in};
use crate::report;

/// A request gone wrong, and what it is told: status, word of `x-gateway-answer`, word of the problem.
type Case = (&'static str, DeviceRequest, (u16, &'static str, &'static str));

pub(super) async fn table() {
    let world = fleet(World::new()).await;
    let mut ada = signed_in(&world, "ada").await;
    let mut wall = display(&world, "SN-1");
    activate(&world, &mut ada, &mut wall, "acme").await;
    let token = wall.token();
    let content = json!({ "token": token });
    let good = wall.request("token", &content).await;
    let mut told = 0;
    for (what, request, expected) in cases(&good, &wall) {
        let heard = wall.send(&request).await;
        assert_eq!((heard.told()), (expected.0, expected.1, Some(expected.2)), "{what}: {heard:?}");
        assert_eq!(heard.content["wipe"], Value::Bool(false), "{what}: {heard:?}");
        assert!(heard.field("content-type").is_some_and(|it| it.contains("problem+json")), "{what}: {heard:?}");
        assert_eq!(heard.field("dpop-nonce").is_some(), expected.2 == "use-dpop-nonce", "{what}");
        told += 1;
    }
    let served = wall.send(&good).await;
    assert_eq!(served.status, 200, "nothing of that cost the nonce: {served:?}");
    let replayed = wall.send(&good).await;
    assert_eq!(replayed.told(), (400, "bad-request", Some("use-dpop-nonce")), "once is once: {replayed:?}");
    let metrics = world.metrics().await;
    let counted = metrics.lines().filter(|line| line.starts_with("candor_device_problems_total{"));
    assert!(counted.count() >= 4, "each is counted: {metrics}");
    let explained =
        ["use-dpop-nonce", "bad-proof", "bad-request", "device-unknown", "tenant-ambiguous", "device-answer"];
    for word in explained {
        let page = ada.browser().get(&world.url(&format!("/.candor/problems/{word}"))).await.expect("an answer");
        assert_eq!(page.status, 200, "{word}");
    }
    report::say(format!("device bad input: {told} cases told, 0 nonces spent"));
}

fn cases(good: &DeviceRequest, wall: &world::device::Device) -> Vec<Case> {
    let bad = (400, "bad-request", "bad-request");
    let bad_proof = (400, "bad-request", "bad-proof");
    let with = |what, change: &dyn Fn(&mut DeviceRequest), expected| {
        let mut request = good.clone();
        change(&mut request);
        (what, request, expected)
    };
    let text = good.proof.clone().expect("a proof");
    let cut = text[..text.len() - 4].to_owned();
    let elsewhere = wall.proof_over("reactivations", "x");
    let unknown_nonce = wall.proof_over("token", "AAAAAAAAAAAAAAAAAAAAAAAA");
    vec![
        with("no content", &|it| it.content = String::new(), (415, "bad-request", "bad-request")),
        with(
            "a form",
            &|it| it.media_type = "application/x-www-form-urlencoded".to_owned(),
            (415, "bad-request", "bad-request"),
        ),
        with("text", &|it| it.media_type = "text/plain".to_owned(), (415, "bad-request", "bad-request")),
        with("no JSON", &|it| it.content = "{".to_owned(), bad),
        with("a list", &|it| it.content = "[]".to_owned(), bad),
        with("a foreign member", &|it| it.content = it.content.replace('}', ",\"pin\":\"1\"}"), bad),
        with("a member of another type", &|it| it.content = "{\"token\":1}".to_owned(), bad),
        with("a member twice", &|it| it.content = "{\"token\":\"a\",\"token\":\"b\"}".to_owned(), bad),
        with("deep nesting", &|it| it.content = "[".repeat(10_000), bad),
        with(
            "too large",
            &|it| it.content = format!("{{\"token\":\"{}\"}}", "x".repeat(17_000)),
            (413, "bad-request", "bad-request"),
        ),
        with("no proof", &|it| it.proof = None, bad_proof),
        with("an empty proof", &|it| it.proof = Some("x".to_owned()), bad_proof),
        with("two proofs", &|it| it.proof = Some(format!("{text}\r\nDPoP: {text}")), bad_proof),
        with("a proof cut short", &|it| it.proof = Some(cut.clone()), bad_proof),
        with("a proof for another path", &|it| it.proof = Some(elsewhere.clone()), bad_proof),
        with(
            "a proof over no nonce of ours",
            &|it| it.proof = Some(unknown_nonce.clone()),
            (400, "bad-request", "use-dpop-nonce"),
        ),
        with(
            "a GET",
            &|it| {
                it.method = "GET".to_owned();
                it.content = String::new();
            },
            (405, "bad-request", "bad-request"),
        ),
        with("no such path", &|it| it.path = "tokens".to_owned(), (404, "no-such-route", "no-such-route")),
    ]
}
