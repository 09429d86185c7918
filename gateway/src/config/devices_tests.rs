//! What `[devices]` and `[admin] allow` may say.

use std::time::Duration;

use auth_core::policy::{Allow, Attribute};

use super::{
    LegacyFields, WipedData,
    tests::{check, compare, read},
};

/// The least configuration with devices and nothing to complain about.
const LEAST: &str = r#"
[server]
public_url = "https://app.example.com"
trusted_proxies = ["127.0.0.1"]
[[identity]]
name = "entra"
kind = "entra"
issuer = "https://login.microsoftonline.com/contoso/v2.0"
client_id = "candor"
[upstreams.monolith]
endpoints = ["http://127.0.0.1:9000"]
[[routes]]
path = "/"
upstream = "monolith"
allow = ["device"]
[admin]
allow = { installer = ["group:displays"] }
[devices]
"#;

fn with(devices: &str) -> String {
    format!("{LEAST}{devices}\n")
}

fn warned(text: &str, expected: &[&str]) {
    let config = read(text).expect("it reads");
    compare(text, &config.warnings, expected);
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let config = read(LEAST).expect("the least configuration with devices reads");
    compare(LEAST, &config.warnings, &[]);
    assert_eq!(config.admin.installer, [Allow::known(Attribute::Group("displays".into()))]);
    let devices = config.devices.expect("there are devices");
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    assert_eq!((devices.pin_digits, devices.pin_lifetime), (6, Duration::from_secs(600)));
    assert_eq!((devices.renew_after, devices.soft, devices.hard), (hours(12), hours(24), hours(14 * 24)));
    assert_eq!(devices.statement_wipe, [WipedData::Token, WipedData::Calendar, WipedData::Theme]);
    assert!(devices.tenants.is_empty());
}

#[test]
fn what_is_said_is_taken() {
    let text = with(
        "pin_digits = 8\npin_lifetime = \"5m\"\nrenew_after = \"1h\"\nsoft = \"2h\"\nhard = \"30d\"\n\
         statement_wipe = [\"token\"]\n[devices.tenants.acme]\nallow = [\"group:acme-it\"]\n",
    );
    let devices = read(&text).expect("it reads").devices.expect("there are devices");
    assert_eq!((devices.pin_digits, devices.statement_wipe), (8, vec![WipedData::Token]));
    let acme = devices.tenants.get("acme").expect("the tenant is there");
    assert_eq!(acme.allow, [Allow::known(Attribute::Group("acme-it".into()))]);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    check(
        &with("pin_digits = 7\npin_lifetime = \"11m\"\nrenew_after = \"2d\"\nhard = \"12h\"\npin = 1\n"),
        &[
            "18:2 `renew_after` must be shorter than `soft`",
            "19:14 `pin_digits` must be 6 or 8, not 7",
            "20:16 `pin_lifetime` must be from 1m to 10m",
            "22:8 `hard` must be from 1d to 30d",
            "23:1 [devices] has no key `pin`",
        ],
    );
    check(&with("soft = \"15d\""), &["18:2 `soft` must be shorter than `hard`"]);
    check(
        &with("statement_wipe = [\"all\"]"),
        &["19:19 `statement_wipe` must be \"token\" or \"calendar\" or \"theme\""],
    );
    check(&with("[devices.tenants.acme]"), &["19:18 [devices.tenants.acme] has no `allow`"]);
    check(&with("[devices.tenants.acme]\nallow = [\"anyone\"]"), &["20:10 anybody at all could let devices in"]);
}

#[test]
fn only_people_let_devices_in() {
    let installer = |who: &str| LEAST.replace("[\"group:displays\"]", who);
    check(&installer("[\"anyone\"]"), &["17:24 anybody at all could let devices in"]);
    check(&installer("[\"service\"]"), &["17:24 `service` is nobody who can sign in and type a PIN"]);
    check(&installer("[]"), &["17:23 `allow` is empty"]);
    check(&LEAST.replace("installer", "instaler"), &["17:11 there is no role `instaler` / did you mean `installer`?"]);
    check(&LEAST.replace("installer", "auditor"), &["17:11 the role `auditor` is not built yet"]);
    warned(&installer("[\"user\"]"), &["17:24 everybody who can sign in may let devices in"]);
}

#[test]
fn what_is_unusual_is_said() {
    let without = LEAST.replace("[devices]\n", "");
    let expected = ["15:10 nothing here knows devices", "17:9 without [devices] there is nothing"];
    warned(&without, &expected);
    let nobody = LEAST.replace("[admin]\nallow = { installer = [\"group:displays\"] }\n", "");
    warned(&nobody, &["16:2 nobody may confirm a PIN / [admin]"]);
    warned(&LEAST.replace("[\"device\"]", "[\"user\"]"), &["18:2 no route is for devices / [\"device\"]"]);
    let oidc = LEAST.replace("kind = \"entra\"\n", "").replace("microsoftonline.com/contoso/v2.0", "example.com");
    warned(&oidc, &["17:2 no provider here is known to name people's tenants / [devices.tenants.NAME]"]);
}

