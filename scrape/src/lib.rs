//! Targets in, samples out: configuration, target construction, the scrape loops.
#![forbid(unsafe_code)]

pub mod config;
