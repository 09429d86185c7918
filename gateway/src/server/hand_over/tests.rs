//! What becomes of a gateway whose successor does not come up.

use std::{net::Ipv4Addr, os::unix::net::UnixStream, process::Command, thread};

use super::*;
use crate::server::tests::gateway;

/// What is handed over, and the folder that holds it.
async fn what() -> (HandOver, impl Drop) {
    let (gateway, folder) = gateway().await;
    let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = socket.local_addr().expect("it is bound");
    (HandOver { gateway, sockets: vec![(address, socket)] }, folder)
}

#[tokio::test]
async fn a_program_that_ends_leaves_everything_as_it_was() {
    let (what, _folder) = what().await;
    let fault = give(&what, Command::new("false")).expect_err("it is no gateway");
    assert!(fault.to_string().contains("exit status: 1"), "{fault}");
    assert!(!what.gateway.data.is_handed_over());
    let mut missing = Command::new("/nowhere/gateway");
    missing.arg("serve");
    assert!(matches!(give(&what, missing), Err(HandOverFault::NotStarted(_))));
    // One that takes everything, and then ends.
    let mut takes = Command::new("sh");
    takes.args(["-c", "printf 'take\\n' >&0; read -r offer; exit 3"]);
    let fault = give(&what, takes).expect_err("it is no gateway");
    assert!(fault.to_string().contains("exit status: 3"), "{fault}");
    assert!(!what.gateway.data.is_handed_over());
    // One that says something else, and stays.
    let mut stays = Command::new("sh");
    stays.args(["-c", "printf 'hello there\\n' >&0; exec sleep 600"]);
    let fault = give(&what, stays).expect_err("it is no gateway");
    assert!(fault.to_string().contains("hello"), "{fault}");
    let now = what.gateway.now();
    what.gateway.keyring.rotate(what.gateway.data.place(), auth_core::keyring::TakeOver::Now, now).expect("ours");
}

#[test]
fn a_line_brings_its_files() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let files: Vec<_> =
        (0..4).map(|_| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port")).collect();
    let addresses: Vec<_> = files.iter().map(|file| file.local_addr().expect("it is bound")).collect();
    let long = [vec![b'x'; 20_000], b"\n".to_vec()].concat();
    let sending = thread::spawn(move || {
        let files: Vec<_> = files.iter().map(std::os::fd::AsFd::as_fd).collect();
        descriptors::send(&ours, &long, &files).expect("it is there");
        drop(ours);
    });
    let (line, files) = descriptors::receive(&theirs).expect("a line");
    sending.join().expect("it was sent");
    assert_eq!(line.len(), 20_000);
    let received = files.into_iter().map(|file| std::net::TcpListener::from(file).local_addr().expect("it listens"));
    assert_eq!(received.collect::<Vec<_>>(), addresses);
    assert!(descriptors::receive(&theirs).is_err(), "nothing more comes");
}
