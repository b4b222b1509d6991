//! Targets in, samples out: configuration, target construction, the scrape loops.
//! Reading order: `target` and `schedule` (what is scraped when), `fetch`, `spare`, `cache` and `ingest` (a body into
//! storage), `scrape_loop`, `pool`, `manager`, `status` (what the API shows).
#![forbid(unsafe_code)]

mod cache;
pub mod config;
mod error;
mod failure_log;
mod fetch;
mod histograms;
mod ingest;
mod limits;
mod manager;
mod metadata;
mod metrics;
mod pool;
mod report;
mod sample_labels;
pub mod schedule;
mod scrape_loop;
mod spare;
mod starts;
mod status;
mod target;
mod url;

pub use error::{Error, Result};
pub use fetch::{Fetch, FetchError, FetchRequest, Fetching, HttpFetch};
pub use ingest::Features;
pub use manager::{Clock, FetchFactory, Manager, ManagerOptions, http_fetch_factory};
pub use net::client::Repeated;
pub use status::{ActiveTarget, DroppedTarget, Health, PoolStatus, TargetMetadata};
pub use target::{DiscoveredTarget, check_targets, discovered_targets};
