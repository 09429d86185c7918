//! A gateway whose sockets a service manager opened, and which tells it how it goes; and its end.

use std::{
    env,
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use gateway::server::control;
use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form},
    process::{ARGUMENT, LastHolder, Process},
    raw,
};

use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("changing::a_socket_that_was_given_loses_nobody", a_given_socket),
        in_a_runtime("changing::a_socket_that_fits_nothing_is_named", a_socket_that_fits_nothing),
        in_a_runtime("changing::it_says_that_it_goes_before_it_accepts_no_more", it_says_that_it_goes),
    ]
}

/// What a service manager does: the gateway of `config` begins with `socket`, and tells how it goes at `notify`.
fn activated(config: &Path, socket: TcpListener, notify: &Path) -> Process {
    // A shell, since only what runs in the new process knows its id.
    let becomes = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", becomes, "sh"]).arg(env::current_exe().expect("this program has a file"));
    command.arg(ARGUMENT).arg(config).env("NOTIFY_SOCKET", notify);
    Process::run(command.stdin(Stdio::from(OwnedFd::from(socket))))
}

async fn a_given_socket() {
    let mut world = World::new().prepare().await;
    world.settings.replace("\"400ms\"", "\"20s\"");
    let (config, notify) = (world.write_config(), world.folder().join("notify"));
    let manager = UnixDatagram::bind(&notify).expect("it can be bound");
    manager.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    let heard = || {
        let mut some = [0; 512];
        let length = manager.recv(&mut some).expect("it is told");
        String::from_utf8_lossy(&some[..length]).into_owned()
    };
    let host = world.url("/").socket_addrs(|| None).expect("numeric")[0];
    let socket = TcpListener::bind(host).expect("the port is free");
    // Who comes before there is a gateway waits for it.
    let early = tokio::spawn(async move {
        raw::ask(&host.to_string(), raw::request("GET", "/public/a", "127.0.0.1", "", "")).await.status()
    });
    let (mut gateway, last) = (activated(&config, socket, &notify), LastHolder::of(&world.data()));
    gateway.serving().await;
    assert!(heard().starts_with("READY=1"));
    assert_eq!(early.await.expect("it ends"), Some(200));
    gateway.signal("HUP");
    assert!(heard().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert!(heard().starts_with("READY=1"));
    let data = world.data();
    let upgrade = move || control::ask(&data, &control::Command::Upgrade);
    let told = tokio::task::spawn_blocking(upgrade).await.expect("it ends").expect("it answers");
    let id = last.id().expect("there is another one");
    assert_ne!(id, gateway.id(), "{told:?}");
    // The new process's word comes first, or the old one's about it.
    let both = [heard(), heard()];
    assert!(both.iter().any(|told| told.starts_with(&format!("MAINPID={id}\n"))), "{both:?}");
    assert!(both.iter().any(|told| told.starts_with("READY=1")), "{both:?}");
    assert_eq!(world.ask(&mut Caller::new(Form::Script), "/public/a").await.status(), Some(200));
    last.signal("TERM");
    assert!(heard().starts_with("STOPPING=1"));
    let (status, said) = gateway.ended().await;
    assert!(status.success(), "{}", String::from_utf8_lossy(&said));
}

async fn a_socket_that_fits_nothing() {
    let world = World::new().prepare().await;
    let socket = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let address = socket.local_addr().expect("it is bound").to_string();
    let (status, said) = activated(&world.write_config(), socket, &world.folder().join("nobody")).ended().await;
    let said = String::from_utf8_lossy(&said);
    assert_eq!(status.code(), Some(20), "{said}");
    assert!(said.contains(&address) && said.contains("[server] listen"), "{said}");
}

async fn it_says_that_it_goes() {
    let mut world = World::new().prepare().await;
    world.settings.replace("\"400ms\"", "\"20s\"");
    world.settings.replace("data = \"data\"", "data = \"data\"\nready_off_for = \"10m\"");
    let mut gateway = Process::start(&world.write_config());
    let admin = gateway.serving().await;
    gateway.signal("TERM");
    let ready = format!("http://{admin}/readyz").parse().expect("an address");
    let (mut asking, mut beat) = (Caller::new(Form::Script), tokio::time::interval(Duration::from_millis(10)));
    while asking.browser().get(&ready).await.expect("the admin listener goes last").status != 503 {
        beat.tick().await;
    }
    let heard = world.ask(&mut Caller::new(Form::Script), "/public/a").await;
    assert_eq!(heard.status(), Some(200), "who was sent here before is served");
    // A second signal means at once.
    gateway.signal("TERM");
    let (status, _) = gateway.ended().await;
    assert!(status.success());
}
