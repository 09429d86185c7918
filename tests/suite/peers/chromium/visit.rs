//! The visit itself: signing in, what breaks meanwhile, two tabs, the button that goes back, and signing out.

use std::time::Duration;

use gateway::demo::Mode;
use world::fault_proxy::Break;

use super::Visitor;

const MINUTE: Duration = Duration::from_secs(60);

impl Visitor {
    pub(super) async fn signs_in(&mut self) {
        self.go("/calendar?day=today").await;
        self.logs_in("ada").await;
        self.looks_at("calendar", "Calendar").await;
        self.is_at("/calendar?day=today", "ada").await;
    }

    pub(super) async fn outlives_the_service_and_the_provider(&mut self) {
        self.stage.monolith.set_mode(Mode::DenyAll);
        self.go("/calendar").await;
        let text = self.looks_at("service-denies", "The service is not available just now").await;
        assert!(text.contains("your sign-in is good"), "{text}");
        self.stage.monolith.set_mode(Mode::Down);
        self.go("/calendar").await;
        let text = self.looks_at("service-down", "The service gave no answer").await;
        assert!(text.contains("tries again by itself"), "{text}");
        self.stage.monolith.set_mode(Mode::Healthy);

        // That page comes back by itself. Meanwhile, in another tab, the provider is gone when a renewal is due.
        let (first, other) = (self.chromium.tab().await, self.chromium.open_tab().await);
        let renewals = self.stage.peer.refreshes();
        self.stage.proxy.break_with(Break::Refused).await;
        self.stage.advance(16 * MINUTE).await;
        self.go("/calendar").await;
        self.is_at("/calendar", "ada").await;
        self.stage.advance(16 * MINUTE).await;
        self.go("/calendar").await;
        self.is_at("/calendar", "ada").await;
        self.go("/administration/panel").await;
        let text = self.looks_at("cannot-check", "We cannot check your sign-in just now").await;
        assert!(text.contains("You have not been signed out"), "{text}");
        self.go("/.candor/login?return_to=%2Frota").await;
        self.looks_at("sign-in-unavailable", "Signing in is unavailable just now").await;
        assert_eq!(self.stage.peer.refreshes(), renewals);

        // Both tabs come back by themselves.
        self.stage.proxy.heal().await;
        self.stage.advance(MINUTE).await;
        self.chromium.turn_to(&first).await;
        self.is_at("/calendar", "ada").await;
        self.go("/administration/panel").await;
        self.is_at("/administration/panel", "ada").await;
        assert_eq!(self.stage.peer.refreshes(), renewals + 1, "the same session, renewed");
        assert_eq!(self.sign_ins(), 1, "nobody had to sign in again");
        self.chromium.turn_to(&other).await;
        self.consents().await;
        self.is_at("/rota", "ada").await;
    }

    fn sign_ins(&self) -> usize {
        self.stage.peer.count("token", |token| token["grant"] == "authorization_code")
    }

    pub(super) async fn signs_in_twice_at_once_and_goes_back(&mut self) {
        self.chromium.forget_cookies().await;
        let one = self.chromium.tab().await;
        self.go("/one").await;
        let two = self.chromium.open_tab().await;
        self.go("/two").await;
        self.logs_in("ada").await;
        self.is_at("/two", "ada").await;
        self.chromium.turn_to(&one).await;
        self.logs_in("ada").await;
        self.is_at("/one", "ada").await;
        self.chromium.turn_to(&two).await;
        self.go("/two").await;
        self.is_at("/two", "ada").await;

        // Back is the provider's page, on which all is said. Forward is where they were, still signed in.
        self.chromium.turn_to(&one).await;
        self.chromium.back().await;
        let back = self.chromium.address().await;
        assert!(back.starts_with(&self.stage.proxy.base()), "{back}");
        self.chromium.forward().await;
        self.is_at("/one", "ada").await;
        // The callback itself once more, as from the history.
        self.go("/.candor/callback/peer?code=spent&state=spent").await;
        let text = self.looks_at("signed-in-already", "You are signed in").await;
        assert!(text.contains("nothing has changed"), "{text}");
        self.chromium.click("main li:first-child a").await;
        self.is_at("/", "ada").await;
    }

    /// Here first, then at the provider, which asks.
    pub(super) async fn signs_out(&mut self) {
        self.go("/.candor/logout").await;
        self.looks_at("sign-out", "Sign out?").await;
        self.chromium.click("main button").await;
        self.chromium.until("return document.querySelector('button[name=logout]') !== null").await;
        assert!(self.chromium.address().await.starts_with(&self.stage.proxy.base()), "it goes there by itself");
        self.chromium.click("button[name=logout]").await;
        let text = self.looks_at("signed-out", "You are signed out").await;
        assert!(text.contains("signed out there too"), "{text}");
        self.go("/calendar").await;
        self.chromium.until("return document.querySelector('input[name=login]') !== null").await;
        self.go("/.candor/logout").await;
        self.chromium.click("main button").await;
        self.looks_at("nobody-signed-out", "You are signed out").await;
    }
}
