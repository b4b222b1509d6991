//! PromQL: text to syntax tree to plan to values. Knows neither disks nor HTTP.
#![forbid(unsafe_code)]

mod absent;
mod aggregate;
mod annotations;
mod answer;
pub mod ast;
mod binary;
mod bitmap;
mod check;
mod crew;
mod engine;
mod error;
mod exec;
mod explain;
mod format;
pub mod functions;
mod info;
mod kernel;
mod lexer;
mod memory;
mod operator;
mod parser;
mod plan;
mod reuse;
mod scalar;
pub mod script;
mod select;
mod selection;
mod spares;
mod subquery;
mod token;
mod value;
mod window;

pub use ast::{Expr, Features};
pub use crew::Helpers;
pub use engine::{Answer, Engine, EngineOptions, Error, Request, Shared, Stats, TakePart};
pub use error::{ParseError, Place, line_column};
pub use explain::{Clock, PlanNode, Took};
pub use format::pretty;
pub use memory::{Bound, HasLeft, MemoryPool, TooMuchMemory};
pub use parser::{parse, parse_selector};
pub use spares::Spares;
pub use value::{FloatPoints, Floats, HistogramPoints, Matrix, Value, Vector};
