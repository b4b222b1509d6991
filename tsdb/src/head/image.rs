//! An image of the head beside the log, so that a start reads the log only from where the image was taken: the series
//! with what of them is in no file yet, deletions, exemplars, metadata. Writing is here, reading in `load`. Where the
//! image lies and whether it is trusted is decided in `db`.
//!
//! The image is taken while commits go on. It may hold samples that the log has behind its begin: the replay meets them
//! again and drops them. What it must not do is to lack one that the log has only before: commits that were logged
//! are waited for.
//!
//! Records are those of the log and, with bytes that the log does not use, the ones below; integers are little-endian.

mod load;

pub(super) use load::load;

use super::series::Place;
use super::shard::Shard;
use super::{Head, Shared};
use chunk::ChunkMeta;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use storage::Result;
use wal::record::{encode_exemplars, encode_metadata, encode_tombstones};

/// Series: number, last chunk on disk, labels, chunks that are in memory only.
const SERIES: u8 = 0xF1;
/// References that are gone while the log still has samples of them.
const EXPIRED: u8 = 0xF2;
/// The end: how many series there are, and the last reference. An image without it is none.
const END: u8 = 0xF3;

/// Series that are encoded under one lock of a shard.
const SLICE: u32 = 256;

/// What an image holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageStats {
    /// Series in it.
    pub num_series: u64,
    /// Its length in bytes before compression.
    pub num_bytes: u64,
}

impl Head {
    /// Cuts the log at a point where everything before is in memory, and answers the segment that begins there.
    /// Series without samples are logged first.
    pub fn cut_log_for_image(&self) -> Result<Option<u32>> {
        let head = &*self.0;
        let Some(log) = head.log.get() else { return Ok(None) };
        if head.has_late_aliases.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let _commits = head.commits.write();
        head.log_new_series()?;
        let mut log = log.lock();
        log.cut().map_err(crate::error::from_log)?;
        Ok(Some(log.last_segment()))
    }

    /// Writes the image to a log of its own. Nothing is mapped or collected meanwhile; commits and queries go on.
    pub fn write_image(&self, out: &mut wal::Writer) -> Result<ImageStats> {
        let head = &*self.0;
        let _maintenance = head.maintenance.lock();
        let mut stats = ImageStats::default();
        let mut put = |record: &[u8]| -> Result<()> {
            stats.num_bytes += record.len() as u64;
            out.log(&[record]).map_err(crate::error::from_log)
        };
        let mut record = Vec::new();
        let mut num_series = 0;
        for shard in &head.shards {
            let mut slot = 0;
            loop {
                record.clear();
                record.push(SERIES);
                let shard = shard.0.read();
                let end = shard.cold.len().min(slot + SLICE);
                for slot in slot..end {
                    if shard.cold[slot].number != 0 {
                        push_series(&shard, slot, &mut record);
                        num_series += 1;
                    }
                }
                let is_last = end == shard.cold.len();
                drop(shard);
                if record.len() > 1 {
                    put(&record)?;
                }
                slot = end;
                if is_last {
                    break;
                }
            }
        }
        for record in head.notes() {
            put(&record)?;
        }
        record.clear();
        record.push(END);
        record.extend_from_slice(&u64::to_le_bytes(num_series));
        record.extend_from_slice(&head.last_ref.load(Ordering::Relaxed).to_le_bytes());
        put(&record)?;
        Ok(ImageStats { num_series, ..stats })
    }
}

