//! The check against real peers: a node exporter scraped by us and by Prometheus, then each of the two data
//! directories opened by both servers and a hundred dashboard queries compared value by value; then remote write from us
//! to Prometheus over stops and kills.

pub mod compare;
mod forward;
pub mod queries;
pub mod run;
