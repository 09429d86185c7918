//! What the manifests promise, as cargo reads them.

use std::process::Command;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{plain, sources};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        plain("manifests::a_plain_build_has_no_demonstration", a_plain_build_has_no_demonstration),
        plain("manifests::every_crate_may_be_used_alike", every_crate_may_be_used_alike),
    ]
}

/// A plain `cargo build --release` is what people install: no pretend servers in it, and no way to break the store. The
/// tests ask for both, and what is built in one go shares its features, so the tests must not be built with it.
fn a_plain_build_has_no_demonstration() {
    let metadata = metadata();
    let built = array(&metadata["workspace_default_members"]);
    let packages = array(&metadata["packages"]).iter();
    let (built, rest): (Vec<_>, Vec<_>) = packages.partition(|package| built.contains(&package["id"]));
    assert_eq!(names(&built), ["auth-core", "gateway"]);
    assert_eq!(names(&rest), ["candor-benches", "candor-tests"]);
    let on = |package: &Value| match &package["name"] {
        // What people link it for: access tokens, and nothing that a store, a browser or a test needs.
        Value::String(name) if name == "auth-core" => json!(["bearer"]),
        _ => Value::Null,
    };
    for package in built {
        assert_eq!(package["features"]["default"], on(package), "{}: what is on by default", package["name"]);
        for dependency in array(&package["dependencies"]).iter().filter(|dependency| !dependency["path"].is_null()) {
            assert_eq!(dependency["features"], json!(["sign-in"]), "{}: {dependency}", package["name"]);
        }
    }
}

fn every_crate_may_be_used_alike() {
    for package in array(&metadata()["packages"]) {
        assert_eq!(package["license"], "Apache-2.0 OR MIT", "{}", package["name"]);
    }
    for (file, begins) in [("LICENSE-APACHE", "Apache License"), ("LICENSE-MIT", "Copyright (c) the Candor authors")] {
        assert!(sources::text(file).trim_start().starts_with(begins), "{file}");
    }
}

fn names<'a>(packages: &[&'a Value]) -> Vec<&'a str> {
    packages.iter().filter_map(|package| package["name"].as_str()).collect()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn metadata() -> Value {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(sources::top()).args(["metadata", "--locked", "--offline", "--no-deps", "--format-version=1"]);
    let output = cargo.output().expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("metadata is JSON")
}
