//! Requests byte for byte, for what no client library would send.

use std::{fmt, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Beyond every deadline of a gateway's in a test: who waits longer has found a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Everything that came back on one connection.
#[derive(Clone)]
pub struct Answered {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the connection stayed open for as long as anybody would wait.
    pub hung: bool,
}

/// Sends `bytes` to `host` on a connection of their own, and listens until that is closed.
pub async fn ask(host: &str, bytes: impl AsRef<[u8]>) -> Answered {
    let mut heard = Vec::new();
    let conversation = async {
        let mut stream = TcpStream::connect(host).await?;
        // A gateway that refuses may stop listening before everything is said: what it answered still counts.
        let _ = stream.write_all(bytes.as_ref()).await;
        stream.read_to_end(&mut heard).await
    };
    let hung = timeout(PATIENCE, conversation).await.is_err();
    Answered { bytes: heard, hung }
}

/// A request that asks to be the last of its connection. `fields` are lines that end in CRLF.
pub fn request(method: &str, target: &str, host: &str, fields: &str, body: &str) -> String {
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}{length}\r\n{body}")
}

impl Answered {
    /// The status of the first answer that is not 1xx.
    pub fn status(&self) -> Option<u16> {
        let text = String::from_utf8_lossy(&self.bytes);
        let statuses = text.split("HTTP/1.").skip(1).filter_map(|rest| rest.get(2..5)?.parse().ok());
        statuses.into_iter().find(|status| *status >= 200)
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hung = if self.hung { " (hung)" } else { "" };
        write!(f, "{}{hung}", String::from_utf8_lossy(&self.bytes).escape_debug())
    }
}
