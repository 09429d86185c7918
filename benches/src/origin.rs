//! The service behind a gateway, as cheap as it can be.
//!
//! It answers every request with 200 and a body of the length that the path names: `/…/bytes/1048576`; any other path
//! has 128 bytes. It reads what it is sent, with `Content-Length` or chunked, and keeps connections.

use std::{io, net::SocketAddr};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What is answered where no length is named.
const SMALL: usize = 128;

/// The longest body that can be asked for.
const LARGEST: usize = 1 << 20;

/// A service that runs until this is dropped.
pub struct Origin {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// What is left to read of a request's body.
enum Left {
    Length(usize),
    Chunked,
}

impl Origin {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let answers = Answers { small: answer(SMALL), large: answer(LARGEST) };
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                tokio::spawn(converse(stream, answers.clone()));
            }
        });
        Ok(Self { address, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[derive(Clone)]
struct Answers {
    small: Bytes,
    large: Bytes,
}

impl Answers {
    fn at(&self, path: &str) -> Bytes {
        match path.rsplit_once("/bytes/").and_then(|(_, length)| length.parse::<usize>().ok()) {
            None | Some(SMALL) => self.small.clone(),
            Some(LARGEST) => self.large.clone(),
            Some(other) => answer(other.min(LARGEST)),
        }
    }
}

fn answer(length: usize) -> Bytes {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    let mut whole = head.into_bytes();
    whole.resize(whole.len() + length, b' ');
    whole.into()
}

/// Answers one request after the other until the connection ends; what it cannot read ends it.
async fn converse(mut stream: TcpStream, answers: Answers) {
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    loop {
        let Some((answer, left)) = take_head(&mut buffer, &answers) else {
            if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
            continue;
        };
        if read_body(&mut stream, &mut buffer, left).await.is_err() || stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// The head at the start of `buffer`, taken out of it: what to answer, and what body follows.
fn take_head(buffer: &mut BytesMut, answers: &Answers) -> Option<(Bytes, Left)> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = head.parse(buffer) else { return None };
    let answer = answers.at(head.path.unwrap_or_default());
    let mut left = Left::Length(0);
    for field in head.headers {
        if field.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(field.value).ok().and_then(|length| length.parse().ok());
            left = Left::Length(length.unwrap_or(0));
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            left = Left::Chunked;
        }
    }
    buffer.advance(length);
    Some((answer, left))
}

async fn read_body(stream: &mut TcpStream, buffer: &mut BytesMut, left: Left) -> io::Result<()> {
    match left {
        Left::Length(length) => skip(stream, buffer, length).await,
        Left::Chunked => loop {
            let end = loop {
                if let Some(end) = buffer.windows(2).position(|two| two == b"\r\n") {
                    break end;
                }
                more(stream, buffer).await?;
            };
            let digits = std::str::from_utf8(&buffer[..end]).unwrap_or_default();
            let digits = digits.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
            skip(stream, buffer, end + 2 + length + 2).await?;
            if length == 0 {
                return Ok(());
            }
        },
    }
}

async fn skip(stream: &mut TcpStream, buffer: &mut BytesMut, mut length: usize) -> io::Result<()> {
    loop {
        let here = buffer.len().min(length);
        buffer.advance(here);
        length -= here;
        if length == 0 {
            return Ok(());
        }
        more(stream, buffer).await?;
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<()> {
    match stream.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
