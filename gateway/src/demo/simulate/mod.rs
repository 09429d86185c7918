//! `gateway device simulate`: one or thousands of displays against a gateway, over few sockets.
//!
//! They are real clients: the device's own side of [`auth_core::client`], or the unmodified app that a fleet has before
//! anybody changes it ([`unmodified`]). What is counted is what people would see on the walls.

pub mod answers;
mod enrol;
pub mod tally;
pub mod unmodified;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_core::{
    client::{
        ClientRequest, ClientSettings, HttpAnswer, Screen, StoredState,
        driver::{DeviceDriver, DeviceHost, DeviceHttp, Pace},
    },
    lock::lock,
};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use url::Url;

pub use self::enrol::{Enrolled, enrol};
use self::{
    tally::{Seen, Shows, Tally},
    unmodified::{UnmodifiedApp, UnmodifiedSettings},
};

/// What is simulated.
#[derive(Clone, Debug)]
pub struct SimulateOptions {
    /// The gateway's public address.
    pub gateway: Url,
    /// Under which its own paths are.
    pub own_prefix: String,
    /// How many devices.
    pub devices: usize,
    /// So many are switched on a second.
    pub rate: u32,
    /// The path of what they show.
    pub path: String,
    /// How often they ask for it.
    pub every: Duration,
    /// How much faster their time goes than ours.
    pub speed: u32,
    /// How long, by our time.
    pub lasting: Duration,
    /// How many requests are under way at once, and so how many sockets there are.
    pub connections: usize,
    /// Unmodified apps, with the tokens in this file, one a line, instead of devices with keys.
    pub tokens: Option<PathBuf>,
    /// Where the devices' keys and tokens are kept between two runs, as JSON lines.
    pub keep: Option<PathBuf>,
}

/// Runs it, writes a line a second to `to`, and at the end a summary.
///
/// # Errors
/// A file cannot be read or written, or there is no TLS.
pub async fn run(options: SimulateOptions, to: &mut (dyn Write + Send)) -> io::Result<()> {
    let tokens = options.tokens.as_deref().map(lines).transpose()?;
    let kept: Vec<StoredState> = match &options.keep {
        Some(file) if file.exists() => {
            let read = lines(file)?.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>();
            read.map_err(io::Error::other)?
        }
        _ => Vec::new(),
    };
    let count = tokens.as_ref().map_or(options.devices, |tokens| tokens.len().min(options.devices));
    let fleet = Fleet::new(&options, count)?;
    let mut running = JoinSet::new();
    let mut second = tokio::time::interval_at(Instant::now() + Duration::from_secs(1), Duration::from_secs(1));
    let begun = Instant::now();
    let mut on = 0;
    while begun.elapsed() < options.lasting {
        let due = options.rate.max(1) as usize * (1 + usize::try_from(begun.elapsed().as_secs()).unwrap_or(0));
        let upto = due.min(count);
        for number in on..upto {
            match &tokens {
                Some(tokens) => fleet.switch_on_unmodified(number, tokens[number].clone(), &mut running),
                None => fleet.switch_on(number, kept.get(number).cloned().unwrap_or_default(), &mut running)?,
            }
        }
        on = on.max(upto);
        second.tick().await;
        writeln!(to, "simulate: {:3} s, {}", begun.elapsed().as_secs(), fleet.tally.line())?;
    }
    running.shutdown().await;
    writeln!(to, "{}", fleet.tally.summary())?;
    if let (Some(file), None) = (&options.keep, &tokens) {
        let kept: Result<Vec<String>, _> = lock(&fleet.stored).iter().map(serde_json::to_string).collect();
        write_private(file, &kept.map_err(io::Error::other)?.join("\n"))?;
    }
    Ok(())
}

/// It holds keys: nobody else reads it.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(file)?.write_all(text.as_bytes())
}

fn lines(file: &Path) -> io::Result<Vec<String>> {
    let text = std::fs::read_to_string(file)?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect())
}

/// Devices that are switched on one after the other.
pub struct Fleet {
    /// What is seen on their screens.
    pub tally: Arc<Tally>,
    http: DeviceHttp,
    /// How fast their time goes.
    pub pace: Pace,
    settings: ClientSettings,
    stored: Arc<Mutex<Vec<StoredState>>>,
}

