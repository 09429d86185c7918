//! What a process keeps from its start to its end, whatever a later configuration says of it.

use super::Config;

impl Config {
    /// The keys that `next` says something else of, and that no reload changes: they take a restart, or `gateway upgrade`.
    pub fn fixed_changes(&self, next: &Self) -> Vec<&'static str> {
        let fixed = [
            ("[server] listen", self.server.listen != next.server.listen),
            ("[server] redirect_http", self.server.tls.redirect_http != next.server.tls.redirect_http),
            ("[server] tls", self.server.tls.is_on() != next.server.tls.is_on()),
            ("[server] data", self.server.data != next.server.data),
            ("[admin] listen", self.admin.listen != next.admin.listen),
            ("[forward_auth] listen", self.forward_auth.listen != next.forward_auth.listen),
            ("[log] format", self.log.format != next.log.format),
            ("[log] level", self.log.level != next.log.level),
        ];
        fixed.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }
}
