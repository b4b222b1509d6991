//! The load driver: the same work on us and on any Prometheus-compatible server, one after the other, side by side.
//! Reading order: `peer` (a server process), `series` (what is written), `work` (the rows), `report` (the table).

pub mod crowd;
pub mod http;
pub mod native;
pub mod peer;
pub mod proto;
pub mod queries;
pub mod report;
pub mod series;
pub mod sink;
pub mod target;
pub mod work;
