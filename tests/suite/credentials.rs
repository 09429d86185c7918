//! The gateway and `AuthLayer` take the same credential of a request, and say the same about it: every case stands once
//! here, and is asked of both. The layer's authenticator, clock and requirements are the gateway's own.

use std::convert::Infallible;

use auth_core::{Principal, layer::AuthLayer, refusal_guard::RefusalGuard};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use gateway::demo::{
    AccessTokenSpec, Twin,
    monolith::{ORACLE, SeenRequest},
};
use http::{HeaderName, HeaderValue, Request, Response, header};
use libtest_mimic::Trial;
use tower::{Layer, ServiceExt};
use world::{
    World,
    caller::{Caller, Form},
    raw,
};

use crate::{in_a_runtime, report};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("credentials::gateway_and_layer_take_the_same_one", gateway_and_layer_take_the_same_one),
        in_a_runtime("credentials::a_mass_refusal_is_held_back_by_both", a_mass_refusal_is_held_back_by_both),
    ]
}

/// Who is asked.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// The gateway, over HTTP.
    Gateway,
    /// The layer, in this process.
    Layer,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// It reaches the service, as somebody's.
    As(String),
    /// It reaches the service, as nobody's.
    AsNobody,
    /// 401, and no credential was given.
    Missing,
    /// 401, and the credential is no good.
    Invalid,
    /// 403.
    NotPermitted,
    /// 400.
    BadRequest,
    /// 503.
    Unavailable,
    /// Something that no case expects.
    Other(u16),
}

/// The fields of a request.
type Fields = Vec<(HeaderName, String)>;

/// A request to each of the routes that take different kinds, and what becomes of it there.
struct Case {
    what: &'static str,
    fields: Fields,
    /// Where people may pass.
    people: Outcome,
    /// Where people and programs may.
    both: Outcome,
    /// Where programs may.
    programs: Outcome,
    /// Where anyone may.
    anyone: Outcome,
}

