//! `/admin/v1/held`, and the page of it.

use gateway::demo::browser::SeenPage;
use serde_json::{Value, json};
use world::{
    World,
    caller::{Caller, Form},
};

use super::{RELEASE, get, json_of, post, token, with_role};
use crate::held::{HELD, held_people};

async fn listed(world: &World, caller: &mut Caller, query: &str) -> Value {
    let seen = get(world, caller, &format!("/admin/v1/held{query}")).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    json_of(&seen)
}

/// Posts a form of the page, as a browser does.
async fn press(world: &World, admin: &mut Caller, fields: &[(&str, &str)]) -> SeenPage {
    let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    admin.post(&world.admin_url("/held"), &fields, &world.monolith).await.answer.expect("a page")
}

pub(super) async fn seen_and_released() {
    let mut world = World::new().standing_clock().prepare().await;
    world.settings.renew_sessions();
    world.settings.administer_sessions();
    world.start_gateway().await;
    let mut people = held_people(&world).await;
    // Made now: an hour has gone by.
    let mut admin = with_role(&world, "security");
    let mut viewer = Caller::bearing(Form::Browser, &token(&world, "view"));
    super::warm(&world, &mut admin).await;

    let page = listed(&world, &mut admin, "").await;
    let held = page["held"].as_array().expect("a list");
    assert_eq!((&page["count"], held.len(), &page["next"]), (&json!(HELD), HELD, &Value::Null), "{page}");
    let one = &held[0];
    assert!(one["subject"] == "ada" && one["why"].as_str().is_some_and(|why| why.contains("invalid_grant")), "{one}");
    let id = one["id"].as_str().expect("an id").to_owned();
    assert_eq!(listed(&world, &mut admin, &format!("?session={id}")).await["count"], 1);
    assert_eq!(listed(&world, &mut admin, "?provider=another").await["count"], 0);
    let after = listed(&world, &mut admin, &format!("?provider=pretend&after={id}")).await;
    assert_eq!((&after["count"], after["held"].as_array().map(Vec::len)), (&json!(HELD), Some(HELD - 1)), "{after}");

    // The page: everybody whom a role names sees it, and who may not order finds no button.
    let text = get(&world, &mut viewer, "/held").await.text();
    assert!(
        text.contains("6 sessions are held") && text.contains("invalid_grant") && !text.contains("<form"),
        "{text}"
    );
    let mut browser = Caller::bearing(Form::Browser, &token(&world, "security"));
    let text = get(&world, &mut browser, "/held").await.text();
    assert_eq!((text.matches("Release this one").count(), text.matches("Release all of").count()), (HELD, 1), "{text}");
    assert_eq!(press(&world, &mut viewer, &[("session", &id)]).await.status, 403);

    // Asked first, and what is not meant or not said releases nobody.
    let asked = press(&world, &mut browser, &[("session", &id)]).await;
    assert!(asked.status == 200 && asked.text().contains("1 session ends at once"), "{}", asked.text());
    for (reason, meant) in [("", "release"), ("left", ""), ("left", "yes"), (" ", "release")] {
        let fields = [("session", &*id), ("reason", reason), ("meant", meant)];
        let seen = press(&world, &mut browser, &fields).await;
        assert!(
            seen.status == 400 && seen.text().contains("Nothing was released"),
            "{reason} {meant}: {}",
            seen.text()
        );
    }
    assert_eq!(listed(&world, &mut admin, "").await["count"], HELD);
    let done = press(&world, &mut browser, &[("session", &id), ("reason", "left"), ("meant", " release ")]).await;
    assert!(done.status == 200 && done.text().contains("1 session has ended"), "{}", done.text());
    let again = press(&world, &mut browser, &[("session", &id)]).await;
    assert!(again.text().contains("Nothing was held any more"), "{}", again.text());
    let who = world.store.read("SELECT ended_who FROM session WHERE ended_why = 'left'").await;
    assert_eq!(who.expect("the store is read"), [format!("{}#operations", world.idp.issuer())]);
    assert_eq!(statuses(&world, &mut people).await.iter().filter(|status| **status == Some(401)).count(), 1);

    // The others by the program.
    let order = json!({ "which": { "provider": "pretend" }, "reason": "they have left" });
    let said = json_of(&post(&world, &mut admin, RELEASE, order.clone()).await);
    assert_eq!(said, json!({ "released": HELD - 1 }));
    assert_eq!(json_of(&post(&world, &mut admin, RELEASE, order).await), json!({ "released": 0 }));
    assert!(statuses(&world, &mut people).await.iter().all(|status| *status == Some(401)), "at the next request");
    let text = get(&world, &mut browser, "/held").await.text();
    assert!(text.contains("No session is held") && !text.contains("<form"), "{text}");
}

async fn statuses(world: &World, people: &mut [Caller]) -> Vec<Option<u16>> {
    let mut statuses = Vec::new();
    for person in people {
        statuses.push(world.ask(person, "/calendar").await.status());
    }
    statuses
}
