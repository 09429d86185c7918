//! Ending sessions: by the provider over the back channel, by operators, and by people among their own sessions. Each is in
//! force at the next request, and none of it is while the store is down.

mod back_channel;
mod by_hand;
mod chromium;
mod own_sessions;
mod there;

use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form},
};

use crate::in_a_runtime;

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        in_a_runtime("ending::logout_tokens_of_every_wrong_kind", back_channel::wrong_kinds),
        in_a_runtime("ending::a_logout_token_ends_what_it_names_at_once", back_channel::right_kinds),
        in_a_runtime("ending::a_logout_token_in_an_outage_may_be_sent_again", back_channel::outages),
        in_a_runtime("ending::operators_end_sessions_by_command", by_hand::by_command),
        in_a_runtime("ending::people_see_their_sessions_and_end_them", own_sessions::listed_and_ended),
        in_a_runtime("ending::the_page_of_sessions_in_an_outage", own_sessions::outages),
        in_a_runtime("ending::the_page_of_sessions_and_bad_input", own_sessions::bad_input),
        in_a_runtime("ending::people_sign_out_at_the_provider_too", there::at_the_provider),
        in_a_runtime("ending::a_provider_without_an_address_to_sign_out_at", there::without_such_an_address),
        in_a_runtime("ending::who_comes_back_from_signing_out_ends_nothing", there::coming_back_ends_nothing),
        in_a_runtime("ending::people_sign_out_while_the_provider_is_down", there::while_the_provider_is_down),
        in_a_runtime("ending::a_provider_signs_people_out_in_a_frame", there::in_a_frame),
        in_a_runtime("ending::a_frame_while_the_store_is_down", there::in_a_frame_while_the_store_is_down),
        in_a_runtime("ending::a_frame_of_entra_names_no_issuer", there::in_a_frame_of_entra),
    ];
    tests.extend(chromium::tests());
    tests
}

/// Somebody who has signed in, at the provider's session `sid`.
pub(crate) async fn signed_in(world: &World, subject: &str, sid: &str) -> Caller {
    world.idp.states_of(subject, serde_json::json!({ "sid": sid }));
    let mut person = Caller::new(Form::Browser);
    world.sign_in(&mut person, subject, "/calendar").await;
    person
}

/// Whether somebody is still signed in, as the next request finds; who is not is told by a refusal that ends the ticket.
pub(crate) async fn is_in(world: &World, person: &mut Caller) -> bool {
    let heard = world.ask(person, "/calendar").await;
    match heard.status() {
        Some(200) => {
            assert_eq!(heard.identities().len(), 1, "{}", heard.line());
            true
        }
        Some(303) => {
            assert!(heard.identities().is_empty(), "{}", heard.line());
            false
        }
        _ => panic!("neither in nor out: {}", heard.line()),
    }
}
