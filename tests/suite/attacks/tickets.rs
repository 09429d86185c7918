//! Tickets that hold: of somebody whom the configuration does not let in, and of somebody else beside the victim's.

use http::{HeaderValue, header::COOKIE};
use world::{
    World,
    caller::{Caller, Form},
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "a_provider_that_was_taken_out",
        fault: "ticket-outlives-its-provider",
        run: || Box::pin(a_provider_that_was_taken_out()),
    },
    Attack { name: "a_planted_ticket", fault: "first-ticket-counts", run: || Box::pin(a_planted_ticket()) },
];

/// Somebody who signed in at a provider that the operator has taken out of the configuration meanwhile. They are nobody
/// here; but they are not told that they are, since the provider may come back.
async fn a_provider_that_was_taken_out() -> Probes {
    let mut world = World::new().start().await;
    let mut person = Caller::new(Form::Browser);
    world.sign_in(&mut person, "ada", "/calendar").await;
    world.stop_gateway().await;
    let issuer = |issuer: &str| format!("kind = \"oidc\"\nissuer = \"{issuer}\"");
    let (before, after) = (issuer(&world.idp.issuer()), issuer("http://127.0.0.1:9"));
    world.settings.replace(&before, &after);
    world.start_gateway().await;
    let mut probes = Probes::default();
    for path in ["/calendar", "/api/calendar", "/public/page", "/passed/x", "/.candor/me"] {
        let heard = world.ask(&mut person, path).await;
        let seen = heard.answer.as_ref().expect("an answer");
        let known = !heard.identities().is_empty() || (path.ends_with("/me") && heard.status() == Some(200));
        let blamed = matches!(heard.status(), Some(300..=499)) || !seen.deleted_cookies().is_empty();
        probes.made(known || blamed, || format!("{path}: {}", heard.line()));
    }
    world.stop_gateway().await;
    world.settings.replace(&after, &before);
    world.start_gateway().await;
    let heard = world.ask(&mut person, "/calendar").await;
    assert_eq!(heard.identities().len(), 1, "the provider is back, and so is the ticket: {}", heard.line());
    probes
}

/// Somebody plants a ticket of their own beside the victim's, from a host of the same site: what the victim writes next
/// would be written as somebody else. Nobody can tell which of the two is meant, so it is nobody's, and nothing is taken
/// back.
async fn a_planted_ticket() -> Probes {
    let world = World::new().start().await;
    let (mut victim, mut mallory) = (Caller::new(Form::Browser), Caller::new(Form::Browser));
    world.sign_in(&mut victim, "ada", "/calendar").await;
    world.sign_in(&mut mallory, "grace", "/calendar").await;
    let ticket =
        |person: &mut Caller| person.browser().cookie(&world.url("/"), "candor").expect("signed in").to_owned();
    let (theirs, planted) = (ticket(&mut victim), ticket(&mut mallory));
    let mut probes = Probes::default();
    for [first, second] in [[&theirs, &planted], [&planted, &theirs]] {
        for path in ["/calendar", "/api/calendar", "/public/page", "/passed/x", "/.candor/me"] {
            let mut caller = Caller::new(Form::Script);
            let both = HeaderValue::try_from(format!("candor={first}; candor={second}")).expect("visible ASCII");
            caller.browser().always_send(COOKIE, both);
            let heard = world.ask(&mut caller, path).await;
            let seen = heard.answer.as_ref().expect("an answer");
            let known = !heard.identities().is_empty() || (path.ends_with("/me") && heard.status() == Some(200));
            let cleared = !seen.deleted_cookies().is_empty();
            probes.made(known || cleared, || format!("{path}: {}", heard.line()));
        }
    }
    for mut person in [victim, mallory] {
        world.warm_up(&mut person, "/calendar").await;
    }
    probes
}
