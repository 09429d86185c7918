//! The data folder: one process has it, whoever comes second is told who, and commands reach the one that has it.

use std::{collections::BTreeMap, fs, path::Path};

use libtest_mimic::Trial;
use tokio::task::JoinSet;
use world::{
    World,
    process::{self, Process},
};

use crate::in_a_runtime;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("one_folder::of_many_first_starts_one_serves", of_many_first_starts_one_serves),
        in_a_runtime("one_folder::a_killed_holder_leaves_nothing_behind", a_killed_holder_leaves_nothing_behind),
        in_a_runtime("one_folder::commands_reach_the_gateway_that_has_it", commands_reach_the_gateway),
        in_a_runtime("one_folder::what_is_removed_rings_and_is_written_again", what_is_removed_rings),
        in_a_runtime("one_folder::a_probe_says_what_a_start_would", a_probe_says_what_a_start_would),
        in_a_runtime("one_folder::a_path_too_long_for_a_socket_is_said_and_serves", a_path_too_long_for_a_socket),
    ]
}

/// So many at once.
const STARTS: usize = 6;

async fn of_many_first_starts_one_serves() {
    for _ in 0..3 {
        let world = World::new().prepare().await;
        let config = world.write_config();
        let mut starting: JoinSet<_> = (0..STARTS).map(|_| Process::start(&config)).map(until_it_is_known).collect();
        let (mut serving, mut said) = (Vec::new(), Vec::new());
        while let Some(known) = starting.join_next().await {
            match known.expect("waiting does not panic") {
                Ok(process) => serving.push(process),
                Err(ended) => said.push(ended),
            }
        }
        assert_eq!(serving.len(), 1, "{said:#?}");
        let winner = format!("is held by process {} ", serving[0].id());
        for (code, said) in &said {
            assert_eq!(*code, Some(20), "{said}");
            assert!(said.contains(&winner), "{said}");
        }
        drop(serving);
        // The folder is as one start left it.
        let mut again = Process::start(&config);
        again.serving().await;
    }
}

/// Either it serves, or it has ended: how, and what it said.
async fn until_it_is_known(mut process: Process) -> Result<Process, (Option<i32>, String)> {
    if process.serves_or_ends().await {
        return Ok(process);
    }
    let (status, said) = process.ended().await;
    Err((status.code(), String::from_utf8_lossy(&said).into_owned()))
}

async fn a_killed_holder_leaves_nothing_behind() {
    let world = World::new().prepare().await;
    let config = world.write_config();
    for _ in 0..3 {
        let mut process = Process::start(&config);
        process.serving().await;
        let before = contents(&world.folder().join("data"));
        let (status, said) = Process::start(&config).ended().await;
        let said = String::from_utf8_lossy(&said);
        assert_eq!(status.code(), Some(20), "{said}");
        assert!(said.contains(&format!("is held by process {} ", process.id())), "{said}");
        assert_eq!(before, contents(&world.folder().join("data")), "the second leaves the folder as it is");
        process.kill();
    }
}

/// What lies in a folder and changes only when somebody writes it on purpose.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = ["keyring", "lock"].map(|name| (name.to_owned(), fs::read(folder.join(name)).expect("it is there")));
    files.into_iter().collect()
}

async fn commands_reach_the_gateway() {
    use std::os::unix::fs::PermissionsExt;

    let world = World::new().prepare().await;
    let config = world.write_config();
    let socket = world.folder().join("data/control.sock");
    let mut process = Process::start(&config);
    process.serving().await;
    let mode = fs::metadata(&socket).expect("it listens").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (status, said) = process::run(&["check"], &config);
    assert!(status.success() && said.contains(&format!(", held by process {} ", process.id())), "{said}");
    let (status, said) = process::run(&["keys", "adopt"], &config);
    assert!(status.success() && said.contains("belong together"), "{said}");
    assert!(String::from_utf8_lossy(&process.said()).contains("KeysAdopt"), "the gateway was asked");
    // One that hangs on, and one that talks nonsense, keep nobody else out.
    let idle: Vec<_> = (0..4).map(|_| std::os::unix::net::UnixStream::connect(&socket)).collect();
    let (status, said) = process::run(&["check"], &config);
    assert!(status.success() && said.contains("held by process"), "{said}");
    drop(idle);
    // A socket that was left behind is nobody's.
    process.kill();
    assert!(socket.exists(), "nobody was there to remove it");
    let (status, said) = process::run(&["check"], &config);
    assert!(status.success() && !said.contains("held by"), "{said}");
    // An operator's shell has none of the gateway's secrets.
    let secret = world.folder().join("client_secret");
    let content = std::fs::read(&secret).expect("it can be read");
    std::fs::remove_file(&secret).expect("it can be removed");
    let (status, said) = process::run(&["keys", "adopt"], &config);
    assert!(status.success() && said.contains("belong together"), "the command takes the folder itself: {said}");
    std::fs::write(&secret, content).expect("it can be written");
    let mut process = Process::start(&config);
    process.serving().await;
    let (status, said) = process::run(&["check"], &config);
    assert!(status.success() && said.contains("held by process"), "{said}");
    process.stop().await;
    assert!(!socket.exists(), "it goes with an orderly end");
}

