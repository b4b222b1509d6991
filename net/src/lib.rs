//! HTTP between us and others: the client and its configuration.
#![forbid(unsafe_code)]

pub mod config;
