//! Header fields in which a client says what only the gateway says.

use world::{World, raw};

use super::{Attack, Probes, reached};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "forged_identity_headers",
        fault: "identity-headers-pass",
        run: || Box::pin(forged_identity_headers()),
    },
    Attack {
        name: "identity_headers_with_other_separators",
        fault: "header-spellings-pass",
        run: || Box::pin(identity_headers_with_other_separators()),
    },
];

/// Names by which some monolith believes who is asking, or where from.
const NAMES: [&str; 10] = [
    "X-Gateway-Identity",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Groups",
    "X-Forwarded-User",
    "X-Forwarded-For",
    "Remote-User",
    "X-Remote-User",
    "X-Webauth-User",
    "X-Original-URL",
];

/// On a route open to anyone, and beside a good token: mallory is never named to the monolith.
async fn forged_identity_headers() -> Probes {
    forged(NAMES.into_iter().flat_map(spellings)).await
}

/// The same, with every byte of a field's name (RFC 9110 §5.6.2) that CGI folds into `_`.
async fn identity_headers_with_other_separators() -> Probes {
    let separators = "!#$%&'*+-.^_`|~".chars();
    let names = ["X-Gateway-Identity", "X-Auth-Request-User", "X-Forwarded-User", "Remote-User", "X-Original-URL"];
    let spelt =
        |byte: char| names.map(|name| [name.replace('-', &byte.to_string()), name.replacen('-', &byte.to_string(), 1)]);
    forged(separators.flat_map(spelt).flatten()).await
}

async fn forged(names: impl Iterator<Item = String>) -> Probes {
    let world = World::new().start().await;
    let host = world.url("/").authority().to_owned();
    let bearing = format!("Authorization: Bearer {}\r\n", world.token("ada"));
    let mut probes = Probes::default();
    for (number, spelling) in names.enumerate() {
        for (path, credential) in [("/public/", ""), ("/api/", bearing.as_str())] {
            let target = format!("{path}headers?probe{number}e");
            let fields = format!("{credential}{spelling}: mallory\r\n");
            raw::ask(&host, raw::request("GET", &target, &host, &fields, "")).await;
            let seen = reached(&world, &target);
            let forged = seen.iter().any(|seen| seen.headers.iter().any(|(_, value)| value.contains("mallory")));
            probes.made(forged, || format!("{spelling}: mallory, at {path}: {seen:?}"));
        }
    }
    probes
}

/// A name as it is, and in every spelling that some server folds into it.
fn spellings(name: &str) -> Vec<String> {
    vec![
        name.to_owned(),
        name.to_ascii_lowercase(),
        name.to_ascii_uppercase(),
        name.replace('-', "_"),
        name.replace('-', "."),
        name.replacen('-', "_", 1),
        name.replacen('-', ".", 1),
    ]
}
