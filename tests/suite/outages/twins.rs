//! Bad twins: for each credential that a flow has, every way in which a copy of it is bad. A twin is shown while
//! something is broken, when nobody may be able to tell, and once more when all is healed, when it must be told.

use std::time::Duration;

use auth_core::Clock;
use gateway::demo::{AccessTokenSpec, Lie, Twin};
use tokio::sync::OnceCell;
use url::Url;
use world::{
    World,
    caller::{Caller, Form, Heard},
};

use super::{
    flows::{EndingPost, TICKET, go},
    installer::Installation,
    oracle::EXPIRED,
    protocol::DisplayRequest,
    table::Flow,
};

/// A bad twin: in which way it is bad, and who shows it.
pub(super) struct Impostor {
    /// In which way it is bad.
    pub(super) name: &'static str,
    /// Whether a whole world can prove it false at once. Where only time can, or nobody, "we cannot tell" is true.
    pub(super) provable: bool,
    /// Whether it may come to be good again, so that no answer may end it.
    pub(super) spared: bool,
    caller: Caller,
    /// Where it comes back to, if this is a callback.
    callback: Option<Url>,
    /// In which way the provider lies when it comes back.
    lie: Option<Lie>,
    /// Where it goes, if not where the good one does.
    elsewhere: Option<&'static str>,
    /// What it sends, where a display sends something.
    request: Option<DisplayRequest>,
    /// What it types, where an administrator types something.
    installation: Option<Installation>,
    /// What it posts in order to end a session.
    post: Option<EndingPost>,
}

/// Makes a good ticket bad.
type Spoil = fn(&str) -> String;

/// In which way a ticket is bad.
pub(crate) const BAD_TICKETS: [(&str, Spoil); 3] = [
    ("tampered", |ticket| swapped(ticket, ticket.len() / 2)),
    (ANOTHER_KEY, |ticket| swapped(ticket, 4)),
    ("cut-short", |ticket| ticket[..ticket.len() - 8].to_owned()),
];

/// A key that nobody knows may be one that has not reached us.
const ANOTHER_KEY: &str = "under-another-key";

/// Longer than a session lives.
const A_SESSION: Duration = Duration::from_secs(12 * 3600 + 60);

impl Impostor {
    pub(super) fn new(name: &'static str, caller: Caller) -> Self {
        Self {
            name,
            provable: true,
            spared: false,
            caller,
            callback: None,
            lie: None,
            elsewhere: None,
            request: None,
            installation: None,
            post: None,
        }
    }

    fn with_ticket(name: &'static str, world: &World, form: Form, ticket: &str) -> Self {
        let mut caller = Caller::new(form);
        caller.browser().set_cookie(&world.url("/"), TICKET, ticket);
        Self::new(name, caller)
    }

    pub(super) fn sending(name: &'static str, request: impl Into<DisplayRequest>) -> Self {
        Self { request: Some(request.into()), ..Self::new(name, Caller::new(Form::Device)) }
    }

    pub(super) fn typing(name: &'static str, caller: Caller, installation: Installation) -> Self {
        Self { installation: Some(installation), ..Self::new(name, caller) }
    }

    pub(super) fn who_types(self, installation: Installation) -> Self {
        Self { installation: Some(installation), ..self }
    }

    pub(super) fn unprovable(self) -> Self {
        Self { provable: false, ..self }
    }

    pub(super) fn spared(self) -> Self {
        Self { provable: false, spared: true, ..self }
    }

    pub(super) fn going_to(self, path: &'static str) -> Self {
        Self { elsewhere: Some(path), ..self }
    }

    pub(super) fn posting(self, post: EndingPost) -> Self {
        Self { post: Some(post), ..self }
    }

    fn coming_back_to(self, callback: Url) -> Self {
        Self { callback: Some(callback), ..self }
    }

    /// Goes the way of `flow`. What came of it: whatever they were told on the way, are they somebody now?
    pub(super) async fn go(&mut self, world: &World, flow: Flow, path: &str) -> Heard {
        world.idp.lie(self.lie);
        if let Some(request) = &mut self.request {
            return request.go(world).await;
        }
        if let Some(installation) = &self.installation {
            return installation.go(world, &mut self.caller).await;
        }
        if let Some(post) = &self.post {
            return post.go(world, &mut self.caller).await;
        }
        let path = self.elsewhere.unwrap_or(path);
        let heard = go(world, flow, &mut self.caller, self.callback.as_ref(), path).await;
        world.idp.lie(None);
        match flow {
            Flow::Callback | Flow::UserinfoCallback | Flow::Logout | Flow::LogoutAtProvider => {
                world.ask(&mut self.caller, "/calendar").await
            }
            _ => heard,
        }
    }
}

/// Tickets that were good once. Time goes on by more than a session's life, so they come before the good one signs in.
pub(super) async fn of_earlier_sessions(world: &World, form: Form) -> Vec<Impostor> {
    let expired = ticket_of(world, &mut Caller::new(Form::Browser)).await;
    world.advance(A_SESSION);
    for _ in 0..10 {
        if world.poll_revocations().await {
            break;
        }
    }
    let mut leaving = Caller::new(Form::Browser);
    let ended = ticket_of(world, &mut leaving).await;
    let left = leaving.post(&world.url("/.candor/logout"), &[], &world.monolith).await;
    assert_eq!(left.status(), Some(200), "{}", left.line());
    let revoked = ticket_of(world, &mut Caller::new(Form::Browser)).await;
    world.revoke("grace").await;
    [(EXPIRED, expired), ("ended", ended), ("user-revoked", revoked)]
        .map(|(name, ticket)| Impostor::with_ticket(name, world, form, &ticket))
        .into()
}

