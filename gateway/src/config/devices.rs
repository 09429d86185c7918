//! `[devices]`: the fleet of displays that hold a token of the gateway's own, and who may let one in.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use auth_core::policy::Allow;

use super::{
    LegacyConfig, LegacyPinConfig, allow, file::Section, issuer_names::IssuerNames, legacy::WrittenLegacy, value::Value,
};

/// `[devices]`.
#[derive(Clone, Debug)]
pub struct DevicesConfig {
    /// How many digits a PIN has: 6 or 8. Default 6.
    pub pin_digits: u8,
    /// How long a PIN is good. Default and at most 10 min.
    pub pin_lifetime: Duration,
    /// The age at which a token should be renewed. Default 12 h.
    pub renew_after: Duration,
    /// The age at which a token must be renewed, unless nobody can renew it. Default 24 h.
    pub soft: Duration,
    /// The age at which a token is over. Default 14 d.
    pub hard: Duration,
    /// How many devices a second come back after an outage. Default 500.
    pub returns_per_second: u32,
    /// What a device erases that a statement says is revoked. Default all three.
    pub statement_wipe: Vec<WipedData>,
    /// The tenants that devices may be put in, by name; none: each administrator's own.
    pub tenants: BTreeMap<Arc<str>, TenantConfig>,
    /// Whom to ask whose a token of before is, if such are adopted.
    pub legacy: Option<LegacyConfig>,
    /// The service's own PINs, if the gateway shows them in its place.
    pub legacy_pin: Option<LegacyPinConfig>,
}

/// `[devices.tenants.NAME]`.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// Who of the installers may put devices in it.
    pub allow: Vec<Allow>,
}

/// Something that a device keeps, and erases on a statement only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WipedData {
    /// Its token.
    Token,
    /// The calendars that it shows.
    Calendar,
    /// How it looks.
    Theme,
}

/// What `[devices]` says, and where, for the checks that look at more than one section.
pub(super) struct WrittenDevices<'a> {
    pub(super) config: DevicesConfig,
    pub(super) section: Section<'a>,
    /// Everybody whom some tenant names, and where.
    pub(super) allowed: Vec<(Allow, Value<'a>)>,
    /// Where the upstream is named that tokens of before are adopted from.
    pub(super) adopt_from: Option<Value<'a>>,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl WipedData {
    const WORDS: [(&'static str, Self); 3] =
        [("token", Self::Token), ("calendar", Self::Calendar), ("theme", Self::Theme)];

    /// Its word in statements and in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Calendar => "calendar",
            Self::Theme => "theme",
        }
    }
}

impl<'a> WrittenDevices<'a> {
    /// Reads `[devices]`.
    pub(super) fn read(section: Section<'a>, named: &IssuerNames) -> Self {
        let length = |key, range| section.value(key).and_then(|value: Value<'_>| value.duration(range));
        let pin_lifetime = length("pin_lifetime", MINUTE..=10 * MINUTE).unwrap_or(10 * MINUTE);
        let renew_after = length("renew_after", MINUTE..=30 * DAY).unwrap_or(12 * HOUR);
        let soft = length("soft", MINUTE..=30 * DAY).unwrap_or(24 * HOUR);
        let hard = length("hard", DAY..=30 * DAY).unwrap_or(14 * DAY);
        let in_order = |(one, earlier): (&str, Duration), (other, later): (&str, Duration)| {
            if earlier >= later {
                let why = "a token is to be renewed, then must be, then is over".to_owned();
                section.problem(format!("`{one}` must be shorter than `{other}`"), Some(why));
            }
        };
        in_order(("renew_after", renew_after), ("soft", soft));
        in_order(("soft", soft), ("hard", hard));
        let wipe = section.value("statement_wipe");
        let wipe = wipe.and_then(|value| value.each("[\"token\"]", |one| one.choice(&WipedData::WORDS)));
        let returns = section.value("returns_per_second").and_then(|value| value.count(1..=100_000));
        let legacy = section.section("legacy").and_then(WrittenLegacy::read);
        let legacy_pin = section.section("legacy_pin").and_then(LegacyPinConfig::read);
        let (tenants, allowed) = tenants(&section, named);
        let config = DevicesConfig {
            pin_digits: section.value("pin_digits").and_then(|value| pin_digits(&value)).unwrap_or(6),
            pin_lifetime,
            renew_after,
            soft,
            hard,
            returns_per_second: returns.and_then(|count| u32::try_from(count).ok()).unwrap_or(500),
            statement_wipe: wipe.unwrap_or_else(|| WipedData::WORDS.map(|(_, data)| data).to_vec()),
            tenants,
            legacy: legacy.as_ref().map(|legacy| legacy.config.clone()),
            legacy_pin,
        };
        section.finish();
        Self { config, section, allowed, adopt_from: legacy.map(|legacy| legacy.upstream) }
    }
}

fn pin_digits(value: &Value<'_>) -> Option<u8> {
    let digits = value.count(1..=99)?;
    if !matches!(digits, 6 | 8) {
        value.problem(format!("`pin_digits` must be 6 or 8, not {digits}"), "6 are enough below some 500 open PINs");
    }
    u8::try_from(digits).ok()
}

type Tenants<'a> = (BTreeMap<Arc<str>, TenantConfig>, Vec<(Allow, Value<'a>)>);

fn tenants<'a>(section: &Section<'a>, named: &IssuerNames) -> Tenants<'a> {
    let (mut tenants, mut everybody) = (BTreeMap::new(), Vec::new());
    let Some(mut of_all) = section.section("tenants") else { return (tenants, everybody) };
    of_all.name = "[devices.tenants]".to_owned();
    for (name, at) in of_all.named() {
        let id = name.parsed("a tenant's name", "\"acme\"", |text| (text.len() <= 128).then(|| text.to_owned()));
        let allowed = at.required("allow", "[\"group:acme-it\"]").and_then(|value| allow::read(&value, named));
        at.finish();
        if let (Some(id), Some(allowed)) = (id, allowed) {
            let allow = allowed.iter().map(|(allow, _)| allow.clone()).collect();
            tenants.insert(id.into(), TenantConfig { allow });
            everybody.extend(allowed);
        }
    }
    (tenants, everybody)
}
