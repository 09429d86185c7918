use super::*;
use crate::clock::Clock;

const NOON: Timestamp = Timestamp::from_secs(43_200);
const HTTPS: PendingCookieNames = PendingCookieNames { secure: true };

fn seals(key: u8) -> Seals {
    Seals::new(&[key; Seals::KEY_LEN], &[], Vec::new()).expect("a key of the right length")
}

fn after(secs: u64) -> Now {
    Now::at(NOON + Duration::from_secs(secs))
}

fn begun(seals: &Seals, return_to: &str, secs: u64) -> (PendingSignIn, (String, String)) {
    let new = PendingSignIn::begin("entra", return_to, after(secs)).expect("randomness");
    let cookie = new.cookie(seals, HTTPS, false, after(secs));
    (new, (cookie.name, cookie.value.expose_secret().to_owned()))
}

#[test]
fn a_state_finds_its_own_cookie_and_no_other() {
    let (ours, theirs) = (seals(1), seals(2));
    let (new, cookie) = begun(&ours, "/a?b=c", 0);
    let (other, other_cookie) = begun(&ours, "/other", 0);
    let state = new.state(&ours, false, after(0));
    let found = |cookies: &[(String, String)], secs| {
        SealedState::read(&ours, &state, after(secs))
            .and_then(|state| state.find(&ours, HTTPS, cookies, after(secs)))
            .map(|(found, name)| (found.return_to, name == cookie.0))
    };
    assert_eq!(found(&[other_cookie.clone(), cookie.clone()], 599), Some(("/a?b=c".to_owned(), true)));
    assert_eq!(found(std::slice::from_ref(&cookie), 600), None, "ten minutes have passed");
    assert_eq!(found(std::slice::from_ref(&other_cookie), 0), None);
    let renamed = (cookie.0.clone(), other_cookie.1.clone());
    assert_eq!(found(std::slice::from_ref(&renamed), 0), None, "another pending sign-in under this name");
    assert_eq!(
        found(&[renamed, cookie.clone()], 0),
        Some(("/a?b=c".to_owned(), true)),
        "a planted twin is passed over"
    );
    assert_eq!(found(&[(cookie.0.clone(), state.clone())], 0), None, "a state is no pending sign-in");
    assert!(SealedState::read(&theirs, &state, after(0)).is_none());
    assert!(SealedState::read(&ours, &cookie.1, after(0)).is_none(), "a pending sign-in is no state");
    assert!(SealedState::read(&ours, "", after(0)).is_none());
    assert_ne!(new.nonce, other.nonce);
    assert_eq!(new.verifier().expose_secret().len(), 43, "RFC 7636 §4.1 wants at least 43 characters");
}

#[test]
fn long_return_addresses_do_not_make_long_urls_or_cookies() {
    let seals = seals(1);
    let check = |length: usize, in_cookie: bool, in_state: bool| {
        let address = format!("/{}", "a".repeat(length - 1));
        let (new, _) = begun(&seals, &address, 0);
        let state = SealedState::read(&seals, &new.state(&seals, false, after(0)), after(0)).expect("ours");
        assert_eq!(new.return_to == address, in_cookie, "{length}");
        assert_eq!(state.return_to.as_deref() == Some(&*address), in_state, "{length}");
    };
    check(512, true, true);
    check(513, true, false);
    check(2048, true, false);
    check(2049, false, false);
}

#[test]
fn a_browser_keeps_eight_pending_sign_ins_and_clears_the_oldest() {
    let seals = seals(1);
    let cookies: Vec<_> = (0..9).map(|secs| begun(&seals, "/", secs).1).collect();
    let cleared = |cookies: &[(String, String)]| {
        let new =
            PendingSignIn::begin("entra", "/", after(20)).expect("randomness").cookie(&seals, HTTPS, false, after(20));
        HTTPS.beyond_the_most(&seals, cookies, &new, after(20))
    };
    assert_eq!(cleared(&[]), Vec::<String>::new());
    assert_eq!(cleared(&cookies[..7]), Vec::<String>::new());
    assert_eq!(cleared(&cookies[..8]), [cookies[0].0.clone()]);
    assert_eq!(cleared(&cookies), [cookies[1].0.clone(), cookies[0].0.clone()]);
    let garbage = ("__Host-candor-signin-x".to_owned(), "y".to_owned());
    assert_eq!(cleared(std::slice::from_ref(&garbage)), [garbage.0]);
    assert_eq!(cleared(&[("session".to_owned(), "y".to_owned())]), Vec::<String>::new(), "not a pending sign-in");
    let long: Vec<_> = (0..4).map(|secs| begun(&seals, &format!("/{}", "a".repeat(2000)), secs).1).collect();
    assert_eq!(cleared(&long), [long[2].0.clone(), long[1].0.clone(), long[0].0.clone()], "a head has 16 KiB");
}

#[test]
fn a_cookie_says_how_it_is_to_be_set() {
    let seals = seals(1);
    let new = PendingSignIn::begin("entra", "/", after(0)).expect("randomness");
    let posted = new.cookie(&seals, HTTPS, true, after(0));
    assert!(posted.name.starts_with("__Host-candor-signin-") && posted.cross_site);
    let plain = new.cookie(&seals, PendingCookieNames { secure: false }, false, after(0));
    assert!(plain.name.starts_with("candor-signin-") && !plain.cross_site);
    assert_eq!(plain.lifetime, Duration::from_secs(600));
}

#[test]
fn a_pending_sign_in_that_only_one_clock_calls_over_is_good() {
    let (seals, clock) = (seals(1), Clock::standing_at(NOON));
    let new = PendingSignIn::begin("entra", "/", clock.now()).expect("randomness");
    let (state, cookie) = (new.state(&seals, false, clock.now()), new.cookie(&seals, HTTPS, false, clock.now()));
    let cookies = [(cookie.name.clone(), cookie.value.expose_secret().to_owned())];
    let found = |clock: &Clock| {
        let state = SealedState::read(&seals, &state, clock.now());
        state.is_some_and(|state| state.find(&seals, HTTPS, &cookies, clock.now()).is_some())
    };
    for step in [3600, -7200] {
        clock.step_wall(step);
        assert!(found(&clock), "{step}");
    }
    clock.advance(LIFETIME);
    assert!(found(&clock), "the wall clock is an hour behind");
    clock.step_wall(3600);
    assert!(!found(&clock), "it is over by both");
}
