//! oauth2-proxy, as the Go module has it, by itself and behind nginx, which is how most have it.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    Launch, NotHere, Peer, Program, Site, Way, cookie_key, free_port, install::say, nginx::Nginx, template::write,
};

const CONFIG: &str = include_str!("../../peers/oauth2-proxy.toml");
const BEHIND_NGINX: &str = include_str!("../../peers/nginx-oauth2-proxy.toml");
const NGINX: &str = include_str!("../../peers/nginx-oauth2-proxy.conf");

const MODULE: &str = "github.com/oauth2-proxy/oauth2-proxy/v7";
const VERSION: &str = "7.15.6";

pub(super) struct Oauth2Proxy;

pub(super) struct NginxWithOauth2Proxy;

impl Peer for Oauth2Proxy {
    fn name(&self) -> &'static str {
        "oauth2-proxy"
    }

    fn install(&self, tools: &Path) -> Result<Program, NotHere> {
        Ok(Program { path: build(tools)?, behind: None, version: VERSION.to_owned() })
    }

    fn configure(&self, program: &Program, site: &Site<'_>, listen: SocketAddr) -> io::Result<Vec<Launch>> {
        let file = site.folder.join("oauth2-proxy.toml");
        write(&file, CONFIG, &[site.values(listen), vec![("cookie_secret", cookie_key()?)]].concat())?;
        Ok(vec![launch(&program.path, &file, listen)])
    }

    fn lacks(&self, way: Way) -> Option<&'static str> {
        match way {
            Way::Open | Way::Token | Way::Session => None,
        }
    }
}

impl Peer for NginxWithOauth2Proxy {
    fn name(&self) -> &'static str {
        "nginx with oauth2-proxy"
    }

    fn install(&self, tools: &Path) -> Result<Program, NotHere> {
        let nginx = Nginx.install(tools)?;
        let version = format!("{} with {VERSION}", nginx.version);
        Ok(Program { path: nginx.path, behind: Some(build(tools)?), version })
    }

    fn configure(&self, program: &Program, site: &Site<'_>, listen: SocketAddr) -> io::Result<Vec<Launch>> {
        let behind = program.behind.as_deref().ok_or(io::ErrorKind::NotFound)?;
        let asked = free_port()?;
        let further = vec![("asked", asked.to_string()), ("cookie_secret", cookie_key()?)];
        let values = [site.values(listen), further].concat();
        let [nginx, proxy] = ["nginx.conf", "oauth2-proxy.toml"].map(|name| site.folder.join(name));
        write(&nginx, NGINX, &values)?;
        write(&proxy, BEHIND_NGINX, &values)?;
        Ok(vec![Nginx::launch(&program.path, site, &nginx, listen), launch(behind, &proxy, asked)])
    }

    fn lacks(&self, way: Way) -> Option<&'static str> {
        match way {
            Way::Open | Way::Token | Way::Session => None,
        }
    }
}

fn launch(program: &Path, file: &Path, listen: SocketAddr) -> Launch {
    Launch::new(&[&*program.to_string_lossy(), "--config", &*file.to_string_lossy()], listen)
}

/// Builds it from its module, once.
fn build(tools: &Path) -> Result<PathBuf, NotHere> {
    let folder = tools.join(format!("oauth2-proxy-{VERSION}"));
    let path = folder.join("oauth2-proxy");
    if path.exists() {
        return Ok(path);
    }
    say(&["go", "version"]).map_err(|_| NotHere("there is no Go on this machine to build it with".to_owned()))?;
    let folder = format!("GOBIN={}", folder.display());
    say(&["env", &folder, "go", "install", &format!("{MODULE}@v{VERSION}")]).map_err(NotHere)?;
    Ok(path)
}
