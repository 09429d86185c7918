//! nginx, as Debian packages it: a bare proxy, which verifies no tokens and keeps no sessions.

use std::{io, net::SocketAddr, path::Path};

use super::{
    Launch, NotHere, Peer, Program, Site, Way,
    install::{of_debian, say},
    template::write,
};

const CONFIG: &str = include_str!("../../peers/nginx.conf");

pub(super) struct Nginx;

impl Peer for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn install(&self, _: &Path) -> Result<Program, NotHere> {
        let path = of_debian("nginx", "nginx-light")?;
        let version = say(&[&path.to_string_lossy(), "-v"]).map_err(NotHere)?;
        Ok(Program { path, behind: None, version: version.trim_start_matches("nginx version: nginx/").to_owned() })
    }

    fn configure(&self, program: &Program, site: &Site<'_>, listen: SocketAddr) -> io::Result<Vec<Launch>> {
        let file = site.folder.join("nginx.conf");
        write(&file, CONFIG, &site.values(listen))?;
        Ok(vec![Self::launch(&program.path, site, &file, listen)])
    }

    fn lacks(&self, way: Way) -> Option<&'static str> {
        match way {
            Way::Open => None,
            Way::Token => Some("only nginx Plus verifies tokens by itself"),
            Way::Session => Some("only nginx Plus signs people in by itself"),
        }
    }
}

impl Nginx {
    pub(super) fn launch(program: &Path, site: &Site<'_>, file: &Path, listen: SocketAddr) -> Launch {
        let [program, folder, file] = [program, site.folder, file].map(Path::to_string_lossy);
        Launch::new(&[&*program, "-p", &*folder, "-c", &*file], listen)
    }
}
