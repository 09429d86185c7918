//! What a process keeps from its start to its end, whatever a later configuration says of it; and what no reload takes out.

use super::Config;

impl Config {
    /// What vouches for somebody here, and is not in `next`: whoever shows a token of it would be refused from then on, and a
    /// display that is refused erases itself.
    pub fn no_longer_named(&self, next: &Self) -> Vec<String> {
        let people = self.identity.iter().filter(|it| next.identity.iter().all(|other| other.issuer != it.issuer));
        let programs = self.bearer.iter().filter(|it| next.bearer.iter().all(|other| other.issuer != it.issuer));
        let people = people.map(|it| format!("the issuer {} of an [[identity]]", it.issuer));
        let programs = programs.map(|it| format!("the issuer {} of a [[bearer]]", it.issuer));
        let devices = (self.devices.is_some() && next.devices.is_none()).then(|| "[devices]".to_owned());
        people.chain(programs).chain(devices).collect()
    }

    /// The keys that no reload changes: they take a restart, or `gateway upgrade`.
    pub const FIXED: [&str; 8] = [
        "[server] listen",
        "[server] redirect_http",
        "[server] tls",
        "[server] data",
        "[admin] listen",
        "[forward_auth] listen",
        "[log] format",
        "[log] level",
    ];

    /// Those of [`Config::FIXED`] that `next` says something else of. Other certificates under `tls` are no change of it.
    pub fn fixed_changes(&self, next: &Self) -> impl Iterator<Item = &'static str> {
        let differs = [
            self.server.listen != next.server.listen,
            self.server.tls.redirect_http != next.server.tls.redirect_http,
            self.server.tls.is_on() != next.server.tls.is_on(),
            self.server.data != next.server.data,
            self.admin.listen != next.admin.listen,
            self.forward_auth.listen != next.forward_auth.listen,
            self.log.format != next.log.format,
            self.log.level != next.log.level,
        ];
        Self::FIXED.into_iter().zip(differs).filter(|(_, differs)| *differs).map(|(key, _)| key)
    }
}
