//! The access log: one line a request, written when it is over, and formed on the writer's thread.

use std::{io::Write, net::IpAddr, sync::Arc, time::Duration};

use auth_core::{
    clock::Timestamp,
    principal::{Kind, Subject},
};
use http::Method;
use serde_json::{Map, Value};

use super::{
    escape,
    metrics::Metrics,
    queue::Queue,
    route_metrics::{RouteMetrics, UNANSWERED},
};
use crate::fault::{AnswerWord, ClientKind};

/// How many lines may wait for a slow reader.
const ROOM: usize = 16 * 1024;

/// Longer texts are cut: a line is for reading.
const LONGEST: usize = 1024;

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line to read.
    Human,
    /// One JSON object a line.
    Json,
}

/// What one request was, and what became of it. There is no field for a header's value, a query or a token.
#[derive(Clone, Debug)]
pub struct AccessLine {
    /// When its head was read.
    pub time: Timestamp,
    /// Its id, as `x-request-id` has it.
    pub id: String,
    /// The client's address, if it is known.
    pub client: Option<IpAddr>,
    /// The protocol that it came in, if that is not HTTP/1.1: `HTTP/2`, `HTTP/1.0`.
    pub protocol: Option<&'static str>,
    /// Its method.
    pub method: Method,
    /// Its path, as it was sent, **without** its query: queries hold codes and states.
    pub path: String,
    /// The status of our answer, if there was one.
    pub status: Option<u16>,
    /// The answer's word, as `x-gateway-answer` has it, if there was one.
    pub answer: Option<AnswerWord>,
    /// In whose form it was answered.
    pub client_kind: ClientKind,
    /// Who that is, if we know.
    pub principal: Option<LoggedPrincipal>,
    /// The route's path, if one was found.
    pub route: Option<Arc<str>>,
    /// The upstream's name, if the request went there.
    pub upstream: Option<Arc<str>>,
    /// From the head to the answer's head, if there was one.
    pub head: Option<Duration>,
    /// From the head to the end of the answer.
    pub duration: Duration,
    /// How many bytes of its body came from the client.
    pub received: u64,
    /// How many bytes of the answer's body were handed to the client's connection. If the client leaves, some of them may
    /// not have arrived.
    pub sent: u64,
    /// Why the answer did not come whole, if it did not.
    pub incomplete: Option<Incomplete>,
    /// Why it was refused (`expired`), or which dependency was missing (`keys`).
    pub reason: Option<&'static str>,
    /// The evidence, or what an endpoint did. Never what a client sent as a secret.
    pub detail: Option<String>,
    /// What went wrong, if that is no verdict: `connection_refused`.
    pub fault: Option<&'static str>,
}

/// Because of whom an answer broke off, or never began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// The client left.
    Client,
    /// The client took no bytes for too long, and we cut.
    ClientIdle,
    /// Nothing moved in a tunnel for too long, and we cut.
    Idle,
    /// A mistake of ours.
    Internal,
    /// It was proven meanwhile that whoever it was for may not have it any more, and we cut.
    Rejected,
    /// We were shut down, and waited no longer.
    Shutdown,
    /// The upstream broke off.
    Upstream,
    /// The upstream sent no bytes for too long, and we cut.
    UpstreamIdle,
}

/// The principal of a line.
#[derive(Clone, Debug)]
pub struct LoggedPrincipal {
    /// A person, a display or a program.
    pub kind: Kind,
    /// Issuer and subject.
    pub subject: Subject,
}

/// Where access lines go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLog(Queue<AccessLine>);

impl AccessLog {
    /// An access log that writes to `sink`, on a thread of its own.
    pub fn to(sink: Box<dyn Write + Send>, format: Format) -> Self {
        Metrics::install();
        Self(Queue::start("access", ROOM, sink, move |line: AccessLine, out| line.form(format, out)))
    }

    /// Writes the line of a request that is over, and counts it in `metrics`. Never waits: without room the line is
    /// dropped and counted as such.
    pub fn write(&self, line: AccessLine, metrics: &RouteMetrics) {
        metrics.count(&line);
        self.0.push(line);
    }

    /// Waits until what was written before has left, at most for `wait`.
    pub fn flush(&self, wait: Duration) {
        self.0.flush(wait);
    }
}

impl AccessLine {
    /// Appends the line, with its end, in this form.
    pub fn form(&self, format: Format, out: &mut Vec<u8>) {
        match format {
            Format::Human => self.human(out),
            Format::Json => self.json(out),
        }
    }

