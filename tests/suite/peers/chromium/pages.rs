//! Our pages that a visit leads past if somebody looks for them, or something is set up wrongly.

use auth_core::database::Disturbance;
use gateway::demo::{Lie, Login, Mode};
use world::{
    World,
    caller::{Caller, Form},
};

use super::{super::signed_in, Visitor};

impl Visitor {
    pub(super) async fn looks_at_what_is_theirs(&mut self) {
        signed_in(&self.stage, "ada").await;
        self.go("/.candor/me").await;
        self.looks_at("me", "You are signed in").await;
        self.chromium.click("a[href$=sessions]").await;
        let text = self.looks_at("sessions", "Your sessions").await;
        let headings: Vec<_> =
            text.lines().filter(|line| line.ends_with(" session") && !line.starts_with("End")).collect();
        assert_eq!(headings, ["This session", "Another session", "Another session"], "{text}");
        assert!(text.contains("Chrome on Linux"), "{text}");
        self.chromium.click("section form button").await;
        self.chromium.until("return document.querySelector('[role=status]') !== null").await;
        let text = self.looks_at("session-ended", "Your sessions").await;
        assert!(text.contains("One session was ended"), "{text}");
        assert_eq!(text.matches("Another session").count(), 1, "{text}");
        self.chromium.click("main > form button").await;
        self.chromium.until("return document.querySelectorAll('section').length === 1").await;
        self.looks_at("only-session", "Your sessions").await;
    }

    pub(super) async fn meets_what_is_not_for_them(&mut self) {
        self.go("/board/minutes").await;
        let text = self.looks_at("not-permitted", "You may not open this").await;
        assert!(text.contains("ada of the peers"), "{text}");
        self.go("/editors/desk").await;
        self.looks_at("groups-not-stated", "We were not told your groups").await;
        self.go("/.candor/nothing").await;
        self.looks_at("not-found", "Page not found").await;
        self.go("/%00").await;
        self.looks_at("bad-request", "This request cannot be served").await;
        self.go("/.candor/problems/upstream-disputed").await;
        self.looks_at("problem", "The service refused somebody whose sign-in is good").await;
    }

    pub(super) async fn meets_a_dead_store(&mut self) {
        self.stage.store().disturb(Disturbance::Closed).await.expect("a whole store can be broken");
        self.go("/.candor/sessions").await;
        self.chromium.until("return document.body.innerText.includes('You are still signed in')").await;
        self.chromium.look("sessions-unavailable").await;
        self.stage.store().heal().await.expect("it can be healed");
    }

    /// What a provider, or a setting, can make of a sign-in.
    pub(super) async fn fails_to_sign_in(&mut self) {
        self.go("/calendar").await;
        self.chromium.until("return document.querySelector('a[href$=\"/abort\"]') !== null").await;
        self.chromium.click("a[href$=\"/abort\"]").await;
        let text = self.looks_at("refused", "Your provider did not sign you in").await;
        assert!(text.contains("access_denied"), "{text}");

        // A sign-in whose cookie this browser does not have; once more, and it has kept none.
        for (again, name, heading) in [
            ("", "begun-elsewhere", "Please begin once more"),
            ("&again=1", "cookies-blocked", "Your browser keeps no cookies"),
        ] {
            let mut elsewhere = Caller::new(Form::Browser);
            let login = self.stage.url(&format!("/.candor/login?return_to=%2Frota{again}"));
            let begun = elsewhere.browser().get(&login).await.expect("an answer").location().expect("to the provider");
            let state = begun.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
            self.chromium.forget_cookies().await;
            self.go(&format!("/.candor/callback/peer?code=c&state={state}")).await;
            self.looks_at(name, heading).await;
        }

        self.go("/.candor/problems/own").await;
        self.posts("/calendar").await;
        self.looks_at("not-signed-in", "You are not signed in").await;

        // Another provider, and a secret that the one does not know.
        self.stage.configure(
            "\n[[identity]]\nname = \"other\"\nkind = \"oidc\"\nissuer = \"http://127.0.0.1:1\"\n\
             client_id = \"candor\"\nclient_secret = { file = \"client_secret\" }\n",
        );
        self.stage.lose_secret();
        self.stage.restart_gateway().await;
        self.go("/rota").await;
        self.looks_at("choose", "Sign in").await;
        self.chromium.click("main li:first-child a").await;
        self.logs_in("ada").await;
        self.looks_at("set-up-wrongly", "Signing in is set up wrongly").await;
    }

    /// A provider that answers wrongly, and a service that takes too long: both pretended, at a gateway of their own.
    pub(super) async fn meets_pretenders(&mut self) {
        let world = World::new().start().await;
        self.chromium.forget_cookies().await;
        world.idp.set_login(Login::Immediately("ada".to_owned()));
        world.idp.lie(Some(Lie::OtherNonce));
        self.chromium.go(&world.url("/calendar")).await;
        self.looks_at("sign-in-failed", "Signing in failed").await;
        world.idp.lie(None);
        self.chromium.go(&world.url("/calendar")).await;
        self.sees("Calendar").await;
        world.monolith.set_mode(Mode::Hanging);
        self.chromium.go(&world.url("/calendar")).await;
        self.looks_at("service-slow", "The service takes too long").await;
    }
}
