//! The write-ahead log: numbered segments of pages, records in fragments, checkpoints that let old segments go.
//! Byte for byte the format of Prometheus. What records mean to series in memory is known to `tsdb`, not here.
//!
//! Reading order: `page` (layout), `writer`, `reader`, `packed` and `replay`, `record`, then `checkpoint`, `salvage` and `repair`.
#![forbid(unsafe_code)]

pub mod checkpoint;
mod compress;
mod error;
mod packed;
mod page;
mod reader;
pub mod record;
mod repair;
mod replay;
mod salvage;
mod segment;
mod tail;
mod writer;

pub use checkpoint::Checkpoint;
pub use compress::Compression;
pub use error::{Corruption, Error, Result};
pub use packed::{PackedRecord, Unpacker};
pub use page::PAGE_BYTES;
pub use reader::Reader;
pub use replay::Replay;
pub use salvage::Salvage;
pub use segment::{list_segments, segment_path};
pub use tail::Tail;
pub use writer::{Retired, Writer, WriterOptions, WriterStats};

/// A place in the log: everything before it was written earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the segment.
    pub segment: u32,
    /// Offset in the segment in bytes.
    pub offset: u64,
}