    /// The fields after the fixed ones, with their names, as far as they are known.
    fn known(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let who = self.principal.as_ref();
        [
            ("protocol", self.protocol),
            ("kind", who.map(|who| who.kind.as_str())),
            ("issuer", who.map(|who| &*who.subject.issuer)),
            ("subject", who.map(|who| &*who.subject.id)),
            ("route", self.route.as_deref()),
            ("upstream", self.upstream.as_deref()),
            ("incomplete", self.incomplete.map(Incomplete::as_str)),
            ("reason", self.reason),
            ("fault", self.fault),
            ("detail", self.detail.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, cut(value?))))
    }

    /// `TIME CLIENT METHOD PATH STATUS ANSWER 1.234ms client_kind=… id=… head=1.234ms received=0B sent=2B name=value…`
    fn human(&self, out: &mut Vec<u8>) {
        let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let mut line = format!(
            "{:.3} {} {} {} {} {} {:.3}ms client_kind={} id={} head={} received={}B sent={}B",
            self.time,
            shown(self.client.map(|client| client.to_string())),
            plain(self.method.as_str()),
            plain(&self.path),
            shown(self.status.map(|status| status.to_string())),
            self.answer(),
            millis(self.duration),
            self.client_kind,
            plain(&self.id),
            shown(self.head.map(|head| format!("{:.3}ms", millis(head)))),
            self.received,
            self.sent,
        );
        for (name, value) in self.known() {
            line.push(' ');
            line.push_str(name);
            line.push('=');
            line.push_str(&plain(value));
        }
        line.push('\n');
        out.extend(line.into_bytes());
    }

    fn json(&self, out: &mut Vec<u8>) {
        let mut line = Map::new();
        line.insert("time".into(), format!("{:.3}", self.time).into());
        line.insert("id".into(), cut(&self.id).into());
        line.insert("client".into(), self.client.map_or(Value::Null, |client| client.to_string().into()));
        line.insert("method".into(), cut(self.method.as_str()).into());
        line.insert("path".into(), cut(&self.path).into());
        line.insert("status".into(), self.status.into());
        line.insert("answer".into(), self.answer().into());
        line.insert("client_kind".into(), self.client_kind.as_str().into());
        line.insert("duration_ms".into(), millis(self.duration).into());
        line.insert("head_ms".into(), self.head.map(millis).into());
        line.insert("received_bytes".into(), self.received.into());
        line.insert("sent_bytes".into(), self.sent.into());
        line.extend(self.known().map(|(name, value)| (name.to_owned(), value.into())));
        out.extend(escape::json(&Value::Object(line).to_string()).as_bytes());
        out.push(b'\n');
    }

    fn answer(&self) -> &'static str {
        self.answer.map_or(UNANSWERED, AnswerWord::as_str)
    }
}

impl Incomplete {
    /// Every cause, in the order of their names.
    pub const ALL: [Self; 8] = [
        Self::Client,
        Self::ClientIdle,
        Self::Idle,
        Self::Internal,
        Self::Rejected,
        Self::Shutdown,
        Self::Upstream,
        Self::UpstreamIdle,
    ];

    /// An upstream's fault, in the words of RFC 9209 §2.3.
    pub const fn proxy_error(self) -> Option<&'static str> {
        match self {
            Self::Upstream => Some("http_response_incomplete"),
            Self::UpstreamIdle => Some("connection_read_timeout"),
            Self::Client | Self::ClientIdle | Self::Idle | Self::Internal | Self::Rejected | Self::Shutdown => None,
        }
    }

    /// The word that the log and the metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::ClientIdle => "client-idle",
            Self::Idle => "idle",
            Self::Internal => "internal-error",
            Self::Rejected => "rejected",
            Self::Shutdown => "shutdown",
            Self::Upstream => "upstream",
            Self::UpstreamIdle => "upstream-idle",
        }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A value that a human line can hold: anything but plain visible characters is quoted and escaped, so that no client
/// and no issuer can write a line of its own.
fn plain(value: &str) -> String {
    let value = cut(value);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
        value.to_owned()
    } else {
        format!("\"{}\"", value.escape_debug())
    }
}

