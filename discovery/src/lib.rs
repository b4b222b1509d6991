//! Where targets come from: configuration, providers, and the manager that merges them per job.
#![forbid(unsafe_code)]

pub mod config;
mod group;

pub use group::TargetGroup;
