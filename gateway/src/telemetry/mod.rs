//! What the gateway says about itself: one access line a request, diagnostic lines, and metrics.
//!
//! No worker ever waits for a log: lines go to a bounded queue whose own thread writes them, and what does not fit is
//! dropped and counted. No header value, cookie, token or query is ever a field of a line; there is none to put it in.

mod access;
mod escape;
pub(crate) mod metrics;
mod queue;
mod route_metrics;

use std::{io, panic, time::Duration};

use tracing::Level;
use tracing_subscriber::{
    Layer, filter::Targets, fmt::MakeWriter, layer::SubscriberExt, registry, util::SubscriberInitExt,
};

pub use self::metrics::Metrics;
pub(crate) use self::metrics::{CLIENT_CONNECTIONS, CONNECTIONS_CLOSED};
pub use self::route_metrics::RouteMetrics;
pub use access::{AccessLine, AccessLog, Format, Incomplete, LoggedPrincipal};
use queue::Queue;

/// How many diagnostic lines may wait for a slow terminal.
const DIAGNOSTICS: usize = 4096;

/// The logs and metrics of a running program.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// One line a request, on standard output.
    pub access: AccessLog,
    /// The counters and histograms behind `/metrics`.
    pub metrics: Metrics,
    diagnostics: Queue<Vec<u8>>,
}

/// Lends the diagnostic queue to `tracing`, which writes each event at once.
#[derive(Clone)]
struct Diagnostics {
    queue: Queue<Vec<u8>>,
    format: Format,
}

impl Telemetry {
    /// Starts the program's telemetry: access lines on standard output, diagnostics on standard error, panics as
    /// diagnostics. Only the first call of a process sets where diagnostics go.
    pub fn start(format: Format, level: Level) -> Self {
        Self::start_with(AccessLog::to(Box::new(io::stdout()), format), format, level)
    }

    /// The same with access lines elsewhere.
    pub fn start_with(access: AccessLog, format: Format, level: Level) -> Self {
        let metrics = Metrics::install();
        let diagnostics =
            Queue::start("diagnostics", DIAGNOSTICS, Box::new(io::stderr()), |line: Vec<u8>, out| out.extend(line));
        let writer = Diagnostics { queue: diagnostics.clone(), format };
        let layer = match format {
            Format::Human => {
                subscriber_layer(level, tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer))
            }
            Format::Json => subscriber_layer(level, tracing_subscriber::fmt::layer().json().with_writer(writer)),
        };
        // A second start keeps the first one's subscriber: tests start several gateways in one process.
        if registry().with(layer).try_init().is_ok() {
            panic::set_hook(Box::new(|info| tracing::error!(panic = %info, "a panic")));
        }
        Self { access, metrics, diagnostics }
    }

    /// Waits until everything said so far is written, at most for `wait` each.
    pub fn flush(&self, wait: Duration) {
        self.access.flush(wait);
        self.diagnostics.flush(wait);
    }
}

/// Our own crates speak at `level`, the program's start and end always, all others at most at `info`: a library's trace may quote what it carries.
fn filter(level: Level) -> Targets {
    let others = if level > Level::INFO { Level::INFO } else { Level::WARN };
    Targets::new()
        .with_default(others.min(level))
        .with_target("auth_core", level)
        .with_target("gateway", level)
        .with_target("gateway::cli", level.max(Level::INFO))
        // Whoever turns the log down must not lose what became of people's sessions.
        .with_target("audit", level.max(Level::INFO))
}

fn subscriber_layer<L>(level: Level, layer: L) -> Box<dyn Layer<registry::Registry> + Send + Sync>
where
    L: Layer<registry::Registry> + Send + Sync,
{
    layer.with_filter(filter(level)).boxed()
}

impl io::Write for Diagnostics {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(shown(line, self.format));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A diagnostic line as it is written: texts from outside, such as a provider's words, are obeyed by no viewer.
fn shown(line: &[u8], format: Format) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let shown = match format {
        Format::Human => escape::human(text),
        Format::Json => escape::json(text),
    };
    [shown.as_bytes(), b"\n"].concat()
}

impl MakeWriter<'_> for Diagnostics {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_is_one_line_that_nothing_in_it_ends() {
        let check = |text: &str, format, expected: &str| {
            assert_eq!(String::from_utf8_lossy(&shown(text.as_bytes(), format)), expected);
        };
        check("a word\n", Format::Human, "a word\n");
        check("said \u{9b}31m\nforged\n", Format::Human, "said \\u{9b}31m\\nforged\n");
        check("{\"said\":\"\u{9b}31m\u{2028}\"}\n", Format::Json, "{\"said\":\"\\u009b31m\\u2028\"}\n");
    }

    #[test]
    fn other_crates_never_speak_below_info() {
        let would = |level, target, at: &Level| filter(level).would_enable(target, at);
        assert!(would(Level::TRACE, "gateway::handle", &Level::TRACE));
        assert!(would(Level::TRACE, "auth_core::keys", &Level::TRACE));
        assert!(would(Level::TRACE, "sqlx", &Level::INFO));
        assert!(!would(Level::TRACE, "hyper_util::client", &Level::DEBUG));
        assert!(!would(Level::INFO, "sqlx", &Level::INFO));
        assert!(!would(Level::ERROR, "sqlx", &Level::WARN));
        assert!(would(Level::ERROR, "gateway::cli", &Level::INFO));
    }
}
