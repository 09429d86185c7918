//! A cold start, with real processes: a gateway is killed, everything that it depends on breaks, and another starts on
//! the same data. Whom the first one knew, the second one knows.

use std::time::Duration;

use gateway::demo::{self, Bearer, browser::Seen};
use libtest_mimic::Trial;
use url::Url;
use world::{
    World,
    caller::{Caller, Form, Heard},
    process::Process,
    store::StoreBreak,
    wire::Break::{self, LoginRedirect, Nonsense, Refused, Reset, Status},
};

use crate::{
    figures, in_a_runtime,
    outages::{
        flows::{BAD_TICKETS, TICKET},
        oracle,
        table::{Fault, Flow, Outcome, of_monolith},
    },
};

/// How the provider's wires are broken, one round after the other. The first is how the second process meets them.
const BROKEN: [Break; 4] = [Refused, Status(500), Status(401), Nonsense];

/// How often what was healed is asked again before it counts as not healed.
const TRIES: u32 = 150;

pub(crate) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("cold_start::killed_and_started_with_everything_down", killed_and_started)]
}

/// Everybody who was there before.
struct People {
    /// Ada, who stays signed in: her browser, and a script of hers with the same ticket.
    ada: Caller,
    script: Caller,
    /// A display with a bearer token.
    display: Caller,
    /// Grace signs out while everything is down.
    grace: Caller,
    /// Somebody who was on the way back from the provider.
    arriving: Caller,
    callback: Url,
    twins: Vec<Twin>,
}

/// Who must not get through: with a bad copy of a ticket or of a token, or with the ticket of somebody who signed out.
struct Twin {
    name: String,
    credential: Credential,
}

enum Credential {
    Ticket(String),
    Bearer(String),
}

/// What has been seen.
#[derive(Default)]
struct Tally {
    round: String,
    cells: usize,
    false_refusals: usize,
    wrongly_admitted: usize,
    complaints: Vec<String>,
}

