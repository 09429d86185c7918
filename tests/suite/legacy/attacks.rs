//! What an outage, or a stranger, could make of tokens of before.

use auth_core::device::legacy::TokenHash;
use gateway::demo::{LegacyDisplay, Mode, displays::TOKENS};

use super::{CALENDAR, Display, MINUTE, erases, order, world};
use crate::attacks::{Attack, Probes};

pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "a_denied_adoption_that_refuses",
        fault: "denied-adoption-is-a-row",
        run: || Box::pin(a_denied_adoption_that_refuses()),
    },
    Attack {
        name: "a_page_that_adopts_anybody",
        fault: "adoption-believes-html",
        run: || Box::pin(a_page_that_adopts_anybody()),
    },
    Attack {
        name: "a_refusal_that_cannot_be_taken_back",
        fault: "legacy-401-at-once",
        run: || Box::pin(a_refusal_that_cannot_be_taken_back()),
    },
    Attack {
        name: "an_unknown_token_that_is_refused",
        fault: "unknown-legacy-is-rejected",
        run: || Box::pin(an_unknown_token_that_is_refused()),
    },
];

/// The shard of one tenant is dead, and denies cleanly, for as long as it takes.
async fn a_denied_adoption_that_refuses() -> Probes {
    let world = world().await;
    let mut probes = Probes::default();
    let token = world.monolith.add_display(LegacyDisplay::numbered(1, "globex"));
    let mut display = Display::with(&token);
    world.monolith.set_mode(Mode::DeadShard("globex"));
    for _ in 0..4 {
        let heard = display.asks(&world, CALENDAR).await;
        probes.made(erases(&heard), || heard.line());
        world.advance(11 * MINUTE);
    }
    probes
}

/// A half dead service answers 200 and a page, whoever's token it is asked about.
async fn a_page_that_adopts_anybody() -> Probes {
    let world = world().await;
    let mut probes = Probes::default();
    for number in 0..4 {
        world.monolith.set_mode(Mode::Html);
        let mut stranger = Display::with(&format!("made-up-{number}"));
        for path in [CALENDAR, "/mixed/x", "/get/x"] {
            let heard = stranger.asks(&world, path).await;
            probes.made(!heard.identities().is_empty(), || format!("{path}: {}", heard.line()));
        }
    }
    probes
}

/// Somebody refuses a token by mistake, and has ten minutes to take it back.
async fn a_refusal_that_cannot_be_taken_back() -> Probes {
    let world = world().await;
    let mut probes = Probes::default();
    let mut display = Display::first();
    display.is_adopted(&world).await;
    let hash = TokenHash::of(TOKENS[0]);
    world.legacy().refuse(vec![hash], order(), world.clock().now()).await.expect("healthy");
    for _ in 0..3 {
        let heard = display.asks(&world, CALENDAR).await;
        probes.made(erases(&heard), || heard.line());
        world.advance(3 * MINUTE);
    }
    let now = world.clock().now();
    world.legacy().accept(hash, None, order(), now).await.expect("healthy");
    world.advance(3 * MINUTE);
    let heard = display.asks(&world, CALENDAR).await;
    probes.made(heard.status() != Some(200), || heard.line());
    probes
}

/// Nobody can say whose a token is.
async fn an_unknown_token_that_is_refused() -> Probes {
    let world = world().await;
    let mut probes = Probes::default();
    for mode in [Mode::Failing, Mode::Down, Mode::Hanging, Mode::DenyAll, Mode::Html] {
        world.monolith.set_mode(mode);
        let heard = Display::first().asks(&world, CALENDAR).await;
        probes.made(erases(&heard), || format!("{mode:?}: {}", heard.line()));
        world.advance(MINUTE);
    }
    probes
}