impl Case {
    /// The routes, with what becomes of the request there.
    fn expected(&self) -> [(&'static str, &Outcome); 4] {
        [("/", &self.people), ("/api/", &self.both), ("/display/", &self.programs), ("/public/", &self.anyone)]
    }
}

/// What cases are made of.
struct Shown {
    ticket: String,
    another_ticket: String,
    bearer: String,
    /// Of an issuer that is not configured.
    foreign: String,
    /// Of our issuer by its own word, and no good.
    broken: String,
    for_another: String,
}

impl Shown {
    async fn by(world: &World) -> Self {
        let part = |json: String| BASE64.encode(json);
        let text = |issuer: &str| {
            let claims = part(format!(r#"{{"iss":"{issuer}","sub":"robot","aud":"api://monolith"}}"#));
            format!("{}.{claims}.AAAA", part(r#"{"alg":"none"}"#.to_owned()))
        };
        Self {
            ticket: ticket(world).await,
            another_ticket: ticket(world).await,
            bearer: world.token("robot"),
            foreign: text("https://elsewhere.example"),
            broken: text(&world.idp.issuer()),
            for_another: world.idp.twin(&AccessTokenSpec::of("robot"), Twin::WrongAudience),
        }
    }
}

/// A good ticket of Ada's.
async fn ticket(world: &World) -> String {
    let mut person = Caller::new(Form::Browser);
    world.sign_in(&mut person, "ada", "/calendar").await;
    person.browser().cookie(&world.url("/"), "candor").expect("signed in").to_owned()
}

fn authorization(value: impl Into<String>) -> (HeaderName, String) {
    (header::AUTHORIZATION, value.into())
}

fn cookie(value: impl Into<String>) -> (HeaderName, String) {
    (header::COOKIE, value.into())
}

/// The table.
fn cases(shown: &Shown) -> Vec<Case> {
    use Outcome::{AsNobody, BadRequest, Invalid, Missing, NotPermitted};
    let Shown { ticket, another_ticket, bearer, foreign, broken, for_another } = shown;
    let (ada, robot) = (|| Outcome::As("ada".to_owned()), || Outcome::As("robot".to_owned()));
    let case = |what, fields: &[(HeaderName, String)], [people, both, programs, anyone]: [Outcome; 4]| Case {
        what,
        fields: fields.to_vec(),
        people,
        both,
        programs,
        anyone,
    };
    let nothing = || [Missing, Missing, Missing, AsNobody];
    let no_good = || [Invalid, Invalid, Invalid, AsNobody];
    let a_ticket = || [ada(), ada(), Missing, ada()];
    let a_bearer = || [NotPermitted, robot(), robot(), robot()];
    let ambiguous = || [BadRequest, BadRequest, BadRequest, BadRequest];
    let ours = || authorization(format!("Bearer {bearer}"));
    let basic = || authorization("Basic YTpi");
    let one = || cookie(format!("candor={ticket}"));
    let two = || cookie(format!("candor={ticket}; candor={another_ticket}"));
    vec![
        case("no credential", &[], nothing()),
        case("a bearer of ours", &[ours()], a_bearer()),
        case("a foreign bearer", &[authorization(format!("Bearer {foreign}"))], nothing()),
        case("a bearer that is no JWT", &[authorization("Bearer garbage")], nothing()),
        case("a bearer that is no token", &[authorization(format!("Bearer {bearer}, x"))], nothing()),
        case("a bearer without a token", &[authorization("Bearer")], nothing()),
        case("a broken bearer of ours", &[authorization(format!("Bearer {broken}"))], no_good()),
        case("a bearer for somebody else", &[authorization(format!("Bearer {for_another}"))], no_good()),
        case("Basic", &[basic()], nothing()),
        case("an empty Authorization", &[authorization("")], nothing()),
        case("a token without a scheme", &[authorization(bearer)], nothing()),
        case("a lower-case scheme", &[authorization(format!("bearer {bearer}"))], a_bearer()),
        case("a scheme in capitals, and blanks", &[authorization(format!("BEARER   {bearer}"))], a_bearer()),
        case("one ticket", &[one()], a_ticket()),
        case("two equal tickets", &[cookie(format!("candor={ticket}; candor={ticket}"))], a_ticket()),
        case("two equal tickets in two fields", &[one(), one()], a_ticket()),
        case("two different tickets", &[two()], [BadRequest, BadRequest, Missing, AsNobody]),
        case(
            "two different tickets in two fields",
            &[one(), cookie(format!("candor={another_ticket}"))],
            [BadRequest, BadRequest, Missing, AsNobody],
        ),
        case("a ticket and a bearer of ours", &[one(), ours()], a_bearer()),
        case("two different tickets and a bearer of ours", &[two(), ours()], a_bearer()),
        case("a ticket and a foreign bearer", &[one(), authorization(format!("Bearer {foreign}"))], a_ticket()),
        case("a ticket and Basic", &[one(), basic()], a_ticket()),
        case(
            "a good ticket and a broken bearer of ours",
            &[one(), authorization(format!("Bearer {broken}"))],
            no_good(),
        ),
        case("an empty cookie", &[cookie("candor=")], nothing()),
        case("an empty cookie and a ticket", &[cookie(format!("candor=; candor={ticket}"))], a_ticket()),
        case("a cookie that is not ASCII", &[cookie("candor=\u{fc}")], [Invalid, Invalid, Missing, AsNobody]),
        case("a ticket beside a cookie that is not ASCII", &[cookie(format!("a=\u{fc}; candor={ticket}"))], a_ticket()),
        case("a ticket in quotes", &[cookie(format!("candor=\"{ticket}\""))], [Invalid, Invalid, Missing, AsNobody]),
        case("a ticket in blanks", &[cookie(format!("a=b;\tcandor = {ticket} "))], a_ticket()),
        case("a ticket under another name", &[cookie(format!("Candor={ticket}"))], nothing()),
        case("no ticket at all", &[cookie("candor=nonsense")], [Invalid, Invalid, Missing, AsNobody]),
        case("two bearers", &[ours(), authorization(format!("Bearer {foreign}"))], ambiguous()),
        case("two equal bearers", &[ours(), ours()], ambiguous()),
        case("Basic and a bearer of ours", &[basic(), ours()], ambiguous()),
    ]
}

async fn gateway_and_layer_take_the_same_one() {
    let world = World::new().start().await;
    let shown = Shown::by(&world).await;
    // An open route waits for nobody's keys: they must be known.
    world.warm_up(&mut Caller::bearing(Form::Script, &shown.bearer), "/api/x").await;
    let (mut asked, mut wrong) = (0, Vec::new());
    for case in cases(&shown) {
        for (path, expected) in case.expected() {
            for whom in [Asked::Gateway, Asked::Layer] {
                asked += 1;
                let found = whom.says(&world, path, &case.fields).await;
                if found != *expected {
                    wrong.push(format!("{} at {path}, {whom:?}: {found:?} instead of {expected:?}", case.what));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}: {wrong:#?}", wrong.len());
    report::say(format!("credentials: {asked} requests, gateway and layer say the same"));
}

/// So many programs, each accepted and then revoked by nobody on record, that it must be a mistake: where a refusal
/// destroys something, the first few are believed and the rest held back.
async fn a_mass_refusal_is_held_back_by_both() {
    const MORE: usize = 5;
    for whom in [Asked::Gateway, Asked::Layer] {
        let world = World::new().start().await;
        let programs: Vec<String> = (0..RefusalGuard::FEW + MORE).map(|number| format!("robot-{number}")).collect();
        let fields = |program: &str| vec![authorization(format!("Bearer {}", world.token(program)))];
        let shown: Vec<Fields> = programs.iter().map(|program| fields(program)).collect();
        world.warm_up(&mut Caller::bearing(Form::Device, &world.token("another")), "/display/x").await;
        for (program, fields) in programs.iter().zip(&shown) {
            assert_eq!(whom.says(&world, "/display/", fields).await, Outcome::As(program.clone()), "{whom:?}");
            world.revoke_by("", program).await;
        }
        let mut said = Vec::new();
        for fields in &shown {
            said.push(whom.says(&world, "/display/", fields).await);
        }
        let held_back = said.split_off(RefusalGuard::FEW - 1);
        assert!(said.iter().all(|said| *said == Outcome::Invalid), "{whom:?}: {said:?}");
        assert_eq!(held_back, vec![Outcome::Unavailable; MORE + 1], "{whom:?}");
    }
}

impl Asked {
    async fn says(self, world: &World, path: &str, fields: &Fields) -> Outcome {
        match self {
            Self::Gateway => gateway_says(world, path, fields).await,
            Self::Layer => layer_says(world, path, fields).await,
        }
    }
}

async fn gateway_says(world: &World, path: &str, fields: &Fields) -> Outcome {
    let oracle = format!("credentials-{}", gateway::request::RequestId::new());
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = format!("Accept: application/json\r\n{ORACLE}: {oracle}\r\n{lines}");
    let host = world.url("/").authority().to_owned();
    let heard = raw::ask(&host, raw::request("GET", &format!("{path}x"), &host, &lines, "")).await;
    let text = String::from_utf8_lossy(&heard.bytes).to_ascii_lowercase();
    let reached = world.monolith.seen_by(&oracle);
    let user = |seen: &SeenRequest| seen.headers.iter().find(|(name, _)| name == "x-auth-request-user").cloned();
    let reached = reached.first().map(|seen| seen.identity().and_then(|_| user(seen)).map(|(_, user)| user));
    let status = heard.status().unwrap_or_default();
    assert!(status != 400 || !text.contains("\r\nset-cookie:"), "a bad request takes no cookie back: {text}");
    outcome(status, reached, text.contains("error=\"invalid_token\""))
}

async fn layer_says(world: &World, path: &str, fields: &Fields) -> Outcome {
    let layer = AuthLayer::new(world.authenticator(), world.requirement(path), world.clock().clone(), "candor");
    let mut request = Request::new(());
    for (name, value) in fields {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value that hyper lets through");
        request.headers_mut().append(name, value);
    }
    let (head, Told(reached)) =
        layer.layer(tower::service_fn(service)).oneshot(request).await.expect("infallible").into_parts();
    let challenge =
        head.headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    outcome(head.status.as_u16(), reached, challenge.contains("error=\"invalid_token\""))
}

/// Whom the service was told, if it was asked at all.
struct Told(Option<Option<String>>);

/// The layer's own body: the service was not asked.
impl From<String> for Told {
    fn from(_: String) -> Self {
        Self(None)
    }
}

/// The service behind the layer: it answers with whom it was told, if anybody.
async fn service(request: Request<()>) -> Result<Response<Told>, Infallible> {
    let who = request.extensions().get::<Principal>().map(|known| known.subject.id.to_string());
    Ok(Response::new(Told(Some(who))))
}

/// `reached`: whom the service was told, if it was asked at all.
fn outcome(status: u16, reached: Option<Option<String>>, invalid: bool) -> Outcome {
    match (status, reached) {
        (200, Some(Some(who))) => Outcome::As(who),
        (200, Some(None)) => Outcome::AsNobody,
        (401, None) if invalid => Outcome::Invalid,
        (401, None) => Outcome::Missing,
        (403, None) => Outcome::NotPermitted,
        (400, None) => Outcome::BadRequest,
        (503, None) => Outcome::Unavailable,
        (other, _) => Outcome::Other(other),
    }
}
