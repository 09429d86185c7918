//! Providers that lie, and people who come back from one with what is not theirs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use gateway::demo::{Lie, Part, browser::SeenPage};
use http::{HeaderValue, header};
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;
use world::{
    World,
    caller::{Caller, Form},
    process::Process,
    scripted::{Scripted, json as json_answer},
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "wrong_answers_of_a_provider",
        fault: "invalid-response-is-an-outage",
        run: || Box::pin(wrong_answers()),
    },
    Attack { name: "one_sign_in_and_many_codes", fault: "sign-ins-are-never-spent", run: || Box::pin(many_codes()) },
    Attack { name: "documents_that_lead_inside", fault: "documents-name-anything", run: || Box::pin(leads_inside()) },
];

/// The cookie of a session, by http.
const TICKET: &str = "candor";

/// ID tokens that are bad in every way, and errors that somebody made up at the callback: nobody is signed in or
/// refused by them, no page turns in circles, and no outage is counted that an operator would be woken for.
async fn wrong_answers() -> Probes {
    let mut probes = Probes::default();
    let (world, gateway, admin) = by_itself(None).await;
    // Userinfo is not asked here, and the document was read before.
    for lie in Lie::ALL.into_iter().filter(|lie| !matches!(lie, Lie::OtherUserinfo | Lie::OtherDocument)) {
        let mut person = Caller::new(Form::Browser);
        let callback = world.until_callback(&mut person, "ada", "/calendar").await;
        let before = outages(&admin).await;
        world.idp.lie(Some(lie));
        let told = person.browser().get(&callback).await.expect("an answer");
        world.idp.lie(None);
        let wrong = what_is_wrong_with(&told, before != outages(&admin).await);
        probes.made(wrong.is_some(), || format!("{lie:?}: {wrong:?}"));
    }
    for word in ["server_error", "temporarily_unavailable", "access_denied", "invalid_scope", "made_up"] {
        let mut person = Caller::new(Form::Browser);
        let mut callback = world.until_callback(&mut person, "ada", "/calendar").await;
        let state = parameter(&callback, "state");
        callback.query_pairs_mut().clear().extend_pairs([("error", word), ("state", &state)]);
        let before = outages(&admin).await;
        let told = person.browser().get(&callback).await.expect("an answer");
        let rang = before != outages(&admin).await;
        // What a provider says of its own health may pass.
        let wrong = what_is_wrong_with(&told, rang).filter(|wrong| *wrong != CIRCLES || told.status != 503);
        probes.made(wrong.is_some(), || format!("error={word}: {wrong:?}"));
    }
    world.sign_in(&mut Caller::new(Form::Browser), "ada", "/calendar").await;
    gateway.kill();

    let (world, gateway, admin) = by_itself(Some(Lie::OtherDocument)).await;
    let mut person = Caller::new(Form::Browser);
    let before = outages(&admin).await;
    let told = person.browser().get(&world.url("/.candor/login")).await.expect("an answer");
    let wrong = what_is_wrong_with(&told, before != outages(&admin).await);
    probes.made(wrong.is_some(), || format!("another issuer's document: {wrong:?}"));
    gateway.kill();
    probes
}

/// A gateway in a process of its own, whose counters are nobody else's; and where they are.
async fn by_itself(lie: Option<Lie>) -> (World, Process, Url) {
    let world = World::new().prepare().await;
    world.idp.lie(lie);
    let mut gateway = Process::start(&world.write_config());
    let admin = gateway.serving().await;
    (world, gateway, Url::parse(&format!("http://{admin}/metrics")).expect("an address"))
}

const CIRCLES: &str = "it turns in circles";

/// In which way an answer to a lie is one to the person, or to whoever looks after the gateway.
fn what_is_wrong_with(told: &SeenPage, rang: bool) -> Option<&'static str> {
    let to = told.location().map(|to| to.path().to_owned()).unwrap_or_default();
    let signed_in = told.set_cookies().iter().any(|cookie| cookie.name() == TICKET && !cookie.value().is_empty());
    if signed_in {
        Some("somebody is signed in")
    } else if matches!(told.status.as_u16(), 401 | 403 | 407)
        || told.deleted_cookies().iter().any(|name| name == TICKET)
    {
        Some("somebody is refused")
    } else if to.contains("/login") || to.contains("/authorize") || told.text().contains("http-equiv=\"refresh\"") {
        Some(CIRCLES)
    } else if rang {
        Some("it counts as an outage")
    } else {
        None
    }
}

/// The counters of outages. What strangers can cause at will is counted apart from them.
async fn outages(admin: &Url) -> BTreeMap<String, String> {
    let metrics = Caller::new(Form::Script).browser().get(admin).await.expect("metrics").text();
    let counters = metrics.lines().filter(|line| {
        line.starts_with("candor_unavailable_total{") && line.contains("uncertainty=\"outage\"")
            || line.starts_with("candor_alarms_total{")
    });
    let counted: BTreeMap<_, _> = counters.filter_map(|line| line.split_once(' ')).collect();
    assert!(!counted.is_empty(), "there are counters of outages: {metrics}");
    counted.into_iter().map(|(name, count)| (name.to_owned(), count.to_owned())).collect()
}

