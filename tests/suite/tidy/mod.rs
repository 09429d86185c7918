//! Reads the sources, and holds them to the rules that no compiler knows: who may import whom, who may write a
//! refusal, who may read the clock, and that the documents say what the code does.

mod floors;
mod names;

use std::collections::BTreeSet;

use libtest_mimic::Trial;

use self::floors::name;
use crate::{
    plain, report,
    sources::{self, Source},
};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        plain("tidy::imports_go_down", floors::imports_go_down),
        plain("tidy::one_file_writes_refusals", one_file_writes_refusals),
        plain("tidy::one_file_reads_the_clock", one_file_reads_the_clock),
        plain("tidy::a_request_takes_one_snapshot", a_request_takes_one_snapshot),
        plain("tidy::walls_stand", walls_stand),
        plain("tidy::every_refusal_is_explained", every_refusal_is_explained),
        plain("tidy::names_say_something", names::names_say_something),
        plain("tidy::a_type_name_means_one_thing", names::a_type_name_means_one_thing),
        plain("tidy::a_folder_is_one_module", floors::a_folder_is_one_module),
        plain("tidy::every_file_says_what_it_is_for", every_file_says_what_it_is_for),
        plain("tidy::every_exception_has_a_reason", every_exception_has_a_reason),
        plain("tidy::every_invariant_is_held", every_invariant_is_held),
    ]
}

/// Where it is known what kind of store there is. The last breaks it.
const STORES: &[&str] = &[
    "auth-core/src/database/",
    "auth-core/src/audit/sql.rs",
    "auth-core/src/device/activation/sql",
    "auth-core/src/device/family/sql.rs",
    "auth-core/src/device/grant/sql",
    "auth-core/src/device/legacy/sql",
    "auth-core/src/device/registry/sql/",
    "auth-core/src/device/statement/sql",
    "auth-core/src/session/ending/sql.rs",
    "auth-core/src/session/renewal/sql.rs",
    "auth-core/src/session/sql.rs",
    "auth-core/src/revocations/sql.rs",
    "tests/world/store.rs",
];

/// Where axum is known: its extractors, and what tries them.
const AXUM: &[&str] = &["auth-core/src/layer/extract.rs", "auth-core/src/layer/tests.rs", "tests/suite/linking"];

/// A word of code, the files where it may stand, and why nowhere else.
const WALLS: &[(&str, &[&str], &str)] = &[
    ("jsonwebtoken", &["auth-core/src/jws"], "strict JOSE is one module's business"),
    ("openidconnect", &["auth-core/src/idp"], "its type parameters stay in one module"),
    ("oauth2::", &["auth-core/src/idp"], "it comes with openidconnect, and stays where that is"),
    ("chrono::", &["auth-core/src/idp"], "time is a `Timestamp`; chrono is what openidconnect is told the time in"),
    ("Sqlite", STORES, "what kind of store it is, is one module's business"),
    ("sqlx::", STORES, "statements stand in `sql.rs`, and connections in `database`"),
    ("hyper::server", &["gateway/src"], "auth-core knows no HTTP server"),
    ("axum", AXUM, "auth-core knows no HTTP server but by two extractors, and the gateway needs no framework"),
    ("counter!(", &["auth-core/src/metric.rs"], "a metric has its name and its labels in one place"),
    ("gauge!(", &["auth-core/src/metric.rs"], "a metric has its name and its labels in one place"),
    ("histogram!(", &["auth-core/src/metric.rs"], "a metric has its name and its labels in one place"),
    ("tokio::time::sleep", &["auth-core/src", "gateway/src"], "tests wait for events"),
    ("thread::sleep", &[], "wait for an event"),
];

