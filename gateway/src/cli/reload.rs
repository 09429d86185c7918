//! Another configuration while the gateway runs: by `gateway reload`, by SIGHUP, or because a file of it has changed.
//!
//! The whole configuration is read anew and made ready aside; then it is put in force in one step, or the one before stays.
//! Files are compared by content once a second, and taken once they have held the same for a second: so it does not matter
//! how an editor writes, what a link leads to, or on what file system they lie. See `docs/decisions/reload.md`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use auth_core::lock::lock;
use tokio::{
    sync::Mutex,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use super::{conclude, notify::Supervisor, refuse};
use crate::{
    check::{self, Loaded, Unreadable, load_without_secrets},
    config::{Config, SourceFile},
    server::control::{self, Command},
    state::Gateway,
    telemetry::metrics::{CONFIG_RELOADS, RELOAD_RESULTS},
};

/// How often the files are looked at, and how long what is new in them must stand.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Puts what the configuration file says in force, again and again.
pub(super) struct Reloader {
    path: PathBuf,
    gateway: Arc<Gateway>,
    supervisor: Supervisor,
    /// Held while one is under way: each begins with what the files hold then.
    one_at_a_time: Mutex<()>,
    files: std::sync::Mutex<WatchedFiles>,
}

/// What the files of a configuration held.
struct WatchedFiles {
    /// When they were read last, whatever came of it.
    read: Vec<SourceFile>,
    /// When they were looked at last, if that differed.
    differing: Option<Vec<SourceFile>>,
}

/// Runs `gateway reload`.
pub(super) fn run(config: &Path) -> ExitCode {
    let data = match load_without_secrets(config) {
        Ok(config) => config.server.data,
        Err(unreadable) => return refuse(&unreadable.to_string()),
    };
    let nobody = |fault| format!("no gateway answers that holds {}: {fault}", data.display());
    conclude(control::ask(&data, &Command::Reload).map_err(nobody))
}

impl Reloader {
    /// For `gateway`, which was started with the file at `path`, read from `files`.
    pub(super) fn new(
        path: PathBuf,
        files: Vec<SourceFile>,
        gateway: Arc<Gateway>,
        supervisor: Supervisor,
    ) -> Arc<Self> {
        let files = std::sync::Mutex::new(WatchedFiles { read: files, differing: None });
        Arc::new(Self { path, gateway, supervisor, one_at_a_time: Mutex::default(), files })
    }

    /// Reads the configuration and puts it in force. What to tell whoever ordered it.
    ///
    /// # Errors
    /// The one before stays in force, and why: a line for each problem.
    pub(super) async fn reload(&self, because: &str) -> Result<String, String> {
        let _alone = self.one_at_a_time.lock().await;
        self.supervisor.reloading();
        let told = self.take_anew(because).await;
        self.supervisor.ready();
        told
    }

    async fn take_anew(&self, because: &str) -> Result<String, String> {
        let path = self.path.clone();
        let loaded = spawn_blocking(move || check::load_with_files(&path)).await.map_err(|fault| fault.to_string())?;
        let Loaded { config, files } = loaded;
        *lock(&self.files) = WatchedFiles { read: files, differing: None };
        let outcome = config.map_err(|unreadable| self.problems(&unreadable)).and_then(|config| self.take(config));
        let [in_force, refused] = RELOAD_RESULTS;
        CONFIG_RELOADS.with([if outcome.is_ok() { in_force } else { refused }]).increment(1);
        match outcome {
            Ok(told) => {
                tracing::info!("{because}: {}", told.join("; "));
                Ok(told.join("\n"))
            }
            Err(problems) => {
                for problem in &problems {
                    tracing::error!("{because}, and the configuration before stays in force: {problem}");
                }
                Err(format!("the configuration before stays in force:\n{}", problems.join("\n")))
            }
        }
    }

    /// Looks at the files again and again, and takes what is new.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut beat = interval(LOOK_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            if let Some(changed) = self.look().await {
                // What came of it is in the log.
                let _ = self.reload(&format!("{changed} changed")).await;
            }
        }
    }

    /// The names of files that have changed, once they have stayed so from one look to the next.
    async fn look(&self) -> Option<String> {
        let read = lock(&self.files).read.clone();
        let found = spawn_blocking(move || read.iter().map(SourceFile::read_again).collect::<Vec<_>>()).await.ok()?;
        lock(&self.files).settled(found)
    }

    fn take(&self, config: Config) -> Result<Vec<String>, Vec<String>> {
        let missed = self.gateway.no_longer_named(&config);
        if !missed.is_empty() {
            let refused =
                |what| format!("it does not name {what} any more, and whoever comes by that would be refused");
            let way_out = "if that is meant, restart, or `gateway upgrade`".to_owned();
            return Err(missed.into_iter().map(refused).chain([way_out]).collect());
        }
        let before = self.gateway.reconfigure(config.clone()).map_err(|fault| vec![fault.to_string()])?;
        let Config { hash, warnings, .. } = &config;
        let mut told = vec![format!("the configuration {hash} is in force, in place of {}", before.config.hash)];
        for key in before.config.fixed_changes(&config) {
            let what = format!("{key} stays as it was: to change it takes a restart or `gateway upgrade`");
            tracing::warn!("{what}");
            told.push(what);
        }
        for warning in warnings {
            tracing::warn!("configuration {warning}");
            told.push(format!("warning {warning}"));
        }
        Ok(told)
    }

    /// A line for each problem, with the file that has it.
    fn problems(&self, unreadable: &Unreadable) -> Vec<String> {
        let path = self.path.display();
        match unreadable {
            Unreadable::File(what) => vec![what.clone()],
            Unreadable::Problems(problems) => problems.iter().map(|problem| format!("{path}:{problem}")).collect(),
        }
    }
}

impl WatchedFiles {
    /// Takes in what they hold now: which of them have changed, if they held the same at the look before.
    fn settled(&mut self, found: Vec<SourceFile>) -> Option<String> {
        // They were read anew while somebody looked.
        let same_files =
            found.len() == self.read.len() && found.iter().zip(&self.read).all(|(a, b)| a.path() == b.path());
        if !same_files || found == self.read {
            self.differing = None;
            return None;
        }
        if self.differing.as_ref() != Some(&found) {
            self.differing = Some(found);
            return None;
        }
        let changed = found.iter().zip(&self.read).filter(|(found, read)| found != read);
        let names: Vec<_> = changed.map(|(found, _)| found.path().display().to_string()).collect();
        Some(names.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_counts_once_it_stays() {
        let holding = |texts: &[&str]| -> Vec<SourceFile> {
            let files = ["a", "b"].into_iter().zip(texts);
            files.map(|(path, text)| SourceFile::new(path.into(), Some(text.as_bytes()))).collect()
        };
        let mut files = WatchedFiles { read: holding(&["1", "1"]), differing: None };
        let mut check = |texts: &[&str], expected: Option<&str>| {
            assert_eq!(files.settled(holding(texts)).as_deref(), expected, "{texts:?}");
        };
        check(&["1", "1"], None);
        check(&["2", "1"], None);
        check(&["2", "1"], Some("a"));
        check(&["3", "1"], None);
        check(&["1", "1"], None);
        check(&["3", "1"], None);
        check(&["3", "3"], None);
        check(&["3", "3"], Some("a and b"));
        // As read before somebody else read other files.
        check(&["3"], None);
    }
}
