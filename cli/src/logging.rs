//! Log lines as Go's slog writes them (`time=... level=INFO source=... msg="..."`) or as JSON. Lines are formatted
//! here and handed to one writer; what is logged is decided elsewhere.

mod line;
#[cfg(test)]
mod tests;

use line::Line;
use std::fmt;
use std::io::Write;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `key=value`
    Logfmt,
    /// An object a line.
    Json,
}

impl Format {
    /// The format of `--log.format`; logfmt if the name is none.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        if name == "json" { Self::Json } else { Self::Logfmt }
    }
}

/// The level of `--log.level`; info if the name is none.
#[must_use]
pub fn level(name: &str) -> LevelFilter {
    match name {
        "debug" => LevelFilter::DEBUG,
        "warn" => LevelFilter::WARN,
        "error" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

/// Formats events and writes each with one call.
pub struct Logger<W> {
    format: Format,
    /// The wall clock in milliseconds.
    now_ms: fn() -> i64,
    write: W,
}

impl<W> fmt::Debug for Logger<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("format", &self.format).finish_non_exhaustive()
    }
}

impl<W: Fn(&[u8])> Logger<W> {
    /// A logger that hands each line, its end included, to `write`.
    pub fn new(format: Format, now_ms: fn() -> i64, write: W) -> Self {
        Self { format, now_ms, write }
    }
}

impl<S: Subscriber, W: Fn(&[u8]) + 'static> Layer<S> for Logger<W> {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = Line::new(self.format);
        line.text("time", &time((self.now_ms)()));
        line.text("level", name(*metadata.level()));
        if let Some(file) = metadata.file() {
            let file = file.rsplit('/').next().unwrap_or(file);
            line.text("source", &format!("{file}:{}", metadata.line().unwrap_or(0)));
        }
        line.event(event);
        (self.write)(line.finish().as_bytes());
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        // Go has nothing below debug.
        _ => "DEBUG",
    }
}

/// RFC 3339 with milliseconds.
fn time(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Err(_) => ms.to_string(),
    }
}

/// Logs to the standard error from now on, in the whole process. Does nothing the second time.
pub fn init(level_name: &str, format: Format, now_ms: fn() -> i64) {
    let logger = Logger::new(format, now_ms, |line: &[u8]| {
        // Nobody is left to tell that the standard error is gone.
        drop(std::io::stderr().lock().write_all(line));
    });
    let subscriber = tracing_subscriber::registry().with(level(level_name)).with(logger);
    drop(tracing::subscriber::set_global_default(subscriber));
}

/// Takes what the database says.
#[must_use]
pub fn tsdb_sink() -> tsdb::LogSink {
    std::sync::Arc::new(|line: &tsdb::LogLine| {
        let fields: Vec<String> =
            line.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (message, fields) = (line.message, fields.join(" "));
        match line.level {
            tsdb::Level::Debug => tracing::debug!(component = "tsdb", fields, "{message}"),
            tsdb::Level::Info => tracing::info!(component = "tsdb", fields, "{message}"),
            tsdb::Level::Warn => tracing::warn!(component = "tsdb", fields, "{message}"),
            tsdb::Level::Error => tracing::error!(component = "tsdb", fields, "{message}"),
        }
    })
}
