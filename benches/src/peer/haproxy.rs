//! HAProxy, as Debian packages it: it verifies tokens by a key in a file, and keeps no sessions.

use std::{fs, io, net::SocketAddr, path::Path};

use super::{
    Launch, NotHere, Peer, Program, Site, Way,
    install::{of_debian, say},
    pem,
    template::write,
};

const CONFIG: &str = include_str!("../../peers/haproxy.cfg");

pub(super) struct Haproxy;

impl Peer for Haproxy {
    fn name(&self) -> &'static str {
        "HAProxy"
    }

    fn install(&self, _: &Path) -> Result<Program, NotHere> {
        let path = of_debian("haproxy", "haproxy")?;
        let said = say(&[&path.to_string_lossy(), "-v"]).map_err(NotHere)?;
        let version = said.split_whitespace().nth(2).unwrap_or("unknown").to_owned();
        Ok(Program { path, behind: None, version })
    }

    fn configure(&self, program: &Program, site: &Site<'_>, listen: SocketAddr) -> io::Result<Vec<Launch>> {
        // Once a site: a restart does not bring HAProxy a new key, as only whoever runs it does.
        let key = site.folder.join("provider.pem");
        if !key.exists() {
            let none = || io::Error::new(io::ErrorKind::InvalidData, "the provider publishes no RSA key");
            fs::write(&key, pem::public_key(&site.provider.key_set()).ok_or_else(none)?)?;
        }
        let file = site.folder.join("haproxy.cfg");
        write(&file, CONFIG, &[site.values(listen), vec![("key", key.display().to_string())]].concat())?;
        let words = [&*program.path.to_string_lossy(), "-db", "-f", &*file.to_string_lossy()];
        Ok(vec![Launch::new(&words, listen)])
    }

    fn lacks(&self, way: Way) -> Option<&'static str> {
        match way {
            Way::Open | Way::Token => None,
            Way::Session => Some("it signs nobody in and keeps no sessions"),
        }
    }
}
