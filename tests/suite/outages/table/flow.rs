//! The ways that somebody goes, in the outage matrix.

use world::caller::Form;

use super::Outcome;

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Begins to sign in.
    SignInBegin,
    /// Comes back from the provider with a code.
    Callback,
    /// Asks with the ticket of a session.
    Ticket,
    /// Asks with the ticket of a session that is to be renewed, and need not be yet.
    RenewalDue,
    /// Asks with the ticket of a session that was to be renewed long ago.
    RenewalPastGrace,
    /// Comes back from the provider with a code, where userinfo is asked too.
    UserinfoCallback,
    /// Asks with the ticket of a session that was to be renewed long ago, where userinfo is asked too.
    UserinfoRenewal,
    /// Signs out.
    Logout,
    /// Signs out, and at the provider too.
    LogoutAtProvider,
    /// Asks where they are signed in.
    SessionsPage,
    /// Ends another session of theirs.
    SessionEnd,
    /// The provider says that somebody has left there.
    BackChannelLogout,
    /// Asks with a bearer token whose key the gateway knows, if it knows any.
    BearerKnownKid,
    /// Asks with a bearer token signed by a key that the gateway has not seen yet.
    BearerUnknownKid,
    /// Asks with a bearer token that only its issuer can read, and was asked about a while ago.
    OpaqueKnown,
    /// The same, and nobody has asked about it yet.
    OpaqueUnknown,
    /// Asks on a route open to anyone.
    PublicRoute,
    /// Asks where nothing may be stale: `max_stale = "0s"`.
    StrictRoute,
    /// Another proxy asks whether somebody with a bearer token may pass.
    Verify,
    /// Asks with a credential that needs nobody's help, so that all hangs on the monolith.
    ForwardedRequest,
    /// Calls by gRPC with a bearer token whose key the gateway knows, if it knows any.
    GrpcCall,
    /// A display asks with its device token.
    DeviceToken,
    /// A display asks with a device token that it should have renewed days ago.
    OverdueToken,
    /// A display asks for the first time, with a token of the monolith's.
    Adoption,
    /// A display asks with a token of the monolith's that was adopted before.
    LegacyToken,
    /// A display asks for a PIN.
    Activation,
    /// A display asks what became of its PIN, which an administrator has confirmed.
    Polling,
    /// An administrator types a PIN and says where the display hangs.
    Confirmation,
    /// A display asks for another token in place of its own.
    Renewal,
    /// A display asks for a token in place of one that it lost.
    Reactivation,
    /// A display asks for a statement about itself.
    Statement,
    /// A display puts another key in place of its own.
    KeyRotation,
    /// An app of before asks for a PIN where the service's own were.
    OldPin,
    /// The same asks there what became of its PIN, which an administrator has confirmed.
    OldPinPoll,
    /// Has a WebSocket open.
    Upgrade,
    /// Is sending a body that does not end.
    StreamingBody,
    /// Reads a stream of events.
    EventStream,
}

impl Flow {
    pub(crate) const ALL: [Self; 37] = [
        Self::SignInBegin,
        Self::Callback,
        Self::Ticket,
        Self::RenewalDue,
        Self::RenewalPastGrace,
        Self::UserinfoCallback,
        Self::UserinfoRenewal,
        Self::Logout,
        Self::LogoutAtProvider,
        Self::SessionsPage,
        Self::SessionEnd,
        Self::BackChannelLogout,
        Self::BearerKnownKid,
        Self::BearerUnknownKid,
        Self::OpaqueKnown,
        Self::OpaqueUnknown,
        Self::PublicRoute,
        Self::StrictRoute,
        Self::Verify,
        Self::ForwardedRequest,
        Self::GrpcCall,
        Self::DeviceToken,
        Self::OverdueToken,
        Self::Adoption,
        Self::LegacyToken,
        Self::Activation,
        Self::Polling,
        Self::Confirmation,
        Self::Renewal,
        Self::Reactivation,
        Self::Statement,
        Self::KeyRotation,
        Self::OldPin,
        Self::OldPinPoll,
        Self::Upgrade,
        Self::StreamingBody,
        Self::EventStream,
    ];