/// One pending sign-in, and callbacks with codes that somebody made up, one after the other and all at once: each that reaches
/// the token endpoint is a call with our secret.
async fn many_codes() -> Probes {
    let world = World::new().standing_clock().start().await;
    let mut probes = Probes::default();
    let mut person = Caller::new(Form::Browser);
    let (with_code, cookie) = a_try(&world, &mut person).await;
    let told = with_try(&cookie).browser().get(&with_code(0)).await.expect("an answer");
    assert_eq!(told.status, 400, "the provider has answered one: {}", told.text());
    for code in 1..1000 {
        // Slowly enough for every limit of how often one may ask.
        world.clock().advance(std::time::Duration::from_millis(500));
        let asked = world.idp.asked(Part::Token);
        with_try(&cookie).browser().get(&with_code(code)).await.expect("an answer");
        probes.made(world.idp.asked(Part::Token) > asked, || format!("code {code} reached the token endpoint"));
    }
    let (with_code, cookie) = a_try(&world, &mut person).await;
    let asked = world.idp.asked(Part::Token);
    let mut all = tokio::task::JoinSet::new();
    for code in 0..40 {
        let (mut copy, callback) = (with_try(&cookie), with_code(code));
        all.spawn(async move { copy.browser().get(&callback).await.map(|told| told.status.as_u16()) });
    }
    let told = all.join_all().await;
    let calls = world.idp.asked(Part::Token) - asked;
    for call in 0..told.len() {
        probes.made(call > 0 && call < calls, || format!("{calls} calls for one pending sign-in: {told:?}"));
    }
    probes
}

/// The pending sign-in of somebody who is back from the provider: its callback with another code, and its cookie.
async fn a_try(world: &World, person: &mut Caller) -> (impl Fn(usize) -> Url + use<>, (String, String)) {
    let callback = world.until_callback(person, "ada", "/calendar").await;
    let state = parameter(&callback, "state");
    let name = person.browser().cookie_names(&callback).into_iter().find(|name| name.contains("-signin-"));
    let name = name.expect("a pending sign-in has a cookie");
    let value = person.browser().cookie(&callback, &name).expect("it has a value").to_owned();
    person.browser().forget_cookie(&callback, &name);
    let with_code = move |code: usize| {
        let mut with_code = callback.clone();
        let code = format!("made-up-{code}");
        with_code.query_pairs_mut().clear().extend_pairs([("code", &code), ("state", &state)]);
        with_code
    };
    (with_code, (name, value))
}

/// Somebody who copied that cookie, and keeps it whatever they are told.
fn with_try((name, value): &(String, String)) -> Caller {
    let mut copy = Caller::new(Form::Browser);
    let cookie = HeaderValue::from_str(&format!("{name}={value}")).expect("visible ASCII");
    copy.browser().always_send(header::COOKIE, cookie);
    copy
}

/// Documents of an issuer elsewhere that name addresses on this machine as their own. The operator named one there, for
/// the document itself; the provider may not name any.
async fn leads_inside() -> Probes {
    let mut world = World::new().prepare().await;
    let documents = Scripted::before(world.idp.address()).await;
    let mut further = String::new();
    let mut listeners = Vec::new();
    for (number, host) in ["127.0.0.1", "127.0.0.2", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "localhost"]
        .into_iter()
        .enumerate()
    {
        let (port, met) = listen().await;
        let issuer = format!("https://idp-{number}.invalid");
        let at = |path: &str| format!("https://{host}:{port}{path}");
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": at("/token"),
            "jwks_uri": at("/keys"),
        });
        documents.say(&format!("/document-{number}"), json_answer("200 OK", &document.to_string()));
        further.push_str(&format!(
            "[[identity]]\nname = \"elsewhere-{number}\"\nissuer = \"{issuer}\"\nclient_id = \"candor\"\n\
             discovery_url = \"{}/document-{number}\"\n",
            documents.base()
        ));
        listeners.push((number, at("/keys"), met));
    }
    world.settings.replace("[upstreams.monolith]", &format!("{further}\n[upstreams.monolith]"));
    world.start_gateway().await;
    let mut probes = Probes::default();
    for (number, address, met) in listeners {
        let mut person = Caller::new(Form::Browser);
        let mut login = world.url("/.candor/login");
        login.query_pairs_mut().append_pair("provider", &format!("elsewhere-{number}"));
        let away = person.browser().get(&login).await.expect("an answer");
        let state = away.location().map(|to| parameter(&to, "state")).unwrap_or_default();
        assert!(!state.is_empty(), "the document is read: {}", away.text());
        let mut callback = world.url(&format!("/.candor/callback/elsewhere-{number}"));
        callback.query_pairs_mut().extend_pairs([("code", "c"), ("state", &state)]);
        let told = person.browser().get(&callback).await.expect("an answer");
        probes.made(met.load(Ordering::SeqCst) > 0, || format!("{address} was called: {}", told.status));
    }
    probes
}

/// A port on loopback, and how often it was called.
async fn listen() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has ports");
    let port = listener.local_addr().expect("it is bound").port();
    let met = Arc::new(AtomicUsize::new(0));
    for listener in [Some(listener), TcpListener::bind(("127.0.0.2", port)).await.ok()].into_iter().flatten() {
        let met = Arc::clone(&met);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                met.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    (port, met)
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(has, _)| has == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}
