//! The check against real peers: exporters scraped by us and by Prometheus, their series and metadata compared; then each
//! of the two data directories opened by both servers and a hundred dashboard queries compared value by value; then
//! remote write from us to Prometheus over stops and kills.

pub mod compare;
mod exporters;
mod forward;
mod labels;
pub mod queries;
pub mod run;