    /// Who goes this way.
    pub(crate) const fn forms(self) -> &'static [Form] {
        match self {
            Self::SignInBegin
            | Self::Callback
            | Self::UserinfoCallback
            | Self::Logout
            | Self::LogoutAtProvider
            | Self::SessionEnd
            | Self::Confirmation
            | Self::Upgrade
            | Self::StreamingBody
            | Self::EventStream
            | Self::RenewalDue => &[Form::Browser],
            Self::Verify | Self::BackChannelLogout => &[Form::Script],
            Self::BearerKnownKid | Self::BearerUnknownKid | Self::OpaqueKnown | Self::OpaqueUnknown => {
                &[Form::Script, Form::Device]
            }
            Self::Ticket
            | Self::RenewalPastGrace
            | Self::UserinfoRenewal
            | Self::SessionsPage
            | Self::StrictRoute
            | Self::PublicRoute => &[Form::Browser, Form::Script],
            Self::ForwardedRequest => &[Form::Browser, Form::Script, Form::Device],
            Self::GrpcCall => &[Form::Grpc],
            Self::DeviceToken
            | Self::OverdueToken
            | Self::Adoption
            | Self::LegacyToken
            | Self::Activation
            | Self::Polling
            | Self::Renewal
            | Self::Reactivation
            | Self::Statement
            | Self::KeyRotation
            | Self::OldPin
            | Self::OldPinPoll => &[Form::Device],
        }
    }

    /// What comes of it when nothing is broken.
    pub(crate) const fn whole(self) -> Outcome {
        match self {
            Self::SignInBegin => Outcome::ToProvider,
            Self::Logout => Outcome::SignedOut,
            Self::LogoutAtProvider => Outcome::SignedOutThere,
            Self::SessionsPage => Outcome::Listed,
            Self::SessionEnd => Outcome::SessionEnded,
            Self::BackChannelLogout => Outcome::TakenIn,
            Self::Verify => Outcome::Vouched,
            Self::Callback
            | Self::UserinfoCallback
            | Self::Ticket
            | Self::RenewalDue
            | Self::RenewalPastGrace
            | Self::UserinfoRenewal
            | Self::BearerKnownKid
            | Self::BearerUnknownKid
            | Self::OpaqueKnown
            | Self::OpaqueUnknown
            | Self::PublicRoute
            | Self::StrictRoute
            | Self::ForwardedRequest
            | Self::GrpcCall
            | Self::DeviceToken
            | Self::Adoption
            | Self::LegacyToken
            | Self::Upgrade
            | Self::StreamingBody
            | Self::EventStream => Outcome::Served,
            Self::OverdueToken => Outcome::RenewalRequired,
            Self::Activation => Outcome::PinShown,
            Self::Polling | Self::Renewal | Self::Reactivation | Self::OldPinPoll => Outcome::Granted,
            Self::Confirmation => Outcome::Confirmed,
            Self::Statement => Outcome::Stated,
            Self::KeyRotation => Outcome::KeyAdded,
            Self::OldPin => Outcome::OldPinShown,
        }
    }

    /// Whether it is a display's that the gateway knows as one of its fleet.
    pub(crate) const fn is_of_the_fleet(self) -> bool {
        match self {
            Self::DeviceToken | Self::OverdueToken | Self::Adoption | Self::LegacyToken => true,
            Self::Activation
            | Self::Polling
            | Self::Confirmation
            | Self::Renewal
            | Self::Reactivation
            | Self::Statement
            | Self::KeyRotation
            | Self::OldPin
            | Self::OldPinPoll => true,
            Self::SignInBegin
            | Self::Callback
            | Self::UserinfoCallback
            | Self::Ticket
            | Self::RenewalDue
            | Self::RenewalPastGrace
            | Self::UserinfoRenewal
            | Self::Logout
            | Self::LogoutAtProvider
            | Self::SessionsPage
            | Self::SessionEnd
            | Self::BackChannelLogout
            | Self::BearerKnownKid
            | Self::BearerUnknownKid
            | Self::OpaqueKnown
            | Self::OpaqueUnknown
            | Self::PublicRoute
            | Self::StrictRoute
            | Self::Verify
            | Self::Upgrade
            | Self::StreamingBody
            | Self::EventStream
            | Self::ForwardedRequest
            | Self::GrpcCall => false,
        }
    }

    /// Whether somebody comes back from the provider with a code.
    pub(crate) const fn is_a_callback(self) -> bool {
        matches!(self, Self::Callback | Self::UserinfoCallback)
    }

    /// Whether it is about what a provider is asked once more, or about ends of sessions.
    pub(crate) const fn is_of_sessions(self) -> bool {
        self.asks_userinfo()
            || self.is_opaque()
            || matches!(self, Self::LogoutAtProvider | Self::SessionsPage | Self::SessionEnd | Self::BackChannelLogout)
    }

    /// Whether it is open when something breaks, and is to go on.
    pub(crate) const fn lasts(self) -> bool {
        matches!(self, Self::Upgrade | Self::StreamingBody | Self::EventStream)
    }

    /// Whether somebody signs out.
    pub(crate) const fn is_a_logout(self) -> bool {
        matches!(self, Self::Logout | Self::LogoutAtProvider)
    }

    /// Whether it is by the ticket of a session whose renewal is due.
    pub(crate) const fn is_renewed(self) -> bool {
        matches!(self, Self::RenewalDue | Self::RenewalPastGrace | Self::UserinfoRenewal)
    }

    /// Whether userinfo is asked on it.
    pub(crate) const fn asks_userinfo(self) -> bool {
        matches!(self, Self::UserinfoCallback | Self::UserinfoRenewal)
    }

    /// Whether it is by a bearer token that only its issuer can read.
    pub(crate) const fn is_opaque(self) -> bool {
        matches!(self, Self::OpaqueKnown | Self::OpaqueUnknown)
    }

    /// Whether it is one of the ways in which a display comes to its token, on the gateway's own paths.
    pub(crate) fn is_of_the_protocol(self) -> bool {
        let proxied = [Self::DeviceToken, Self::OverdueToken, Self::Adoption, Self::LegacyToken];
        self.is_of_the_fleet() && !proxied.contains(&self)
    }
}
