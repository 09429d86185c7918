//! Tickets that hold, of somebody whom the configuration does not let in.

use world::{
    World,
    caller::{Caller, Form},
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[Attack {
    name: "a_provider_that_was_taken_out",
    fault: "ticket-outlives-its-provider",
    run: || Box::pin(a_provider_that_was_taken_out()),
}];

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
