//! One connection as a client sees it, as cheap as it can be.
//!
//! Whoever measures a proxy must not cost more than the proxy: requests are bytes that were made before, and of an answer
//! only what is judged is kept. HTTP/1.1 (RFC 9112) with `Content-Length`, chunked and until-the-end bodies.

use std::{io, net::SocketAddr, time::Duration};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// The longest head, and the longest line of a chunked body, that is read.
const LONGEST_HEAD: usize = 64 * 1024;

/// So much of a body is kept for whoever judges the answer.
const KEPT: usize = 512;

/// A connection to a gateway, used for one exchange after the other.
pub struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

/// What is kept of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its `Location`.
    pub location: Option<String>,
    /// Its `Retry-After`, if in seconds.
    pub retry_after: Option<u64>,
    /// Its `Content-Type`.
    pub content_type: Option<String>,
    /// Its `Set-Cookie` fields.
    pub set_cookies: Vec<String>,
    /// Whether it deletes a cookie.
    pub deletes_cookie: bool,
    /// How long its body was, without framing.
    pub length: u64,
    /// How its body begins (512 bytes at most).
    pub beginning: Vec<u8>,
    /// Whether the connection can be used again.
    pub keeps_alive: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing within the time that was waited.
    #[error("no answer within {0:?}")]
    Hung(Duration),
    /// The connection failed or ended before the answer did.
    #[error("{0}")]
    Lost(io::Error),
    /// What came is no HTTP/1.1.
    #[error("not HTTP: {0}")]
    Nonsense(&'static str),
}

/// How the end of a body is known (RFC 9112 §6.3).
enum Framing {
    Length(u64),
    Chunked,
    UntilEnd,
}

