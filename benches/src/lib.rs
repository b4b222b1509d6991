//! Measuring and comparing: the load driver's parts and the check against real peers.
//! Micro-benchmarks live in `benches/benches`, results in `benches/runs`.
#![forbid(unsafe_code)]

pub mod load;
pub mod peers;
