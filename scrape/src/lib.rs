//! Targets in, samples out: configuration, target construction, the scrape loops.
#![forbid(unsafe_code)]

pub mod config;
mod status;

pub use status::{ActiveTarget, DroppedTarget, Health, PoolStatus, TargetMetadata};
