//! Exposition formats: what targets answer, as entries. No I/O, no knowledge of scraping.
//! Reading order: `text` (the parser), `labels` (a series text as label pairs), `negotiate` (which parser).
#![forbid(unsafe_code)]

mod float;
pub mod labels;
mod negotiate;
pub mod text;

pub use float::{FloatError, parse_float};
pub use negotiate::{Format, Negotiated, NegotiationError, negotiate};
pub use text::{Entry, ParseError, Sample, TextParser};
