//! What the database has to say while it works. It is handed to a callback: how lines look is for the program to decide.

use std::fmt;
use std::sync::Arc;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Of interest when something is looked into.
    Debug,
    /// A step that succeeded.
    Info,
    /// Something was lost or is not as it should be; work goes on.
    Warn,
    /// A step failed and will be tried again.
    Error,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What happened: always the same words for the same thing.
    pub message: &'static str,
    /// The particulars.
    pub fields: Vec<(&'static str, String)>,
}

/// Takes the lines.
pub type LogSink = Arc<dyn Fn(&LogLine) + Send + Sync>;

/// The end of the database.
#[derive(Clone)]
pub(crate) struct Log(LogSink);

impl Log {
    pub(crate) fn new(sink: LogSink) -> Self {
        Self(sink)
    }

    fn line(
        &self,
        level: Level,
        message: &'static str,
        fields: &[(&'static str, &dyn fmt::Display)],
    ) {
        let fields = fields.iter().map(|(name, value)| (*name, value.to_string())).collect();
        (self.0)(&LogLine { level, message, fields });
    }

    pub(crate) fn info(&self, message: &'static str, fields: &[(&'static str, &dyn fmt::Display)]) {
        self.line(Level::Info, message, fields);
    }

    pub(crate) fn warn(&self, message: &'static str, fields: &[(&'static str, &dyn fmt::Display)]) {
        self.line(Level::Warn, message, fields);
    }

    pub(crate) fn error(
        &self,
        message: &'static str,
        fields: &[(&'static str, &dyn fmt::Display)],
    ) {
        self.line(Level::Error, message, fields);
    }

    /// Tells of records of kinds that are not known, if there were any.
    pub(crate) fn skipped(&self, num_records: u64) {
        if num_records > 0 {
            let message = "Skipped records of kinds that are not read yet";
            self.warn(message, &[("records", &num_records)]);
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}
