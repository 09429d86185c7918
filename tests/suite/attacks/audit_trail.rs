//! What somebody tries who can write the store, and would rather not have done what the trail says.

use auth_core::audit::{self, AuditFinding};
use world::{display::Fleet, store::Store};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[Attack {
    name: "the_audit_trail_rewritten",
    fault: "audit-chain-unverified",
    run: || Box::pin(the_audit_trail_rewritten()),
}];

/// Ways to rewrite it, for who first takes away what keeps the rows as they are.
const REWRITTEN: [(&str, &str); 6] = [
    ("somebody else did it", "UPDATE device_audit SET actor = 'mallory' WHERE seq = 2"),
    ("it was done to another device", "UPDATE device_audit SET device = NULL WHERE seq = 1"),
    ("something else was done", "UPDATE device_audit SET detail = '{}' WHERE seq = 2"),
    ("it was never done", "DELETE FROM device_audit WHERE seq = 2"),
    ("the beginning was never done", "DELETE FROM device_audit WHERE seq = 1"),
    (
        "it was never done, and nothing is missing",
        "DELETE FROM device_audit WHERE seq = 2; UPDATE device_audit SET seq = seq - 1 WHERE seq > 2",
    ),
];

async fn the_audit_trail_rewritten() -> Probes {
    let mut probes = Probes::default();
    for (what, statement) in REWRITTEN {
        let fleet = Fleet::start().await;
        for _ in 0..3 {
            fleet.register("acme").await;
        }
        let store = fleet.devices.registry().store();
        let before = audit::verify(store).await.expect("the store is whole");
        assert!(matches!(before, AuditFinding::Whole { rows: 3.., .. }), "{before:?}");
        let file = Store::at(fleet.store_path());
        for kept in ["device_audit_unchanged", "device_audit_kept"] {
            file.rewrite(&format!("DROP TRIGGER {kept}")).await.expect("there is one");
        }
        file.rewrite(statement).await.expect("it can be rewritten");
        let found = audit::verify(store).await.expect("the store is whole");
        probes.made(matches!(found, AuditFinding::Whole { .. }), || format!("{what}: {found:?}"));
    }
    probes
}
