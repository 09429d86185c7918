//! Log lines in which a stranger's words are obeyed instead of shown.

use world::{World, process::Process, raw};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[Attack {
    name: "log_lines_that_are_obeyed",
    fault: "log-shows-controls",
    run: || Box::pin(log_lines_that_are_obeyed()),
}];

/// The start of an escape sequence in one character, more C1 controls, ends of lines, turns of direction, and what has
/// no shape at all.
const OBEYED: [char; 12] = [
    '\u{9b}', '\u{85}', '\u{90}', '\u{9d}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{200f}',
    '\u{61c}', '\u{feff}',
];

/// In a path, and in the name that an issuer gives: what the gateway writes of either is plain in both forms.
async fn log_lines_that_are_obeyed() -> Probes {
    let mut probes = Probes::default();
    for form in ["human", "json"] {
        let mut world = World::new().prepare().await;
        world.settings.replace("[admin]", &format!("[log]\nformat = \"{form}\"\n\n[admin]"));
        let mut gateway = Process::start(&world.write_config());
        gateway.serving().await;
        let host = world.url("/").authority().to_owned();
        for (number, character) in OBEYED.into_iter().enumerate() {
            raw::ask(&host, raw::request("GET", &format!("/public/path{number}e{character}x"), &host, "", "")).await;
            let bearing = format!("Authorization: Bearer {}\r\n", world.token(&format!("ada{character}x")));
            raw::ask(&host, raw::request("GET", &format!("/api/subject{number}e"), &host, &bearing, "")).await;
        }
        let (_, said) = gateway.stop().await;
        let said = String::from_utf8_lossy(&said);
        for (number, character) in OBEYED.into_iter().enumerate() {
            for mark in [format!("path{number}e"), format!("subject{number}e")] {
                let line = said.split('\n').find(|line| line.contains(&mark)).expect("every request is logged");
                probes.made(line.contains(character), || format!("{form}: {line}"));
            }
        }
    }
    probes
}
