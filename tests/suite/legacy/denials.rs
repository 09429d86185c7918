//! Denials, which refuse nobody, and rows, which do.

use auth_core::device::legacy::{ApprovalKind, TokenHash};
use gateway::demo::{LegacyDisplay, Mode, displays::TOKENS};
use libtest_mimic::Trial;
use world::World;

use super::{CALENDAR, Display, MINUTE, is_put_off, order, world};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("legacy::a_dead_shard_that_denies_cleanly_refuses_nobody", dead_shard),
        in_a_runtime("legacy::a_revoked_token_is_told_after_ten_minutes_and_alone", revoked_alone),
    ]
}

/// Until what was begun in the background is over: the list has so many lines.
async fn listed(world: &World, lines: usize) -> Vec<ApprovalKind> {
    let mut beat = tokio::time::interval(std::time::Duration::from_millis(10));
    let mut last = Vec::new();
    for _ in 0..100 {
        last = world.legacy().approvals(None, 10).await.expect("healthy").into_iter().map(|line| line.kind).collect();
        if last.len() == lines {
            return last;
        }
        beat.tick().await;
    }
    last
}

async fn dead_shard() {
    let world = world().await;
    let mut good = Display::first();
    good.is_adopted(&world).await;
    let token = world.monolith.add_display(LegacyDisplay::numbered(40, "globex"));
    let mut display = Display::with(&token);
    world.monolith.set_mode(Mode::DeadShard("globex"));
    for minutes in [0, 1, 11, 1, 11, 11, 11] {
        world.advance(minutes * MINUTE);
        assert_eq!(good.asks(&world, CALENDAR).await.status(), Some(200));
        let heard = display.asks(&world, CALENDAR).await;
        assert!(is_put_off(&heard), "{}", heard.line());
        // What was begun in the background must be over before the clock moves.
        listed(&world, 1).await;
    }
    assert_eq!(listed(&world, 1).await, [ApprovalKind::Denied], "somebody must look at it");
    world.advance(24 * 60 * MINUTE);
    let heard = display.asks(&world, CALENDAR).await;
    assert!(is_put_off(&heard), "{}", heard.line());
    world.monolith.set_mode(Mode::Healthy);
    world.advance(MINUTE);
    assert_eq!(display.asks(&world, CALENDAR).await.status(), Some(200));
    assert!(listed(&world, 0).await.is_empty());
}

async fn revoked_alone() {
    let world = world().await;
    let mut displays = TOKENS.map(Display::with);
    for display in &mut displays {
        display.is_adopted(&world).await;
    }
    let never_seen = "a-token-of-the-monoliths-own-list";
    let hashes = vec![TokenHash::of(TOKENS[1]), TokenHash::of(never_seen)];
    world.legacy().refuse(hashes, order(), world.clock().now()).await.expect("healthy");
    let mut unseen = Display::with(never_seen);
    let [first, revoked, third] = &mut displays;
    for _ in 0..10 {
        for display in [&mut *revoked, &mut unseen] {
            let heard = display.asks(&world, CALENDAR).await;
            assert!(is_put_off(&heard), "it can still be taken back: {}", heard.line());
        }
        world.advance(MINUTE);
    }
    world.advance(MINUTE);
    for display in [&mut *revoked, &mut unseen] {
        let heard = display.asks(&world, CALENDAR).await;
        assert_eq!((heard.status(), heard.word()), (Some(401), Some("credential-invalid")), "{}", heard.line());
        assert!(heard.reached.is_empty());
    }
    for display in [first, third] {
        assert_eq!(display.asks(&world, CALENDAR).await.status(), Some(200));
    }
}
