//! Measuring: the parts of the load driver. Micro-benchmarks live in `benches/benches`, results in `benches/runs`.
#![forbid(unsafe_code)]

pub mod load;