async fn killed_and_started() {
    let mut world = World::new().prepare().await;
    let config = world.write_config();
    let mut first = Process::start(&config);
    first.serving().await;

    let mut people = People::meet(&world).await;
    world.until_provider_is_on_disk().await;
    let a = first.id();
    first.kill();

    world.store.break_with(StoreBreak::Garbage).await.expect("the store can be broken");
    break_provider(&world, BROKEN[0]).await;
    let mut second = Process::start(&config);
    second.serving().await;
    let b = second.id();
    let mut tally = Tally::default();
    tally.sees_an_unknown_key(&world).await;
    for how in BROKEN {
        tally.round = format!("provider {}, store garbage", how.name());
        break_provider(&world, how).await;
        tally.sees_everybody(&world, &mut people).await;
    }
    tally.sees_a_broken_monolith(&world, &mut people).await;
    tally.round = "signing out with everything down".into();
    people.sign_grace_out(&world, &mut tally).await;
    tally.sees_everybody(&world, &mut people).await;

    // Who signed out in the dark stays signed out, though no store has heard of it.
    second.kill();
    let mut third = Process::start(&config);
    third.serving().await;
    tally.round = "killed again".into();
    tally.sees_everybody(&world, &mut people).await;

    world.store.heal().await.expect("the store can be healed");
    for wire in [&world.wires.discovery, &world.wires.keys, &world.wires.token, &world.wires.front] {
        wire.heal().await;
    }
    tally.round = "healed".into();
    tally.sees_everybody_healed(&world, &mut people).await;
    let Tally { cells, false_refusals, wrongly_admitted, complaints, .. } = tally;
    figures::say(format!(
        "cold start: killed PID {a}, new PID {b}, {cells} cells, {false_refusals} false refusals, \
         {wrongly_admitted} wrongly admitted"
    ));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

async fn break_provider(world: &World, how: Break) {
    for wire in [&world.wires.discovery, &world.wires.keys, &world.wires.token, &world.wires.front] {
        wire.break_with(how).await;
    }
}

impl People {
    /// Everybody comes to the first gateway, while all is well.
    async fn meet(world: &World) -> Self {
        let home = world.url("/");
        let (ada, ticket) = signed_in(world, "ada").await;
        let mut twins: Vec<Twin> =
            BAD_TICKETS.iter().map(|(name, spoil)| Twin::of_ticket(name, spoil(&ticket))).collect();
        let mut script = Caller::new(Form::Script);
        script.browser().set_cookie(&home, TICKET, &ticket);

        let (mut gone, ended) = signed_in(world, "grace").await;
        let heard = gone.post(&world.url("/.candor/logout"), &[], &world.monolith).await;
        assert!(oracle::meets(Outcome::SignedOut, Form::Browser, &heard), "signed out: {}", heard.line());
        twins.push(Twin::of_ticket("ended", ended));

        let bearer = Bearer::of("display-4.12");
        let mut display = Caller::bearing(Form::Device, &world.idp.mint(&bearer));
        world.warm_up(&mut display, "/display/calendar").await;
        // A key that nobody knows may be asked for a few times a minute: that is kept for who is good.
        for twin in demo::Twin::ALL.into_iter().filter(|twin| *twin != demo::Twin::UnknownKid) {
            let credential = Credential::Bearer(world.idp.twin(&bearer, twin));
            twins.push(Twin { name: format!("bearer {}", twin.as_str()), credential });
        }
        let (grace, _) = signed_in(world, "grace").await;
        let mut arriving = Caller::new(Form::Browser);
        let callback = world.until_callback(&mut arriving, "grace", "/calendar").await;
        Self { ada, script, display, grace, arriving, callback, twins }
    }

    /// Grace signs out. Her ticket is a bad one from now on.
    async fn sign_grace_out(&mut self, world: &World, tally: &mut Tally) {
        let home = world.url("/");
        let ticket = self.grace.browser().cookie(&home, TICKET).expect("Grace is signed in").to_owned();
        let heard = self.grace.post(&world.url("/.candor/logout"), &[], &world.monolith).await;
        tally.good("logout", &heard, "grace", Flow::Logout, Outcome::SignedOut, Form::Browser);
        self.twins.push(Twin::of_ticket("ended in the dark", ticket));
    }
}

impl Twin {
    fn of_ticket(how: &str, ticket: String) -> Self {
        Self { name: format!("ticket {how}"), credential: Credential::Ticket(ticket) }
    }

    /// Asks anew, so that no answer takes the credential away. For `path`, or for what such a credential is for.
    async fn ask(&self, world: &World, path: Option<&str>) -> Heard {
        match &self.credential {
            Credential::Ticket(ticket) => {
                let mut caller = Caller::new(Form::Browser);
                caller.browser().set_cookie(&world.url("/"), TICKET, ticket);
                world.ask(&mut caller, path.unwrap_or("/calendar")).await
            }
            Credential::Bearer(token) => {
                world.ask(&mut Caller::bearing(Form::Device, token), path.unwrap_or("/display/calendar")).await
            }
        }
    }
}

/// Comes back from the provider, and goes on to where all began.
async fn arrive(world: &World, caller: &mut Caller, callback: &Url) -> Heard {
    let heard = caller.get(callback, &world.monolith).await;
    match heard.answer.as_ref().ok().and_then(Seen::location) {
        Some(home) if home.path() == "/calendar" => caller.get(&home, &world.monolith).await,
        _ => heard,
    }
}

/// Somebody who has just signed in, and their ticket.
async fn signed_in(world: &World, subject: &str) -> (Caller, String) {
    let mut caller = Caller::new(Form::Browser);
    world.sign_in(&mut caller, subject, "/calendar").await;
    let ticket = caller.browser().cookie(&world.url("/"), TICKET).expect("a ticket").to_owned();
    (caller, ticket)
}

impl Tally {
    /// Everybody asks once, with the provider and the store down and the monolith well.
    async fn sees_everybody(&mut self, world: &World, people: &mut People) {
        self.sees_the_known(world, people, None).await;
        let callback = &people.callback;
        let heard = people.arriving.get(callback, &world.monolith).await;
        self.good("callback", &heard, "grace", Flow::Callback, Outcome::TryAgain, Form::Browser);
        let newcomer = &mut Caller::new(Form::Browser);
        let asked = world.ask(newcomer, "/calendar").await;
        let login = asked.answer.as_ref().ok().and_then(Seen::location);
        let login = login.unwrap_or_else(|| panic!("who has no credential is sent to sign in: {}", asked.line()));
        let heard = newcomer.get(&login, &world.monolith).await;
        self.good("newcomer", &heard, "nobody", Flow::SignInBegin, Outcome::TryAgain, Form::Browser);
        self.sees_the_public_route(world, people).await;
    }

    /// Who is known asks, and who is bad. The monolith may be broken.
    async fn sees_the_known(&mut self, world: &World, people: &mut People, monolith: Option<Break>) {
        let expected = |form| monolith.map_or(Outcome::Served, |how| of_monolith(Fault::Wire(how), form));
        let heard = world.ask(&mut people.ada, "/calendar").await;
        self.good("ticket", &heard, "ada", Flow::Ticket, expected(Form::Browser), Form::Browser);
        let heard = world.ask(&mut people.script, "/api/calendar").await;
        self.good("ticket of a script", &heard, "ada", Flow::Ticket, expected(Form::Script), Form::Script);
        let heard = world.ask(&mut people.display, "/display/calendar").await;
        let (flow, device) = (Flow::BearerKnownKid, Form::Device);
        self.good("bearer", &heard, "display-4.12", flow, expected(device), device);
        for twin in &people.twins {
            let heard = twin.ask(world, None).await;
            self.twin(&twin.name, &heard);
        }
    }

    /// On a route open to anyone, everybody gets through, and only the good ones in their names.
    async fn sees_the_public_route(&mut self, world: &World, people: &mut People) {
        let (flow, form) = (Flow::PublicRoute, Form::Browser);
        let heard = world.ask(&mut people.ada, "/public/page").await;
        self.good("public route", &heard, "ada", flow, Outcome::Served, form);
        let heard = world.ask(&mut Caller::new(form), "/public/page").await;
        self.good("public route, nobody", &heard, "nobody", flow, Outcome::ServedWithoutName, form);
        for twin in &people.twins {
            let heard = twin.ask(world, Some("/public/page")).await;
            self.twin(&format!("{}, public route", twin.name), &heard);
        }
    }

    /// A token under a key that was published since, and a forged one under a key that never was: nobody can tell them
    /// apart now.
    async fn sees_an_unknown_key(&mut self, world: &World) {
        self.round = "unknown key".into();
        let bearer = Bearer::of("display-4.12");
        let (flow, form) = (Flow::BearerUnknownKid, Form::Device);
        world.idp.rotate();
        let heard = world.ask(&mut Caller::bearing(form, &world.idp.mint(&bearer)), "/display/calendar").await;
        self.good("bearer of an unknown key", &heard, "display-4.12", flow, Outcome::Unavailable, form);
        let forged = world.idp.twin(&bearer, demo::Twin::UnknownKid);
        let heard = world.ask(&mut Caller::bearing(form, &forged), "/display/calendar").await;
        self.twin("bearer unknown-kid", &heard);
    }

    async fn sees_a_broken_monolith(&mut self, world: &World, people: &mut People) {
        for how in [Refused, Reset, Status(401), Status(403), LoginRedirect] {
            self.round = format!("everything down, monolith {}", how.name());
            world.wires.monolith.break_with(how).await;
            self.sees_the_known(world, people, Some(how)).await;
        }
        world.wires.monolith.heal().await;
    }

    /// The same credentials as before, and a token under the new key; who was on the way arrives.
    async fn sees_everybody_healed(&mut self, world: &World, people: &mut People) {
        self.sees_the_known(world, people, None).await;
        let token = world.token("display-4.12");
        let mut display = Caller::bearing(Form::Device, &token);
        let (flow, form) = (Flow::BearerUnknownKid, Form::Device);
        let heard = self.until_served(flow, form, async || world.ask(&mut display, "/display/calendar").await).await;
        self.good("bearer of the new key", &heard, "display-4.12", flow, Outcome::Served, form);
        let (flow, form) = (Flow::Callback, Form::Browser);
        let (callback, arriving) = (&people.callback, &mut people.arriving);
        let heard = self.until_served(flow, form, async || arrive(world, arriving, callback).await).await;
        self.good("callback", &heard, "grace", flow, Outcome::Served, form);

        let newcomer = &mut Caller::new(form);
        let sign_in = async || match world.try_until_callback(newcomer, "grace", "/calendar").await {
            Ok(callback) => arrive(world, newcomer, &callback).await,
            Err(_) => world.ask(newcomer, "/.candor/login").await,
        };
        let heard = self.until_served(Flow::SignInBegin, form, sign_in).await;
        self.good("newcomer", &heard, "grace", flow, Outcome::Served, form);
    }

    /// What comes of asking again until it is served. Every answer on the way is judged too.
    async fn until_served(&mut self, flow: Flow, form: Form, mut ask: impl AsyncFnMut() -> Heard) -> Heard {
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        let mut heard = ask().await;
        for _ in 0..TRIES {
            if oracle::meets(Outcome::Served, form, &heard) {
                break;
            }
            self.judge("while it heals", &heard, flow, Outcome::Served);
            beat.tick().await;
            heard = ask().await;
        }
        heard
    }

    /// One cell with a good credential of `subject`'s, or with none.
    fn good(&mut self, name: &str, heard: &Heard, subject: &str, flow: Flow, expected: Outcome, form: Form) {
        self.cells += 1;
        self.judge(name, heard, flow, expected);
        for other in oracle::others(heard, subject) {
            self.wrongly_admitted += 1;
            self.complaints.push(format!("{}: {name}: {subject} went on as {other}", self.round));
        }
        if !oracle::meets(expected, form, heard) {
            self.complaints.push(format!("{}: {name}: {expected:?} expected, heard {}", self.round, heard.line()));
        }
    }

    fn judge(&mut self, name: &str, heard: &Heard, flow: Flow, expected: Outcome) {
        if let Some(how) = oracle::blame(heard, flow, expected) {
            self.false_refusals += 1;
            self.complaints.push(format!("{}: {name} {how}: {}", self.round, heard.line()));
        }
    }

    /// One cell with a bad one, who may be told anything.
    fn twin(&mut self, name: &str, heard: &Heard) {
        self.cells += 1;
        if !heard.identities().is_empty() {
            self.wrongly_admitted += 1;
            self.complaints.push(format!("{}: {name} went on as somebody: {}", self.round, heard.line()));
        }
    }
}
