//! Candor, in its release build.

use std::{fs, io, net::SocketAddr, path::Path};

use gateway::demo::idp::IdpOptions;

use super::{Launch, NotHere, Peer, Program, Site, Way, install::say, template::filled};

const CONFIG: &str = include_str!("../../peers/candor.toml");

/// Candor.
pub struct Candor;

impl Candor {
    /// The text of its configuration, with the secret that it names in the folder of `site`.
    ///
    /// # Errors
    /// The secret cannot be written.
    pub fn configuration(site: &Site<'_>, listen: SocketAddr) -> io::Result<String> {
        fs::write(site.folder.join("client-secret"), IdpOptions::default().client_secret)?;
        filled(CONFIG, &site.values(listen))
    }
}

impl Peer for Candor {
    fn name(&self) -> &'static str {
        "Candor"
    }

    /// Builds it from this tree, as its users do: what is measured is never an older build.
    fn install(&self, _: &Path) -> Result<Program, NotHere> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
        // From its top, wherever this program is started: there stands which toolchain builds it.
        let top = format!("--chdir={}", top.display());
        let cargo = ["env", &top, "cargo", "build", "--locked", "--release", "--package", "gateway"];
        let said = say(&[&cargo[..], &["--message-format", "json-render-diagnostics"]].concat()).map_err(NotHere)?;
        let path = said
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == "gateway")
            .find_map(|message| message["executable"].as_str().map(Into::into))
            .ok_or_else(|| NotHere("cargo does not say where it built the gateway".to_owned()))?;
        Ok(Program { path, behind: None, version: env!("CARGO_PKG_VERSION").to_owned() })
    }

    fn configure(&self, program: &Program, site: &Site<'_>, listen: SocketAddr) -> io::Result<Vec<Launch>> {
        let file = site.folder.join("candor.toml");
        fs::write(&file, Self::configuration(site, listen)?)?;
        let words = [&*program.path.to_string_lossy(), "serve", "--config", &*file.to_string_lossy()];
        Ok(vec![Launch::new(&words, listen)])
    }

    fn lacks(&self, way: Way) -> Option<&'static str> {
        match way {
            Way::Open | Way::Token | Way::Session => None,
        }
    }
}
