//! A load as `bench load` sends it: on a gateway in this process, and on targets that are none.

use std::{env, net::SocketAddr};

use benches::{
    load::{Credentials, Demo, LoadOptions, LoadRecord, prepare, send},
    outcome::{Outcome, Outcomes},
};
use clap::Parser;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    load: LoadOptions,
}

fn options(words: &[&str]) -> LoadOptions {
    Line::try_parse_from([&["load"], words].concat()).expect("options").load
}

fn of_kind(record: &LoadRecord, kind: &str) -> Outcomes {
    record.kinds.iter().find(|found| found.kind == kind).expect("the kind").outcomes
}

#[tokio::test]
async fn a_gateway_serves_the_good_and_refuses_the_bad() {
    let folder = env::temp_dir().join(format!("candor-bench-load-{}", std::process::id()));
    let demo = Demo::start(&folder).await.expect("a gateway");
    let options = options(&["--demo", "--rate", "500", "--for", "600ms", "--browsers", "3"]);
    let (options, url, credentials) = demo.prepare(&options).expect("an address");
    let prepared = prepare(&options, &url, credentials).await.expect("everybody is ready");
    let record = send(&options, prepared, Some(&demo), std::future::pending(), |_| ()).await.expect("it ends");
    demo.end().await;
    let outcomes = record.all.outcomes;
    assert_eq!((outcomes.total(), record.all.due), (300, 300), "{outcomes}");
    for never in [Outcome::FalseRefusal, Outcome::WronglyAdmitted] {
        assert_eq!(outcomes.of(never), 0, "{outcomes}");
    }
    assert_eq!(record.left_out, Vec::<String>::new());
    for (kind, clients) in [("browsers", 3), ("programs", 200), ("displays", 200)] {
        let found = record.kinds.iter().find(|found| found.kind == kind).expect("the kind");
        assert_eq!((found.clients, found.outcomes.of(Outcome::Served)), (clients, found.outcomes.total()), "{kind}");
    }
    let bad = of_kind(&record, "bad-tokens");
    assert!(bad.of(Outcome::Refused) > 0, "{bad}");
    assert_eq!(bad.of(Outcome::Refused) + bad.of(Outcome::Unavailable), bad.total(), "{bad}");
}

/// A target that answers every connection with `answer`, or not at all.
async fn target(answer: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while matches!(stream.read(&mut request).await, Ok(1..)) {
                    if let Some(answer) = answer
                        && stream.write_all(answer.as_bytes()).await.is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_target_that_is_none_is_an_outcome() {
    let check = async |address: SocketAddr, patience: &str, expected: &str| {
        let url = format!("http://{address}/");
        let mix = "programs=3,bad-tokens=1";
        let words = [&*url, "--rate", "500", "--for", "40ms", "--patience", patience, "--mix", mix];
        let options = options(&words);
        let [programs, bad] = [vec!["good".to_owned()], vec!["bad".to_owned()]];
        let credentials = Credentials { programs, bad, ..Credentials::default() };
        let prepared = prepare(&options, &url, credentials).await.expect("everybody is ready");
        let record = send(&options, prepared, None, std::future::pending(), |_| ()).await.expect("it ends");
        assert_eq!(record.all.outcomes.to_string(), expected);
    };
    let refusing = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port").local_addr().expect("an address");
    check(refusing, "10s", "20 lost").await;
    check(target(Some("220 mail.example ESMTP\r\n")).await, "10s", "20 lost").await;
    check(target(None).await, "100ms", "20 hung").await;
    check(
        target(Some("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")).await,
        "10s",
        "5 refused, 15 false refusal",
    )
    .await;
    check(target(Some("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await, "10s", "15 served, 5 wrongly admitted")
        .await;
    check(target(Some("HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n")).await, "10s", "20 honest 5xx").await;
}

#[tokio::test]
async fn who_cannot_sign_in_is_left_out_with_the_reason() {
    let address = target(Some("HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n")).await;
    let url = format!("http://{address}/");
    let options = options(&[&url, "--rate", "500", "--for", "40ms", "--sign-in-user", "ada"]);
    let credentials = options.credentials().expect("credentials");
    let prepared = prepare(&options, &url, credentials).await.expect("everybody is ready");
    let record = send(&options, prepared, None, std::future::pending(), |_| ()).await.expect("it ends");
    assert_eq!(record.left_out, [format!("0 of 20 browsers are signed in, because it ended with 503 at {url}")]);
    assert_eq!((record.all.due, record.stopped), (0, false));
}