impl Shared {
    /// What is told of series: deletions, exemplars, metadata, references that are gone.
    fn notes(&self) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        let tombstones = self.tombstones.load();
        let ranges: Vec<_> = tombstones.all().collect();
        if !ranges.is_empty() {
            let mut record = Vec::new();
            encode_tombstones(&mut record, ranges);
            records.push(record);
        }
        let exemplars = self.exemplars.lock().by_age();
        let rows: Vec<_> = exemplars
            .iter()
            .filter_map(|(labels, exemplar)| Some((self.number_of(labels)?, exemplar)))
            .collect();
        if !rows.is_empty() {
            let mut record = Vec::new();
            let rows = rows.iter().map(|(number, exemplar)| {
                (*number, exemplar.timestamp_ms, exemplar.value, exemplar.labels.iter())
            });
            encode_exemplars(&mut record, rows);
            records.push(record);
        }
        let metadata = self.metadata.lock().all();
        if !metadata.is_empty() {
            let mut record = Vec::new();
            encode_metadata(&mut record, metadata.iter().map(|(number, told)| (*number, &**told)));
            records.push(record);
        }
        let mut record = vec![EXPIRED];
        for (number, last_ms) in &*self.expired.lock() {
            record.extend_from_slice(&number.to_le_bytes());
            record.extend_from_slice(&last_ms.to_le_bytes());
        }
        records.push(record);
        records
    }

    /// The reference of a label set.
    fn number_of(&self, labels: &model::Labels) -> Option<u64> {
        let pairs: Vec<(&str, &str)> = labels.iter().collect();
        let id = self.hasher.labels(&pairs, &mut Vec::new());
        let shard = self.shards[self.shard_of(id)].0.read();
        shard.find(id).map(|slot| shard.cold[slot].number)
    }
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn push_chunk(out: &mut Vec<u8>, meta: ChunkMeta, bytes: &[u8]) {
    out.push(meta.encoding as u8);
    out.extend_from_slice(&meta.min_ms.to_le_bytes());
    out.extend_from_slice(&meta.max_ms.to_le_bytes());
    let count = u16::try_from(meta.num_samples).expect("a chunk counts in 16 bits");
    out.extend_from_slice(&count.to_le_bytes());
    let begin = out.len();
    push_bytes(out, bytes);
    if meta.encoding.is_float() {
        // The count in front of an open chunk of floats is not kept up to date.
        out[begin + 4..begin + 6].copy_from_slice(&count.to_be_bytes());
    }
}

fn push_series(shard: &Shard, slot: u32, out: &mut Vec<u8>) {
    let full = shard.full_chunks(slot);
    let on_disk = full.iter().rev().find_map(|chunk| match chunk.place() {
        Place::Disk(place) => Some(place),
        Place::Memory(..) => None,
    });
    out.extend_from_slice(&shard.cold[slot].number.to_le_bytes());
    out.extend_from_slice(&on_disk.unwrap_or(0).to_le_bytes());
    let pairs = shard.pairs(slot);
    out.extend_from_slice(&(pairs.len() as u16).to_le_bytes());
    for &pair in pairs {
        push_bytes(out, shard.labels.text(shard.labels.name(pair)).as_bytes());
        push_bytes(out, shard.labels.value(pair).as_bytes());
    }
    let in_memory = full.iter().filter_map(|chunk| match chunk.place() {
        Place::Memory(buffer, len) => Some((chunk.meta(), buffer, len)),
        Place::Disk(_) => None,
    });
    let in_memory: Vec<_> = in_memory.collect();
    out.extend_from_slice(&(in_memory.len() as u16).to_le_bytes());
    for (meta, buffer, len) in in_memory {
        push_chunk(out, meta, &shard.buffers.get(buffer)[..len]);
    }
    out.push(u8::from(shard.has_open(slot)));
    if shard.has_open(slot) {
        out.extend_from_slice(&shard.next_cut_ms(slot).to_le_bytes());
        push_chunk(out, shard.open_meta(slot), shard.open_bytes(slot));
    }
}

impl Head {
    /// Reads an image into a replay; `false` if it does not fit the chunks on disk or is damaged. What was taken from
    /// it is right all the same: the log may be replayed from its beginning then.
    pub fn load_image(replay: &mut super::Replay, image: &mut wal::Reader) -> bool {
        load(replay, image)
    }

    /// Where images of `dir` are written and read.
    #[must_use]
    pub fn image_options() -> wal::WriterOptions {
        wal::WriterOptions::default()
    }

    /// Opens an empty log for an image in `dir`.
    pub fn new_image(disk: &Arc<dyn disk::Disk>, dir: &Path) -> Result<wal::Writer> {
        wal::Writer::open(Arc::clone(disk), dir, Self::image_options())
            .map_err(crate::error::from_log)
    }
}
