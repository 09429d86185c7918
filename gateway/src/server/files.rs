//! How many files the process may have open, and how many of them may be clients' connections.
//!
//! Everything that the gateway talks to is an open file: clients, endpoints, providers, the store, the admin listener, the
//! socket of commands. Were clients to take them all, nobody could be forwarded, no key be fetched and no operator look.
//! So the soft limit, which by tradition is 1,024, is raised to the hard one at the start, and clients get what is left
//! after a reserve for the others.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// For all that is neither a client nor an endpoint: the store, providers, listeners, the admin listener's connections.
const RESERVE: usize = 128;

/// By default clients get no more, however many files there may be: each connection takes memory too.
const MOST_BY_DEFAULT: usize = 32_768;

/// How many files the process may have open.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileLimit(usize);

/// How many clients may be connected, as far as files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientFiles(usize);

impl FileLimit {
    /// Raises the soft limit to the hard one. Where that is not allowed the limit is what it was.
    pub(super) fn raise() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let count = |limit: Option<u64>| limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        if current == maximum {
            return Self(count(current));
        }
        match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            Ok(()) => Self(count(maximum)),
            Err(error) => {
                tracing::warn!(%error, "the limit of open files cannot be raised");
                Self(count(current))
            }
        }
    }

    /// What is left for clients after a reserve: as many as the upstreams of `config` may have connections, and some for
    /// all else. Never more than half: each client may need an endpoint's.
    pub(super) fn for_clients(self, config: &Config) -> ClientFiles {
        let upstreams = config.upstreams.values();
        let of_upstreams: usize = upstreams.map(|it| it.max_connections.saturating_mul(it.endpoints.len())).sum();
        let reserve = of_upstreams.saturating_add(RESERVE).min(self.0 / 2);
        ClientFiles(self.0 - reserve)
    }

    /// The number.
    pub(super) fn get(self) -> usize {
        self.0
    }
}

impl ClientFiles {
    /// How many clients may be connected where the configuration says `configured`.
    pub(super) fn most(self, configured: Option<usize>) -> usize {
        configured.unwrap_or(MOST_BY_DEFAULT).min(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn config(rest: &str) -> Config {
        let text = format!(
            "[server]\npublic_url = \"http://localhost\"\n[upstreams.m]\nendpoints = [\"http://127.0.0.1:9000\"]\n{rest}\n\
             [[routes]]\npath = \"/\"\nupstream = \"m\"\nallow = [\"anyone\"]\n"
        );
        let read = config::parse(&text, std::path::Path::new("."), config::Secrets::Read(&|_| None));
        read.expect("a configuration")
    }

    #[test]
    fn clients_leave_room_for_endpoints_and_all_else() {
        let clients = |files, rest| FileLimit(files).for_clients(&config(rest)).most(None);
        assert_eq!(clients(20_000, ""), 20_000 - 512 - 128);
        assert_eq!(clients(20_000, "max_connections = 2000"), 20_000 - 2000 - 128);
        assert_eq!(clients(1024, ""), 512, "as many for endpoints as for clients");
        assert_eq!(clients(1 << 20, ""), MOST_BY_DEFAULT);
    }

    #[test]
    fn the_configuration_may_allow_fewer_or_as_many_as_there_are_files() {
        let room = FileLimit(100_000).for_clients(&config(""));
        assert_eq!((room.most(Some(64)), room.most(Some(90_000)), room.most(Some(1_000_000))), (64, 90_000, 99_360));
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let limit = FileLimit::raise();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert_eq!(current.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX), limit.get());
    }
}
