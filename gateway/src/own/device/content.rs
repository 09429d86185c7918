//! What devices send: one JSON object with exactly the members that a path takes, each of a sensible length.

use auth_core::{
    device::{
        registry::DeviceDescription,
        statement::{StatementNonce, StatementRequest},
    },
    principal::{DeviceId, Generation},
};
use http::request;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    body::Received,
    fault::DeviceProblem,
    own::content::{self, ContentFault},
};

/// The most that a device may send.
const MOST: usize = 16 * 1024;
/// The longest of what it says of itself, in characters.
const LONGEST: usize = 128;

/// `activations`.
#[derive(Deserialize)]
#[serde(try_from = "Described")]
pub(super) struct ActivationContent(pub(super) DeviceDescription);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    hardware_id: Words,
    model: Words,
    app_version: Words,
}

/// `activations/token`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PollContent {
    pub(super) activation_id: String,
    pub(super) device_code: String,
}

/// `token`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenContent {
    pub(super) token: String,
}

/// `reactivations`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// `statements`.
#[derive(Deserialize)]
#[serde(try_from = "Asked")]
pub(super) struct StatementContent(pub(super) StatementRequest);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    nonce: String,
    device_id: Option<DeviceId>,
    generation: Option<Generation>,
}

/// `keys`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyContent {
    pub(super) proof: String,
}

/// Words that somebody may have to read: short, not empty, no control characters.
struct Words(String);

/// Reads the content of a device's request.
///
/// # Errors
/// What is wrong with it, and what exactly, where that is worth saying.
pub(super) async fn read<T: serde::de::DeserializeOwned>(
    parts: &request::Parts,
    body: Received,
) -> Result<T, (DeviceProblem, Option<String>)> {
    let content = content::read(parts, body, "application/json", MOST).await.map_err(|fault| match fault {
        ContentFault::WrongMediaType => (DeviceProblem::WrongMediaType, None),
        ContentFault::TooLarge => (DeviceProblem::ContentTooLarge, None),
        ContentFault::Broken => (DeviceProblem::BadContent, Some("The content broke off.".to_owned())),
        ContentFault::Stalled => (DeviceProblem::BadContent, Some("The content did not arrive in time.".to_owned())),
    })?;
    parse(&content).map_err(|wrong| (DeviceProblem::BadContent, Some(wrong)))
}

/// What serde says names members and types, and never a value.
fn parse<T: serde::de::DeserializeOwned>(content: &[u8]) -> Result<T, String> {
    serde_json::from_slice(content).map_err(|wrong| match wrong.classify() {
        serde_json::error::Category::Data => {
            let said: String = wrong.to_string().chars().take(200).collect();
            format!("The content is JSON, and not what this address takes: {said}.")
        }
        _ => format!("The content is not JSON, as line {} column {} shows.", wrong.line(), wrong.column()),
    })
}

impl From<Described> for ActivationContent {
    fn from(Described { hardware_id, model, app_version }: Described) -> Self {
        Self(DeviceDescription { hardware_id: hardware_id.0, model: model.0, app_version: app_version.0 })
    }
}

impl TryFrom<Asked> for StatementContent {
    type Error = auth_core::device::statement::NotAStatementNonce;

    fn try_from(Asked { nonce, device_id, generation }: Asked) -> Result<Self, Self::Error> {
        let nonce: StatementNonce = nonce.parse()?;
        Ok(Self(StatementRequest { nonce, device: device_id, generation }))
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text.trim().is_empty() || text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            return Err(D::Error::custom(format_args!(
                "each member must be a text of 1 to {LONGEST} characters, without control characters"
            )));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_says_who_it_is_in_three_short_texts_and_nothing_else() {
        let good = r#"{"hardware_id":"SN-1","model":"wall-7","app_version":"4.2"}"#;
        let ActivationContent(about) = parse(good.as_bytes()).expect("it is good");
        assert_eq!((&*about.hardware_id, &*about.model, &*about.app_version), ("SN-1", "wall-7", "4.2"));
        let check = |content: &str, expected: &str| {
            let said = parse::<ActivationContent>(content.as_bytes()).err().expect("it is bad");
            assert!(said.contains(expected), "{content}: {said}");
        };
        check("", "not JSON");
        check("{", "not JSON");
        check("[]", "takes");
        check("{}", "missing field `hardware_id`");
        check(&good.replace("SN-1", ""), "1 to 128 characters");
        check(&good.replace("SN-1", &"x".repeat(129)), "1 to 128 characters");
        check(&good.replace("SN-1", "a\\u0000b"), "without control characters");
        check(&good.replace("\"SN-1\"", "1"), "expected a string");
        check(&good.replace('}', ",\"pin\":\"1\"}"), "unknown field `pin`");
        check(&good.replace('}', ",\"model\":\"x\"}"), "duplicate field `model`");
        check(&format!("{good}{good}"), "not JSON");
        check(&"[".repeat(10_000), "takes");
    }

    #[test]
    fn a_statement_is_asked_for_over_a_nonce_of_128_bits() {
        let check = |content: &str| parse::<StatementContent>(content.as_bytes()).map(|_| ());
        assert_eq!(check(r#"{"nonce":"AAAAAAAAAAAAAAAAAAAAAA"}"#), Ok(()));
        let whole =
            r#"{"nonce":"AAAAAAAAAAAAAAAAAAAAAA","device_id":"01972345-6789-7fff-bfff-ffffffffffff","generation":2}"#;
        assert_eq!(check(whole), Ok(()));
        for bad in [
            r#"{"nonce":""}"#,
            r#"{"nonce":"AAAA"}"#,
            r#"{"nonce":1}"#,
            &whole.replace(":2", ":-2"),
            &whole.replace("01972345-", ""),
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
