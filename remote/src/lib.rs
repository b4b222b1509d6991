//! Both ends of remote write and remote read, and OTLP in. `receive` takes remote write; no HTTP server here, only
//! bodies and headers as values.
#![forbid(unsafe_code)]

pub mod config;
pub mod otlp;
mod proto;
pub mod read;
pub mod read_client;
pub mod receive;
pub mod send;

pub use proto::Malformed;
pub use receive::{Error, Receiver};

use std::sync::Arc;

/// What a server answers to other servers; what is absent is switched off.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// Remote write.
    pub write: Option<Arc<Receiver>>,
    /// Remote read.
    pub read: Option<Arc<read::Server>>,
    /// OTLP metrics.
    pub otlp: Option<Arc<otlp::Receiver>>,
}
