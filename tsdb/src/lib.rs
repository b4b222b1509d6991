//! The database on disk and in memory: the mutable head, immutable blocks, compaction, selection.
//! Reading order: `db` (how the parts hold hands), `head`, `index` and `block` (what lies on disk), `postings`
//! (matchers to series), `querier`, `compact`; `agent` is a storage of its own that only has a log.
#![forbid(unsafe_code)]

mod agent;
pub mod block;
mod budget;
pub mod compact;
mod db;
mod error;
pub mod head;
mod import;
pub mod index;
mod log;
mod metrics;
mod options;
mod postings;
mod quarantine;
pub mod querier;
mod read_only;
mod sync;

pub use agent::{Agent, AgentOptions};
pub use block::Block;
pub use budget::MemoryBudget;
pub use db::{Db, IMAGE_GROWTH_BYTES, Maintained, MemoryState, SafeModeRule};
pub use error::{Error, Result};
pub use head::{Head, HeadOptions};
pub use import::{ImportRow, ImportSpec, ImportValue, Imported, block_length_ms, import_block};
pub use log::{Level, LogLine, LogSink};
pub use options::{DEFAULT_BLOCK_MS, DbOptions, ReplayProgress, ReplayStatus};
pub use quarantine::{Loss, Quarantined, list as list_quarantined};
pub use read_only::ReadOnlyDb;