fn cut(value: &str) -> &str {
    &value[..value.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> AccessLine {
        AccessLine {
            time: Timestamp::from_millis(1_611_000_000_123),
            id: "0192".into(),
            client: Some(IpAddr::from([10, 0, 0, 7])),
            protocol: None,
            method: Method::GET,
            path: "/api/device/me".into(),
            status: Some(503),
            answer: Some(AnswerWord::VerdictUnavailable),
            client_kind: ClientKind::Device,
            principal: None,
            route: Some("/api/device/".into()),
            upstream: None,
            head: Some(Duration::from_micros(1250)),
            duration: Duration::from_micros(1500),
            received: 0,
            sent: 7,
            incomplete: None,
            reason: Some("keys"),
            detail: None,
            fault: None,
        }
    }

    fn human(line: &AccessLine) -> String {
        let mut out = Vec::new();
        line.human(&mut out);
        String::from_utf8(out).expect("a line is text")
    }

    #[test]
    fn a_human_line_reads_from_left_to_right() {
        assert_eq!(
            human(&line()),
            "2021-01-18T20:00:00.123Z 10.0.0.7 GET /api/device/me 503 verdict-unavailable 1.500ms \
             client_kind=device id=0192 head=1.250ms received=0B sent=7B route=/api/device/ reason=keys\n"
        );
        let unanswered = AccessLine {
            client: None,
            status: None,
            answer: None,
            head: None,
            sent: 0,
            incomplete: Some(Incomplete::Client),
            reason: None,
            ..line()
        };
        assert_eq!(
            human(&unanswered),
            "2021-01-18T20:00:00.123Z - GET /api/device/me - unanswered 1.500ms client_kind=device id=0192 head=- \
             received=0B sent=0B route=/api/device/ incomplete=client\n"
        );
    }

    #[test]
    fn a_json_line_is_one_object() {
        let mut out = Vec::new();
        let who = LoggedPrincipal { kind: Kind::User, subject: Subject::new("https://issuer.example", "ada\n") };
        AccessLine { principal: Some(who), detail: Some("x\"y".into()), ..line() }.json(&mut out);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        let read: Value = serde_json::from_slice(&out).expect("it is JSON");
        assert_eq!(read["subject"], "ada\n");
        assert_eq!(read["detail"], "x\"y");
        assert_eq!((&read["duration_ms"], &read["head_ms"]), (&1.5.into(), &1.25.into()));
        assert_eq!((&read["received_bytes"], &read["sent_bytes"]), (&0.into(), &7.into()));
        assert_eq!((&read["status"], &read["client_kind"]), (&503.into(), &"device".into()));
        assert!(read.get("fault").is_none());
    }

    #[test]
    fn nobody_writes_a_line_of_their_own() {
        let check = |value: &str, expected: &str| assert_eq!(plain(value), expected);
        check("plain/%20", "plain/%20");
        check("", "\"\"");
        check("a b", "\"a b\"");
        check("a\nb", "\"a\\nb\"");
        check("\u{1b}[31m", "\"\\u{1b}[31m\"");
        check("\u{202e}x", "\"\\u{202e}x\"");
        let who = LoggedPrincipal { kind: Kind::User, subject: Subject::new("i", "ada\n2021 forged") };
        let text = human(&AccessLine { principal: Some(who), ..line() });
        assert_eq!(text.lines().count(), 1);
    }

    /// What a stranger can write: the request's line, and what an issuer says of whom it knows.
    fn written_by(stranger: &str) -> AccessLine {
        let text = || stranger.to_owned();
        let subject = Subject::new(&*text(), &*text());
        AccessLine {
            id: text(),
            path: text(),
            principal: Some(LoggedPrincipal { kind: Kind::User, subject }),
            detail: Some(text()),
            ..line()
        }
    }

    #[test]
    fn nothing_that_a_stranger_writes_is_obeyed_in_either_form() {
        for character in escape::tests::obeyed() {
            let text = format!("/a{character}b");
            let (mut json, human) = (Vec::new(), human(&written_by(&text)));
            written_by(&text).json(&mut json);
            let json = String::from_utf8(json).expect("a line is text");
            for line in [&json, &human] {
                let shown = line.strip_suffix('\n').expect("a line ends");
                assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{character:?}: {line:?}");
            }
            let read: Value = serde_json::from_str(&json).expect("it is JSON");
            for field in ["id", "path", "issuer", "subject", "detail"] {
                assert_eq!(read[field], *text, "{field}");
            }
        }
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        assert_eq!(cut(&"ä".repeat(5000)).len(), LONGEST);
        assert_eq!(cut(&format!("x{}", "ä".repeat(5000))).len(), LONGEST - 1);
    }
}
