//! Automatic reloading: waits until the files of the configuration are not those in force any more. Reloads nothing.

use crate::config::{Checksum, checksum};
use std::time::Duration;

/// The files of a configuration, as they were when it was put in force.
#[derive(Debug)]
pub(crate) struct Watch {
    file: String,
    interval: Duration,
    /// `None` where they could not be read: whatever comes is another configuration then.
    in_force: Option<Checksum>,
}

impl Watch {
    /// Compares `file` and what it names every `interval` with what they are now.
    pub(super) fn new(file: &str, interval: Duration) -> Self {
        tracing::info!(interval = ?interval, "Automatic configuration file reloading enabled");
        let mut watch = Self { file: file.to_owned(), interval, in_force: None };
        watch.took();
        watch
    }

    /// Ends when the files have changed, or can not be read.
    pub(crate) async fn changed(&mut self) {
        loop {
            tokio::time::sleep(self.interval).await;
            match self.look() {
                Some(now) if self.in_force == Some(now) => {}
                now => {
                    if now.is_none() {
                        self.in_force = None;
                    }
                    return;
                }
            }
        }
    }

    /// The files, as they are now, are in force.
    pub(crate) fn took(&mut self) {
        self.in_force = self.look();
    }

    fn look(&self) -> Option<Checksum> {
        let looked = checksum(&self.file).inspect_err(|error| {
            tracing::error!(err = %error, "Failed to generate checksum of the configuration");
        });
        looked.ok()
    }
}
