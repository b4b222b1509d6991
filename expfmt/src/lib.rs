//! Exposition formats: what targets answer, as entries, and what we answer. No I/O, no knowledge of scraping.
//! Reading order: `entry` (what parsers give out), `fingerprint` (what caches keep of it), `text`, `openmetrics`, `protobuf` (the parsers), `labels` (a series as
//! label pairs), `classic` and `convert` (histograms with custom buckets), `negotiate` (which parser),
//! `encode` (families as text and protobuf).
#![forbid(unsafe_code)]

mod classic;
mod convert;
pub mod encode;
mod entry;
mod fingerprint;
mod float;
pub mod labels;
mod negotiate;
mod openmetrics;
mod protobuf;
mod text;

pub use convert::{ConvertClassic, LineParser};
pub use entry::{
    Entry, Escapes, Exemplar, ParseError, ParseOptions, Parser, Place, Point, Sample, unescape_help,
};
pub use fingerprint::Fingerprint;
pub use float::{FloatError, parse_float};
pub use negotiate::{Format, Negotiated, NegotiationError, negotiate};
pub use openmetrics::OpenMetricsParser;
pub use protobuf::ProtobufParser;
pub use text::TextParser;
