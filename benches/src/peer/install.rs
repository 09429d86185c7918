//! Programs that are not part of this tree: found on the machine, or installed from their registry.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::NotHere;

/// What `words` print, both outputs together, if they end well.
pub(super) fn say(words: &[&str]) -> Result<String, String> {
    let (program, arguments) = words.split_first().ok_or("nothing to start")?;
    let output = Command::new(program).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
    if output.status.success() {
        Ok(said)
    } else {
        let last = said.lines().last().unwrap_or_default();
        let begins = arguments.first().map_or("", |first| first);
        Err(format!("`{program} {begins} …` ended with {}: {last}", output.status))
    }
}

/// Finds `perf`, or installs it.
///
/// # Errors
/// Why it is not here.
pub fn perf() -> Result<PathBuf, NotHere> {
    of_debian("perf", "linux-perf")
}

/// Finds a program of Debian's, or installs its package.
pub(super) fn of_debian(program: &str, package: &str) -> Result<PathBuf, NotHere> {
    let find =
        || ["/usr/sbin", "/usr/bin"].iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists());
    if let Some(path) = find() {
        return Ok(path);
    }
    say(&["apt-get", "update", "-qq"])
        .and_then(|_| say(&["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]))
        .map_err(NotHere)?;
    find().ok_or_else(|| NotHere(format!("the package {package} has no {program}")))
}
