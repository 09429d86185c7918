use std::{path::Path, rc::Rc, time::Duration};

use auth_core::{
    Now, Verdict,
    background::Background,
    clock::Clock,
    policy::{Allow, Permit, permit},
    principal::{Freshness, Groups, Kind, Principal, Roles, Silence, Subject, UserName},
};
use futures_util::FutureExt;
use http::{HeaderMap, StatusCode, Uri, response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{LocalSet, spawn_local},
};
use url::{Position, Url};

use super::{
    super::{
        address::Resolver,
        affinity::AffinityKey,
        endpoint::Endpoints,
        exchange::Deadlines,
        health::AttemptEnd,
        pool::Pools,
        vetting::{UnvettedResponse, VettedHead},
    },
    *,
};
use crate::{
    body::Upload,
    config,
    request::{forwarded::ForwardedPolicy, host::Host},
    route,
};

/// An upstream with these endpoints, which sees its own name as `Host`, and lets so many at each.
fn upstream_with(urls: &[&Url], max_connections: usize) -> Upstream {
    let text = format!(
        "[server]\npublic_url = \"http://localhost\"\n[upstreams.m]\nendpoints = [\"{}\"]\nhost = \"endpoint\"\n\
         max_connections = {max_connections}\n\
         [[routes]]\npath = \"/\"\nupstream = \"m\"\nallow = [\"anyone\"]\n",
        urls[0]
    );
    let parsed = config::parse(&text, Path::new("."), config::Secrets::Read(&|_| None));
    let config = parsed.expect("a configuration").upstreams.get("m").expect("it is there").clone();
    let endpoints = Endpoints::new(Background::current(), auth_core::clock::Clock::system(), Resolver::system());
    let endpoints = urls.iter().map(|url| endpoints.get(&config, url)).collect();
    Upstream::new(config, endpoints)
}

fn upstream(urls: &[&Url]) -> Upstream {
    upstream_with(urls, 512)
}

async fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("an address");
    (listener, url)
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a whole head"));
    }
    String::from_utf8(head).expect("text")
}

async fn say_ok(stream: &mut TcpStream) {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("it listens");
}

/// Somebody whom we vouch for, where that is asked for.
fn known() -> Permit {
    let now = Now::at(Clock::system().now().wall());
    let principal = Principal {
        kind: Kind::User,
        subject: Subject::new("https://idp.example", "ada"),
        tenant: None,
        user_name: UserName::Subject,
        name: None,
        preferred_username: None,
        email: None,
        roles: Roles::known([]),
        groups: Groups::NotStated(Silence::Absent),
        session: None,
        device: None,
        begun: now.wall(),
        until: now.wall() + Duration::from_secs(60),
        freshness: Freshness::Live,
    };
    permit(Verdict::Authenticated(principal), &people().requirement, now).expect("a permit")
}

fn people() -> route::Route {
    route::tests::route(&[Allow::kind(Kind::User)])
}

/// Asks by `method`. The status of what comes of it, whose body is read.
async fn ask(upstream: &Upstream, pools: &Rc<Pools>, method: &'static str) -> Result<StatusCode, Fault> {
    let (upload, wait) = (Upload::of_nothing(), Duration::from_secs(25));
    let deadlines = Deadlines { connect: wait, response: wait, idle_body: wait };
    let exchange = Exchange { pools, deadlines, upload: &upload, repeatable: method == "GET", client: None };
    let named = Host::parse(&HeaderValue::from_static("app.example")).expect("a host");
    let policy = ForwardedPolicy::default();
    let forwarded = Forwarded::of(&HeaderMap::new(), [192, 0, 2, 1].into(), named, &policy).expect("it is believed");
    let request = Request::builder().method(method).uri("/a").body(Body::empty()).expect("a request");
    let (route, permit, target) = (people(), known(), Uri::from_static("/a"));
    let judge = |endpoint: &Arc<str>, head: response::Parts| -> Result<VettedHead, Fault> {
        UnvettedResponse { route: &route, permit: &permit, target: &target, endpoint, sign_in: "/.candor/login" }
            .vet(head)
    };
    let Answered { head, body, .. } = upstream.ask(exchange, request, &forwarded, &judge, None).await?;
    Ok(head.pass(body, |_| {}).status())
}