/// 401, 403 and a redirect to sign-in leave by one file in each crate. The pretend servers are exempt: lying is their
/// trade. The judge reads such statuses, the file that passes an upstream's answer on asks about them, and the device's
/// own side is told them.
fn one_file_writes_refusals() {
    const MAY: [&str; 5] = [
        "gateway/src/response/reply",
        "gateway/src/upstream/vetting/mod.rs",
        "auth-core/src/layer/answer.rs",
        "auth-core/src/client/answer.rs",
        "gateway/src/demo/",
    ];
    const WORDS: [&str; 6] = ["UNAUTHORIZED", "FORBIDDEN", "PROXY_AUTHENTICATION_REQUIRED", "401", "403", "407"];
    let mut wrong = Vec::new();
    for source in sources::rust(&["auth-core/src", "gateway/src"]) {
        if MAY.iter().any(|may| source.path.starts_with(may)) {
            continue;
        }
        for (number, line) in source.code() {
            if words(&line).any(|word| WORDS.contains(&word)) {
                wrong.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    none(&wrong);
}

fn one_file_reads_the_clock() {
    const READS: [&str; 6] =
        ["SystemTime::now", "Zoned::now", "Timestamp::now(", "Utc::now", "OffsetDateTime::now", "clock_gettime"];
    let mut wrong = Vec::new();
    for source in sources::rust(&["auth-core/src", "gateway/src", "tests/world", "tests/suite"]) {
        if source.path == "auth-core/src/clock/source.rs" {
            continue;
        }
        for (number, line) in source.code() {
            if READS.iter().any(|read| line.contains(read)) {
                wrong.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    none(&wrong);
}

/// Where the configuration in force is asked for: as a connection comes, as it begins, and once as a request arrives.
fn a_request_takes_one_snapshot() {
    let asks = |source: &Source| source.code().filter(|(_, line)| line.contains(".running()")).count();
    let found: Vec<_> = sources::rust(&["gateway/src"])
        .iter()
        .map(|source| (source.path.clone(), asks(source)))
        .filter(|(_, asks)| *asks > 0)
        .collect();
    assert_eq!(
        found,
        ["gateway/src/context/mod.rs", "gateway/src/server/clients.rs", "gateway/src/server/connection.rs"]
            .map(|path| (path.to_owned(), 1))
    );
}

fn walls_stand() {
    let mut wrong = Vec::new();
    for source in sources::rust(&["auth-core/src", "gateway/src", "tests/world", "tests/suite"]) {
        for (number, line) in source.code() {
            for (word, may, why) in WALLS {
                if line.contains(word) && !may.iter().any(|may| source.path.starts_with(may)) {
                    wrong.push(format!("{}:{number}: names {word}, but {why}", source.path));
                }
            }
        }
    }
    none(&wrong);
}

/// `impl Proof for` is the complete list of ways to be refused, and `docs/refusals.md` explains each, and no other.
fn every_refusal_is_explained() {
    let mut proofs = BTreeSet::new();
    for source in sources::rust(&["auth-core/src", "gateway/src"]) {
        for (number, line) in source.code() {
            if let Some(proof) = line.split("Proof for ").nth(1).and_then(name) {
                let new = proofs.insert((source.path.clone(), proof.clone()));
                assert!(new, "{}:{number}: a second proof called {proof}", source.path);
            }
        }
    }
    let explained: BTreeSet<(String, String)> = sources::text("docs/refusals.md").lines().filter_map(row).collect();
    let missing: Vec<_> = proofs.difference(&explained).collect();
    let invented: Vec<_> = explained.difference(&proofs).collect();
    assert!(missing.is_empty() && invented.is_empty(), "not explained: {missing:#?}\nnot there: {invented:#?}");

    fn row(line: &str) -> Option<(String, String)> {
        let mut cells = line.strip_prefix("| `")?.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
        let proof = cells.next()?;
        Some((cells.next()?, proof))
    }
}

fn every_file_says_what_it_is_for() {
    let files = sources::rust(&["auth-core/src", "benches", "gateway/src", "tests/world", "tests/suite"]);
    let silent = files.iter().filter(|file| !file.is_only_for_tests() && !file.text.starts_with("//! "));
    none(&silent.map(|file| file.path.clone()).collect::<Vec<_>>());
}

fn every_exception_has_a_reason() {
    let mut wrong = Vec::new();
    for source in sources::rust(&["auth-core/src", "benches", "gateway/src", "tests/world", "tests/suite"]) {
        for (at, _) in source.text.match_indices("#[allow(").chain(source.text.match_indices("#[expect(")) {
            let attribute = source.text[at..].split(")]").next().unwrap_or_default();
            if !attribute.contains("reason =") && source.path != "tests/suite/tidy/mod.rs" {
                wrong.push(format!("{}: {}", source.path, attribute.trim()));
            }
        }
    }
    none(&wrong);
}

/// Each invariant names a file and a test that hold it, both there; or says that its part is not built yet.
fn every_invariant_is_held() {
    const INVARIANTS: usize = 12;
    let architecture = sources::text("docs/architecture.md");
    let everything: String = sources::rust(&["auth-core", "gateway/src", "tests/suite", "tests/refuse_to_compile"])
        .iter()
        .filter(|source| !source.path.contains("/target/"))
        .map(|source| source.text.clone())
        .collect();
    let (mut held, mut wrong) = (0, Vec::new());
    for number in 1..=INVARIANTS {
        let row = architecture.lines().find(|line| line.starts_with(&format!("| {number} |")));
        let Some(row) = row else {
            wrong.push(format!("invariant {number} is not in docs/architecture.md"));
            continue;
        };
        if row.contains("not built yet") {
            continue;
        }
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let quoted = |cell: Option<&&str>| -> Vec<String> {
            let quoted = cell.copied().unwrap_or_default().split('`').skip(1).step_by(2);
            quoted.map(ToOwned::to_owned).collect()
        };
        let (files, tests) = (quoted(cells.get(3)), quoted(cells.get(4)));
        let absent = |test: &String| {
            let function = test.rsplit("::").next().unwrap_or(test);
            !everything.contains(&format!("fn {function}("))
                && !everything.contains(&format!("\"{test}\""))
                && !sources::top().join("tests/refuse_to_compile").join(format!("{function}.rs")).exists()
        };
        wrong.extend(files.iter().filter(|file| !sources::top().join(file).exists()).map(|file| format!("no {file}")));
        wrong.extend(tests.iter().filter(|test| absent(test)).map(|test| format!("no test {test}")));
        if files.is_empty() || tests.is_empty() {
            wrong.push(format!("invariant {number} names no file or no test"));
        }
        held += 1;
    }
    report::say(format!("invariants: {held} of {INVARIANTS} held"));
    none(&wrong);
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