impl Fleet {
    /// Room for `count` devices, none of which is switched on.
    ///
    /// # Errors
    /// There is no TLS.
    pub fn new(options: &SimulateOptions, count: usize) -> io::Result<Self> {
        Ok(Self {
            tally: Arc::new(Tally::of(count)),
            http: DeviceHttp::new(options.connections)?,
            pace: Pace::times(options.speed),
            settings: ClientSettings {
                origin: options.gateway.origin().ascii_serialization(),
                own_prefix: options.own_prefix.clone(),
                data_path: options.path.clone(),
                every: options.every,
                hardware_id: String::new(),
                model: "simulated".to_owned(),
                app_version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            stored: Arc::new(Mutex::new(vec![StoredState::default(); count])),
        })
    }

    /// Switches on the device `number` with what it stored; it runs in `running`.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn switch_on(&self, number: usize, stored: StoredState, running: &mut JoinSet<()>) -> io::Result<()> {
        let settings = ClientSettings { hardware_id: format!("simulated-{number}"), ..self.settings.clone() };
        let (tally, kept) = (self.tally.clone(), self.stored.clone());
        if let Some(place) = lock(&kept).get_mut(number) {
            place.clone_from(&stored);
        }
        let data_path = settings.data_path.clone();
        let host = SimulatedHost { number, data_path, tally, kept, sent: Instant::now(), in_vain: false };
        let driver = DeviceDriver::new(Arc::new(settings), stored, self.http.clone(), self.pace.clone(), host)?;
        running.spawn(async move {
            // Nobody presses anything.
            let (_presses, pressed) = mpsc::channel(1);
            driver.run(pressed).await;
        });
        Ok(())
    }

    /// Switches on an unmodified app with this token; it runs in `running`.
    pub fn switch_on_unmodified(&self, number: usize, token: String, running: &mut JoinSet<()>) {
        let settings = UnmodifiedSettings {
            origin: self.settings.origin.clone(),
            path: self.settings.data_path.clone(),
            every: self.settings.every,
        };
        let app = UnmodifiedApp::new(number, token, settings, self.http.clone(), self.pace.clone(), self.tally.clone());
        running.spawn(app.run());
    }

    /// Looks until it is so with every screen, at most for so long by our time; whether it came to be so.
    pub async fn until(&self, within: Duration, is_so: impl Fn(&Seen) -> bool) -> bool {
        let begun = Instant::now();
        let mut look = tokio::time::interval(Duration::from_millis(50));
        while begun.elapsed() < within {
            look.tick().await;
            if self.tally.screens().iter().all(&is_so) {
                return true;
            }
        }
        false
    }

    /// What the device `number` has stored.
    pub fn stored(&self, number: usize) -> StoredState {
        lock(&self.stored).get(number).cloned().unwrap_or_default()
    }
}

/// What a simulated device stands in: no wall, and no flash memory.
struct SimulatedHost {
    number: usize,
    data_path: String,
    tally: Arc<Tally>,
    kept: Arc<Mutex<Vec<StoredState>>>,
    /// When it asked last.
    sent: Instant,
    /// Whether that was in vain.
    in_vain: bool,
}

impl DeviceHost for SimulatedHost {
    fn store(&mut self, state: &StoredState) -> io::Result<()> {
        if let Some(place) = lock(&self.kept).get_mut(self.number) {
            place.clone_from(state);
        }
        Ok(())
    }

    fn wipe(&mut self, _parts: &[String]) {
        self.tally.wiped(self.number);
    }

    fn show(&mut self, screen: &Screen) {
        let shows = match screen {
            Screen::Connecting => Shows::Nothing,
            Screen::Live { .. } => Shows::Live,
            Screen::Kept { .. } => Shows::Kept,
            Screen::Pin { .. } => Shows::Pin,
            Screen::Neutral => Shows::Neutral,
        };
        self.tally.shows(self.number, shows);
    }

    fn report(&mut self, word: &str) {
        tracing::debug!(device = self.number, word, "a simulated device reports");
    }

    fn sends(&mut self, _request: &ClientRequest) {
        self.tally.asked();
        if std::mem::take(&mut self.in_vain) {
            self.tally.answers.tried_again();
        }
        self.sent = Instant::now();
    }

    fn hears(&mut self, url: &str, answer: &HttpAnswer) {
        self.in_vain = self.tally.answers.heard(answer.status, self.sent.elapsed());
        if url.ends_with(&self.data_path) && answer.status == Some(200) && unmodified::object(answer).is_some() {
            self.tally.served(self.number);
        }
    }
}
