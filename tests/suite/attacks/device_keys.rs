//! What somebody tries who would like to be a display whose key they do not have.

use auth_core::device::proof::ProofTarget;
use world::display::{DisplayKey, Fleet};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "proofs_without_the_key", fault: "proof-not-verified", run: || Box::pin(proofs_without_the_key()) },
    Attack { name: "proofs_used_again", fault: "nonce-reused", run: || Box::pin(proofs_used_again()) },
    Attack {
        name: "proofs_made_for_another_address",
        fault: "proof-for-another-address",
        run: || Box::pin(proofs_made_for_another_address()),
    },
];

const TOKEN: ProofTarget<'static> = ProofTarget { method: "POST", url: "https://gate.example/.candor/device/token" };

/// Proofs that name a display's key and are signed by another, or changed after they were signed.
async fn proofs_without_the_key() -> Probes {
    let fleet = Fleet::start().await;
    let (display, thief) = (DisplayKey::new(), DisplayKey::new());
    let mut probes = Probes::default();
    let mut attempt = |what: &str, proof: &str| {
        let said = fleet.devices.prove(proof, TOKEN, fleet.now());
        probes.made(said.is_ok(), || format!("{what}: {said:?}"));
    };
    attempt("another's signature", &thief.proof_in_the_name_of(&display.jwk(), TOKEN, &fleet.nonce()));
    let (one, other) = (display.proof(TOKEN, &fleet.nonce()), display.proof(TOKEN, &fleet.nonce()));
    let (signed, _) = one.rsplit_once('.').expect("a JWS");
    let (_, signature) = other.rsplit_once('.').expect("a JWS");
    attempt("the signature of another proof", &format!("{signed}.{signature}"));
    attempt("no signature", &format!("{signed}."));
    fleet.devices.prove(&other, TOKEN, fleet.now()).expect("a good one is taken");
    probes
}

/// The same proof twice, at once and later.
async fn proofs_used_again() -> Probes {
    let fleet = Fleet::start().await;
    let display = DisplayKey::new();
    let mut probes = Probes::default();
    for _ in 0..5 {
        let proof = display.proof(TOKEN, &fleet.nonce());
        fleet.devices.prove(&proof, TOKEN, fleet.now()).expect("the first time it is taken");
        for second in 0..3 {
            fleet.clock.advance(std::time::Duration::from_secs(second));
            let said = fleet.devices.prove(&proof, TOKEN, fleet.now());
            probes.made(said.is_ok(), || format!("{second}: {said:?}"));
        }
    }
    probes
}

/// A proof that a display made for one of our addresses, or for somebody else's, brought to another.
async fn proofs_made_for_another_address() -> Probes {
    let fleet = Fleet::start().await;
    let display = DisplayKey::new();
    let mut probes = Probes::default();
    for url in [
        "https://gate.example/.candor/device/keys",
        "https://evil.example/.candor/device/token",
        "http://gate.example/.candor/device/token",
        "https://gate.example/.candor/device/token?x",
    ] {
        let proof = display.proof(ProofTarget { method: "POST", url }, &fleet.nonce());
        let said = fleet.devices.prove(&proof, TOKEN, fleet.now());
        probes.made(said.is_ok(), || format!("{url}: {said:?}"));
    }
    fleet.devices.prove(&display.proof(TOKEN, &fleet.nonce()), TOKEN, fleet.now()).expect("a good one is taken");
    probes
}
