//! PromQL: text to syntax tree to plan to values. Knows neither disks nor HTTP.
#![forbid(unsafe_code)]

mod value;

pub use value::{Matrix, Value, Vector};