#[test]
fn whom_to_ask_about_tokens_of_before_has_its_defaults() {
    let text = with("legacy = { adopt_from = \"monolith\", path = \"/api/v1/device/me\" }")
        .replace("allow = [\"device\"]\n", "allow = [\"device\"]\nexpect = \"json\"\n");
    let config = read(&text).expect("it reads");
    compare(&text, &config.warnings, &[]);
    assert_eq!(config.routes[0].response_timeout, Duration::from_secs(5), "nobody but devices waits here");
    let legacy = config.devices.and_then(|devices| devices.legacy).expect("it is there");
    assert_eq!(
        (&*legacy.adopt_from, &*legacy.path, legacy.header.as_str()),
        ("monolith", "/api/v1/device/me", "authorization")
    );
    assert_eq!((legacy.timeout, legacy.fields), (Duration::from_secs(3), LegacyFields::default()));
}

#[test]
fn what_is_wrong_about_tokens_of_before_is_said() {
    check(&with("legacy = {}"), &["19:1 [devices] legacy has no `adopt_from`", "19:1 [devices] legacy has no `path`"]);
    check(
        &with("legacy = { adopt_from = \"monolit\", path = \"api\", header = \"Cookie\", timeout = \"1m\", to = 1 }"),
        &[
            "19:43 \"api\" is not a canonical path",
            "19:59 `header` must be the name of a header, not \"Cookie\"",
            "19:79 `timeout` must be from 100ms to 30s",
            "19:85 [devices] legacy has no key `to`",
        ],
    );
    let adopts = "legacy = { adopt_from = \"monolith\", path = \"/me\" }";
    check(&with(&adopts.replace("monolith", "monolit")), &["19:25 there is no upstream \"monolit\""]);
    let passed = with(adopts).replace("allow = [\"device\"]\n", "allow = [\"device\"]\non_denial = \"pass\"\n");
    check(&passed, &["16:13 a device of before erases itself on any denial, and here the service's would reach it"]);
    warned(&with(adopts), &["13:8 a sign-in page of the service's would reach devices here"]);
}

#[test]
fn pins_of_the_services_own_are_mapped() {
    let text = with(
        "legacy_pin = { path = \"/api/v1/pin\", poll = \"/api/v1/pin/{id}\", token = \"auth_token\", hardware_id = \"serial\" }",
    );
    let text = format!("{text}legacy = {{ adopt_from = \"monolith\", path = \"/me\" }}\n");
    let pin = read(&text).expect("it reads").devices.and_then(|devices| devices.legacy_pin).expect("it is there");
    assert_eq!((&*pin.path, &*pin.poll, &*pin.pin, &*pin.token), ("/api/v1/pin", "/api/v1/pin/", "pin", "auth_token"));
    assert_eq!((&*pin.status, &*pin.pending, &*pin.active), ("status", "pending", "active"));
    let alone = "legacy_pin = { path = \"/pin\", poll = \"/pin/{id}\" }";
    check(&with(alone), &["18:2 `legacy_pin` without `legacy`"]);
    check(
        &with("legacy_pin = { path = \"/pin\", poll = \"/pin/id\" }"),
        &["19:38 \"/pin/id\" is no path that ends in {id}"],
    );
}

#[test]
fn whoever_looks_after_sessions_comes_with_a_token() {
    let bearer = "[[bearer]]\nissuer = \"https://programs.example.com\"\naudience = [\"candor\"]\n";
    let people = bearer.replace("audience", "kind = \"user\"\naudience");
    let people = people.replace("programs.example.com", "login.microsoftonline.com/contoso/v2.0");
    let with = |role: &str, who: &str, bearer: &str| {
        format!("{LEAST}{bearer}").replace("installer = [", &format!("{role} = [{who}], installer = ["))
    };
    let text = with("viewer", "\"group:helpdesk\"", &people);
    let config = read(&text).expect("it reads");
    compare(&text, &config.warnings, &["19:1 tokens that people sign in with could pass as access tokens"]);
    assert_eq!(config.admin.viewer, [Allow::known(Attribute::Group("helpdesk".into()))]);
    assert!(config.admin.security_admin.is_empty());
    let text = with("security-admin", "\"role:sessions\"", bearer);
    assert_eq!(read(&text).expect("it reads").admin.security_admin, [Allow::known(Attribute::Role("sessions".into()))]);

    let refused = |who: &str, bearer: &str, expected: &str| {
        for role in ["security-admin", "viewer"] {
            let found = read(&with(role, who, bearer)).expect_err("it is refused");
            let found: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert!(found.len() == 1 && found[0].contains(expected), "{role} {who}: {found:?}");
        }
    };
    refused("\"anyone\"", bearer, "anybody at all could look after people's sessions");
    refused("\"device\"", bearer, "`device` may be a display");
    refused("\"tenant:acme\"", bearer, "`tenant:acme` may be a display");
    refused("\"group:helpdesk\"", bearer, "`group:helpdesk` can never come");
    refused("\"user\"", bearer, "`user` can never come");
    refused("\"role:sessions\"", "", "`role:sessions` can never come");
    refused("{ role = \"sessions\", from = \"entra\" }", bearer, "`role:sessions` can never come");
    let text = with("security-admin", "\"service\"", bearer);
    let warnings = read(&text).expect("it reads").warnings;
    assert!(warnings.iter().any(|it| it.to_string().contains("every `service` with a token")), "{warnings:?}");
}
