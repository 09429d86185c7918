//! Whether an upstream leaves the body of a request unread, and takes it for the next request.
//!
//! Each question is harmless: a method and a path that no service knows, a body that spells a request for such a path,
//! and nobody's identity. Two answers to one question are the finding.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::request::id::RequestId;

/// How long the first answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a second one is waited for.
const QUIET: Duration = Duration::from_secs(1);

/// More than this of an answer is not read: whatever came first was no short answer to an unknown path.
const LARGEST: usize = 256 * 1024;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// A POST, after which the connection may serve on.
    Post,
    /// A POST that says that it is the last of its connection.
    LastPost,
    /// A GET that says so: what the gateway makes of every GET with a body.
    LastGet,
}

/// Asks over `stream`, of a server that is known as `host`: whether it answered twice.
///
/// # Errors
/// It did not answer at all.
pub(super) async fn answers_twice(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    question: Question,
) -> Result<bool, String> {
    let failed = |cause: io::Error| format!("it does not answer: {cause}");
    stream.write_all(text(host, question).as_bytes()).await.map_err(failed)?;
    let mut heard = Vec::new();
    loop {
        let whole = match rest(&heard) {
            Some([]) => true,
            Some(more) => return Ok(b"HTTP/".starts_with(&more[..more.len().min(5)])),
            None if heard.len() > LARGEST => return Ok(false),
            None => false,
        };
        let patience = if whole { QUIET } else { PATIENCE };
        match timeout(patience, stream.read_buf(&mut heard)).await {
            Ok(Ok(read)) if read > 0 => {}
            Ok(Err(cause)) if heard.is_empty() => return Err(failed(cause)),
            Ok(_) if heard.is_empty() => return Err("it closes the connection without an answer".to_owned()),
            Err(_) if !whole => return Err(format!("no answer within {PATIENCE:?}")),
            Ok(_) | Err(_) => return Ok(false),
        }
    }
}

fn text(host: &str, question: Question) -> String {
    let name = RequestId::new();
    let inner = format!("GET /candor-check-{name}-body HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let (method, fields) = match question {
        Question::Post => ("POST", ""),
        Question::LastPost => ("POST", "Connection: close\r\n"),
        Question::LastGet => ("GET", "Connection: close\r\n"),
    };
    let length = inner.len();
    format!(
        "{method} /candor-check-{name} HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/plain\r\n{fields}Content-Length: {length}\r\n\r\n{inner}"
    )
}

/// What follows the first final answer in `heard`; `None` while that is not whole. One that ends with its connection is
/// never whole.
fn rest(mut heard: &[u8]) -> Option<&[u8]> {
    loop {
        let end = position(heard, b"\r\n\r\n")? + 4;
        let (head, body) = heard.split_at(end);
        let head = String::from_utf8_lossy(head).to_ascii_lowercase();
        let mut lines = head.split("\r\n");
        let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        if status < 200 {
            heard = body;
            continue;
        }
        let field =
            |name: &str| lines.clone().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
        if field("transfer-encoding").is_some_and(|coding| coding.ends_with("chunked")) {
            return after_chunks(body);
        }
        if status == 204 || status == 304 {
            return Some(body);
        }
        let length: usize = field("content-length")?.parse().ok()?;
        return body.get(length..);
    }
}

/// What follows the last chunk.
fn after_chunks(mut body: &[u8]) -> Option<&[u8]> {
    loop {
        let end = position(body, b"\r\n")?;
        let (line, rest) = (String::from_utf8_lossy(&body[..end]), &body[end + 2..]);
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            let trailers = if rest.starts_with(b"\r\n") { 2 } else { position(rest, b"\r\n\r\n")? + 4 };
            return Some(&rest[trailers..]);
        }
        body = rest.get(size.checked_add(2)?..)?;
    }
}

fn position(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncBufReadExt,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn an_answer_ends_where_it_says() {
        let check = |heard: &str, expected: Option<&str>| {
            assert_eq!(rest(heard.as_bytes()).map(String::from_utf8_lossy).as_deref(), expected, "{heard:?}");
        };
        check("", None);
        check("HTTP/1.1 200 OK\r\n", None);
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Some(""));
        check("HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\no", None);
        check("HTTP/1.1 404 Not\r\nContent-Length: 10\r\n\r\n HTTP/1.1 HTTP/1.1 404", Some("HTTP/1.1 404"));
        check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/", Some("HTTP/"));
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\n\r\nHTTP/", Some("HTTP/"));
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n", Some(""));
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok", None);
        check("HTTP/1.1 200 OK\r\n\r\neverything to the end HTTP/1.1 200 OK", None);
        // However many pieces it comes in.
        check(&("HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000) + "HTTP/1.1 204 No Content\r\n\r\n"), Some(""));
        let chunks = "1\r\na\r\n".repeat(100_000);
        check(&format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"), Some(""));
    }

    /// A server by its habits: whether it reads bodies, and whether it heeds `Connection: close`.
    async fn server(reads: bool, closes: bool) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("one asks");
            let (read, mut write) = stream.into_split();
            let mut lines = tokio::io::BufReader::new(read);
            loop {
                let (mut head, mut line) = (String::new(), String::new());
                while lines.read_line(&mut line).await.is_ok_and(|read| read > 2) {
                    head.push_str(&std::mem::take(&mut line).to_ascii_lowercase());
                }
                if head.is_empty() {
                    return;
                }
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
                if reads {
                    let mut body = vec![0; length.unwrap_or(0)];
                    lines.read_exact(&mut body).await.expect("it is all there");
                }
                write.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").await.expect("it listens");
                if closes && head.contains("connection: close") {
                    return;
                }
            }
        });
        TcpStream::connect(address).await.expect("it listens")
    }

    #[tokio::test]
    async fn a_body_that_is_answered_is_found() {
        for (reads, closes, question, twice) in [
            (true, true, Question::Post, false),
            (true, false, Question::LastGet, false),
            (false, true, Question::Post, true),
            (false, true, Question::LastPost, false),
            (false, true, Question::LastGet, false),
            (false, false, Question::LastPost, true),
            (false, false, Question::LastGet, true),
        ] {
            let answer = answers_twice(server(reads, closes).await, "app.example", question).await;
            assert_eq!(answer, Ok(twice), "reads {reads}, closes {closes}: {question:?}");
        }
    }

    #[test]
    fn a_question_is_harmless() {
        for question in [Question::Post, Question::LastPost, Question::LastGet] {
            let asked = text("app.example", question);
            let (head, body) = asked.split_once("\r\n\r\n").expect("a head and a body");
            assert!(head.contains(" /candor-check-") && body.starts_with("GET /candor-check-"), "{asked}");
            assert!(!asked.contains("Cookie") && !asked.contains("Auth") && !asked.contains("User"), "{asked}");
        }
    }
}
