//! YAML as Prometheus reads and prints it: documents with positions, sections declared as tables of fields,
//! values with defaults, and the printed form. Knows no section but the relabelling rules that several crates share.
#![forbid(unsafe_code)]

mod emit;
mod load;
mod node;
pub mod path;
mod problem;
pub mod relabel;
mod scalar;
mod schema;
mod section;
pub mod url;

pub use load::{load, load_many};
pub use node::{Content, Document, Mark, Node};
pub use problem::{Error, Problem, suggest};
pub use scalar::Scalar;
pub use schema::{Field, Kind, Schema, no_check};
pub use section::{Section, Value};
