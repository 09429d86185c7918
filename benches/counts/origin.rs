//! The service behind the gateway: it answers when the gateway has gone to sleep over its request.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, OnceLock},
    thread,
};

use crate::asleep::until_asleep;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\ntrue";

/// The gateway's process, once it is there.
pub(crate) type GatewayProcess = Arc<OnceLock<u32>>;

/// Serves on a free port of loopback for as long as this test runs; where.
pub(crate) fn start(gateway: GatewayProcess) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let gateway = gateway.clone();
            // A connection that fails is one that the gateway has closed.
            thread::spawn(move || converse(&stream, &gateway));
        }
    });
    Ok(address)
}

fn converse(mut stream: &TcpStream, gateway: &GatewayProcess) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    // The requests have no bodies, so each ends with the empty line.
    while reader.read_line(&mut line)? > 0 {
        if line == "\r\n" {
            if let Some(process) = gateway.get() {
                until_asleep(*process)?;
            }
            stream.write_all(ANSWER)?;
        }
        line.clear();
    }
    Ok(())
}
