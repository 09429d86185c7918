//! nginx, as Debian packages it: a bare proxy, which verifies no tokens and keeps no sessions.

use std::{io, net::SocketAddr, path::Path};

use super::{NotHere, Peer, Program, Site, Way, of_debian, say, write};

const CONFIG: &str = include_str!("../../peers/nginx.conf");

pub(super) struct Nginx;

impl Peer for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn install(&self, _: &Path) -> Result<Program, NotHere> {
        let path = of_debian("nginx", "nginx-light")?;
        let version = say(&[&path.to_string_lossy(), "-v"]).map_err(NotHere)?;
        Ok(Program { path, version: version.trim_start_matches("nginx version: nginx/").to_owned() })
    }

    fn configure(&self, program: &Program, site: &Site<'_>, listen: SocketAddr) -> io::Result<Vec<String>> {
        let file = site.folder.join("nginx.conf");
        let folder = site.folder.display().to_string();
        write(
            &file,
            CONFIG,
            &[("listen", listen.to_string()), ("origin", site.origin.to_string()), ("folder", folder.clone())],
        )?;
        let words = [&program.path.display().to_string(), "-p", &folder, "-c", &file.display().to_string()];
        Ok(words.map(ToOwned::to_owned).to_vec())
    }

    fn lacks(&self, way: Way) -> Option<&'static str> {
        match way {
            Way::Open => None,
            Way::Token => Some("only nginx Plus verifies tokens by itself"),
            Way::Session => Some("only nginx Plus signs people in by itself"),
        }
    }
}
