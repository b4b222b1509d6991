//! Where targets come from: configuration, providers, and the manager that merges them per job.
//! Reading order: `group`, `provider` (what a mechanism implements), `manager`, then the mechanisms.
#![forbid(unsafe_code)]

pub mod config;
mod file;
pub mod file_format;
mod group;
mod manager;
mod provider;

/// The mechanisms that are built, by the names under which the features page lists them.
pub const BUILT: &[&str] = &["file", "static"];

pub use group::{TargetGroup, TargetGroups};
pub use manager::Manager;
pub use provider::{Provider, Publisher, Running};
