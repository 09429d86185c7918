//! What happens when: eight seconds of health, thirty-six of outage, and sixteen to recover in.

use std::time::Duration;

use serde::Serialize;

/// The times of a replay, in seconds from its start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Script {
    /// The monolith becomes half dead, and the provider's key set is out of reach.
    pub(super) outage: f64,
    /// The provider signs with a new key; displays that renew their token get it under that.
    pub(super) rotation: f64,
    /// Every gateway is killed, and started again a second later.
    pub(super) kill: f64,
    /// Everything is well again.
    pub(super) healing: f64,
    /// It is looked at who is served.
    pub(super) end: f64,
}

/// Something that happens to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turning {
    Outage,
    Rotation,
    Kill,
    Healing,
    End,
}

impl Turning {
    /// What happens then, in a few words.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Outage => "the monolith is half dead, the provider's keys are out of reach",
            Self::Rotation => "the provider signs with a new key",
            Self::Kill => "every gateway is killed, and started again a second later",
            Self::Healing => "all is well again",
            Self::End => "the end",
        }
    }
}

impl Script {
    /// A minute.
    pub(super) const WHOLE: Self = Self { outage: 8.0, rotation: 20.0, kill: 32.0, healing: 44.0, end: 60.0 };

    /// For who cannot wait a minute.
    pub(super) const SHORT: Self = Self { outage: 4.0, rotation: 11.0, kill: 18.0, healing: 24.0, end: 36.0 };

    /// Within this long after the rotation the displays that renew their token have done so.
    pub(super) const RENEWAL: Duration = Duration::from_secs(4);

    /// So long a gateway is gone.
    pub(super) const GONE: Duration = Duration::from_secs(1);

    /// What happens, in order, and when.
    pub(super) fn turnings(self) -> [(f64, Turning); 5] {
        [
            (self.outage, Turning::Outage),
            (self.rotation, Turning::Rotation),
            (self.kill, Turning::Kill),
            (self.healing, Turning::Healing),
            (self.end, Turning::End),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_changes_before_the_crash_and_both_in_the_outage() {
        for script in [Script::WHOLE, Script::SHORT] {
            let times = script.turnings().map(|(at, _)| at);
            assert!(times.is_sorted(), "{script:?}");
            let outage = script.healing - script.outage;
            assert!((0.6..0.72).contains(&((script.kill - script.outage) / outage)), "two thirds in: {script:?}");
            assert!(script.rotation + Script::RENEWAL.as_secs_f64() < script.kill, "{script:?}");
        }
    }
}
