//! Paths that two readers take for two things.

use world::{World, raw};

use super::{Attack, Probes, reached};

pub(super) const ATTACKS: &[Attack] =
    &[Attack { name: "paths_with_two_readings", fault: "path-read-once", run: || Box::pin(paths_with_two_readings()) }];

/// A place that nobody may enter without a name, inside one that is open.
const GUARDED: &str = "[[routes]]\npath = \"/public/vault/\"\nupstream = \"monolith\"\nallow = [\"user\"]\n";

/// `/public/vault/` in spellings that the monolith behind may read as that, asked for by nobody.
async fn paths_with_two_readings() -> Probes {
    let world = World::new().configured(GUARDED).start().await;
    let host = world.url("/").authority().to_owned();
    let mut probes = Probes::default();
    for (number, path) in [
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
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("{path}?probe{number}e");
        let heard = raw::ask(&host, raw::request("GET", &target, &host, "", "")).await;
        let entered = !reached(&world, &target).is_empty();
        probes.made(entered, || format!("{path} reached the monolith: {:?}", heard.status()));
    }
    probes
}
