//! The service's own PINs, shown by the gateway in its place and in its shape: an app of before asks where it always did,
//! and is answered though the service is dead.
//!
//! The paths and the names of members are the configuration's. What was begun at the service itself is polled there: an id
//! that is none of ours goes on to its route. Deliberately absent: any answer that such an app could take for a refusal.

use std::time::Duration;

use auth_core::{
    dependency::Dependency,
    device::{
        Devices,
        activation::{AskingNetwork, KeylessActivation, KeylessBegin, KeylessPoll},
        registry::DeviceDescription,
    },
    verdict::Unavailable,
};
use http::Method;
use http_body_util::{BodyExt, Limited};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    body::Received,
    config::LegacyPinConfig,
    context::RequestContext,
    fault::{ClientKind, FaultStatus},
    limits::FleetWork,
    request::RequestHead,
    response::{answer::Answer, own_answer::OwnAnswer},
};

/// What an app of before asks about PINs.
pub(crate) enum LegacyPinAsked<'a> {
    /// A new one.
    New,
    /// What became of one, by what it was given as its id.
    Poll(&'a str),
}

/// So much is read of a request for a PIN, and for so long: only a serial number may be in it.
const LARGEST: usize = 16 * 1024;
const PATIENCE: Duration = Duration::from_secs(2);

impl<'a> LegacyPinAsked<'a> {
    /// What this request asks, if it is one about PINs.
    pub(crate) fn by(context: &RequestContext, head: &'a RequestHead) -> Option<Self> {
        let config = config(context)?;
        let path = head.path.as_str();
        match head.method {
            Method::POST if path == config.path => Some(Self::New),
            Method::GET => path
                .strip_prefix(&*config.poll)
                .filter(|id| !id.contains('/') && KeylessPoll::may_be(id))
                .map(Self::Poll),
            _ => None,
        }
    }

    /// The answer.
    pub(crate) async fn answer(self, context: &RequestContext, head: &RequestHead, body: Received) -> Answer {
        context.answer_as(ClientKind::Device);
        let (Some(config), Some(devices)) = (config(context), &context.running.devices) else {
            return Answer::Unavailable(busy(Unavailable::RETRY_AFTER));
        };
        let a_second = context.running.config.devices.as_ref().map_or(1, |devices| devices.returns_per_second);
        let allowed = context.gateway.limits.work_for_device(FleetWork::Activation, a_second, context.now);
        if let Err(fault) = allowed {
            return Answer::Unavailable(busy(fault.retry_after().unwrap_or(Unavailable::RETRY_AFTER)));
        }
        let answered = match self {
            Self::New => begin(devices, config, context, head, body).await,
            Self::Poll(poll) => polled(devices, config, context, poll).await,
        };
        answered.unwrap_or_else(Answer::Unavailable)
    }
}

fn config(context: &RequestContext) -> Option<&LegacyPinConfig> {
    context.running.config.devices.as_ref()?.legacy_pin.as_ref()
}

async fn begin(
    devices: &Devices,
    config: &LegacyPinConfig,
    context: &RequestContext,
    head: &RequestHead,
    body: Received,
) -> Result<Answer, Unavailable> {
    let hardware_id = match &config.hardware_id {
        Some(member) => said(body, member).await,
        None => String::new(),
    };
    let about =
        DeviceDescription { hardware_id: hardware_id.clone(), model: String::new(), app_version: String::new() };
    let network = AskingNetwork::of(head.forwarded.client);
    let KeylessActivation { poll, pin, token, .. } = match devices.begin_keyless(about, &network, context.now).await? {
        KeylessBegin::Begun(activation) => *activation,
        KeylessBegin::TooMany { retry_after } => return Err(busy(retry_after)),
    };
    // The PIN is shown whether or not anybody can be told that its device may have lost a token.
    let address = Some(network.as_str().to_owned());
    if let Err(unavailable) = context.gateway.legacy.note_lost_token(&token, hardware_id, address, context.now).await {
        tracing::info!(%unavailable, "a device that lost its token is not on the approval list");
    }
    let said = [(&config.pin, pin.to_string()), (&config.id, poll.expose_secret().to_owned())];
    Ok(Answer::Own(OwnAnswer::json(object(said))))
}

async fn polled(
    devices: &Devices,
    config: &LegacyPinConfig,
    context: &RequestContext,
    poll: &str,
) -> Result<Answer, Unavailable> {
    let said = match devices.poll_keyless(&context.gateway.legacy, poll, context.now).await? {
        Some(KeylessPoll::Pending) => OwnAnswer::json(object([(&config.status, config.pending.clone())])),
        Some(KeylessPoll::Given(token)) => {
            let said = [(&config.status, config.active.clone()), (&config.token, token.expose().to_owned())];
            OwnAnswer::json(object(said))
        }
        Some(KeylessPoll::Expired) | None => {
            OwnAnswer::json(json!({ "error": "this PIN is over" })).status(FaultStatus::NotFound)
        }
    };
    Ok(Answer::Own(said))
}

/// A JSON object of texts.
fn object<'n>(members: impl IntoIterator<Item = (&'n String, String)>) -> Value {
    Value::Object(members.into_iter().map(|(name, text)| (name.clone(), text.into())).collect())
}

/// The serial number that a request's JSON holds; empty, if it holds none: an app that says nothing gets its PIN too.
async fn said(body: Received, member: &str) -> String {
    let Ok(Ok(content)) = timeout(PATIENCE, Limited::new(body, LARGEST).collect()).await else { return String::new() };
    let said: Option<Value> = serde_json::from_slice(&content.to_bytes()).ok();
    let text = said.as_ref().and_then(|said| said.get(member)?.as_str()).unwrap_or_default();
    let fits = text.len() <= 128 && !text.chars().any(char::is_control);
    if fits { text.to_owned() } else { String::new() }
}

fn busy(retry_after: Duration) -> Unavailable {
    Unavailable::because(Dependency::OwnJudgement, "more PINs are asked for than may be shown").retry_after(retry_after)
}
