//! PromQL: text to syntax tree to plan to values. Knows neither disks nor HTTP.
#![forbid(unsafe_code)]

mod absent;
mod aggregate;
mod annotations;
pub mod ast;
mod binary;
mod bitmap;
mod check;
mod engine;
mod error;
mod exec;
mod format;
pub mod functions;
mod info;
mod kernel;
mod lexer;
mod operator;
mod parser;
mod plan;
mod scalar;
pub mod script;
mod select;
mod subquery;
mod token;
mod value;
mod window;

pub use ast::{Expr, Features};
pub use engine::{Answer, Engine, EngineOptions, Error, Request, Stats};
pub use error::{ParseError, Place, line_column};
pub use format::pretty;
pub use parser::{parse, parse_selector};
pub use value::{Matrix, Value, Vector};