async fn get(upstream: &Upstream, pools: &Rc<Pools>) -> StatusCode {
    ask(upstream, pools, "GET").await.unwrap_or_else(|fault| panic!("{fault}"))
}

/// Answers the requests of all connections to `listener`, one after the other, as `answers` says: a status, or 0 for
/// closing the connection. How many came.
async fn serve(listener: TcpListener, answers: &'static [u16]) -> usize {
    let mut left = answers.iter();
    let mut count = 0;
    while left.len() > 0 {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        // Each request comes on a connection of its own: none is kept.
        head(&mut stream).await;
        count += 1;
        match left.next() {
            Some(0) | None => {}
            Some(status) => {
                let answer = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.expect("it listens");
            }
        }
    }
    count
}

#[tokio::test]
async fn a_retry_is_addressed_to_the_endpoint_that_was_chosen_for_it() {
    let test = async {
        let ((first, first_url), (second, second_url)) = (listen().await, listen().await);
        let (upstream, pools) = (upstream(&[&first_url, &second_url]), Pools::new());
        let served = spawn_local(async move {
            let (mut stream, _) = first.accept().await.expect("a connection");
            head(&mut stream).await;
            say_ok(&mut stream).await;
            // It is shut down: its idle connection is closed, and nobody listens there any more.
            let again = head(&mut stream).await;
            drop((stream, first));
            let (mut stream, _) = second.accept().await.expect("a connection");
            let retried = head(&mut stream).await;
            say_ok(&mut stream).await;
            (again, retried)
        });
        assert_eq!(get(&upstream, &pools).await, 200);
        upstream.turn.store(0, Ordering::Relaxed);
        assert_eq!(get(&upstream, &pools).await, 200);
        let (again, retried) = served.await.expect("it did not panic");
        for (head, url) in [(again, first_url), (retried, second_url)] {
            let host = &url[Position::BeforeHost..Position::AfterPort];
            assert_eq!(head, format!("GET /a HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        }
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_retry_goes_to_the_only_endpoint_once_more_and_keeps_its_slot() {
    let test = async {
        let (listener, url) = listen().await;
        let (upstream, pools) = (upstream_with(&[&url], 1), Pools::new());
        let served = spawn_local(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            head(&mut stream).await;
            say_ok(&mut stream).await;
            head(&mut stream).await;
            drop(stream);
            let (mut stream, _) = listener.accept().await.expect("a connection");
            head(&mut stream).await;
            say_ok(&mut stream).await;
        });
        assert_eq!(get(&upstream, &pools).await, 200);
        assert_eq!(get(&upstream, &pools).await, 200);
        served.await.expect("it did not panic");
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn what_one_endpoint_fails_another_is_asked() {
    let test = async {
        // It closes the connection, denies whom we vouch for, says that it cannot.
        for failure in [0, 401, 503] {
            let ((first, first_url), (second, second_url)) = (listen().await, listen().await);
            let (upstream, pools) = (upstream(&[&first_url, &second_url]), Pools::new());
            let failing: &'static [u16] = match failure {
                0 => &[0],
                401 => &[401],
                _ => &[503],
            };
            let served = (spawn_local(serve(first, failing)), spawn_local(serve(second, &[200])));
            assert_eq!(get(&upstream, &pools).await, 200, "{failure}");
            assert_eq!((served.0.await.expect("it served"), served.1.await.expect("it served")), (1, 1));
        }
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn the_only_endpoint_is_asked_again_where_it_answers_well_at_times() {
    let test = async {
        let (listener, url) = listen().await;
        let (upstream, pools) = (upstream(&[&url]), Pools::new());
        let served = spawn_local(serve(listener, &[401, 200, 401, 200, 0, 200, 502, 200, 401, 401, 503]));
        let disputed = ask(&upstream, &pools, "GET").await;
        assert!(matches!(disputed, Err(Fault::DisputedIdentity(_))), "it has never answered well: that is no mixture");
        assert_eq!(get(&upstream, &pools).await, 200);
        for what in ["a denial", "a closed connection", "502"] {
            assert_eq!(get(&upstream, &pools).await, 200, "{what}, and then an answer");
        }
        let disputed = ask(&upstream, &pools, "GET").await;
        assert!(matches!(disputed, Err(Fault::DisputedIdentity(_))), "once, and never passed on");
        assert_eq!(ask(&upstream, &pools, "POST").await.ok(), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(served.await.expect("it served"), 11);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_twice() {
    let test = async {
        for failing in [&[0_u16] as &'static [u16], &[401], &[503]] {
            let ((first, first_url), (second, second_url)) = (listen().await, listen().await);
            let (upstream, pools) = (upstream(&[&first_url, &second_url]), Pools::new());
            let served = spawn_local(serve(first, failing));
            let posted = ask(&upstream, &pools, "POST").await;
            assert!(!matches!(posted, Ok(status) if status == 200), "{failing:?}");
            assert_eq!(served.await.expect("it served"), 1);
            assert!(second.accept().now_or_never().is_none(), "{failing:?}: nobody came to the other");
        }
        // Nothing of it was sent: it may go elsewhere.
        let ((first, first_url), (second, second_url)) = (listen().await, listen().await);
        drop(first);
        let (upstream, pools) = (upstream(&[&first_url, &second_url]), Pools::new());
        let served = spawn_local(serve(second, &[200]));
        assert_eq!(ask(&upstream, &pools, "POST").await.ok(), Some(StatusCode::OK));
        assert_eq!(served.await.expect("it served"), 1);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn an_ejected_endpoint_is_left_alone_while_another_is_healthy() {
    let (upstream, _) = three();
    let now = Instant::now();
    let eject = |endpoint: &Arc<Endpoint>| {
        for _ in 0..5 {
            let trial = endpoint.begin(now);
            endpoint.end(AttemptEnd::Failure, trial, now);
        }
    };
    let [a, b, c] = &upstream.endpoints[..] else { panic!("there are three") };
    eject(a);
    for _ in 0..10 {
        assert!(!Arc::ptr_eq(slot(&upstream, &[]).await.endpoint(), a));
    }
    assert!(upstream.has_another(b, &[], now) && !upstream.has_another(b, std::slice::from_ref(c), now));
    eject(b);
    eject(c);
    let mut chosen: Vec<_> = Vec::new();
    for _ in 0..3 {
        chosen.push(slot(&upstream, &[]).await);
    }
    let everywhere = upstream.endpoints.iter().all(|endpoint| endpoint.requests() == 1);
    assert!(everywhere, "where none is healthy, all are asked");
}

fn three() -> (Upstream, Vec<Url>) {
    let urls: Vec<Url> = ["http://a:1", "http://b:1", "http://c:1"].map(|url| url.parse().expect("a URL")).to_vec();
    (upstream(&[&urls[0], &urls[1], &urls[2]]), urls)
}

/// Any endpoint will do.
const ANY: Wish<'_> = Wish { tried: &[], repeatable: true, key: None, client: None };

/// A slot where one is free at once, at one that was not tried.
async fn slot(upstream: &Upstream, tried: &[Arc<Endpoint>]) -> EndpointSlot {
    let at_once = Instant::now();
    upstream
        .slot(&Wish { tried, repeatable: true, key: None, client: None }, at_once)
        .await
        .unwrap_or_else(|fault| panic!("{fault}"))
}

#[tokio::test]
async fn each_goes_where_the_fewest_are() {
    let (upstream, _) = three();
    let held = |slots: &[EndpointSlot]| {
        let mut requests: Vec<_> = upstream.endpoints.iter().map(|endpoint| endpoint.requests()).collect();
        assert_eq!(requests.iter().sum::<usize>(), slots.len());
        requests.sort_unstable();
        requests
    };
    let mut slots = Vec::new();
    for _ in 0..7 {
        slots.push(slot(&upstream, &[]).await);
    }
    assert_eq!(held(&slots), [2, 2, 3], "as many everywhere");
    let left = slots[0].endpoint().clone();
    slots.retain(|slot| !Arc::ptr_eq(slot.endpoint(), &left));
    let next = slot(&upstream, &[]).await;
    assert!(Arc::ptr_eq(next.endpoint(), &left), "where nobody is");
    let mut idle = Vec::new();
    drop((slots, next));
    for _ in 0..6 {
        idle.push(slot(&upstream, &[]).await.endpoint().id());
    }
    assert_eq!(idle[..3], idle[3..], "while nobody is anywhere, each in turn");
    assert!(idle[0] != idle[1] && idle[1] != idle[2] && idle[0] != idle[2]);
}

#[tokio::test]
async fn what_was_not_tried_comes_first() {
    let (upstream, _) = three();
    let [a, b, c] = &upstream.endpoints[..] else { panic!("there are three") };
    let busy = (a.free_slot(None), a.free_slot(None), b.free_slot(None));
    for (tried, expected) in [(vec![], c), (vec![c], b), (vec![b, c], a)] {
        let tried: Vec<_> = tried.into_iter().cloned().collect();
        let chosen = slot(&upstream, &tried).await;
        assert!(Arc::ptr_eq(chosen.endpoint(), expected));
    }
    drop(busy);
    let none = Upstream::new(upstream.config.clone(), Vec::new());
    assert!(matches!(none.slot(&ANY, Instant::now()).await, Err(Fault::NoEndpoint { .. })));
}

#[tokio::test]
async fn who_finds_one_full_goes_to_the_next_and_waits_at_all() {
    let (_, urls) = three();
    let upstream = upstream_with(&[&urls[0], &urls[1], &urls[2]], 1);
    let mut slots = Vec::new();
    for _ in 0..3 {
        slots.push(slot(&upstream, &[]).await);
    }
    let full = upstream.slot(&ANY, Instant::now()).await;
    assert!(matches!(full, Err(Fault::NoEndpoint { .. })), "all are full");
    let deadline = Instant::now() + Duration::from_secs(25);
    let left = slots.remove(1);
    let expected = left.endpoint().clone();
    let waiting = upstream.slot(&ANY, deadline);
    let (found, ()) = tokio::join!(biased; waiting, async { drop(left) });
    let found = found.unwrap_or_else(|fault| panic!("{fault}"));
    assert!(Arc::ptr_eq(found.endpoint(), &expected), "whichever is given back first");
}

#[tokio::test]
async fn who_belongs_somewhere_goes_there_and_comes_back() {
    let (upstream, _) = three();
    let people: Vec<_> = (0..30)
        .map(|person| AffinityKey::of_principal(&Subject::new("https://idp.example", person.to_string())))
        .collect();
    let now = Instant::now();
    let homes = |except: &[Arc<Endpoint>]| -> Vec<_> {
        let home = |key| upstream.home(key, except, true, now).expect("there is one").1.id();
        people.iter().map(home).collect()
    };
    let before = homes(&[]);
    let [a, b, c] = &upstream.endpoints[..] else { panic!("there are three") };
    assert!([a, b, c].iter().all(|endpoint| before.contains(&endpoint.id())), "they are spread");
    let busy: Vec<_> = (0..100).filter_map(|_| a.free_slot(None)).collect();
    assert_eq!(homes(&[]), before, "however much there is to do");
    drop(busy);
    for _ in 0..5 {
        a.end(AttemptEnd::Failure, a.begin(now), now);
    }
    let meanwhile = homes(&[]);
    for (before, meanwhile) in before.iter().zip(&meanwhile) {
        assert!(*meanwhile != a.id() && (before == meanwhile || *before == a.id()), "only who was there moves");
    }
    let later = now + Duration::from_secs(60);
    a.end(AttemptEnd::Success, a.begin(later), later);
    let much_later = later + Duration::from_secs(60);
    let home = |key| upstream.home(key, &[], true, much_later).expect("there is one").1.id();
    assert_eq!(people.iter().map(home).collect::<Vec<_>>(), before, "and comes back");
}
