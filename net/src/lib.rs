//! The HTTP client of everything that asks other servers, and its configuration. The only place that opens sockets as a
//! client. Reading order: `config`, `client`, `auth`, `assertion`, `oauth2`, `tls`, `proxy`, `connect`, `decompress`.
#![forbid(unsafe_code)]

pub mod assertion;
mod auth;
pub mod client;
pub mod config;
mod connect;
mod decompress;
mod error;
mod oauth2;
mod proxy;
mod tls;

pub use error::Error;
