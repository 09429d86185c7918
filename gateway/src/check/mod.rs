//! `gateway check`: reads a configuration as `serve` would, and says what is wrong with it or what it means.
//!
//! Without `--probe` nobody is asked and nothing is made: what may run beside a gateway that serves.

mod load;
mod probe;
mod summary;
mod unread;

use std::{io::Write, path::Path};

pub use load::{Loaded, Unreadable, load, load_with_files, load_without_secrets};

use crate::server::control;

/// How a check ended: the program's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conclusion {
    /// Ready to serve.
    Ready = 0,
    /// Would start, and serve whom it knows; but something it depends on is down.
    Down = 10,
    /// Would not start, or must not: an upstream runs what a stranger writes in a body.
    Refused = 20,
}

/// Checks the configuration file at `path`, and with `probe` also asks everything that it depends on.
///
/// What it finds is written to `out`, one problem a line: `line:column: message (suggestion)`.
pub fn check(path: &Path, probe: bool, out: &mut dyn Write) -> Conclusion {
    let mut text = String::new();
    let conclusion = match load(path) {
        Err(unreadable) => {
            text.push_str(&unreadable.to_string());
            text.push('\n');
            Conclusion::Refused
        }
        Ok(config) => {
            text.push_str(&summary::of(&config));
            for warning in &config.warnings {
                text.push_str(&format!("warning {warning}\n"));
            }
            if let Err(unreachable) = control::is_reachable(&config.server.data) {
                text.push_str(&format!("warning no command can reach the gateway while it serves: {unreachable}\n"));
            }
            if probe { probe::report(&config, &mut text) } else { Conclusion::Ready }
        }
    };
    // Nobody reads it any more: the exit code still says everything.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    conclusion
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("candor-check-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        folder
    }

    fn run(path: &Path) -> (Conclusion, String) {
        let mut out = Vec::new();
        let conclusion = check(path, false, &mut out);
        (conclusion, String::from_utf8(out).expect("what is said is text"))
    }

    #[test]
    fn four_mistakes_are_four_lines() {
        let (conclusion, said) = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/bad.toml"));
        assert_eq!(conclusion, Conclusion::Refused);
        let places: Vec<&str> = said.lines().filter_map(|line| line.split_once(": ")).map(|(place, _)| place).collect();
        assert_eq!(places, ["7:1", "8:16", "18:17", "27:12"], "{said}");
    }

    #[test]
    fn the_example_is_good_and_its_meaning_is_said() {
        let (conclusion, said) = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/gateway.toml"));
        assert_eq!(conclusion, Conclusion::Ready, "{said}");
        for line in [
            "listens  127.0.0.1:8080, known as https://app.example.com",
            "admin    127.0.0.1:9090",
            "register the callback https://app.example.com/.candor/callback/entra",
            "register the way back from signing out there: https://app.example.com/.candor/logout",
            "route    /api/device/ -> monolith, for service",
            "shadows  /.candor/… of route / is the gateway's own",
        ] {
            assert!(said.contains(line), "{said}");
        }
        assert!(!said.contains("warning"), "{said}");
    }

    #[test]
    fn routes_are_named_by_their_hosts_and_issuers_by_their_names() {
        let folder = folder("names");
        let path = folder.join("gateway.toml");
        let text = "[server]\npublic_url = \"https://app.example.com\"\n\
             [[bearer]]\nname = \"machines\"\nissuer = \"https://idp.invalid\"\naudience = [\"a\"]\n\
             [upstreams.monolith]\nendpoints = [\"http://127.0.0.1:9000\"]\n\
             [[routes]]\npath = \"/\"\nhost = \"admin.test\"\nupstream = \"monolith\"\nallow = [\"service\"]\n\
             [[routes]]\npath = \"/\"\nhost = \"admin.test\"\nmethods = [\"PUT\"]\nupstream = \"monolith\"\n\
             allow = [\"role:writer\"]\n";
        fs::write(&path, text).expect("the file can be written");
        let (_, said) = run(&path);
        for line in [
            "tokens   programs: https://idp.invalid, for a, named machines",
            "shadows  /.candor/… of route admin.test/ is the gateway's own",
        ] {
            assert_eq!(said.matches(line).count(), 1, "{said}");
        }
        fs::remove_dir_all(&folder).expect("the folder goes");
    }

    #[cfg(feature = "demo")]
    #[test]
    fn keys_on_this_machine_may_be_asked_whoever_the_issuer_is() {
        use crate::demo::{Idp, Part, idp::IdpOptions};

        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let idp = runtime.block_on(Idp::start(IdpOptions::default())).expect("the provider starts");
        let folder = folder("keys-here");
        let path = folder.join("gateway.toml");
        let keys = idp.url(Part::Keys);
        let text = format!(
            "[server]\npublic_url = \"https://app.example.com\"\n\
             [[bearer]]\nissuer = \"https://idp.invalid\"\naudience = [\"a\"]\njwks_uri = \"{keys}\"\n\
             [upstreams.monolith]\nendpoints = [\"http://{}\"]\n\
             [[routes]]\npath = \"/\"\nupstream = \"monolith\"\nallow = [\"service\"]\n",
            idp.address()
        );
        fs::write(&path, text).expect("the file can be written");
        let mut out = Vec::new();
        let conclusion = check(&path, true, &mut out);
        let said = String::from_utf8(out).expect("what is said is text");
        assert_eq!(conclusion, Conclusion::Ready, "{said}");
        assert!(said.contains(&format!("up       keys of https://idp.invalid at {keys}")), "{said}");
        fs::remove_dir_all(&folder).expect("the folder goes");
    }

    #[test]
    fn what_is_no_configuration_is_refused_in_words() {
        let folder = folder("garbage");
        let check = |content: &[u8], expected: &str| {
            let path = folder.join("gateway.toml");
            fs::write(&path, content).expect("the file can be written");
            let (conclusion, said) = run(&path);
            assert_eq!(conclusion, Conclusion::Refused);
            assert!(said.contains(expected), "{said}");
        };
        check(b"", "[server] has no `public_url`");
        check(b"\xff\xfe\x00", "1:1: ");
        check(b"# caf\xc3\xa9\nname = \"caf\xe9\"\n", "2:12: ");
        check(&vec![b'a'; (1 << 20) + 1], "larger than 1 MiB");
        check(&vec![b'['; 1 << 20], "1:");
        check(&b"a = {b = ".repeat(100_000)[..1 << 19], "1:");
        check(b"\0\0\0", "1:1: ");
        assert!(run(&folder).1.contains("is a folder"));
        assert!(run(&folder.join("absent.toml")).1.contains("cannot be read"));
        fs::remove_dir_all(&folder).expect("the folder goes");
    }
}
