//! The HTTP client of everything that asks other servers, and its configuration. The only place that opens sockets as a
//! client. Reading order: `config`, `client`, `auth`, `assertion`, `oauth2`, `tls`, `proxy`, `connect`,
//! `dialer`, `traffic`, `decompress`, `direct`.
#![forbid(unsafe_code)]

pub mod assertion;
mod auth;
pub mod client;
pub mod config;
mod connect;
mod decompress;
pub mod dialer;
mod direct;
mod error;
mod oauth2;
mod proxy;
mod tls;
mod traffic;

pub use direct::read_answer;
pub use error::Error;
