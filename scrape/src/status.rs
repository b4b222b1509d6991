//! What the API shows of scraping: plain values, copied out under short locks. No behaviour lives here.

use model::{Labels, metadata::Metadata};
use std::sync::Arc;

/// What the last scrape of a target says about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

impl Health {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A target that is scraped.
#[derive(Clone, Debug)]
pub struct ActiveTarget {
    /// Labels before relabelling.
    pub discovered_labels: Labels,
    /// Labels that its samples get.
    pub labels: Labels,
    /// Name of the job.
    pub scrape_pool: Arc<str>,
    /// What is fetched, with its parameters.
    pub scrape_url: Box<str>,
    /// Why the last scrape failed; empty if it did not.
    pub last_error: Box<str>,
    /// When the last scrape began, in ms; `None` before the first.
    pub last_scrape_ms: Option<i64>,
    /// How long the last scrape took, in seconds.
    pub last_scrape_duration_seconds: f64,
    /// Result of the last scrape.
    pub health: Health,
    /// Distance of scrapes, in ms.
    pub scrape_interval_ms: u64,
    /// Time limit of a scrape, in ms.
    pub scrape_timeout_ms: u64,
}

/// A target that relabelling dropped.
#[derive(Clone, Debug)]
pub struct DroppedTarget {
    /// Labels before relabelling.
    pub discovered_labels: Labels,
    /// Name of the job.
    pub scrape_pool: Arc<str>,
}

/// The targets of one job.
#[derive(Clone, Debug)]
pub struct PoolStatus {
    /// Name of the job.
    pub scrape_pool: Arc<str>,
    /// Scraped targets, in the order of their labels before relabelling.
    pub active: Vec<ActiveTarget>,
    /// Dropped targets that were kept for show.
    pub dropped: Vec<DroppedTarget>,
    /// Number of all dropped targets, kept or not.
    pub num_dropped: usize,
}

/// The metadata that one target exposes.
#[derive(Clone, Debug)]
pub struct TargetMetadata {
    /// Labels of the target.
    pub labels: Labels,
    /// Name of the job.
    pub scrape_pool: Arc<str>,
    /// Metric family and what is known of it, in the order of names.
    pub entries: Vec<(Box<str>, Metadata)>,
}