/// Bad copies of `ticket`, and one that is as good, where it comes from.
pub(super) async fn of_ticket(world: &World, form: Form, ticket: &str) -> Vec<Impostor> {
    let with = |name, ticket: &str| Impostor::with_ticket(name, world, form, ticket);
    let mut twins = vec![with("foreign-keyring", foreign_ticket().await).unprovable()];
    for (name, spoil) in BAD_TICKETS {
        let twin = with(name, &spoil(ticket));
        twins.push(if name == ANOTHER_KEY { twin.unprovable() } else { twin });
    }
    twins
}

/// Somebody who signed in, and was disabled at the provider since. Whoever may be stale is let in meanwhile, so they come
/// where nothing may be.
pub(super) async fn who_is_disabled(world: &World, form: Form) -> Impostor {
    // Grace was signed out everywhere before, up to that moment.
    world.advance(Duration::from_secs(1));
    let ticket = ticket_of(world, &mut Caller::new(Form::Browser)).await;
    world.idp.disable("grace");
    Impostor::with_ticket("disabled", world, form, &ticket)
}

/// Bad copies of a bearer token.
pub(super) async fn of_bearer(world: &World, form: Form, bearer: &AccessTokenSpec) -> Vec<Impostor> {
    let revoked = world.idp.mint(&AccessTokenSpec::of("stolen-display").lasting(A_SESSION));
    world.revoke("stolen-display").await;
    let mut twins = vec![Impostor::new("user-revoked", Caller::bearing(form, &revoked))];
    for twin in Twin::ALL {
        let made = Impostor::new(twin.as_str(), Caller::bearing(form, &world.idp.twin(bearer, twin)));
        twins.push(match twin {
            // A set of keys that is younger than the token proves it; nobody waits for that here.
            Twin::Forged | Twin::UnknownKid => made.unprovable(),
            Twin::Expired | Twin::WrongAudience | Twin::OtherTenant => made,
        });
    }
    twins
}

/// People who come back with what is not theirs. `good` is somebody's callback who is on their way.
pub(super) async fn of_callback(world: &World, good: &Url, path: &str) -> Vec<Impostor> {
    let foreign = world.until_callback(&mut Caller::new(Form::Browser), "ada", path).await;
    let mut twins = vec![Impostor::new("other-browser", Caller::new(Form::Browser)).coming_back_to(good.clone())];
    for name in ["foreign-code", "foreign-state", "wrong-state", "wrong-nonce"] {
        let mut caller = Caller::new(Form::Browser);
        let own = world.until_callback(&mut caller, "grace", path).await;
        let (code, state) = (parameter(&own, "code"), parameter(&own, "state"));
        let (code, state) = match name {
            "foreign-code" => (parameter(&foreign, "code"), state),
            "foreign-state" => (code, parameter(&foreign, "state")),
            "wrong-state" => (code, swapped(&state, state.len() / 2)),
            _ => (code, state),
        };
        let mut changed = own;
        changed.query_pairs_mut().clear().extend_pairs([("code", code), ("state", state)]);
        let twin = Impostor::new(name, caller).coming_back_to(changed);
        twins.push(Impostor { lie: (name == "wrong-nonce").then_some(Lie::OtherNonce), ..twin });
    }
    twins
}

/// Bad copies of a bearer token that only its issuer can read.
pub(super) async fn of_opaque(world: &World, form: Form, bearer: &AccessTokenSpec) -> Vec<Impostor> {
    let with = |name, token: &str| Impostor::new(name, Caller::bearing(form, token));
    let revoked = world.idp.issue_opaque(&AccessTokenSpec::of("stolen-display").lasting(A_SESSION));
    world.revoke("stolen-display").await;
    let taken_back = world.idp.issue_opaque(bearer);
    world.warm_up(&mut Caller::bearing(form, &taken_back), "/admin/panel").await;
    world.idp.revoke_opaque(&taken_back);
    let mut twins = vec![
        with("user-revoked", &revoked),
        with("never-issued", "a-token-that-nobody-issued"),
        // What was said of it before stands in, but not where nothing may be stale.
        with("taken-back", &taken_back).going_to("/admin/panel"),
    ];
    for twin in [Twin::Expired, Twin::WrongAudience, Twin::OtherTenant] {
        twins.push(with(twin.as_str(), &world.idp.issue_opaque(&bearer.clone().twin(twin))));
    }
    twins
}

/// Grace comes back, and userinfo speaks of somebody else.
pub(super) async fn of_another_userinfo(world: &World, path: &str) -> Impostor {
    let mut caller = Caller::new(Form::Browser);
    let callback = world.until_callback(&mut caller, "grace", path).await;
    let twin = Impostor::new("another-userinfo", caller).coming_back_to(callback);
    Impostor { lie: Some(Lie::OtherUserinfo), ..twin }
}

/// Grace's ticket, fresh.
async fn ticket_of(world: &World, caller: &mut Caller) -> String {
    world.sign_in(caller, "grace", "/calendar").await;
    caller.browser().cookie(&world.url("/"), TICKET).expect("signed in").to_owned()
}

/// A good ticket of another gateway, which has a keyring of its own. It is good for longer than any cell's.
async fn foreign_ticket() -> &'static str {
    static FOREIGN: OnceCell<String> = OnceCell::const_new();
    let made = async || {
        let later = Clock::standing_at(Clock::system().now().wall() + A_SESSION + A_SESSION);
        let elsewhere = World::new().clock(later).start().await;
        ticket_of(&elsewhere, &mut Caller::new(Form::Browser)).await
    };
    FOREIGN.get_or_init(made).await
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(has, _)| has == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// `text` with another letter at `at`.
pub(super) fn swapped(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8_lossy(&bytes).into_owned()
}
