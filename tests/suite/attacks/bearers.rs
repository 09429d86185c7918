//! Bearer tokens that nobody issued.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use gateway::demo::{AccessTokenSpec, Twin};
use serde_json::{Value, json};
use world::{
    World,
    caller::{Caller, Form},
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "forged_signatures", fault: "signature-not-checked", run: || Box::pin(forged_signatures()) },
    Attack { name: "tokens_of_another_kind", fault: "any-token-is-access", run: || Box::pin(tokens_of_another_kind()) },
];

/// Tokens whose signature is another's, cut, empty, or over other claims than those that it stands beside.
async fn forged_signatures() -> Probes {
    let world = World::new().start().await;
    let good = world.token("ada");
    world.warm_up(&mut Caller::bearing(Form::Script, &good), "/api/x").await;
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("a JWT has three parts") };
    let with = |part: &str, name: &str, value: Value| {
        let mut object: Value = serde_json::from_slice(&BASE64.decode(part).expect("base64url")).expect("JSON");
        object[name] = value;
        BASE64.encode(object.to_string())
    };
    let half = &signature[..signature.len() / 2];
    let tokens = [
        ("another key", world.idp.twin(&AccessTokenSpec::of("ada"), Twin::Forged)),
        ("another subject", format!("{header}.{}.{signature}", with(claims, "sub", json!("root")))),
        ("a longer life", format!("{header}.{}.{signature}", with(claims, "exp", json!(4_102_444_800_u64)))),
        ("a cut signature", format!("{header}.{claims}.{half}")),
        ("no signature", format!("{header}.{claims}.")),
        ("alg none", format!("{}.{claims}.", with(header, "alg", json!("none")))),
        ("alg NONE", format!("{}.{claims}.", with(header, "alg", json!("NONE")))),
        ("alg none, signed", format!("{}.{claims}.{signature}", with(header, "alg", json!("none")))),
        ("alg HS256", format!("{}.{claims}.{signature}", with(header, "alg", json!("HS256")))),
        ("alg ES256", format!("{}.{claims}.{signature}", with(header, "alg", json!("ES256")))),
    ];
    let mut probes = Probes::default();
    for (name, token) in tokens {
        let heard = world.ask(&mut Caller::bearing(Form::Script, &token), "/api/x").await;
        probes.made(!heard.identities().is_empty(), || format!("{name}: {}", heard.line()));
    }
    probes
}

/// Good signatures of the issuer, for our audience, under tokens that grant nothing.
async fn tokens_of_another_kind() -> Probes {
    let world = World::new().start().await;
    world.warm_up(&mut Caller::bearing(Form::Script, &world.token("ada")), "/api/x").await;
    let kinds = [
        ("a logout token", json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } })),
        (
            "a security event token",
            json!({ "events": { "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {} } }),
        ),
        ("an ID token", json!({ "nonce": "n", "at_hash": "h" })),
        ("Keycloak's refresh token", json!({ "typ": "Refresh", "scope": "openid" })),
        ("Keycloak's offline token", json!({ "typ": "Offline", "scope": "openid offline_access" })),
        ("Keycloak's ID token", json!({ "typ": "ID" })),
    ];
    let mut probes = Probes::default();
    for (name, claims) in kinds {
        for typ in [Some("JWT"), None, Some("at+jwt")] {
            let token = world.idp.mint(&AccessTokenSpec::of("ada").with(claims.clone()).typed(typ));
            let heard = world.ask(&mut Caller::bearing(Form::Script, &token), "/api/x").await;
            probes.made(!heard.identities().is_empty(), || format!("{name}, typ {typ:?}: {}", heard.line()));
        }
    }
    for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt", "token-introspection+jwt", "client-authentication+jwt"] {
        let token = world.idp.mint(&AccessTokenSpec::of("ada").typed(Some(typ)));
        let heard = world.ask(&mut Caller::bearing(Form::Script, &token), "/api/x").await;
        probes.made(!heard.identities().is_empty(), || format!("typ {typ}: {}", heard.line()));
    }
    probes
}
