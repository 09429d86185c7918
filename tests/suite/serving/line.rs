//! One end of a connection, spoken by hand: a client's, or an upstream's.

use std::{future::Future, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

/// Beyond every deadline: who waits longer has found a hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// One end of a connection.
pub(crate) struct Line {
    stream: TcpStream,
    heard: Vec<u8>,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// What still came.
    pub(crate) rest: String,
    /// Whether it was reset, instead of closed in order.
    pub(crate) reset: bool,
}

/// What `event` brings; it must come.
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    timeout(PATIENCE, event).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

impl Line {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::over(soon("a connection", TcpStream::connect(address)).await.expect("it accepts"))
    }

    /// From an address of this machine's own: 127.0.0.0/8 is all loopback.
    pub(crate) async fn from(own: [u8; 4], address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("there is a socket left");
        socket.bind((own, 0).into()).expect("loopback is ours");
        Self::over(soon("a connection", socket.connect(address)).await.expect("it accepts"))
    }

    pub(crate) async fn accepted(listener: &TcpListener) -> Self {
        Self::over(soon("a connection to the upstream", listener.accept()).await.expect("it accepts").0)
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a new socket takes options");
        Self { stream, heard: Vec::new() }
    }

    /// Says all of this.
    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        soon("the other side to listen", self.stream.write_all(bytes.as_ref())).await.expect("it listens");
    }

    /// Whether the other side took this.
    pub(crate) async fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        soon("the other side to listen or leave", self.stream.write_all(bytes.as_ref())).await.is_ok()
    }

    /// The next head, with its empty line.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Everything up to `text`, and that too.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            let at = self.heard.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = at {
                let said: Vec<u8> = self.heard.drain(..at + text.len()).collect();
                return String::from_utf8_lossy(&said).into_owned();
            }
            let more = self.more(text).await.unwrap_or(0);
            assert!(more > 0, "closed before {text:?}: {:?}", String::from_utf8_lossy(&self.heard));
        }
    }

    /// The next `count` bytes, if they come.
    pub(crate) async fn try_exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.heard.len() < count {
            if self.more("so many bytes").await.unwrap_or(0) == 0 {
                return None;
            }
        }
        Some(self.heard.drain(..count).collect())
    }

    /// The next `count` bytes.
    pub(crate) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        self.try_exactly(count).await.unwrap_or_else(|| panic!("closed before {count} bytes"))
    }

    /// A head, its body by its `Content-Length`, as one text.
    pub(crate) async fn message(&mut self) -> String {
        let head = self.head().await;
        let lower = head.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse().ok());
        while self.heard.len() < length.unwrap_or(0) {
            assert!(self.more("a body").await.unwrap_or(0) > 0, "closed within {head}");
        }
        let body: Vec<u8> = self.heard.drain(..length.unwrap_or(0)).collect();
        head + &String::from_utf8_lossy(&body)
    }

    /// Says that nothing more is coming, and goes on listening.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("it was open");
    }

    /// What comes until the other side ends the connection.
    pub(crate) async fn end(mut self) -> End {
        self.ends().await
    }

    /// The same, of a line that is kept: closing it would be news to the other side.
    pub(crate) async fn ends(&mut self) -> End {
        let reset = loop {
            match self.more("the end").await {
                Ok(0) => break false,
                Ok(_) => {}
                Err(_) => break true,
            }
        };
        End { rest: String::from_utf8_lossy(&std::mem::take(&mut self.heard)).into_owned(), reset }
    }

    /// Says `piece` again and again while the other side takes it, and returns how many bytes it took.
    pub(crate) async fn flood(&mut self, piece: &[u8]) -> usize {
        let mut taken = 0;
        while let Ok(some) = soon("an end of the flood", self.stream.write(piece)).await {
            taken += some;
        }
        taken
    }

    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    async fn more(&mut self, what: &str) -> std::io::Result<usize> {
        soon(what, self.stream.read_buf(&mut self.heard)).await
    }
}
