//! The seam between who has samples and who wants them: traits, batches, errors, merging, the in-memory twin.
//! Reading order: `append` (writing), `query` and `batch` (reading), `backlog` (writing before there is a storage). No opinion on disk formats.
#![forbid(unsafe_code)]

mod append;
mod backlog;
mod batch;
mod cancel;
mod error;
mod exemplars;
mod fanout;
mod memory;
mod merge;
mod query;
mod read;

pub use append::{
    Appendable, Appender, ExemplarBatch, ExemplarRow, FloatBatch, HistogramBatch, LabelBatch,
    RejectReason, Rejected,
};
pub use backlog::{Backlog, HandedOn};
pub use batch::{ChunkRef, Pin, SeriesBatch};
pub use cancel::Cancel;
pub use chunk::SampleColumns;
pub use error::{Error, Result};
pub use exemplars::{Exemplar, ExemplarQueryable, SeriesExemplars};
pub use fanout::MergeQuerier;
pub use memory::MemoryStorage;
pub use merge::{SourceHeap, chain_exact, chain_samples, merge, merge_names};
pub use query::{Annotations, NAME_LABELS, Querier, Queryable, SelectHints, SeriesSet};
