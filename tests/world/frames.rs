//! HTTP/2 spoken by hand (RFC 9113): frames as they are, also those that no client would send.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Beyond every deadline of a gateway's in a test: who waits longer has found a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client says first (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames (RFC 9113 §6).
pub mod kind {
    /// DATA.
    pub const DATA: u8 = 0;
    /// HEADERS.
    pub const HEADERS: u8 = 1;
    /// PRIORITY.
    pub const PRIORITY: u8 = 2;
    /// `RST_STREAM`.
    pub const RST_STREAM: u8 = 3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 4;
    /// PING.
    pub const PING: u8 = 6;
    /// GOAWAY.
    pub const GOAWAY: u8 = 7;
    /// `WINDOW_UPDATE`.
    pub const WINDOW_UPDATE: u8 = 8;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 9;
}

/// `END_STREAM`, and of a SETTINGS or PING that it answers one.
pub const END_STREAM: u8 = 1;
/// `END_HEADERS`.
pub const END_HEADERS: u8 = 4;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0: the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A client's end of a connection.
pub struct FrameClient {
    stream: TcpStream,
}

impl Frame {
    /// A frame without anything in it.
    pub fn new(kind: u8, flags: u8, stream: u32) -> Self {
        Self { kind, flags, stream, payload: Vec::new() }
    }

    /// The same with this in it.
    pub fn with(self, payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: payload.into(), ..self }
    }

    /// A whole head of a request without a body, on `stream`.
    pub fn get(stream: u32, path: &str, further: &[(&str, &str)]) -> Self {
        let head = [(":method", "GET"), (":scheme", "http"), (":authority", "127.0.0.1"), (":path", path)];
        let fields = head.iter().chain(further);
        let payload: Vec<u8> = fields.flat_map(|(name, value)| field(name, value)).collect();
        Self::new(kind::HEADERS, END_STREAM | END_HEADERS, stream).with(payload)
    }

    /// As it goes over the wire.
    ///
    /// # Panics
    /// It is longer than a frame may be.
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a frame's length");
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// A field, literal and never indexed (RFC 7541 §6.2.3): a length of seven bits, and no Huffman code.
pub fn field(name: &str, value: &str) -> Vec<u8> {
    field_bytes(name.as_bytes(), value.as_bytes())
}

/// The same of any bytes.
pub fn field_bytes(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x10];
    for text in [name, value] {
        bytes.extend(length(text.len()));
        bytes.extend(text);
    }
    bytes
}

/// RFC 7541 §5.1, with a prefix of seven bits.
fn length(length: usize) -> Vec<u8> {
    if length < 127 {
        return vec![u8::try_from(length).unwrap_or(0)];
    }
    let (mut bytes, mut left) = (vec![127], length - 127);
    while left >= 128 {
        bytes.push(u8::try_from(left % 128).unwrap_or(0) | 128);
        left /= 128;
    }
    bytes.push(u8::try_from(left).unwrap_or(0));
    bytes
}

impl FrameClient {
    /// Connects, and says nothing.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn silent(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Connects, and says what a client says first.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn to(address: SocketAddr) -> io::Result<Self> {
        let mut client = Self::silent(address).await?;
        let settings = Frame::new(kind::SETTINGS, 0, 0).bytes();
        client.say([PREFACE, &settings].concat()).await?;
        Ok(client)
    }

    /// Says this.
    ///
    /// # Errors
    /// The other side has left.
    ///
    /// # Panics
    /// It takes nothing, for longer than anybody would wait.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await.expect("the other side listens or leaves")
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// The other side has left.
    pub async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.say(frame.bytes()).await
    }

    /// The next frame; `None`: the connection has ended.
    ///
    /// # Panics
    /// Nothing comes, for longer than anybody would wait.
    pub async fn next(&mut self) -> Option<Frame> {
        timeout(PATIENCE, self.read()).await.expect("a frame, or the end").ok()
    }

    /// The next frame of this kind; `None`: the connection has ended before.
    pub async fn until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    async fn read(&mut self) -> io::Result<Frame> {
        let mut header = [0; 9];
        self.stream.read_exact(&mut header).await?;
        let [high, middle, low, kind, flags, stream @ ..] = header;
        let mut payload = vec![0; usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)];
        self.stream.read_exact(&mut payload).await?;
        Ok(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }
}

impl Frame {
    /// The status of an answer's head, if it is the first of its connection (RFC 7541 §6.1 and §6.2).
    pub fn status(&self) -> Option<u16> {
        const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        match self.payload[..] {
            [indexed @ 0x88..=0x8e, ..] => Some(STATIC[usize::from(indexed - 0x88)]),
            [0x48, length, ref rest @ ..] if length & 0x80 != 0 => digits(rest.get(..usize::from(length & 0x7f))?),
            [0x48, 3, ref rest @ ..] => std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok(),
            _ => None,
        }
    }
}

/// Three digits in the Huffman code (RFC 7541 Appendix B).
fn digits(code: &[u8]) -> Option<u16> {
    let bits: String = code.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut left, mut read) = (bits.as_str(), 0);
    for _ in 0..3 {
        let short = u16::from_str_radix(left.get(..5)?, 2).ok()?;
        let (digit, taken) = if short < 3 {
            (short, 5)
        } else {
            (u16::from_str_radix(left.get(..6)?, 2).ok()?.checked_sub(0b01_1001)? + 3, 6)
        };
        read = read * 10 + digit;
        left = &left[taken..];
    }
    Some(read)
}
