//! A server that says what it was told to, byte for byte, and keeps what it was asked. Where it was told nothing it
//! relays to a real one.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use auth_core::lock::lock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A server with a script, running until this is dropped. It serves one request a connection.
pub struct Scripted {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    accepting: JoinHandle<()>,
}

/// One request and its answer, as they went over the wire.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Head and body of the request.
    pub request: String,
    /// Head and body of the answer.
    pub answer: String,
}

#[derive(Default)]
struct Script {
    /// By the beginning of the target; the last that fits is said.
    answers: Vec<(String, Vec<u8>)>,
    heard: Vec<Exchange>,
}

impl Scripted {
    /// A server that relays everything to `behind` until it is told better.
    ///
    /// # Panics
    /// No port can be listened on.
    pub async fn before(behind: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let script = Arc::new(Mutex::new(Script::default()));
        let saying = script.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, behind, saying.clone()));
            }
        });
        Self { address, script, accepting }
    }

    /// Its scheme, host and port.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it answers targets that begin with `target` by these bytes, whole with their head.
    pub fn say(&self, target: &str, answer: impl Into<Vec<u8>>) {
        lock(&self.script).answers.push((target.to_owned(), answer.into()));
    }

    /// Forgets what it was told: it relays everything again.
    pub fn relay(&self) {
        lock(&self.script).answers.clear();
    }

    /// Every exchange so far whose target begins with `target`.
    pub fn heard(&self, target: &str) -> Vec<Exchange> {
        lock(&self.script).heard.iter().filter(|one| of(&one.request).starts_with(target)).cloned().collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An answer with a length that ends its connection. `fields` are lines that end in CRLF.
pub fn answer(status: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// The same, of JSON.
pub fn json(status: &str, body: &str) -> String {
    answer(status, "Content-Type: application/json\r\n", body)
}

async fn serve(mut client: TcpStream, behind: SocketAddr, script: Arc<Mutex<Script>>) {
    let Some(request) = message(&mut client).await else { return };
    let told = {
        let script = lock(&script);
        let fits = |(target, _): &&(String, Vec<u8>)| of(&request).starts_with(target.as_str());
        script.answers.iter().rev().find(fits).map(|(_, answer)| answer.clone())
    };
    let answer = match told {
        Some(answer) => answer,
        None => relayed(behind, &request).await.unwrap_or_default(),
    };
    let heard = Exchange { request, answer: String::from_utf8_lossy(&answer).into_owned() };
    lock(&script).heard.push(heard);
    let _ = client.write_all(&answer).await;
    let _ = client.shutdown().await;
    let mut rest = [0; 4096];
    while client.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

/// What the server behind answers. It is asked to close, since what it says is passed on to its end.
async fn relayed(behind: SocketAddr, request: &str) -> Option<Vec<u8>> {
    let mut server = TcpStream::connect(behind).await.ok()?;
    let closing = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(closing.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    Some(answer)
}

/// The target in a request's first line.
fn of(request: &str) -> &str {
    request.split(' ').nth(1).unwrap_or_default()
}

/// One request, whole by its `Content-Length`, or by its last chunk.
async fn message(client: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut some = [0; 16 * 1024];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
            let whole = match length {
                Some(length) => body.len() >= length,
                None => !head.contains("transfer-encoding") || body.ends_with("0\r\n\r\n"),
            };
            if whole {
                return Some(text);
            }
        }
        let read = client.read(&mut some).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&some[..read]);
    }
}
