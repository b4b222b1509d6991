//! The log of failed fetches that a job may ask for: a JSON object a line, appended to a file. Parse and limit errors
//! are not for this log, as in Prometheus.

use std::path::PathBuf;
use tokio::io::AsyncWriteExt;

/// The log of one job.
#[derive(Clone, Debug)]
pub(crate) struct FailureLog {
    path: PathBuf,
    job: Box<str>,
}

impl FailureLog {
    /// The log of `job`; none if `path` is empty.
    pub(crate) fn new(path: &str, job: &str) -> Option<Self> {
        (!path.is_empty()).then(|| Self { path: path.into(), job: job.into() })
    }

    /// Appends a line. The file is opened each time: failures are rare, and a rotated file is left alone.
    pub(crate) async fn write(&self, now_ms: i64, target: &str, message: &str) {
        let line = self.line(now_ms, target, message);
        let opened = tokio::fs::OpenOptions::new().append(true).create(true).open(&self.path).await;
        let written = match opened {
            // One write a line: lines of several loops do not mix.
            Ok(mut file) => match file.write_all(line.as_bytes()).await {
                Ok(()) => file.flush().await,
                failed => failed,
            },
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            let path = self.path.display();
            tracing::error!(%path, %error, "Writing the scrape failure log failed");
        }
    }

    fn line(&self, now_ms: i64, target: &str, message: &str) -> String {
        let mut line = String::from("{\"time\":");
        push_json(&mut line, &model::timestamp::format_rfc3339(now_ms));
        line.push_str(",\"level\":\"ERROR\",\"source\":\"scrape_loop.rs\",\"msg\":");
        push_json(&mut line, message);
        line.push_str(",\"job_name\":");
        push_json(&mut line, &self.job);
        line.push_str(",\"target\":");
        push_json(&mut line, target);
        line.push_str("}\n");
        line
    }
}

/// Appends `text` as a JSON string.
fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
