//! What people see in a real browser, from sign-in to sign-out: the certified provider's own pages, the service's page, and
//! every page of ours on the way. One browser, one gateway, one long visit.

mod pages;
mod visit;

use libtest_mimic::Trial;
use world::chromium::Chromium;

use super::{Stage, stage::Place};
use crate::{in_a_runtime, report};

const NAME: &str = "peers::a_long_visit_in_chromium";

/// Roles, which this provider never states, and an address for administration.
const ROUTES: &str = r#"
[[routes]]
path = "/editors/"
upstream = "monolith"
allow = ["role:editor"]

[[routes]]
path = "/administration/"
upstream = "monolith"
allow = ["user"]
max_stale = "0s"
"#;

pub(super) fn tests() -> Vec<Trial> {
    if Chromium::is_installed() {
        return vec![in_a_runtime(NAME, long_visit)];
    }
    report::left_out(format!("{NAME}: the driver of Chromium is not installed (tests/peers/install)"));
    Vec::new()
}

/// Somebody at a browser.
struct Visitor {
    stage: Stage,
    chromium: Chromium,
}

async fn long_visit() {
    let stage = Stage::at(Place { renewed: true, patient: true, further: ROUTES, ..Place::default() }).await;
    let mut visitor = Visitor { stage, chromium: Chromium::open().await };
    visitor.signs_in().await;
    visitor.outlives_the_service_and_the_provider().await;
    visitor.signs_in_twice_at_once_and_goes_back().await;
    visitor.looks_at_what_is_theirs().await;
    visitor.meets_what_is_not_for_them().await;
    visitor.meets_a_dead_store().await;
    visitor.signs_out().await;
    visitor.fails_to_sign_in().await;
    visitor.meets_pretenders().await;

    let Visitor { stage, chromium } = visitor;
    // What the provider's own pages do is not ours to judge. They want fonts from elsewhere, and do not get them.
    let provider = stage.proxy.base();
    let of_ours = |error: &String| !error.starts_with(&provider) && !error.starts_with("https://fonts.googleapis.com/");
    let errors: Vec<_> = chromium.console_errors().await.into_iter().filter(of_ours).collect();
    report::pages(&chromium, &errors);
    let overflows = chromium.overflows();
    assert!(overflows.is_empty() && errors.is_empty(), "{overflows:?}, {errors:#?}");
    stage.peer.saw_no_token_twice();
    chromium.close().await;
}

impl Visitor {
    /// Goes to a path of the service, and wherever that leads.
    async fn go(&self, path: &str) {
        self.chromium.go(&self.stage.url(path)).await;
    }

    /// Waits for the page with this heading.
    async fn sees(&self, heading: &str) {
        self.chromium.until(&format!("return document.querySelector('h1')?.textContent.trim() === '{heading}'")).await;
    }

    /// Waits for the page with this heading, looks at it well, and reads it.
    async fn looks_at(&mut self, name: &str, heading: &str) -> String {
        self.sees(heading).await;
        self.chromium.look(name).await;
        self.chromium.text().await
    }

    /// Waits for the service's page for this person, at this path.
    async fn is_at(&self, path: &str, name: &str) {
        self.sees("Calendar").await;
        assert_eq!(self.chromium.address().await, self.stage.url(path).as_str());
        let text = self.chromium.text().await;
        assert!(text.contains(&format!("For {name}.")), "{text}");
    }

    /// Types a name at the provider, and consents.
    async fn logs_in(&self, name: &str) {
        self.chromium.until("return document.querySelector('input[name=login]') !== null").await;
        self.chromium.type_into("input[name=login]", name).await;
        self.chromium.type_into("input[name=password]", "anything").await;
        self.chromium.click("button[type=submit]").await;
        self.consents().await;
    }

    /// Lets the provider, which knows this browser, tell us who it is.
    async fn consents(&self) {
        self.chromium.until("return document.querySelector('input[name=prompt][value=consent]') !== null").await;
        self.chromium.click("button[type=submit]").await;
    }

    /// Sends a form to `path`, as a page of the service could that has been open for long.
    async fn posts(&self, path: &str) {
        let script = format!(
            "const form = document.createElement('form'); form.method = 'post'; form.action = '{path}';
             document.body.append(form); form.submit();"
        );
        self.chromium.run(&script).await;
    }
}
