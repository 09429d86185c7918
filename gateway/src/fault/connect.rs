//! How a connection to an endpoint could not be made.

/// How a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFault {
    /// Its name has no address (or the resolver has no answer).
    Dns,
    /// The machine said no.
    Refused,
    /// Anything else: no way there, no socket left.
    Unreachable,
    /// It was reached, and TLS came to nothing.
    Tls(TlsFault),
}

/// How TLS with an endpoint came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// It sent an alert: our certificate is missing or no good to it, or it knows nothing that we offered (RFC 8446 §6).
    Alert,
    /// Its certificate is damaged, revoked, not signed by who it names, or not for servers.
    BadCertificate,
    /// Its certificate is over, or not good yet.
    Expired,
    /// It does not speak the version of HTTP that the upstream is configured with (RFC 7301).
    HttpVersion,
    /// What it sent is not TLS, or none that we speak.
    Protocol,
    /// Nobody whom we believe vouches for its certificate: another authority, or a chain with a gap in it.
    UnknownAuthority,
    /// Its certificate is for another name.
    WrongName,
}

impl ConnectFault {
    /// What the log says.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "its name has no address, or the resolver no answer",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Tls(fault) => fault.as_str(),
        }
    }

    /// Its `error` type in `Proxy-Status` (RFC 9209 §2.3).
    pub(super) const fn proxy_error(self) -> &'static str {
        match self {
            Self::Dns => "dns_error",
            Self::Refused => "connection_refused",
            Self::Unreachable => "destination_ip_unroutable",
            Self::Tls(TlsFault::Alert) => "tls_alert_received",
            Self::Tls(TlsFault::HttpVersion | TlsFault::Protocol) => "tls_protocol_error",
            Self::Tls(
                TlsFault::BadCertificate | TlsFault::Expired | TlsFault::UnknownAuthority | TlsFault::WrongName,
            ) => "tls_certificate_error",
        }
    }
}

impl TlsFault {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "it broke off TLS with an alert",
            Self::BadCertificate => "its certificate is no good",
            Self::Expired => "its certificate is over, or not good yet",
            Self::HttpVersion => "it does not speak the configured version of HTTP",
            Self::Protocol => "what it sends is no TLS that we speak",
            Self::UnknownAuthority => "no authority that is believed vouches for its certificate",
            Self::WrongName => "its certificate is for another name",
        }
    }
}