async fn what_is_removed_rings() {
    let world = World::new().prepare().await;
    let (config, data) = (world.write_config(), world.folder().join("data"));
    let mut process = Process::start(&config);
    process.serving().await;
    let keyring = fs::read(data.join("keyring")).expect("it was made");
    for (file, alarm) in
        [("candor.sqlite", "store-file-gone"), ("keyring", "keyring-gone"), ("revocations", "revocations-file-gone")]
    {
        fs::remove_file(data.join(file)).expect("it is there");
        process.until(alarm).await;
    }
    // The command does it at once, and says when it is done.
    let (status, said) = process::run(&["keys", "adopt"], &config);
    assert!(status.success(), "{said}");
    for file in ["candor.sqlite", "keyring", "revocations"] {
        assert!(data.join(file).exists(), "{file} is there again");
    }
    assert_eq!(fs::read(data.join("keyring")).expect("it is there again"), keyring);

    fs::rename(&data, world.folder().join("elsewhere")).expect("it is there");
    process.until("data-folder-gone").await;
    let mut beat = tokio::time::interval(std::time::Duration::from_millis(20));
    for file in ["keyring", "candor.sqlite", "revocations", "control.sock"] {
        for _ in 0..1000 {
            if data.join(file).exists() {
                break;
            }
            beat.tick().await;
        }
        assert!(data.join(file).exists(), "{file}: {}", String::from_utf8_lossy(&process.said()));
    }
    assert_eq!(fs::read(data.join("keyring")).expect("it is there again"), keyring);
    let (status, said) = Process::start(&config).ended().await;
    let said = String::from_utf8_lossy(&said);
    assert!(status.code() == Some(20) && said.contains("is held by process"), "the new one is held too: {said}");
    process.stop().await;
    let mut process = Process::start(&config);
    process.serving().await;
    process.stop().await;
}

async fn a_probe_says_what_a_start_would() {
    let world = World::new().prepare().await;
    let (config, data) = (world.write_config(), world.folder().join("data"));
    let (status, said) = process::run(&["check", "--probe"], &config);
    assert!(status.success() && said.contains("up       store"), "a start makes it: {said}");
    assert!(!data.exists(), "a probe makes nothing");
    let mut process = Process::start(&config);
    process.serving().await;
    let (status, said) = process::run(&["check", "--probe"], &config);
    assert!(status.success() && said.contains("up       store"), "beside a gateway that serves: {said}");
    process.stop().await;
    for file in ["candor.sqlite", "keyring"] {
        fs::rename(data.join(file), data.join("aside")).expect("it is there");
        let (probed, of_probe) = process::run(&["check", "--probe"], &config);
        let (started, of_start) = Process::start(&config).ended().await;
        let of_start = String::from_utf8_lossy(&of_start);
        assert_eq!((probed.code(), started.code()), (Some(20), Some(20)), "{of_probe}\n{of_start}");
        let why = "gateway keys adopt --config FILE";
        assert!(
            of_probe.contains("refused  store: ") && of_probe.contains(why) && of_start.contains(why),
            "{of_probe}"
        );
        fs::rename(data.join("aside"), data.join(file)).expect("the folder can be written");
    }
}

async fn a_path_too_long_for_a_socket() {
    let mut world = World::new().prepare().await;
    let long = "d".repeat(120);
    world.settings.replace("data = \"data\"", &format!("data = \"{long}\""));
    let config = world.write_config();
    let mut process = Process::start(&config);
    process.serving().await;
    let (status, said) = process::run(&["check"], &config);
    assert!(status.success() && said.contains("warning no command can reach"), "{said}");
    let (status, said) = process::run(&["keys", "adopt"], &config);
    assert_eq!(status.code(), Some(20), "{said}");
    assert!(said.contains("is held by process") && said.contains("a Unix socket at most 107"), "{said}");
}
