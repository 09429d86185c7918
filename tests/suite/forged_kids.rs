//! A flood of tokens that name keys which their issuer never had: it admits nobody, and it hardly reaches the issuer.

use std::{sync::Arc, time::Duration};

use auth_core::{
    Background, Clock, Stop,
    bearer::{BearerIssuer, BearerMemory, Bearers},
    credential::CredentialText,
    data_folder::DataFolder,
    jws::{Algorithm, SigningKey},
    keys::{IssuerKeys, KeyPolicy, KeySetLocation, KeysConfig},
    outbound::{Outbound, OutboundPolicy},
    principal::{Kind, UserClaim},
};
use aws_lc_rs::signature::Ed25519KeyPair;
use gateway::demo::{Idp, Part, idp};
use libtest_mimic::Trial;
use serde_json::json;
use url::Url;

use crate::{in_a_runtime, report};

const TOKENS: usize = 10_000;

pub(crate) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("forged_kids::a_flood_admits_nobody_and_hardly_reaches_the_issuer", a_flood)]
}

/// Half of them claim to be issued now, which only a younger key set could disprove; half claim to be old.
async fn a_flood() {
    let idp = Idp::start(idp::IdpOptions::default()).await.expect("it listens");
    let data = std::env::temp_dir().join(format!("candor-forged-kids-{}", std::process::id()));
    let clock = Clock::system();
    let folder = DataFolder::take(&data, clock.now()).expect("nobody else has it");
    let bearers = bearers(&idp, &folder);
    let pkcs8 = Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8()).expect("makes a key");
    let (mut admitted, mut refused, mut undecided) = (0, 0, 0);
    for number in 0..TOKENS {
        let key = SigningKey::from_pkcs8(format!("forged-{number}"), pkcs8.as_ref()).expect("Ed25519");
        let now = clock.now();
        let issued = now.wall().as_secs() - if number % 2 == 0 { 0 } else { 3600 };
        let claims = json!({
            "iss": idp.issuer(), "sub": "mallory", "aud": "api://monolith", "iat": issued, "exp": issued + 7200,
        });
        let token = key.sign("at+jwt", &claims).expect("signs");
        match bearers.verify(&CredentialText::new(token), now).await {
            Ok(_) => admitted += 1,
            Err(Stop::Rejected(_)) => refused += 1,
            Err(Stop::Unavailable(unavailable)) => {
                assert!(unavailable.is_unsettled(), "a stranger must not ring the alarm of an outage: {unavailable}");
                undecided += 1;
            }
        }
    }
    let _ = std::fs::remove_dir_all(&data);
    let fetches = idp.asked(Part::Keys);
    assert_eq!((admitted, refused, undecided), (0, TOKENS / 2, TOKENS / 2));
    assert!(fetches <= 10, "{fetches} fetches");
    report::say(format!("forged kids: {TOKENS}, fetches {fetches}, admitted {admitted}"));
}

fn bearers(idp: &Idp, data: &DataFolder) -> Bearers {
    let issuer: Arc<str> = idp.issuer().into();
    let url = Url::parse(&issuer).expect("an issuer");
    let outbound = Outbound::new(&url, OutboundPolicy::default(), Clock::system()).expect("no extra certificates");
    let config = KeysConfig {
        issuer: Arc::clone(&issuer),
        location: KeySetLocation::Uri(Url::parse(&idp.url(Part::Keys)).expect("an address")),
        algorithms: vec![Algorithm::Rs256, Algorithm::EdDsa],
        policy: KeyPolicy::default(),
    };
    let keys = IssuerKeys::new(config, outbound, Background::current(), Clock::system(), data);
    let leeway = Duration::from_secs(30);
    Bearers::new(vec![BearerIssuer {
        issuer,
        audience: vec!["api://monolith".into()],
        leeway,
        kind: Kind::Service,
        user_claim: UserClaim::Subject,
        absence: auth_core::principal::stated::Absence::default(),
        profile: auth_core::bearer::Profile::Jwt,
        introspection: None,
        keys,
        memory: BearerMemory::default(),
    }])
}
