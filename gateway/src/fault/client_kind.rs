//! Who asks.

use std::fmt;

use auth_core::refusal_guard::Harm;

/// Who asks. It changes how an answer looks, never what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientKind {
    /// A person's browser, going to a page.
    Browser,
    /// A page's script, or a program.
    Script,
    /// A display.
    Device,
    /// A program that speaks gRPC: it reads a status of its own, and no content.
    Grpc,
    /// Another proxy that asks us on behalf of somebody.
    ForwardAuth,
}

impl ClientKind {
    /// The word that the log uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Script => "script",
            Self::Device => "device",
            Self::Grpc => "grpc",
            Self::ForwardAuth => "forward-auth",
        }
    }
}

impl ClientKind {
    /// What showing it a refusal would do: a display forgets what it has.
    pub const fn harm(self) -> Harm {
        match self {
            Self::Device => Harm::Destroys,
            Self::Browser | Self::Script | Self::Grpc | Self::ForwardAuth => Harm::None,
        }
    }
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
