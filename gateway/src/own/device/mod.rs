//! `device/…`: where devices prove their keys, show PINs, and get, renew and ask about what they hold.
//!
//! A request is read whole before its proof is looked at, and its proof before anything is asked of the store: what is
//! malformed costs no state, not even its nonce. Deliberately absent: 401 and 403. What a device is told here is a word,
//! and what could make it erase anything is a signed statement.

mod content;

use std::time::Duration;

use auth_core::{
    credential::CredentialText,
    device::{
        Devices,
        activation::{Activation, AskingNetwork, BeginAnswer, PollAnswer},
        family::KeylessAnswer,
        grant::{GrantAnswer, KeyAnswer},
        nonce::NONCE_LIFETIME,
        proof::{ProofFault, ProofTarget, ProvenDeviceKey},
        token::{DeviceClaims, MintedToken},
    },
    verdict::Unavailable,
};
use http::{HeaderName, request};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use self::content::{ActivationContent, KeyContent, Nothing, PollContent, StatementContent, TokenContent, read};
use super::single;
use crate::{
    body::Received,
    context::RequestContext,
    fault::{ClientKind, DeviceProblem, Fault},
    limits::FleetWork,
    request::RequestHead,
    response::{answer::Answer, own_answer::OwnAnswer},
    route::DevicePath,
    telemetry::metrics::DEVICE_PROBLEMS,
};

/// Where a proof of a key is (RFC 9449 §4.1).
const DPOP: HeaderName = HeaderName::from_static("dpop");
/// What a device that was suspended waits before it asks again.
const SUSPENDED: Duration = Duration::from_secs(300);

/// One request of a device, with what every path needs.
struct Asking<'a> {
    devices: &'a Devices,
    context: &'a RequestContext,
    head: &'a RequestHead,
    parts: &'a request::Parts,
    /// What its proof must be made for.
    url: String,
}

/// Why a device does not get what it asked for: already the answer.
type Told = Box<Answer>;

/// Answers a device.
pub(super) async fn answer(
    path: DevicePath,
    context: &RequestContext,
    head: &RequestHead,
    parts: &request::Parts,
    body: Received,
) -> Answer {
    context.answer_as(ClientKind::Device);
    let Some(devices) = &context.running.devices else { return Answer::Fault(Fault::NoSuchRoute) };
    let site = &context.running.site;
    let url = format!("{}{}", site.origin(), site.own(&format!("device/{}", path.as_str())));
    let asking = Asking { devices, context, head, parts, url };
    let answered = match path {
        DevicePath::Nonce => asking.nonce(),
        DevicePath::StatementKeys => Ok(OwnAnswer::json(devices.keyring().statement_keys())),
        DevicePath::Activations => asking.begin_activation(body).await,
        DevicePath::ActivationToken => asking.poll_activation(body).await,
        DevicePath::Token => asking.renew(body).await,
        DevicePath::Reactivations => asking.reactivate(body).await,
        DevicePath::Statements => asking.state(body).await,
        DevicePath::Keys => asking.replace_key(body).await,
    };
    match answered {
        Ok(own) => Answer::Own(asking.with_nonce(own)),
        Err(told) => *told,
    }
}