impl Connection {
    /// Connects, from `local` if given.
    ///
    /// # Errors
    /// The other side does not take the connection.
    pub async fn open(address: SocketAddr, local: Option<SocketAddr>) -> Result<Self, NoAnswer> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.map_err(NoAnswer::Lost)?;
        if let Some(local) = local {
            socket.bind(local).map_err(NoAnswer::Lost)?;
        }
        let stream = socket.connect(address).await.map_err(NoAnswer::Lost)?;
        stream.set_nodelay(true).map_err(NoAnswer::Lost)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(16 * 1024) })
    }

    /// Whether the other side has left it open. Servers close connections that were idle for long, and what is sent
    /// then is lost without anybody's fault; what comes unasked makes it of no use either.
    pub fn is_open(&mut self) -> bool {
        let mut unasked = [0; 1];
        self.buffer.is_empty()
            && matches!(self.stream.try_read(&mut unasked), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends `head` and then `body`, and reads the answer.
    ///
    /// # Errors
    /// There is no whole answer within `patience`. The connection is of no further use then.
    pub async fn exchange(&mut self, head: &[u8], body: &[u8], patience: Duration) -> Result<Answer, NoAnswer> {
        let both = async {
            self.stream.write_all(head).await.map_err(NoAnswer::Lost)?;
            if body.is_empty() {
                return self.answer().await;
            }
            // A server may answer before it has read the body, and then reads no more of it.
            let (mut reading, mut writing) = self.stream.split();
            let buffer = &mut self.buffer;
            let mut answering = std::pin::pin!(read_answer(&mut reading, buffer));
            tokio::select! {
                answer = &mut answering => Answer { keeps_alive: false, ..answer? }.into_ok(),
                sent = writing.write_all(body) => {
                    sent.map_err(NoAnswer::Lost)?;
                    answering.await
                }
            }
        };
        timeout(patience, both).await.map_err(|_| NoAnswer::Hung(patience))?
    }

    async fn answer(&mut self) -> Result<Answer, NoAnswer> {
        read_answer(&mut self.stream, &mut self.buffer).await
    }
}

impl Answer {
    fn into_ok(self) -> Result<Self, NoAnswer> {
        Ok(self)
    }

    /// The first value of a header field that is kept, by its lower-case name.
    fn keep(&mut self, name: &str, value: &[u8]) {
        let text = || String::from_utf8_lossy(value).trim().to_owned();
        if name.eq_ignore_ascii_case("location") {
            self.location = Some(text());
        } else if name.eq_ignore_ascii_case("retry-after") {
            self.retry_after = text().parse().ok();
        } else if name.eq_ignore_ascii_case("content-type") {
            self.content_type = Some(text());
        } else if name.eq_ignore_ascii_case("set-cookie") {
            self.set_cookies.push(text());
            let cookie = text().to_ascii_lowercase();
            self.deletes_cookie |= cookie.contains("max-age=0") || cookie.contains("expires=thu, 01 jan 1970");
        } else if name.eq_ignore_ascii_case("connection") {
            self.keeps_alive &= !text().eq_ignore_ascii_case("close");
        }
    }
}

async fn read_answer<R>(stream: &mut R, buffer: &mut BytesMut) -> Result<Answer, NoAnswer>
where
    R: AsyncReadExt + Unpin,
{
    let (mut answer, framing) = loop {
        if let Some(head) = take_head(buffer)? {
            // 100 (Continue) and its like are followed by the answer (RFC 9110 §15.2).
            if head.0.status >= 200 {
                break head;
            }
            continue;
        }
        more(stream, buffer).await?;
    };
    match framing {
        Framing::Length(length) => take(stream, buffer, length, &mut answer).await?,
        Framing::Chunked => loop {
            let length = chunk_length(stream, buffer).await?;
            take(stream, buffer, length, &mut answer).await?;
            // After the last chunk trailers may stand; none of those who are measured send any.
            if !line(stream, buffer).await?.is_empty() {
                return Err(NoAnswer::Nonsense("a chunk is longer than it says"));
            }
            if length == 0 {
                break;
            }
        },
        Framing::UntilEnd => {
            answer.keeps_alive = false;
            loop {
                let held = buffer.len() as u64;
                take(stream, buffer, held, &mut answer).await?;
                if stream.read_buf(buffer).await.map_err(NoAnswer::Lost)? == 0 {
                    break;
                }
            }
        }
    }
    Ok(answer)
}

/// The head at the start of `buffer`, taken out of it, once it is there whole.
fn take_head(buffer: &mut BytesMut) -> Result<Option<(Answer, Framing)>, NoAnswer> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let length = match head.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() > LONGEST_HEAD => {
            return Err(NoAnswer::Nonsense("the head has no end"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(NoAnswer::Nonsense("the head is none")),
    };
    let status = head.code.unwrap_or(0);
    let mut answer = Answer { status, keeps_alive: head.version == Some(1), ..Answer::default() };
    let mut framing = Framing::UntilEnd;
    for field in head.headers {
        if field.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(field.value).ok().and_then(|length| length.trim().parse().ok());
            framing = Framing::Length(length.ok_or(NoAnswer::Nonsense("Content-Length is no number"))?);
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        } else {
            answer.keep(field.name, field.value);
        }
    }
    if matches!(status, 100..=199 | 204 | 304) {
        framing = Framing::Length(0);
    }
    buffer.advance(length);
    Ok(Some((answer, framing)))
}

/// Takes `length` bytes of a body.
async fn take<R>(stream: &mut R, buffer: &mut BytesMut, length: u64, answer: &mut Answer) -> Result<(), NoAnswer>
where
    R: AsyncReadExt + Unpin,
{
    let mut left = length;
    loop {
        let here = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let kept = here.min(KEPT - answer.beginning.len());
        answer.beginning.extend_from_slice(&buffer[..kept]);
        buffer.advance(here);
        answer.length += here as u64;
        left -= here as u64;
        if left == 0 {
            return Ok(());
        }
        more(stream, buffer).await?;
    }
}

async fn chunk_length<R>(stream: &mut R, buffer: &mut BytesMut) -> Result<u64, NoAnswer>
where
    R: AsyncReadExt + Unpin,
{
    let line = line(stream, buffer).await?;
    let digits = line[..].split(|byte| *byte == b';').next().unwrap_or_default();
    let digits = std::str::from_utf8(digits).unwrap_or_default().trim();
    u64::from_str_radix(digits, 16).map_err(|_| NoAnswer::Nonsense("a chunk has no length"))
}

/// The next line, without its end.
async fn line<R>(stream: &mut R, buffer: &mut BytesMut) -> Result<BytesMut, NoAnswer>
where
    R: AsyncReadExt + Unpin,
{
    loop {
        if let Some(end) = buffer.windows(2).position(|two| two == b"\r\n") {
            let line = buffer.split_to(end);
            buffer.advance(2);
            return Ok(line);
        }
        if buffer.len() > LONGEST_HEAD {
            return Err(NoAnswer::Nonsense("a line has no end"));
        }
        more(stream, buffer).await?;
    }
}

async fn more<R>(stream: &mut R, buffer: &mut BytesMut) -> Result<(), NoAnswer>
where
    R: AsyncReadExt + Unpin,
{
    match stream.read_buf(buffer).await {
        Ok(0) => Err(NoAnswer::Lost(io::ErrorKind::UnexpectedEof.into())),
        Ok(_) => Ok(()),
        Err(error) => Err(NoAnswer::Lost(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut sent: &[u8]) -> Result<Answer, NoAnswer> {
        read_answer(&mut sent, &mut BytesMut::new()).await
    }

    #[tokio::test]
    async fn bodies_end_as_they_say() {
        let check = async |sent: &str, length: u64, keeps_alive: bool| {
            let answer = read(sent.as_bytes()).await.expect("an answer");
            assert_eq!((answer.length, answer.keeps_alive), (length, keeps_alive), "{sent}");
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 3, true).await;
        check("HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 3\r\n\r\nabc", 3, false).await;
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n", 4, true)
            .await;
        check("HTTP/1.1 200 OK\r\n\r\nabcd", 4, false).await;
        check("HTTP/1.1 204 No Content\r\n\r\n", 0, true).await;
        check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, true).await;
    }

    #[tokio::test]
    async fn what_is_judged_is_kept() {
        let sent = "HTTP/1.1 302 Found\r\nLocation: /login\r\nRetry-After: 7\r\nContent-Type: text/html\r\n\
                    Set-Cookie: a=; Max-Age=0\r\nContent-Length: 2\r\n\r\nno";
        let expected = Answer {
            status: 302,
            location: Some("/login".into()),
            retry_after: Some(7),
            content_type: Some("text/html".into()),
            set_cookies: vec!["a=; Max-Age=0".into()],
            deletes_cookie: true,
            length: 2,
            beginning: b"no".to_vec(),
            keeps_alive: true,
        };
        assert_eq!(read(sent.as_bytes()).await.expect("an answer"), expected);
    }

    #[tokio::test]
    async fn what_is_no_answer_is_said() {
        let check = async |sent: &str, expected: &str| {
            let no_answer = read(sent.as_bytes()).await.expect_err("no answer");
            assert_eq!(no_answer.to_string(), expected, "{sent}");
        };
        check("", "unexpected end of file").await;
        check("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "unexpected end of file").await;
        check("220 ready\r\n", "not HTTP: the head is none").await;
        check("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "not HTTP: Content-Length is no number").await;
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", "not HTTP: a chunk has no length").await;
    }
}
