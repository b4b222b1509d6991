//! The database on disk and in memory: the mutable head, immutable blocks, compaction, selection.
//! Reading order: `head` (what is in memory), `index` and `block` (what lies on disk), `postings` (matchers to series), `querier`, `compact`.
#![forbid(unsafe_code)]

pub mod block;
pub mod compact;
pub mod head;
pub mod index;
mod postings;
pub mod querier;
