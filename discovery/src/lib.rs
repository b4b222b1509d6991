//! Where targets come from: configuration, providers, and the manager that merges them per job.
//! Reading order: `group`, `provider` (what a mechanism implements), `manager`, `kinds` (the table of mechanisms),
//! `refresh` (the loop of those that ask at intervals), `concurrent`, `api` and `target` (from answers to labels), the mechanisms.
#![forbid(unsafe_code)]

mod api;
mod aws;
mod azure;
mod concurrent;
pub mod config;
mod consul;
mod digitalocean;
pub mod dns;
mod docker;
mod dockerswarm;
mod ec2;
mod error;
mod eureka;
mod file;
pub mod file_format;
mod gce;
mod group;
mod hetzner;
mod http;
mod ionos;
mod kinds;
mod kubernetes;
mod kuma;
mod linode;
#[cfg(test)]
mod loopback;
mod manager;
mod marathon;
mod nomad;
mod oci;
mod openstack;
mod outscale;
mod ovhcloud;
mod provider;
mod puppetdb;
mod refresh;
mod scaleway;
pub mod signing;
mod sigv4;
mod stackit;
mod target;
mod triton;
mod uyuni;
mod vultr;
mod xml;
mod zookeeper;

pub use error::Error;
pub use group::{TargetGroup, TargetGroups};
pub use kinds::built;
pub use manager::{Manager, ManagerOptions};
pub use provider::{Clock, Environment, Provider, Publisher, Running, process_environment};
