//! Answers as they should not be, and places where nobody may lead us.

use http::StatusCode;

use super::*;
use crate::testing::RawServer;

fn client(issuer: &str) -> Outbound {
    let policy = OutboundPolicy { total: Duration::from_millis(300), ..OutboundPolicy::default() };
    Outbound::new(&Url::parse(issuer).expect("an issuer"), policy, Clock::system()).expect("no extra certificates")
}

async fn got(client: &Outbound, url: &str) -> String {
    match client.get(&Url::parse(url).expect("an address"), 10).await {
        Ok(answer) => format!("{} {}", answer.status.as_u16(), String::from_utf8_lossy(&answer.body)),
        Err(fault) => match fault {
            OutboundError::Forbidden(_) => "forbidden",
            OutboundError::Connect(_) => "no connection",
            OutboundError::Broke(_) => "broke",
            OutboundError::TimedOut(_) => "late",
            OutboundError::TooLong(_) => "too long",
            OutboundError::Request(_) => "not a request",
        }
        .to_owned(),
    }
}

#[tokio::test]
async fn what_the_configuration_names_is_called_wherever_it_is() {
    let [keys, other] = [RawServer::start().await, RawServer::start().await];
    for server in [&keys, &other] {
        server.says_raw("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi");
    }
    let port = |server: &RawServer| Url::parse(server.base()).expect("an address").port().expect("a port");
    let at = |host: &str, server: &RawServer| format!("http://{host}:{}/keys", port(server));
    let issuer = Url::parse("https://192.0.2.1").expect("an issuer");
    let named = |address: &str| Named::address(&Url::parse(address).expect("an address")).expect("reachable");
    let policy = OutboundPolicy {
        total: Duration::from_millis(300),
        named: vec![named(&at("127.0.0.1", &keys)), named(&at("localhost", &keys))],
        ..OutboundPolicy::default()
    };
    let client = Outbound::new(&issuer, policy, Clock::system()).expect("no extra certificates");
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(got(&client, &at(host, &keys)).await, "200 hi", "{host}");
        assert_eq!(got(&client, &at(host, &other)).await, "forbidden", "{host}: another port is another's");
    }
}

#[tokio::test]
async fn an_answer_is_whole_or_an_error() {
    let server = RawServer::start().await;
    let client = client(server.base());
    let check = async |raw: &str, expected: &str| {
        server.says_raw(raw);
        assert_eq!(got(&client, server.base()).await, expected, "{raw}");
    };
    check("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "200 hi").await;
    check("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", "500 ").await;
    check("HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n12345678901", "too long").await;
    check("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n123456789012345", "too long").await;
    check("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "broke").await;
    check("", "broke").await;
    check("garbage\r\n\r\n", "broke").await;
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let (here, there) = (RawServer::start().await, RawServer::start().await);
    here.says(302, &format!("location: {}/\r\n", there.base()), "");
    let answer = client(here.base()).get(&Url::parse(here.base()).expect("an address"), 10).await.expect("answers");
    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(there.asked(), 0, "it was not followed");
}

#[tokio::test]
async fn nothing_answers_and_nothing_waits_for_ever() {
    let server = RawServer::start().await;
    server.says_raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a port");
    let silent_url = format!("http://{}", silent.local_addr().expect("it is bound"));
    assert_eq!(got(&client(&silent_url), &silent_url).await, "late");
    drop(silent);
    assert_eq!(got(&client(&silent_url), &silent_url).await, "no connection");
}

#[tokio::test]
async fn a_provider_cannot_lead_us_into_the_house() {
    let server = RawServer::start().await;
    server.says(200, "", "secret");
    let port = Url::parse(server.base()).expect("an address").port().expect("it has one");
    let outside = client("https://192.0.2.1");
    assert_eq!(got(&outside, server.base()).await, "forbidden");
    assert_eq!(got(&outside, &format!("http://localhost:{port}/")).await, "forbidden");
    assert_eq!(got(&outside, "https://169.254.169.254/latest/meta-data").await, "forbidden");
    assert_eq!(server.asked(), 0);
    assert_eq!(got(&client("http://localhost"), server.base()).await, "200 secret");
}

#[test]
fn extra_certificates_are_certificates() {
    let with = |pem: &str| {
        let policy = OutboundPolicy { ca: Some(pem.into()), ..OutboundPolicy::default() };
        Outbound::new(&Url::parse("https://idp.example").expect("an issuer"), policy, Clock::system()).is_ok()
    };
    assert!(!with(""));
    assert!(!with("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
}