impl Asking<'_> {
    fn nonce(&self) -> Result<OwnAnswer, Told> {
        let nonce = self.devices.proof_nonce(self.context.now).map_err(unavailable)?;
        Ok(OwnAnswer::json(json!({ "nonce": nonce, "expires_in": NONCE_LIFETIME.as_secs() })))
    }

    async fn begin_activation(&self, body: Received) -> Result<OwnAnswer, Told> {
        let ActivationContent(about) = self.read(body).await?;
        let key = self.proven()?;
        self.admitted(FleetWork::Activation)?;
        let network = AskingNetwork::of(self.head.forwarded.client);
        let begun = self.devices.begin_activation(&key, about, &network, self.context.now).await;
        match begun.map_err(unavailable)? {
            BeginAnswer::Begun(activation) => Ok(self.activation(&activation)),
            BeginAnswer::TooMany { retry_after } => Err(self.problem_later(DeviceProblem::RateLimited, retry_after)),
        }
    }

    fn activation(&self, activation: &Activation) -> OwnAnswer {
        let site = &self.context.running.site;
        let page = format!("{}{}", site.origin(), site.own("activate"));
        OwnAnswer::created(json!({
            "activation_id": activation.id.as_str(),
            "device_code": activation.device_code.expose_secret(),
            "pin": activation.pin.to_string(),
            "tag": activation.tag.to_string(),
            "expires_in": activation.expires_in.as_secs(),
            "interval": activation.interval.as_secs(),
            "verification_uri": page,
            "verification_uri_complete": format!("{page}?pin={}&tag={}", activation.pin, activation.tag),
        }))
    }

    async fn poll_activation(&self, body: Received) -> Result<OwnAnswer, Told> {
        let PollContent { activation_id, device_code } = self.read(body).await?;
        let key = self.proven()?;
        self.admitted(FleetWork::Activation)?;
        let now = self.context.now;
        let polled = self.devices.poll_activation(&key, &activation_id, &device_code, now).await;
        let waiting = |status: &str, interval: Duration| {
            OwnAnswer::accepted(json!({ "status": status, "interval": interval.as_secs() }))
        };
        match polled.map_err(unavailable)? {
            PollAnswer::Pending { interval } => Ok(waiting("pending", interval)),
            PollAnswer::SlowDown { interval } => Ok(waiting("slow-down", interval)),
            PollAnswer::Granted(grant) => Ok(self.handed(&grant.token, &grant.statement_keys)),
            PollAnswer::Expired => Err(self.problem(DeviceProblem::ActivationExpired)),
        }
    }

    async fn renew(&self, body: Received) -> Result<OwnAnswer, Told> {
        let TokenContent { token } = self.read(body).await?;
        if !self.parts.headers.contains_key(DPOP) {
            return self.renew_keyless(&token).await;
        }
        let key = self.proven()?;
        self.admitted(FleetWork::Renewal)?;
        self.granted(self.devices.renew(&key, &token, self.context.now).await)
    }

    /// The token of a device without a key is all that it has to show.
    async fn renew_keyless(&self, token: &str) -> Result<OwnAnswer, Told> {
        self.admitted(FleetWork::Renewal)?;
        let answer = self.devices.renew_keyless(&CredentialText::new(token), self.context.now).await;
        Err(match answer.map_err(unavailable)? {
            KeylessAnswer::Granted(token) => return Ok(self.handed(&token, &self.devices.keyring().statement_keys())),
            KeylessAnswer::NeedsProof => self.problem(DeviceProblem::BadProof),
            KeylessAnswer::Suspended => self.problem_later(DeviceProblem::DeviceSuspended, SUSPENDED),
            KeylessAnswer::Revoked => self.problem(DeviceProblem::DeviceRevoked),
            KeylessAnswer::Unknown => self.problem(DeviceProblem::DeviceUnknown),
        })
    }

    async fn reactivate(&self, body: Received) -> Result<OwnAnswer, Told> {
        let Nothing {} = self.read(body).await?;
        let key = self.proven()?;
        self.admitted(FleetWork::Reactivation)?;
        self.granted(self.devices.reactivate(&key, self.context.now).await)
    }

    fn granted(&self, answer: Result<GrantAnswer, Unavailable>) -> Result<OwnAnswer, Told> {
        #[cfg(candor_mutants)]
        if answer.is_err() && auth_core::mutants::is("renewal-refused-when-store-down") {
            return Err(self.problem(DeviceProblem::DeviceRevoked));
        }
        Err(match answer.map_err(unavailable)? {
            GrantAnswer::Granted(grant) => return Ok(self.handed(&grant.token, &grant.statement_keys)),
            GrantAnswer::Ambiguous => self.problem(DeviceProblem::TenantAmbiguous),
            GrantAnswer::Suspended => self.problem_later(DeviceProblem::DeviceSuspended, SUSPENDED),
            GrantAnswer::Revoked => self.problem(DeviceProblem::DeviceRevoked),
            GrantAnswer::Unknown => self.problem(DeviceProblem::DeviceUnknown),
        })
    }

    /// What a device gets. From where it came is noted: administrators are told how many displays are in a network.
    fn handed(&self, token: &MintedToken, statement_keys: &Value) -> OwnAnswer {
        self.devices.saw(token.claims.device, Some(self.head.forwarded.client), self.context.now);
        granted(token, statement_keys)
    }

    async fn state(&self, body: Received) -> Result<OwnAnswer, Told> {
        let StatementContent(request) = self.read(body).await?;
        let key = self.proven()?;
        let statement = self.devices.state(&key, &request, self.context.now).await.map_err(unavailable)?;
        Ok(OwnAnswer::json(json!({ "statement": statement })))
    }

    async fn replace_key(&self, body: Received) -> Result<OwnAnswer, Told> {
        let KeyContent { proof } = self.read(body).await?;
        let old = self.proof()?;
        let target = ProofTarget { method: self.parts.method.as_str(), url: &self.url };
        let both = self.devices.prove_both([old, &proof], target, self.context.now);
        let [old, new] = both.map_err(|fault| self.not_proven(fault))?;
        self.admitted(FleetWork::Renewal)?;
        let answer = self.devices.replace_key(&old, &new, self.context.now).await.map_err(unavailable)?;
        Err(match answer {
            KeyAnswer::Added(thumbprint) => return Ok(OwnAnswer::json(json!({ "thumbprint": thumbprint }))),
            KeyAnswer::Taken => self.problem(DeviceProblem::KeyTaken),
            KeyAnswer::Suspended => self.problem_later(DeviceProblem::DeviceSuspended, SUSPENDED),
            KeyAnswer::Revoked => self.problem(DeviceProblem::DeviceRevoked),
            KeyAnswer::Unknown => self.problem(DeviceProblem::DeviceUnknown),
        })
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, body: Received) -> Result<T, Told> {
        read(self.parts, body).await.map_err(|(problem, detail)| match detail {
            Some(detail) => self.problem_in_detail(problem, detail),
            None => self.problem(problem),
        })
    }

    /// The one proof that the request came with.
    fn proof(&self) -> Result<&str, Told> {
        single(&self.parts.headers, DPOP.as_str()).ok_or_else(|| self.problem(DeviceProblem::BadProof))
    }

    fn proven(&self) -> Result<ProvenDeviceKey, Told> {
        let target = ProofTarget { method: self.parts.method.as_str(), url: &self.url };
        self.devices.prove(self.proof()?, target, self.context.now).map_err(|fault| self.not_proven(fault))
    }

    fn not_proven(&self, fault: ProofFault) -> Told {
        match fault {
            ProofFault::UseNonce => Box::new(Answer::Own(self.with_nonce(counted(DeviceProblem::UseDpopNonce)))),
            ProofFault::BadProof(bad) => {
                self.problem_in_detail(DeviceProblem::BadProof, format!("The proof does not hold: {bad}."))
            }
        }
    }

    /// Whether there is room for this kind of work now.
    fn admitted(&self, work: FleetWork) -> Result<(), Told> {
        let a_second = self.context.running.config.devices.as_ref().map_or(1, |devices| devices.returns_per_second);
        self.context
            .gateway
            .limits
            .work_for_device(work, a_second, self.context.now)
            .map_err(|fault| Box::new(Answer::Fault(fault)))
    }

    /// With a nonce for the next proof. Without one the device asks for one by itself.
    fn with_nonce(&self, own: OwnAnswer) -> OwnAnswer {
        match self.devices.proof_nonce(self.context.now) {
            Ok(nonce) => own.nonce(&nonce),
            Err(_) => own,
        }
    }

    fn problem(&self, problem: DeviceProblem) -> Told {
        Box::new(Answer::Own(counted(problem)))
    }

    fn problem_in_detail(&self, problem: DeviceProblem, detail: String) -> Told {
        Box::new(Answer::Own(counted(problem).detail(detail)))
    }

    fn problem_later(&self, problem: DeviceProblem, wait: Duration) -> Told {
        Box::new(Answer::Own(counted(problem).retry_after(wait)))
    }
}

fn unavailable(unavailable: Unavailable) -> Told {
    Box::new(Answer::Unavailable(unavailable))
}

/// What a device is told, counted.
fn counted(problem: DeviceProblem) -> OwnAnswer {
    DEVICE_PROBLEMS.with([problem.as_str()]).increment(1);
    OwnAnswer::device_problem(problem)
}

/// What a device gets: its token, its place, and the keys by which statements about it are signed.
fn granted(token: &MintedToken, statement_keys: &Value) -> OwnAnswer {
    let DeviceClaims { device, tenant, room, generation, .. } = &token.claims;
    OwnAnswer::json(json!({
        "device_id": device,
        "token": token.text.expose_secret(),
        "tenant": tenant,
        "room": room,
        "generation": generation,
        "renew_in": token.renew_in.as_secs(),
        "expires_in": token.expires_in.as_secs(),
        "statement_keys": statement_keys,
    }))
}
