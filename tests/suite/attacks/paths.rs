//! Paths that two readers take for two things.

use world::{World, raw};

use super::{Attack, Probes, reached};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "paths_with_two_readings", fault: "path-read-once", run: || Box::pin(paths_with_two_readings()) },
    Attack {
        name: "paths_that_end_early",
        fault: "decoded-question-mark-is-a-name",
        run: || Box::pin(paths_that_end_early()),
    },
];

/// A place that nobody may enter without a name, inside one that is open.
const GUARDED: &str = "[[routes]]\npath = \"/public/vault/\"\nupstream = \"monolith\"\nallow = [\"user\"]\n";

/// `/public/vault/` in spellings that the monolith behind may read as that, asked for by nobody.
async fn paths_with_two_readings() -> Probes {
    let world = World::new().configured(GUARDED).start().await;
    let paths = [
        "/public/vault/x",
        "/public/%76ault/x",
        "/public/%2576ault/x",
        "/public/vault%2Fx",
        "/public%2Fvault/x",
        "/public/vault%252Fx",
        "/public//vault/x",
        "/public/vault;y=1/x",
        "/public/vault%3By/x",
        "/public;y/vault/x",
        "/public/vault%5Cx",
        "/public/VAULT/x",
        "/public/Vault/x",
        "/public/vault./x",
        "/public/vault%20/x",
        "/public/y/../vault/x",
        "/public/y/%2e%2e/vault/x",
        "/public/y/..;/vault/x",
        "/public/y/..%5cvault/x",
        "/public/./vault/x",
    ];
    entered(&world, &paths).await
}

/// The same, where a name ends for whoever decodes first: at a query, a fragment, a blank, a stream of Windows.
async fn paths_that_end_early() -> Probes {
    let mut world = World::new().configured(GUARDED).prepare().await;
    world.settings.replace("[upstreams.monolith]", "[upstreams.monolith]\nwindows = true");
    world.start_gateway().await;
    let paths = [
        "/public/vault%3Fx.css",
        "/public/vault%253Fx",
        "/public/vault%23x",
        "/public/vault%2523",
        "/public/vault%3F/x",
        "/public/%09vault/x",
        "/public/vault%09",
        "/public/va%09ult/x",
        "/public/%20vault/x",
        "/public/vault%20HTTP/1.1",
        "/public/vault%0b/x",
        "/public/vault%C2%A0/x",
        "/public;y%2Fvault%2Fx",
        "/public/vault::$DATA",
        "/public/vault%3A%3A$INDEX_ALLOCATION/x",
        "/public/vault:$I30:$INDEX_ALLOCATION/x",
        "/public/vault:y/x",
        "/public/vault.%3Ay/x",
        "/public/VAULT~1/x",
        "/public/y/..%3F/vault/x",
        "/public/y/..%23/vault/x",
        "/public/y/..%20z/vault/x",
        "/public/y/..::$DATA/vault/x",
    ];
    entered(&world, &paths).await
}

/// Asks for each path without a name. None of them is the monolith's to see.
async fn entered(world: &World, paths: &[&str]) -> Probes {
    let host = world.url("/").authority().to_owned();
    let mut probes = Probes::default();
    for (number, path) in paths.iter().enumerate() {
        let target = format!("{path}?probe{number}e");
        let heard = raw::ask(&host, raw::request("GET", &target, &host, "", "")).await;
        let entered = !reached(world, &target).is_empty();
        probes.made(entered, || format!("{path} reached the monolith: {:?}", heard.status()));
    }
    probes
}
