//! What is done to the data folder by mistake, with a shell on the machine, and who would come back by it who has signed
//! out.

use std::{fs, io, path::Path, time::Duration};

use gateway::server;
use world::{
    World,
    caller::{Caller, Form},
    settings,
    store::StoreBreak,
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "a_second_gateway_on_one_folder", fault: "folder-unlocked", run: || Box::pin(a_second_gateway()) },
    Attack { name: "files_removed_while_open", fault: "store-files-unwatched", run: || Box::pin(files_removed()) },
];

/// The cookie that holds a ticket, over http.
const TICKET: &str = "candor";

/// Somebody copied a ticket; its owner signs out while the store takes nothing; then a second gateway on the same folder
/// writes down what it knows of logouts. The ticket stays dead.
async fn a_second_gateway() -> Probes {
    let mut probes = Probes::default();
    for _ in 0..3 {
        let mut world = World::new().start().await;
        let (mut ada, mut grace) = (Caller::new(Form::Browser), Caller::new(Form::Browser));
        world.sign_in(&mut ada, "ada", "/calendar").await;
        world.sign_in(&mut grace, "grace", "/calendar").await;
        let (stolen, of_grace) = (ticket(&world, &mut ada), ticket(&world, &mut grace));

        let (first, port) = (world.url("/").port().expect("it has one"), settings::free_port());
        let text = world.settings.text().replace(&format!(":{first}"), &format!(":{port}"));
        let config = gateway::config::parse(&text, world.folder(), gateway::config::Secrets::Read(&|_| None))
            .expect("a configuration");
        let beside = config.server.public_url.clone();
        let second = server::start(config, settings::options()).await;

        world.store.break_with(StoreBreak::Locked).await.expect("it is whole");
        let _ = ada.post(&world.url("/.candor/logout"), &[], &world.monolith).await;
        if let Ok(second) = second {
            grace.browser().set_cookie(&beside, TICKET, &of_grace);
            let logout = beside.join("/.candor/logout").expect("a path");
            let _ = grace.post(&logout, &[], &world.monolith).await;
            second.shutdown().await;
        }
        world.stop_gateway().await;
        world.heal_store().await;
        world.start_gateway().await;
        let heard = with_ticket(&world, &stolen).await;
        probes.made(!heard.identities().is_empty(), || format!("signed out, and served: {}", heard.line()));
    }
    probes
}

/// Somebody removes files of a gateway that runs; then ada signs in, and signs out again. A copy of her ticket is dead,
/// and after a restart too, which must not fail; and a sign-in that was promised is kept.
async fn files_removed() -> Probes {
    let mut probes = Probes::default();
    for lost in [
        &["candor.sqlite"][..],
        &["candor.sqlite", "candor.sqlite-wal", "candor.sqlite-shm"],
        &["candor.sqlite-wal"],
        &["candor.sqlite", "revocations"],
        &["candor.sqlite", "keyring"],
        &["candor.sqlite", "revocations", "keyring", "lock"],
        &[""],
    ] {
        let mut world = World::new().start().await;
        let (mut ada, mut grace) = (Caller::new(Form::Browser), Caller::new(Form::Browser));
        world.sign_in(&mut ada, "ada", "/calendar").await;
        let before = ticket(&world, &mut ada);
        let _ = ada.post(&world.url("/.candor/logout"), &[], &world.monolith).await;
        for file in lost {
            remove(&world.folder().join("data").join(file));
        }
        // Until the store is whole again, or held to be so, nobody can sign in: a busy machine takes its time.
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..250 {
            if world.poll_revocations().await {
                break;
            }
            beat.tick().await;
        }
        world.sign_in(&mut grace, "grace", "/calendar").await;
        let after = ticket(&world, &mut grace);
        let _ = grace.post(&world.url("/.candor/logout"), &[], &world.monolith).await;
        world.sign_in(&mut ada, "ada", "/calendar").await;
        let kept = ticket(&world, &mut ada);
        let started = world.try_restart_gateway().await;
        probes.made(started.is_err(), || format!("{lost:?} removed, and no start any more: {started:?}"));
        if started.is_ok() {
            for (whose, ticket) in [("ada's of before", before), ("grace's of after", after)] {
                let heard = with_ticket(&world, &ticket).await;
                let served = !heard.identities().is_empty();
                probes.made(served, || format!("{lost:?} removed, {whose} served after a logout: {}", heard.line()));
            }
            let heard = with_ticket(&world, &kept).await;
            probes
                .made(heard.identities().is_empty(), || format!("{lost:?} removed, a session lost: {}", heard.line()));
        }
    }
    probes
}

fn ticket(world: &World, caller: &mut Caller) -> String {
    caller.browser().cookie(&world.url("/"), TICKET).expect("signed in").to_owned()
}

/// What somebody is told who has nothing but a ticket.
async fn with_ticket(world: &World, ticket: &str) -> world::caller::Heard {
    let mut thief = Caller::new(Form::Browser);
    thief.browser().set_cookie(&world.url("/"), TICKET, ticket);
    world.ask(&mut thief, "/calendar").await
}

/// Removes a file, or a folder with what is written into it meanwhile.
fn remove(path: &Path) {
    let once = || if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    let removed = (0..100)
        .map(|_| once())
        .find(|removed| !matches!(removed, Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty));
    removed.expect("an end of what is written").expect("it is there");
}
