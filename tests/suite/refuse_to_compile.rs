//! The promises of the types: misuse that the compiler must reject, each beside a twin that compiles.
//!
//! A case is one file of `tests/refuse_to_compile/`: with `--cfg misuse` it must fail with the error code that its
//! first line names, and with no other; without, it must compile. So a case cannot pass for a wrong reason. The cases
//! are compiled against the libraries of this very build.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

use libtest_mimic::Trial;
use serde_json::Value;

use crate::{plain, report, sources};

/// What the cases are compiled against.
struct Libraries {
    folder: PathBuf,
    externs: Vec<(String, PathBuf)>,
}

pub(crate) fn tests() -> Vec<Trial> {
    let mut cases: Vec<PathBuf> = fs::read_dir(sources::top().join("tests/refuse_to_compile"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    cases.retain(|path| path.extension().is_some_and(|end| end == "rs"));
    cases.sort();
    let named = |case: PathBuf| {
        let name = case.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        plain(&format!("refuse_to_compile::{name}"), move || check(&case))
    };
    cases.into_iter().map(named).collect()
}

fn check(case: &Path) {
    let text = fs::read_to_string(case).expect("the case can be read");
    let expected = text.lines().next().and_then(|line| line.strip_prefix("//! Expected: "));
    let expected = expected.expect("a case begins with `//! Expected: E….`").trim_end_matches('.');
    let twin = compile(case, false);
    assert_eq!(twin, Ok(()), "the twin must compile");
    let misuse = compile(case, true).expect_err("the misuse must not compile");
    assert_eq!(misuse, BTreeSet::from([expected.to_owned()]), "the misuse must fail for this reason alone");
    report::count("misuses that do not compile");
}

/// The codes of the errors that compiling ended in. An error without a code counts by its text.
fn compile(case: &Path, misuse: bool) -> Result<(), BTreeSet<String>> {
    compile_against(libraries(), case, misuse)
}

fn compile_against(libraries: &Libraries, case: &Path, misuse: bool) -> Result<(), BTreeSet<String>> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let stem = case.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let out = libraries.folder.join(format!("{stem}.{}.{misuse}.rmeta", std::process::id()));
    rustc.current_dir(sources::top()).args(["--edition=2024", "--crate-type=lib", "--error-format=json"]);
    rustc.args(["--check-cfg=cfg(misuse)", "-Aunused"]).arg(format!("--emit=metadata={}", out.display()));
    // Where it leaves what is too long for an error.
    rustc.arg("--out-dir").arg(&libraries.folder);
    rustc.arg(case).arg("-L").arg(format!("dependency={}", libraries.folder.display()));
    for (name, path) in &libraries.externs {
        rustc.arg("--extern").arg(format!("{name}={}", path.display()));
    }
    if misuse {
        rustc.args(["--cfg", "misuse"]);
    }
    let output = rustc.output().expect("rustc can be started");
    let _ = fs::remove_file(out);
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().filter_map(|line| serde_json::from_str(line).ok()).filter_map(|said| error(&said)).collect())
}

fn error(said: &Value) -> Option<String> {
    let text = said["message"].as_str()?;
    if said["level"] != "error" || text.starts_with("aborting due to") {
        return None;
    }
    Some(said["code"]["code"].as_str().unwrap_or(text).to_owned())
}

/// The libraries that this binary was linked from: of those that lie beside it, the newest that fit together.
fn libraries() -> &'static Libraries {
    static FOUND: OnceLock<Libraries> = OnceLock::new();
    FOUND.get_or_init(|| {
        let own = std::env::current_exe().expect("this binary has a path");
        let folder = own.parent().expect("a file lies in a folder").to_path_buf();
        let probe = folder.join(format!("probe-{}.rs", std::process::id()));
        fs::write(&probe, "pub use {auth_core::Verdict, gateway::fault::Fault};").expect("a file can be written");
        let others: Vec<(String, PathBuf)> = ["http", "hyper", "tower"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), newest(&folder, name).into_iter().next()?)))
            .collect();
        for gateway in newest(&folder, "gateway") {
            for core in newest(&folder, "auth_core") {
                let externs = [("auth_core".to_owned(), core), ("gateway".to_owned(), gateway.clone())];
                let externs = externs.into_iter().chain(others.clone()).collect();
                let libraries = Libraries { folder: folder.clone(), externs };
                if compile_against(&libraries, &probe, false).is_ok() {
                    let _ = fs::remove_file(&probe);
                    return libraries;
                }
            }
        }
        panic!("the libraries of this build do not lie in {}", folder.display());
    })
}

/// The files of library `name`, newest first.
fn newest(folder: &Path, name: &str) -> Vec<PathBuf> {
    let prefix = format!("lib{name}-");
    let entries = fs::read_dir(folder).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let mut found: Vec<(SystemTime, PathBuf)> = entries
        .into_iter()
        .filter(|entry| {
            let file = entry.file_name().to_string_lossy().into_owned();
            file.starts_with(&prefix) && file.ends_with(".rlib")
        })
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}
