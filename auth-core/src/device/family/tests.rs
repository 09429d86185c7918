use super::*;
use crate::{audit, device::token::tests::Site};

const HOUR: Duration = Duration::from_secs(3600);

impl Site {
    fn keyless(&self) -> CredentialText {
        let minted = self.devices.mint(&self.binding, None, self.clock.now());
        CredentialText::new(minted.expect("it can be signed").text)
    }

    async fn renewed(&self, present: &CredentialText) -> Option<CredentialText> {
        match self.devices.renew_keyless(present, self.clock.now()).await.expect("healthy") {
            KeylessAnswer::Granted(minted) => Some(CredentialText::new(minted.text)),
            _ => None,
        }
    }

    /// Uses a token, and looks at what was used. It is good, whatever is found.
    async fn uses(&self, token: &CredentialText) {
        let good = self.devices.verify(token, self.clock.now());
        assert!(good.is_ok(), "{good:?}");
        self.devices.write_last_seen().await.expect("healthy");
    }

    async fn clones_on_record(&self) -> usize {
        let store = self.devices.registry().store();
        let rows = audit::of_device(store, self.binding.device, 100).await.expect("healthy");
        rows.iter().filter(|row| row.action == "possible-clone").count()
    }
}

#[tokio::test]
async fn a_predecessor_in_use_beside_its_successor_is_told_once_and_nothing_is_revoked() {
    let site = Site::new().await;
    let first = site.keyless();
    site.uses(&first).await;
    let second = site.renewed(&first).await.expect("it is good");
    site.clock.advance(HOUR);
    site.uses(&first).await;
    assert_eq!(site.clones_on_record().await, 0, "the answer may have been lost");
    site.uses(&second).await;
    site.clock.advance(2 * HOUR);
    site.uses(&second).await;
    assert_eq!(site.clones_on_record().await, 0);
    for _ in 0..3 {
        site.uses(&first).await;
        assert_eq!(site.clones_on_record().await, 1);
        site.clock.advance(HOUR);
    }
    site.uses(&second).await;
    assert_eq!(site.clones_on_record().await, 1);
}

#[tokio::test]
async fn a_lost_answer_costs_nothing_and_rings_nothing() {
    let site = Site::new().await;
    let first = site.keyless();
    let _lost = site.renewed(&first).await.expect("it is good");
    site.clock.advance(HOUR);
    site.uses(&first).await;
    let second = site.renewed(&first).await.expect("it is good still");
    site.uses(&second).await;
    site.clock.advance(Duration::from_secs(60));
    site.uses(&first).await;
    assert_eq!(site.clones_on_record().await, 0, "requests overtake each other");
}

#[tokio::test]
async fn who_may_renew_without_a_key() {
    let mut site = Site::new().await;
    let (keyed, token) = (site.token(), site.keyless());
    let check = async |site: &Site, token: &CredentialText, expected: &str| {
        let answer = site.devices.renew_keyless(token, site.clock.now()).await.expect("healthy");
        assert!(format!("{answer:?}").starts_with(expected), "{answer:?}");
    };
    check(&site, &token, "Granted").await;
    check(&site, &keyed, "NeedsProof").await;
    check(&site, &CredentialText::new("a.b.c"), "Unknown").await;
    site.change(BindingState::Suspended).await;
    check(&site, &token, "Suspended").await;
    site.change(BindingState::Revoked).await;
    check(&site, &token, "Revoked").await;
    site.change(BindingState::Active).await;
    check(&site, &token, "Revoked").await;
    let token = site.keyless();
    check(&site, &token, "Granted").await;
    site.clock.advance(15 * 24 * HOUR);
    check(&site, &token, "Unknown").await;
}

#[tokio::test]
async fn a_store_that_is_down_renews_nothing_and_refuses_nothing() {
    let site = Site::new().await;
    let token = site.keyless();
    site.devices.registry().store().disturb(crate::database::Disturbance::Closed).await.expect("healthy until now");
    let down = site.devices.renew_keyless(&token, site.clock.now()).await.expect_err("closed");
    assert_eq!(down.dependency, Dependency::Store);
    let good = site.devices.verify(&token, site.clock.now());
    assert!(good.is_ok(), "{good:?}");
    let _ = site.devices.write_last_seen().await.expect_err("closed");
    site.devices.registry().store().heal().await.expect("nothing else is wrong");
    site.devices.write_last_seen().await.expect("healed");
}
