//! PromQL: text to syntax tree to plan to values. Knows neither disks nor HTTP.
#![forbid(unsafe_code)]

pub mod ast;
mod check;
mod error;
mod format;
pub mod functions;
mod lexer;
mod parser;
mod token;
mod value;

pub use ast::{Expr, Features};
pub use error::{ParseError, Place, line_column};
pub use format::pretty;
pub use parser::{parse, parse_selector};
pub use value::{Matrix, Value, Vector};
