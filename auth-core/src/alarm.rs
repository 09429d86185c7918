//! Alarms: what somebody must look at, as an error line and a count in `candor_alarms_total`.

use crate::metric::ALARMS;

/// What an operator must hear of. `docs/operations.md` says of each what it means and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// A 401, a 403 or a way to sign-in was about to leave without a proof: a mistake of ours.
    BlameWithoutProof,
    /// The wall clock and the anchor are apart, and nobody has said which is right.
    ClockDoubt,
    /// Where the clock stands cannot be read from disk.
    ClockUnread,
    /// Where the clock stands cannot be written to disk.
    ClockUnwritten,
    /// The data folder was removed or replaced.
    DataFolderGone,
    /// The store is not the one that the keyring belongs to.
    ForeignStore,
    /// A rule asks for groups or roles that an issuer does not state.
    GroupsNotStated,
    /// The keyring's file was removed while the gateway ran.
    KeyringGone,
    /// A last known good document or key set on disk cannot be read.
    LastGoodUnread,
    /// A last known good document or key set cannot be written to disk.
    LastGoodUnwritten,
    /// Many credentials that were accepted lately would now be refused at once.
    MassRefusal,
    /// So many wrong PINs were typed that new ones are longer.
    PinGuesses,
    /// Many displays show a PIN at once.
    PinsOpen,
    /// A token of a device without a key seems to be in two hands.
    PossibleClone,
    /// A key set holds a private key.
    PrivateKeyPublished,
    /// A provider says another time than either reading of ours, or contradicts another provider.
    ProviderClock,
    /// A provider's token endpoint refuses this gateway itself.
    ProviderConfiguration,
    /// A discovery document names other hosts than before.
    ProviderHostsChanged,
    /// The revocation set's file was removed while the gateway ran.
    RevocationsFileGone,
    /// The revocation set on disk cannot be read.
    RevocationsUnreadable,
    /// So many devices were revoked, or one by nobody, that none is told to erase anything.
    StatementBrake,
    /// The store's file was removed or replaced while it was open.
    StoreFileGone,
    /// A ticket does not fit in a cookie.
    TicketTooLong,
}

/// Rings `alarm`.
pub fn ring(alarm: Alarm, message: &str) {
    tracing::error!(alarm = alarm.as_str(), "{message}");
    ALARMS.with([alarm.as_str()]).increment(1);
}

/// Shows every alarm in the metrics, rung or not, so that the first time is a change.
pub fn count_from_zero() {
    for alarm in Alarm::ALL {
        ALARMS.with([alarm.as_str()]).increment(0);
    }
}

impl Alarm {
    /// Every alarm, in the order of their names.
    pub const ALL: [Self; 23] = [
        Self::BlameWithoutProof,
        Self::ClockDoubt,
        Self::ClockUnread,
        Self::ClockUnwritten,
        Self::DataFolderGone,
        Self::ForeignStore,
        Self::GroupsNotStated,
        Self::KeyringGone,
        Self::LastGoodUnread,
        Self::LastGoodUnwritten,
        Self::MassRefusal,
        Self::PinGuesses,
        Self::PinsOpen,
        Self::PossibleClone,
        Self::PrivateKeyPublished,
        Self::ProviderClock,
        Self::ProviderConfiguration,
        Self::ProviderHostsChanged,
        Self::RevocationsFileGone,
        Self::RevocationsUnreadable,
        Self::StatementBrake,
        Self::StoreFileGone,
        Self::TicketTooLong,
    ];

    /// The word that logs and metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BlameWithoutProof => "blame-without-proof",
            Self::ClockDoubt => "clock-doubt",
            Self::ClockUnread => "clock-unread",
            Self::ClockUnwritten => "clock-unwritten",
            Self::DataFolderGone => "data-folder-gone",
            Self::ForeignStore => "foreign-store",
            Self::GroupsNotStated => "groups-not-stated",
            Self::KeyringGone => "keyring-gone",
            Self::LastGoodUnread => "last-good-unread",
            Self::LastGoodUnwritten => "last-good-unwritten",
            Self::MassRefusal => "mass-refusal",
            Self::PinGuesses => "pin-guesses",
            Self::PinsOpen => "pins-open",
            Self::PossibleClone => "possible-clone",
            Self::PrivateKeyPublished => "private-key-published",
            Self::ProviderClock => "provider-clock",
            Self::ProviderConfiguration => "provider-configuration",
            Self::ProviderHostsChanged => "provider-hosts-changed",
            Self::RevocationsFileGone => "revocations-file-gone",
            Self::RevocationsUnreadable => "revocations-unreadable",
            Self::StatementBrake => "statement-brake",
            Self::StoreFileGone => "store-file-gone",
            Self::TicketTooLong => "ticket-too-long",
        }
    }
}
