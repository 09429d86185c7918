//! A server for tests that answers every request with the bytes that it was told, however broken, and counts.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
};

use crate::lock::lock;

/// A server on loopback, until it is dropped.
pub(crate) struct RawServer {
    base: String,
    answer: Arc<Mutex<Vec<u8>>>,
    heard: Arc<Mutex<String>>,
    asked: watch::Sender<usize>,
    serving: JoinHandle<()>,
}

impl RawServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (answer, asked) = (Arc::new(Mutex::new(Vec::new())), watch::Sender::new(0));
        let heard = Arc::new(Mutex::new(String::new()));
        let (answers, count, hears) = (Arc::clone(&answer), asked.clone(), Arc::clone(&heard));
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answers, count, hears) = (Arc::clone(&answers), count.clone(), Arc::clone(&hears));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let text = String::from_utf8_lossy(&head).to_lowercase();
                    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                    let mut body = vec![0; length.unwrap_or(0)];
                    if stream.read_exact(&mut body).await.is_err() {
                        return;
                    }
                    *lock(&hears) = String::from_utf8_lossy(&[head, body].concat()).into_owned();
                    count.send_modify(|count| *count += 1);
                    let answer = lock(&answers).clone();
                    let _ = stream.write_all(&answer).await;
                });
            }
        });
        Self { base, answer, heard, asked, serving }
    }

    /// Its address, without a slash at the end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The last request, whole.
    pub(crate) fn heard(&self) -> String {
        lock(&self.heard).clone()
    }

    /// How many requests it has seen.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until it has seen this many.
    pub(crate) async fn until_asked(&self, times: usize) {
        let mut asked = self.asked.subscribe();
        asked.wait_for(|asked| *asked >= times).await.expect("the sender is our own");
    }

    /// Answers with exactly these bytes, and closes. With none it breaks the connection.
    pub(crate) fn says_raw(&self, bytes: impl Into<Vec<u8>>) {
        *lock(&self.answer) = bytes.into();
    }

    /// Answers with this status, these header lines (each with its line end) and this body.
    pub(crate) fn says(&self, status: u16, headers: &str, body: &str) {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
        self.says_raw(head + body);
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
